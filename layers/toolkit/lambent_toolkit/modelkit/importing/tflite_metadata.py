"""TensorFlow Lite Metadata: what a file's maker says of its tensors, and the files that are packed behind it.

The metadata is a flat buffer of its own within the file ("TFLITE_METADATA"), the files are a zip archive behind it; see
https://ai.google.dev/edge/litert/models/metadata and metadata_schema.fbs of tensorflow/tflite-support, which names the
fields that are numbered here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

_NAME = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
_MOST_FILE_BYTES = 1 << 20
_MOST_ENTRIES = 10_000
_AXIS_LABELS = 2  # of enum AssociatedFileType
_NORMALIZATION, _THRESHOLD = 1, 3  # of union ProcessUnitOptions
# What changes answers for those who follow the metadata, and is not followed here: by ProcessUnitOptions, and by files.
_OTHER_UNITS = {
    2: "a calibration of the scores of its own",
    4: "a BERT tokenizer",
    5: "a SentencePiece tokenizer",
    6: "a tokenizer by regular expressions",
}
_OTHER_FILES = {3: "labels of values", 4: "a file of score calibration", 5: "a vocabulary", 6: "an index to search"}
# Numbers of fields in their tables.
_MODEL_SUBGRAPHS = 3
_SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS = 2, 3
_TENSOR_UNITS, _TENSOR_STATS, _TENSOR_FILES = 4, 5, 6
_STATS_MAX, _STATS_MIN = 0, 1
_THRESHOLD_SCORE = 0
_UNIT_KIND, _UNIT_OPTIONS = 0, 1
_MEAN, _STD = 0, 1
_FILE_NAME, _FILE_KIND, _FILE_LOCALE = 0, 2, 3
# What reading a damaged flat buffer or archive raises.
_DAMAGED = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    BadZipFile,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class TensorNotes:
    """What is told of one tensor.

    Parameters
    ----------
    mean, std   ``(value - mean) / std`` is done to what comes in, a channel
    low, high   of its numbers, after that
    labels      of its last axis
    unused      what else is told that would change answers, as phrases: it is not followed
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notes:
    """What is told of a file.

    Parameters
    ----------
    tensors      by the tensor's number in the graph
    labels       of the one file of labels that is packed without being said to belong to a tensor
    is_damaged   whether there is something that could not be read
    """

    tensors: Mapping[int, TensorNotes] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    is_damaged: bool = False


def read_notes(model: bytes) -> Notes:
    """Return what a .tflite file says of itself; nothing of it is believed to be well-formed."""
    try:
        files = _packed_files(model)
        tensors = _tensor_notes(model, files)
    except _DAMAGED:
        return Notes(is_damaged=True)
    texts = [body for name, body in files.items() if "label" in name.lower() and name.lower().endswith(".txt")]
    has_own = any(each.labels for each in tensors.values())
    return Notes(tensors, labels_of(texts[0]) if len(texts) == 1 and not has_own else ())


def labels_of(body: bytes) -> tuple[str, ...]:
    """Return the labels of a file of one a line; where two are the same or one is empty, with their number behind."""
    lines = [line.strip() for line in body.decode(errors="replace").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    numbered = [f"{line or 'class'} {number}" for number, line in enumerate(lines)]
    return tuple(line if line and lines.count(line) == 1 else told for line, told in zip(lines, numbered, strict=True))


def _packed_files(model: bytes) -> dict[str, bytes]:
    """Return the small files that are packed behind the model, by name."""
    # Only where the end of an archive's directory stands can there be one.
    if b"PK\x05\x06" not in model[-(1 << 16) - 22 :]:
        return {}
    with ZipFile(BytesIO(model)) as archive:
        entries = archive.infolist()[:_MOST_ENTRIES]
        return {
            entry.filename: archive.read(entry)
            for entry in entries
            if entry.file_size <= _MOST_FILE_BYTES and not entry.is_dir()
        }


def _tensor_notes(model: bytes, files: Mapping[str, bytes]) -> dict[int, TensorNotes]:
    from ai_edge_litert.schema_py_generated import Model

    graph = Model.GetRootAs(model, 0)
    body = _metadata(graph)
    if body[4:8] != _IDENTIFIER or graph.SubgraphsLength() < 1:
        return {}
    main = graph.Subgraphs(0)
    described = _root(body).tables(_MODEL_SUBGRAPHS)[:1]
    notes: dict[int, TensorNotes] = {}
    for subgraph in described:
        for numbers, slot in ((main.InputsAsNumpy(), _SUBGRAPH_INPUTS), (main.OutputsAsNumpy(), _SUBGRAPH_OUTPUTS)):
            tables = subgraph.tables(slot)
            if len(tables) == len(numbers):
                notes |= {int(number): _notes(table, files) for number, table in zip(numbers, tables, strict=True)}
    return notes


def _metadata(graph: Any) -> bytes:
    for index in range(min(graph.MetadataLength(), _MOST_ENTRIES)):
        entry = graph.Metadata(index)
        if entry.Name() == _NAME:
            return bytes(graph.Buffers(entry.Buffer()).DataAsNumpy())
    return b""


def _notes(tensor: _Table, files: Mapping[str, bytes]) -> TensorNotes:
    units = [
        unit.table(_UNIT_OPTIONS) for unit in tensor.tables(_TENSOR_UNITS) if unit.byte(_UNIT_KIND) == _NORMALIZATION
    ]
    unit = units[0] if len(units) == 1 else None
    named = [each for each in tensor.tables(_TENSOR_FILES) if each.byte(_FILE_KIND) == _AXIS_LABELS]
    # The first one counts, unless a later one has no locale: the others are translations.
    named.sort(key=lambda each: each.text(_FILE_LOCALE) is not None)
    body = files.get(named[0].text(_FILE_NAME) or "") if named else None
    stats = tensor.table(_TENSOR_STATS)
    return TensorNotes(
        unit.numbers(_MEAN) if unit else (),
        unit.numbers(_STD) if unit else (),
        labels_of(body) if body else (),
        stats.numbers(_STATS_MIN) if stats else (),
        stats.numbers(_STATS_MAX) if stats else (),
        tuple(dict.fromkeys(_unused(tensor))),
    )


def _unused(tensor: _Table) -> Iterator[str]:
    for unit in tensor.tables(_TENSOR_UNITS):
        kind = unit.byte(_UNIT_KIND)
        options = unit.table(_UNIT_OPTIONS)
        if kind == _THRESHOLD and options is not None:
            yield f"scores below {options.number(_THRESHOLD_SCORE):g} left out"
        elif kind in _OTHER_UNITS:
            yield _OTHER_UNITS[kind]
    for file in tensor.tables(_TENSOR_FILES):
        if (kind := file.byte(_FILE_KIND)) in _OTHER_FILES:
            yield _OTHER_FILES[kind]


class _Table:
    """A table of a flat buffer whose schema is not compiled: fields by their number."""

    def __init__(self, body: bytes, position: int) -> None:
        from flatbuffers.table import Table

        self._table = Table(body, position)

    def byte(self, slot: int) -> int:
        from flatbuffers import number_types

        return int(self._table.GetSlot(_offset(slot), 0, number_types.Uint8Flags))

    def number(self, slot: int) -> float:
        from flatbuffers import number_types

        return float(self._table.GetSlot(_offset(slot), 0.0, number_types.Float32Flags))

    def text(self, slot: int) -> str | None:
        at = self._field(slot)
        return self._table.String(at).decode(errors="replace") if at else None

    def table(self, slot: int) -> _Table | None:
        at = self._field(slot)
        return _Table(self._table.Bytes, self._table.Indirect(at)) if at else None

    def tables(self, slot: int) -> list[_Table]:
        return [_Table(self._table.Bytes, self._table.Indirect(at)) for at in self._elements(slot)]

    def numbers(self, slot: int) -> tuple[float, ...]:
        from flatbuffers import number_types

        return tuple(float(self._table.Get(number_types.Float32Flags, at)) for at in self._elements(slot))

    def _field(self, slot: int) -> int:
        """Return where a field stands, 0 where it is left out."""
        offset = self._table.Offset(_offset(slot))
        return int(self._table.Pos + offset) if offset else 0

    def _elements(self, slot: int) -> list[int]:
        """Return where the elements of a vector stand, each of four bytes."""
        offset = self._table.Offset(_offset(slot))
        if not offset:
            return []
        start, length = self._table.Vector(offset), min(self._table.VectorLen(offset), _MOST_ENTRIES)
        return [start + 4 * number for number in range(length)]


def _offset(slot: int) -> int:
    return 4 + 2 * slot


def _root(body: bytes) -> _Table:
    return _Table(body, struct.unpack_from("<I", body)[0])
