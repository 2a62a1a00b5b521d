"""Data of tensors in one file: .npz, JSON Lines, or Parquet with columns of lists."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
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
# What an item has that may have several labels, or none.
LABELS = "list of labels"
# What an array of many is called.
_SINGULAR = {"labels": LABEL, "targets": TARGET, "splits": SPLIT}
_NUMBERS = "biuf"
_BITS = 64
_SHOWN_CHARACTERS = 40
_DEFAULTS = HyperParameters()
Columns = dict[str, Sequence[Any]]


class _Read(NamedTuple):
    """What a file holds: an array an input, and `LABEL`, `TARGET` and `SPLIT` where it has them."""

    inputs: Columns
    answers: Columns


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of JSON Lines."""

    inputs: dict[str, Any]
    label: str | int | None = None
    labels: list[str | int] | None = None
    target: float | None = None
    split: str | None = None


@dataclass(frozen=True)
class TensorFile:
    """Items that are tensors already, with their targets; a data source as a `DataSet` is.

    Parameters
    ----------
    name         the file's path, as it was given
    inputs       name → an array an item, without batch dimension
    targets      int64 class numbers, or float64 numbers; zeros where the file has neither; of several labels an item
                 int64 (items, labels), 1 where it has the label
    labels       what class numbers are called; empty where they are the contract's own, and for numbers
    kind         what an item has to be measured by: ``label``, ``list of labels`` or ``target``; None of nothing
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


def read_tensor_file(name: str, *, inputs: Collection[str] = (), has_several_labels: bool = True) -> TensorFile:
    """Read a file of tensors.

    Parameters
    ----------
    name     path of a file that ends in one of these:

             - ``.npz``: arrays (n, …) by the inputs' names; ``labels`` (n,), class numbers or names, or ``targets``
               (n,), numbers; perhaps ``split`` (n,) of train, validation and test. Of items that may have several
               labels, or none, ``labels`` or ``targets`` are (n, labels), 0 and 1, in the order of the contract's
               labels
             - ``.jsonl`` or ``.ndjson``: ``{"inputs": {"a": […]}, "label": …}`` a line, or ``target``, ``split``; or
               ``labels``, a list of names or of 0 and 1
             - ``.parquet``: a column an input, of numbers or of lists of them; ``label``, ``target``, ``split``, or
               ``labels``, a column of lists
    inputs   names of the model's inputs: an array that is called as one of them is that input, whatever its name; of
             ``label`` and ``labels`` the other one is still free for the classes, and so it is with the others
    has_several_labels   whether the model says of each label if an item has it; for any other one, rows with one label
                         each (one-hot rows, as networks are trained with) are class numbers

    Raises
    ------
    DataUnknown      there is no such file
    SourceUnusable   it is not of that form, or holds no item
    DataUnusable     it cannot be split
    """
    path = Path(name)
    if not path.is_file():
        raise DataUnknown(f"There is no file {name}.")
    read = _READERS[path.suffix.lower()](path, inputs)
    columns = {**read.answers, **{f"input {column}": values for column, values in read.inputs.items()}}
    counts = {len(values) for values in columns.values()}
    if not read.inputs or counts == {0}:
        raise SourceUnusable(f"{name} holds no items: give an array for each input of the model, by its name.")
    if len(counts) > 1:
        told = ", ".join(f"{column.removeprefix('input ')} {len(values)}" for column, values in columns.items())
        raise SourceUnusable(f"{name} has arrays of different numbers of items: {told}.")
    if LABEL in read.answers and TARGET in read.answers:
        raise SourceUnusable(f"{name} has labels and targets: a model answers one or the other, leave one out.")
    targets, labels = _targets(read.answers, count=counts.pop(), name=name)
    if not has_several_labels and targets.ndim > 1 and (targets.sum(axis=1) == 1).all():
        targets = targets.argmax(axis=1)
    rows = _own_split(read.answers[SPLIT], name) if SPLIT in read.answers else _split(targets, name)
    arrays = {column: _arrays(values, f"{name}, {column}") for column, values in read.inputs.items()}
    kind = LABELS if targets.ndim > 1 else next((column for column in (LABEL, TARGET) if column in read.answers), None)
    return TensorFile(name, arrays, targets, labels, kind, rows)


def _told_apart(columns: Columns, own: Collection[str], path: Path) -> _Read:
    """Return a table's columns as inputs and answers; ``own`` are those of the model's inputs."""
    names = {column: _SINGULAR.get(column, column) for column in columns if column not in own}
    answers = {column: name for column, name in names.items() if name in (LABEL, TARGET, SPLIT)}
    if twice := [many for many, one in answers.items() if many != one and one in answers]:
        raise SourceUnusable(f"{path} has {twice[0]} and {answers[twice[0]]}, which mean the same: leave one out.")
    return _Read(
        {column: values for column, values in columns.items() if column not in answers},
        {name: columns[column] for column, name in answers.items()},
    )


def _split(targets: Targets, name: str) -> Mapping[Part, NDArray[np.int64]]:
    try:
        return split_rows(
            # Sets of labels are too many to be strata: by chance alone.
            targets if targets.ndim == 1 else targets.sum(axis=1).astype(np.float64),
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
    columns = {column: _one_each(values) for column, values in columns.items()}
    given = columns.get(LABEL, columns.get(TARGET, ()))
    if any(np.ndim(value) > 0 or value is None for value in given):
        return _several(given, name)
    if LABEL in columns:
        values = np.asarray(columns[LABEL])
        if values.ndim != 1 or not _are_classes(values):
            raise SourceUnusable(
                f"{name}: labels are one class number or class name an item, shape [{count}], not {values.dtype} "
                f"{list(values.shape)}; numbers are targets."
            )
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind != "U":
            return values.astype(np.int64), ()
        names, numbers = np.unique(values, return_inverse=True)
        return numbers.astype(np.int64), tuple(names.tolist())
    values = np.asarray(columns.get(TARGET, np.zeros(count)))
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise SourceUnusable(
            f"{name}: targets are one number an item, shape [{count}], not {values.dtype} {list(values.shape)}."
        )
    return values.astype(np.float64), ()


def _several(values: Sequence[Any], name: str) -> tuple[Targets, tuple[str, ...]]:
    """Return which labels items have, (items, labels), and the labels' names where the file has them."""
    rows = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    if not all(isinstance(row, list) for row in rows):
        raise SourceUnusable(f"{name}: labels are one of each item, or a list of each item; some items have none.")
    if all(isinstance(label, str) for row in rows for label in row):
        labels = tuple(sorted({label for row in rows for label in row}))
        if not labels:
            raise SourceUnusable(f"{name}: no item has a label.")
        found = [[int(label in row) for label in labels] for row in map(set, rows)]
        return np.array(found, dtype=np.int64), labels
    if len({len(row) for row in rows}) > 1 or not all(number in {0, 1} for row in rows for number in row):
        raise SourceUnusable(
            f"{name}: several labels of an item are a list of their names, or as many numbers as the contract has "
            "labels, 1 for those that the item has and 0 for the others."
        )
    return np.array(rows, dtype=np.int64), ()


def _one_each(values: Sequence[Any]) -> Sequence[Any]:
    """Return an array with one column, as networks answer one number an item, as the numbers; all else as it is."""
    is_column = isinstance(values, np.ndarray) and values.shape[1:] == (1,)
    return values[:, 0] if is_column else values  # type: ignore[call-overload,no-any-return] - an array


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


def _read_npz(path: Path, own: Collection[str]) -> _Read:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (ValueError, OSError, EOFError, BadZipFile) as exc:
        raise SourceUnusable(
            f"{path} is no .npz file of numbers: write it as numpy.savez(file, NAME=array, …, labels=array)."
        ) from exc
    if flat := [name for name, array in arrays.items() if array.ndim == 0]:
        raise SourceUnusable(f"{path}: {flat[0]} has no dimension of items.")
    return _told_apart(arrays, own, path)


def _read_lines(path: Path, _own: Collection[str]) -> _Read:
    inputs: dict[str, list[Any]] = {}
    answers: dict[str, list[Any]] = {}
    for number, line in _lines(path):
        told = _told(line)
        if inputs and (line.inputs.keys() != inputs.keys() or told.keys() != answers.keys()):
            # Columns of what each line happens to have would set one line's label beside another's inputs.
            raise SourceUnusable(
                f"{path}, line {number}: expected the names of lines before, {_names(inputs, answers)}, got "
                f"{_names(line.inputs, told)}."
            )
        for columns, values in ((inputs, line.inputs), (answers, told)):
            for name, value in values.items():
                columns.setdefault(name, []).append(value)
    if {LABEL, "labels"} <= answers.keys():
        raise SourceUnusable(f"{path} has label and labels, which mean the same: leave one out.")
    return _Read(inputs, {_SINGULAR.get(name, name): values for name, values in answers.items()})


def _told(line: _Line) -> dict[str, Any]:
    return {field: value for field in (LABEL, "labels", TARGET, SPLIT) if (value := getattr(line, field)) is not None}


def _names(*columns: Mapping[str, Any]) -> str:
    return ", ".join(sorted(name for each in columns for name in each)) or "none"


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


def _read_parquet(path: Path, own: Collection[str]) -> _Read:
    from arro3.io import read_parquet  # a large library

    try:
        table = read_parquet(path).read_all()
    except Exception as exc:  # the library raises no narrower one
        raise SourceUnusable(f"{path} is no Parquet file.") from exc
    return _told_apart({name: table.column(name).to_pylist() for name in table.column_names}, own, path)


_READERS = {".npz": _read_npz, ".jsonl": _read_lines, ".ndjson": _read_lines, ".parquet": _read_parquet}
TENSOR_SUFFIXES = tuple(_READERS)
