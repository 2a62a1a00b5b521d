"""Table rows into numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from lambent.contracts.decoding import decode_json
from lambent.contracts.model import CategoricalColumn, Limits, ModelContract, NumericColumn, TabularPreprocessing
from lambent.contracts.schema_errors import shown_name
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.errors import ColumnInvalid, MediaTypeUnsupported, Misconfigured, PayloadTooLarge

if TYPE_CHECKING:
    from lambent.domain.preprocessing import RawItem

_FIELD = "row"
_NAMED = 20
Encoder = Callable[[Any], Sequence[float]]


class TabularPreprocessor:
    """Fills the contract's first input with the numbers of a row's columns, side by side."""

    accepted_media = ("application/json",)
    item_name = _FIELD

    def __init__(self, contract: ModelContract) -> None:
        if not isinstance(contract.preprocessing, TabularPreprocessing):
            raise Misconfigured("A tabular preprocessor needs a contract with tabular preprocessing.")
        self._limits = contract.limits
        self._input = contract.inputs[0].name
        self._dtype = DTYPE_BY_DATATYPE[contract.inputs[0].datatype]
        self._encoders = {column.name: _encoder(column) for column in contract.preprocessing.columns}

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one row's numbers, shape (width,).

        Parameters
        ----------
        item : mapping or bytes   column → value, or the same as a JSON object. A column that is absent, null, an empty
                                  string or NaN counts as missing. Numbers are int or float, categories are strings.

        Raises
        ------
        MediaTypeUnsupported         not a row
        JsonInvalid, RequestInvalid  bytes that are no JSON object
        PayloadTooLarge              more bytes than the contract's limit
        ColumnInvalid                an unknown, missing or unusable column; ``field`` is ``row.{column}``
        """
        row = _read_row(item, self._limits)
        for name in row:
            if name not in self._encoders:
                shown = shown_name(str(name))
                raise ColumnInvalid(
                    f"The row has a column that the model does not know, {shown}; it takes {self._told_columns()}.",
                    field=f"{_FIELD}.{shown}",
                    limit=list(self._encoders)[:_NAMED],
                )
        numbers: list[float] = []
        for name, encode in self._encoders.items():
            numbers += encode(row.get(name))
        return {self._input: np.array(numbers, dtype=self._dtype)}

    def _told_columns(self) -> str:
        names = list(self._encoders)
        return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")

    def check_together(self, items: Sequence[RawItem]) -> None:
        """Take any number: the size of the request bounds the work."""

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Stack rows to (n, width)."""
        return {self._input: np.stack([arrays[self._input] for arrays in prepared])}


def _read_row(item: RawItem, limits: Limits) -> Mapping[str, Any]:
    if isinstance(item, bytes):
        if len(item) > limits.max_input_bytes:
            raise PayloadTooLarge(
                f"The row has {len(item)} bytes, the model takes at most {limits.max_input_bytes}.",
                field=_FIELD,
                limit=limits.max_input_bytes,
                got=len(item),
            )
        return decode_json(item, dict[str, Any], what="row")
    if not isinstance(item, Mapping):
        raise MediaTypeUnsupported(
            "This model takes table rows: objects of column and value.", limit=list(TabularPreprocessor.accepted_media)
        )
    return item


def _encoder(column: NumericColumn | CategoricalColumn) -> Encoder:
    return _numeric(column) if isinstance(column, NumericColumn) else _categorical(column)


def _numeric(column: NumericColumn) -> Encoder:
    largest = float(np.finfo(np.float32).max)

    def encode(value: Any) -> Sequence[float]:
        if _is_missing(value):
            if column.missing is None:
                raise _invalid(column.name, "is missing; it needs a number")
            value = column.missing
        # bool is an int to Python, but True is no measurement.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid(column.name, f"must be a number, not {_kind(value)}")
        if (isinstance(value, int) and abs(value) > largest) or not isfinite(value):
            raise _invalid(column.name, "must be a finite number that FP32 can hold")
        standard = (value - column.mean) / column.std
        if abs(standard) > largest:
            raise _invalid(column.name, "lies so far out that FP32 cannot hold it standardized")
        return (standard,)

    return encode


def _categorical(column: CategoricalColumn) -> Encoder:
    codes = _codes(column)
    other = codes.pop(None, None)

    def encode(value: Any) -> Sequence[float]:
        if _is_missing(value) and value not in codes:
            if column.missing is None:
                raise _invalid(column.name, "is missing", limit=column.vocabulary)
            value = column.missing
        if not isinstance(value, str):
            raise _invalid(column.name, f"must be a string, not {_kind(value)}", limit=column.vocabulary)
        code = codes.get(value, other)
        if code is None:
            raise _invalid(column.name, "holds a value outside its vocabulary", limit=column.vocabulary)
        return code

    return encode


def _codes(column: CategoricalColumn) -> dict[str | None, Sequence[float]]:
    """Return the numbers of each word, and under None those of any other, where the column takes others."""
    size = len(column.vocabulary)
    codes: dict[str | None, Sequence[float]] = {}
    for index, word in enumerate((*column.vocabulary, None) if column.unknown == "other" else column.vocabulary):
        is_one_hot = column.encoding == "one_hot"
        codes[word] = [float(place == index) for place in range(size)] if is_one_hot else (float(index),)
    return codes


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and isnan(value))


def _kind(value: Any) -> str:
    names = {bool: "a truth value", str: "a string", dict: "an object", list: "a list"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "another type")


def _invalid(column: str, reason: str, *, limit: Sequence[str] | None = None) -> ColumnInvalid:
    allowed = None if limit is None else list(limit[:_NAMED])
    more = f" (the first {_NAMED} of {len(limit)} allowed values are listed)" if limit and len(limit) > _NAMED else ""
    return ColumnInvalid(f"Column {column} {reason}{more}.", field=f"{_FIELD}.{column}", limit=allowed)
