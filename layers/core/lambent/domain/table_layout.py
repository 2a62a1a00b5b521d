"""Which columns of a table make an item of which kind of model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lambent.contracts.csv_lines import NUMBER
from lambent.contracts.model import (
    Column,
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    TabularPreprocessing,
    TextPreprocessing,
)
from lambent.contracts.schema_errors import shown_name
from lambent.errors import ManifestInvalid

_FIELD = "input.uri"
_ID = "id"
_TEXT = ("text", "empty")
_NAMED = 20
_MAX_ID_CHARACTERS = 256
_MAX_NUMBER_CHARACTERS = 400


@dataclass(frozen=True)
class TableLayout:
    """What of a row is an item.

    Parameters
    ----------
    content     ``row``: the model's columns. ``text``: the text in the only column of ``columns``. ``uri``: the address
                there.
    columns     what the content is made of
    numeric     those of them that hold numbers
    id_column   None where a row's number is its id
    """

    content: Literal["row", "text", "uri"]
    columns: tuple[str, ...]
    numeric: frozenset[str]
    id_column: str | None

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that are looked at."""
        return self.columns if self.id_column in (None, *self.columns) else (*self.columns, str(self.id_column))

    def id_of(self, number: int, row: Mapping[str, Any]) -> str:
        """Return a row's id; raises ManifestInvalid if there is none in its column."""
        if self.id_column is None:
            return str(number)
        value = row.get(self.id_column)
        text = "" if value is None else str(value)
        if not 0 < len(text) <= _MAX_ID_CHARACTERS:
            raise ManifestInvalid(
                f"The row's id has {len(text)} characters; it needs 1 to {_MAX_ID_CHARACTERS}.",
                field=shown_name(self.id_column),
                limit=_MAX_ID_CHARACTERS,
                got=len(text),
            )
        return text

    def check_kinds(self, kinds: Mapping[str, str]) -> None:
        """Hold a typed table's columns to what their values are for.

        Parameters
        ----------
        kinds   of all its columns: ``integer``, ``number``, ``text``, ``empty`` or ``other``

        Raises
        ------
        ManifestInvalid   a column that is used holds values of another kind
        """
        wanted = {name: ("integer", "number", "empty") if name in self.numeric else _TEXT for name in self.columns}
        if self.id_column is not None:
            wanted.setdefault(self.id_column, ("integer", "text"))
        for name, allowed in wanted.items():
            if kinds[name] not in allowed:
                raise ManifestInvalid(
                    "A column of the table holds values of another kind than the model, or an id, needs there.",
                    field=f"header.{shown_name(name)}",
                    limit=list(allowed),
                    got=kinds[name],
                )

    def of_cells(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """Return a CSV's cells as values: an empty one is None; a number where a number is due and there is one.

        What is no number stays as it is, so that its own item fails by it and no other.
        """
        return {name: _value(cells[name], name in self.numeric) for name in self.used}


def _value(cell: str, is_number: bool) -> str | float | None:
    number = cell.strip()
    if not number:
        return None
    if is_number and len(number) <= _MAX_NUMBER_CHARACTERS and NUMBER.fullmatch(number):
        return float(number)
    return cell


def layout_of(header: Sequence[str], contract: ModelContract, *, id_column: str | None) -> TableLayout:
    """Return how the table of a batch is read.

    Parameters
    ----------
    header      names of its columns
    id_column   the one with ids. If None, a column ``id`` that is none of the model's is it, else there is none.

    Raises
    ------
    ManifestInvalid   a column is missing, stands there twice or has no name; or no table makes items for such a model
    """
    _check_header(header)
    spec = contract.preprocessing
    known = {column.name for column in spec.columns} if isinstance(spec, TabularPreprocessing) else set()
    if id_column is None and _ID in header and _ID not in known:
        id_column = _ID
    if id_column is not None and id_column not in header:
        raise ManifestInvalid("The table has no such column to take ids from.", field="input.id_column")
    if isinstance(spec, TabularPreprocessing):
        return _rows(header, spec.columns, id_column)
    if isinstance(spec, TextPreprocessing):
        others = [name for name in header if name != id_column]
        column = others[0] if len(others) == 1 else "text"
        return _one_column(header, column, "text", id_column)
    if isinstance(spec, ImagePreprocessing):
        return _one_column(header, "uri", "uri", id_column)
    raise ManifestInvalid("This model takes tensors only; a table has none.", field=_FIELD)


def _check_header(header: Sequence[str]) -> None:
    if not header:
        raise ManifestInvalid("The table is empty; its first line names the columns.", field=_FIELD, got=0)
    seen: set[str] = set()
    for place, name in enumerate(header, start=1):
        if not name.strip() or name in seen:
            reason = "has no name" if not name.strip() else "has the name of an earlier one"
            raise ManifestInvalid(f"Column {place} of the table {reason}.", field=f"header.{shown_name(name)}")
        seen.add(name)


def _rows(header: Sequence[str], columns: Sequence[Column], id_column: str | None) -> TableLayout:
    known = [column.name for column in columns]
    for name in header:
        if name not in known and name != id_column:
            more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
            raise ManifestInvalid(
                f"The table has a column that the model does not know, {shown_name(name)}; it takes "
                f"{', '.join(known[:_NAMED])}{more}. One with ids is named by input.id_column.",
                field=f"header.{shown_name(name)}",
                limit=known[:_NAMED],
            )
    lacking = [column.name for column in columns if column.missing is None and column.name not in header]
    if lacking:
        raise ManifestInvalid(
            f"The table lacks {len(lacking)} of the columns that the model needs: {', '.join(lacking[:_NAMED])}"
            f"{', …' if len(lacking) > _NAMED else ''}.",
            field=_FIELD,
            limit=lacking[:_NAMED],
        )
    numeric = frozenset(column.name for column in columns if isinstance(column, NumericColumn))
    return TableLayout("row", tuple(name for name in header if name in known), numeric, id_column)


def _one_column(
    header: Sequence[str], column: str, content: Literal["text", "uri"], id_column: str | None
) -> TableLayout:
    if column not in header:
        raise ManifestInvalid(
            f"The table of a batch for this model has a column {column}.", field=f"header.{column}", limit=[column]
        )
    return TableLayout(content, (column,), frozenset(), id_column)
