"""Data of tensors in one file: .npz, JSON Lines, or Parquet with columns of lists."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.datasets.candidates import PART_NAMES
from lambent_toolkit.modelkit.errors import DataUnknown, DataUnusable, SourceUnusable
from lambent_toolkit.modelkit.recipe import HyperParameters, LabelledItems, Targets
from lambent_toolkit.modelkit.splitting import PARTS, Part, split_rows
from lambent_toolkit.modelkit.tensor_items import encode_item

LABEL, TARGET, SPLIT = "label", "target", "split"
# What an array of many is called.
_SINGULAR = {"labels": LABEL, "targets": TARGET, "splits": SPLIT}
_NUMBERS = "biuf"
_BITS = 64
_SHOWN_CHARACTERS = 40
_DEFAULTS = HyperParameters()
Columns = dict[str, Sequence[Any]]


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of JSON Lines."""

    inputs: dict[str, Any]
    label: str | int | None = None
    target: float | None = None
    split: str | None = None


@dataclass(frozen=True)
class TensorFile:
    """Items that are tensors already, with their targets; a data source as a `DataSet` is.

    Parameters
    ----------
    name         the file's path, as it was given
    inputs       name → an array an item, without batch dimension
    targets      int64 class numbers, or float64 numbers; zeros where the file has neither
    labels       what class numbers are called; empty where they are the contract's own, and for numbers
    kind         what an item has to be measured by: ``label``, ``target``, or None where the file has neither
    rows         of each part: the file's own split, else the one that a recipe's data gets
    """

    name: str
    inputs: Mapping[str, Sequence[Array]]
    targets: Targets
    labels: tuple[str, ...]
    kind: str | None
    rows: Mapping[Part, NDArray[np.int64]]

    def items(self, split: Part) -> LabelledItems:
        """Return the items of one part, each as `encode_item` makes them."""
        rows = self.rows[split]
        items = [encode_item({name: column[row] for name, column in self.inputs.items()}) for row in rows]
        return LabelledItems(items, self.targets[rows], {}, self.labels)


def is_tensor_file(name: str) -> bool:
    """Return whether data of this name is a file of tensors, which its ending tells."""
    return Path(name).suffix.lower() in _READERS


def read_tensor_file(name: str) -> TensorFile:
    """Read a file of tensors.

    Parameters
    ----------
    name   path of a file that ends in one of these:

           - ``.npz``: arrays (n, …) by the inputs' names; ``labels`` (n,), class numbers or names, or ``targets`` (n,),
             numbers; perhaps ``split`` (n,) of train, validation and test
           - ``.jsonl`` or ``.ndjson``: ``{"inputs": {"a": […]}, "label": …}`` a line, or ``target``, ``split``
           - ``.parquet``: a column an input, of numbers or of lists of them; ``label``, ``target``, ``split``

    Raises
    ------
    DataUnknown      there is no such file
    SourceUnusable   it is not of that form, or holds no item
    DataUnusable     it cannot be split
    """
    path = Path(name)
    if not path.is_file():
        raise DataUnknown(f"There is no file {name}.")
    columns = _READERS[path.suffix.lower()](path)
    if twice := [many for many, one in _SINGULAR.items() if many in columns and one in columns]:
        raise SourceUnusable(f"{name} has {twice[0]} and {_SINGULAR[twice[0]]}, which mean the same: leave one out.")
    columns = {_SINGULAR.get(column, column): values for column, values in columns.items()}
    counts = {len(values) for values in columns.values()}
    inputs = {column: values for column, values in columns.items() if column not in (LABEL, TARGET, SPLIT)}
    if not inputs or counts == {0}:
        raise SourceUnusable(f"{name} holds no items: give an array for each input of the model, by its name.")
    if len(counts) > 1:
        told = ", ".join(f"{column} {len(values)}" for column, values in columns.items())
        raise SourceUnusable(f"{name} has arrays of different numbers of items: {told}.")
    if LABEL in columns and TARGET in columns:
        raise SourceUnusable(f"{name} has labels and targets: a model answers one or the other, leave one out.")
    targets, labels = _targets(columns, count=counts.pop(), name=name)
    rows = _own_split(columns[SPLIT], name) if SPLIT in columns else _split(targets, name)
    arrays = {column: _arrays(values, f"{name}, {column}") for column, values in inputs.items()}
    kind = next((column for column in (LABEL, TARGET) if column in columns), None)
    return TensorFile(name, arrays, targets, labels, kind, rows)


def _split(targets: Targets, name: str) -> Mapping[Part, NDArray[np.int64]]:
    try:
        return split_rows(
            targets,
            validation_share=_DEFAULTS.validation_share,
            test_share=_DEFAULTS.test_share,
            seed=_DEFAULTS.split_seed,
        )
    except DataUnusable as exc:
        raise DataUnusable(
            f"{name} cannot be split by shares of {_DEFAULTS.validation_share:g} and {_DEFAULTS.test_share:g}: {exc} "
            f"Or say yourself which item is of which part, by {SPLIT} (train, validation, test)."
        ) from exc


def _own_split(values: Sequence[Any], name: str) -> Mapping[Part, NDArray[np.int64]]:
    unknown = sorted({str(value) for value in values} - PART_NAMES.keys())
    if unknown:
        raise SourceUnusable(f"{name}: split is train, validation or test, not {unknown[0]!r}.")
    parts = np.array([PART_NAMES[str(value)] for value in values])
    return {part: np.flatnonzero(parts == part) for part in PARTS}


def _targets(columns: Columns, *, count: int, name: str) -> tuple[Targets, tuple[str, ...]]:
    if LABEL in columns:
        values = _one_each(columns[LABEL])
        if values.ndim != 1 or not _are_classes(values):
            one_hot = " One-hot rows are numbers by .argmax(axis=1)." if values.ndim > 1 else ""
            raise SourceUnusable(
                f"{name}: labels are one class number or class name an item, shape [{count}], not {values.dtype} "
                f"{list(values.shape)}; numbers are targets.{one_hot}"
            )
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind != "U":
            return values.astype(np.int64), ()
        names, numbers = np.unique(values, return_inverse=True)
        return numbers.astype(np.int64), tuple(names.tolist())
    values = _one_each(columns.get(TARGET, np.zeros(count)))
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise SourceUnusable(
            f"{name}: targets are one number an item, shape [{count}], not {values.dtype} {list(values.shape)}."
        )
    return values.astype(np.float64), ()


def _one_each(values: Sequence[Any]) -> Array:
    """Return values as an array, columns of one number an item, as networks answer them, as the numbers."""
    array = np.asarray(values)
    return array[:, 0] if array.shape[1:] == (1,) else array


def _are_classes(values: Array) -> bool:
    """Return whether an array holds names or whole numbers; training for one sigmoid takes floats and booleans."""
    if values.dtype.kind == "f":
        return bool(np.isfinite(values).all() and (values == np.round(values)).all())
    return values.dtype.kind in "biuUS"


def _arrays(values: Sequence[Any], where: str) -> Sequence[Array]:
    if isinstance(values, np.ndarray):
        return values
    try:
        arrays = [np.array(value) for value in values]
    except ValueError:
        raise SourceUnusable(f"{where}: the lists of one level of an item must all have the same length.") from None
    for number, array in enumerate(arrays, start=1):
        if array.dtype.kind not in _NUMBERS:
            raise SourceUnusable(
                f"{where}, item {number}: expected numbers that 64 bits hold, or lists of them, with nothing missing, "
                f"got {_first_odd(values[number - 1])}."
            )
    return arrays


def _first_odd(value: Any) -> str:
    """Return what in an item is no number, in short."""
    if isinstance(value, list):
        return next((told for each in value if (told := _first_odd(each))), "")
    if value is None:
        return "null"
    is_number = isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < _BITS)
    return "" if is_number else repr(value)[:_SHOWN_CHARACTERS]


def _read_npz(path: Path) -> Columns:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (ValueError, OSError, EOFError, BadZipFile) as exc:
        raise SourceUnusable(
            f"{path} is no .npz file of numbers: write it as numpy.savez(file, NAME=array, …, labels=array)."
        ) from exc
    if flat := [name for name, array in arrays.items() if array.ndim == 0]:
        raise SourceUnusable(f"{path}: {flat[0]} has no dimension of items.")
    return arrays


def _read_lines(path: Path) -> Columns:
    columns: Columns = {}
    for number, line in _lines(path):
        values = {**line.inputs, **_told(line)}
        if clash := line.inputs.keys() & {*_SINGULAR, *_SINGULAR.values()}:
            raise SourceUnusable(
                f"{path}, line {number}: an input is called {min(clash)}, which says how items are measured: rename it."
            )
        if columns and values.keys() != columns.keys():
            # Columns of what each line happens to have would set one line's label beside another's inputs.
            raise SourceUnusable(
                f"{path}, line {number}: expected the names of lines before, {_names(columns)}, got {_names(values)}."
            )
        for name, value in values.items():
            columns.setdefault(name, []).append(value)  # type: ignore[attr-defined] - lists until they are whole
    return columns


def _told(line: _Line) -> dict[str, Any]:
    return {field: value for field in (LABEL, TARGET, SPLIT) if (value := getattr(line, field)) is not None}


def _names(columns: Mapping[str, Any]) -> str:
    return ", ".join(sorted(columns)) or "none"


def _lines(path: Path) -> Iterator[tuple[int, _Line]]:
    decoder = msgspec.json.Decoder(_Line)
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                try:
                    yield number, decoder.decode(text.removeprefix(BOM_UTF8) if number == 1 else text)
                except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                    raise SourceUnusable(
                        f'{path}, line {number}: expected {{"inputs": {{NAME: numbers, …}}, "label": …}}: {exc}.'
                    ) from exc


def _read_parquet(path: Path) -> Columns:
    from arro3.io import read_parquet  # a large library

    try:
        table = read_parquet(path).read_all()
    except Exception as exc:  # the library raises no narrower one
        raise SourceUnusable(f"{path} is no Parquet file.") from exc
    return {name: table.column(name).to_pylist() for name in table.column_names}


_READERS = {".npz": _read_npz, ".jsonl": _read_lines, ".ndjson": _read_lines, ".parquet": _read_parquet}
TENSOR_SUFFIXES = tuple(_READERS)
