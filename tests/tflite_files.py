"""Files as other tools leave them, made of those of tests/fixtures: no signature, a batch of one, with metadata."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import flatbuffers
import numpy as np
from ai_edge_litert.schema_py_generated import BufferT, MetadataT, ModelT


def edited(body: bytes, *, has_signature: bool = True, has_free_batch: bool = True) -> bytes:
    """Return a .tflite file as the converter of TensorFlow 1 leaves it, or as one for a single row a call."""
    model = ModelT.InitFromPackedBuf(body, 0)
    if not has_signature:
        model.signatureDefs = None
    if not has_free_batch:
        for tensor in model.subgraphs[0].tensors:
            if tensor.shapeSignature is not None and list(tensor.shapeSignature[:1]) == [-1]:
                tensor.shapeSignature = None
                tensor.shape = np.array([1, *tensor.shape[1:]], dtype=np.int32)
    return _packed(model)


def with_metadata(
    body: bytes,
    *,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    label_files: Sequence[tuple[str, str]] = (),
    low_high: tuple[float, float] | None = None,
    threshold: float | None = None,
    other_units: Sequence[int] = (),
    other_files: Sequence[int] = (),
) -> bytes:
    """Return a file of one input and one output with TensorFlow Lite Metadata, as tflite-support writes it.

    Parameters
    ----------
    body
    mean, std     of the input's normalization, if there are any
    label_files   name and locale ("" for none) of files with the labels of the output
    low_high      of the input's numbers
    threshold     of the output's scores
    other_units   numbers of ProcessUnitOptions that the output has without options
    other_files   numbers of AssociatedFileType of files of the output
    """
    model = ModelT.InitFromPackedBuf(body, 0)
    buffer, entry = BufferT(), MetadataT()
    described = _metadata(mean, std, label_files, low_high, threshold, other_units, other_files)
    buffer.data = np.frombuffer(described, dtype=np.uint8)
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return _packed(model)


def with_packed(body: bytes, **files: bytes) -> bytes:
    """Return a file with others packed behind it; ``labels`` becomes labels.txt."""
    archived = BytesIO()
    with ZipFile(archived, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.txt", content)
    return body + archived.getvalue()


def _packed(model: ModelT) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _metadata(
    mean: Sequence[float],
    std: Sequence[float],
    label_files: Sequence[tuple[str, str]],
    low_high: tuple[float, float] | None,
    threshold: float | None,
    other_units: Sequence[int],
    other_files: Sequence[int],
) -> bytes:
    """Return a ModelMetadata of metadata_schema.fbs; the numbers are those of its fields."""
    builder = flatbuffers.Builder(256)
    files = [
        _table(builder, 5, {0: builder.CreateString(name), 3: builder.CreateString(locale) if locale else 0}, {2: 2})
        for name, locale in label_files
    ]
    files += [_table(builder, 5, {0: builder.CreateString("other.txt")}, {2: kind}) for kind in other_files]
    units = []
    if mean:
        options = _table(builder, 2, {0: _floats(builder, mean), 1: _floats(builder, std)})
        units = [_table(builder, 2, {1: options}, {0: 1})]
    stats = (
        _table(builder, 2, {0: _floats(builder, low_high[1:]), 1: _floats(builder, low_high[:1])}) if low_high else 0
    )
    source = _table(builder, 7, {4: _vector(builder, units), 5: stats})
    target = _table(
        builder, 7, {4: _vector(builder, _output_units(builder, threshold, other_units)), 6: _vector(builder, files)}
    )
    subgraph = _table(builder, 9, {2: _vector(builder, [source]), 3: _vector(builder, [target])})
    builder.Finish(_table(builder, 8, {3: _vector(builder, [subgraph])}), b"M001")
    return bytes(builder.Output())


def _output_units(builder: Any, threshold: float | None, others: Sequence[int]) -> list[int]:
    units = []
    if threshold is not None:
        builder.StartObject(1)
        builder.PrependFloat32Slot(0, threshold, 0.0)
        units.append(_table(builder, 2, {1: int(builder.EndObject())}, {0: 3}))
    return units + [_table(builder, 2, {1: _table(builder, 1, {})}, {0: kind}) for kind in others]


def _table(builder: Any, fields: int, offsets: dict[int, int], kinds: dict[int, int] | None = None) -> int:
    builder.StartObject(fields)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, kind in (kinds or {}).items():
        builder.PrependInt8Slot(field, kind, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, numbers: Sequence[float]) -> int:
    builder.StartVector(4, len(numbers), 4)
    for number in reversed(numbers):
        builder.PrependFloat32(number)
    return int(builder.EndVector())
