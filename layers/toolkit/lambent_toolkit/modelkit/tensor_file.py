"""Data of tensors in one file: .npz, JSON Lines, or Parquet with columns of lists."""

from __future__ import annotations

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
from lambent_toolkit.modelkit.errors import DataUnknown, SourceUnusable
from lambent_toolkit.modelkit.recipe import HyperParameters, LabelledItems, Targets
from lambent_toolkit.modelkit.splitting import PARTS, Part, split_rows
from lambent_toolkit.modelkit.tensor_items import encode_item

LABEL, TARGET, SPLIT = "label", "target", "split"
# What an item has that may have several labels, or none.
LABELS = "list of labels"
# What an array of many is called.
_SINGULAR = {"labels": LABEL, "targets": TARGET, "splits": SPLIT}
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


def read_tensor_file(name: str, *, inputs: Collection[str] = ()) -> TensorFile:
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
    rows = _own_split(read.answers[SPLIT], name) if SPLIT in read.answers else _split(targets)
    arrays = {column: _arrays(values, f"{name}, {column}") for column, values in read.inputs.items()}
    kind = LABELS if targets.ndim > 1 else next((column for column in (LABEL, TARGET) if column in read.answers), None)
    return TensorFile(name, arrays, targets, labels, kind, rows)


def _told_apart(columns: Columns, own: Collection[str]) -> _Read:
    """Return a table's columns as inputs and answers; ``own`` are those of the model's inputs."""
    names = {column: _SINGULAR.get(column, column) for column in columns if column not in own}
    answers = {column: name for column, name in names.items() if name in (LABEL, TARGET, SPLIT)}
    return _Read(
        {column: values for column, values in columns.items() if column not in answers},
        {name: columns[column] for column, name in answers.items()},
    )


def _split(targets: Targets) -> Mapping[Part, NDArray[np.int64]]:
    return split_rows(
        # Sets of labels are too many to be strata: by chance alone.
        targets if targets.ndim == 1 else targets.sum(axis=1).astype(np.float64),
        validation_share=_DEFAULTS.validation_share,
        test_share=_DEFAULTS.test_share,
        seed=_DEFAULTS.split_seed,
    )


def _own_split(values: Sequence[Any], name: str) -> Mapping[Part, NDArray[np.int64]]:
    unknown = sorted({str(value) for value in values} - PART_NAMES.keys())
    if unknown:
        raise SourceUnusable(f"{name}: split is train, validation or test, not {unknown[0]!r}.")
    parts = np.array([PART_NAMES[str(value)] for value in values])
    return {part: np.flatnonzero(parts == part) for part in PARTS}


def _targets(columns: Columns, *, count: int, name: str) -> tuple[Targets, tuple[str, ...]]:
    given = columns.get(LABEL, columns.get(TARGET, ()))
    if any(np.ndim(value) > 0 or value is None for value in given):
        return _several(given, name)
    if LABEL in columns:
        values = np.asarray(columns[LABEL])
        if values.ndim != 1 or values.dtype.kind not in "iuU":
            raise SourceUnusable(f"{name}: labels are one class number or class name an item; numbers are targets.")
        if values.dtype.kind != "U":
            return values.astype(np.int64), ()
        names, numbers = np.unique(values, return_inverse=True)
        return numbers.astype(np.int64), tuple(names.tolist())
    values = np.asarray(columns.get(TARGET, np.zeros(count)))
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise SourceUnusable(f"{name}: targets are one number an item.")
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


def _arrays(values: Sequence[Any], where: str) -> Sequence[Array]:
    if isinstance(values, np.ndarray):
        return values
    try:
        return [np.array(value) for value in values]
    except ValueError:
        raise SourceUnusable(f"{where}: the lists of one level of an item must all have the same length.") from None


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
    return _told_apart(arrays, own)


def _read_lines(path: Path, _own: Collection[str]) -> _Read:
    lines = list(_lines(path))
    names = dict.fromkeys(name for line in lines for name in line.inputs)
    inputs: Columns = {name: [line.inputs[name] for line in lines if name in line.inputs] for name in names}
    answers: Columns = {}
    for field in (LABEL, "labels", TARGET, SPLIT):
        values = [value for line in lines if (value := getattr(line, field)) is not None]
        if values and _SINGULAR.get(field, field) in answers:
            raise SourceUnusable(f"{path} has lines with label and lines with labels: use one of them in all lines.")
        if values:
            answers[_SINGULAR.get(field, field)] = values
    return _Read(inputs, answers)


def _lines(path: Path) -> Iterator[_Line]:
    decoder = msgspec.json.Decoder(_Line)
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                try:
                    yield decoder.decode(text)
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
    return _told_apart({name: table.column(name).to_pylist() for name in table.column_names}, own)


_READERS = {".npz": _read_npz, ".jsonl": _read_lines, ".ndjson": _read_lines, ".parquet": _read_parquet}
TENSOR_SUFFIXES = tuple(_READERS)
