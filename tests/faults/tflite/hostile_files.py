"""Files that were made to harm whoever loads them: one honest .tflite file each, with one thing changed.

The kinds are those that were found in TFLite and LiteRT until 2026: offsets that wrap, shapes of INT_MAX, ranks that
grow in RESHAPE, options of the detection's post-processing, a file of eight bytes, tensors that write behind their
allocation; and what else of a flat buffer is followed unchecked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from lambent.adapters.flat_buffer import FlatBuffer, Table

FOLDER = Path(__file__).parent
SEED = FOLDER.parents[1] / "fixtures/shade.float32.tflite"
LOOPING = FOLDER.parents[1] / "fixtures/crashing/endless.tflite"
INT_MAX, UINT_MAX, U64_MAX = 2**31 - 1, 2**32 - 1, 2**64 - 1
SUBGRAPHS, BUFFERS = 2, 4
# Of the seed's operators, by their place in it.
STRIDED_SLICE, PACK, RESHAPE, FULLY_CONNECTED = 1, 2, 3, 4
CONV_OPTIONS, POOL_OPTIONS, SPLIT_OPTIONS, RESHAPE_OPTIONS, WHILE_OPTIONS = 1, 5, 35, 17, 93
BOXES, CLASSES = 6, 3
SCALES = {"x_scale": 10.0, "y_scale": 10.0, "w_scale": 5.0, "h_scale": 5.0}
OPTIONS: dict[str, Any] = {
    "max_detections": 4,
    "max_classes_per_detection": 1,
    "detections_per_class": 4,
    "num_classes": CLASSES,
    "use_regular_nms": False,
    "nms_score_threshold": 0.1,
    "nms_iou_threshold": 0.5,
    **SCALES,
}
Change = Callable[[Any], None]


def tree_of(file: Path = SEED) -> Any:
    """Return a file's tables as objects."""
    return schema.ModelT.InitFromPackedBuf(bytearray(file.read_bytes()), 0)


def packed(tree: Any) -> bytes:
    """Return a file of such objects."""
    builder = flatbuffers.Builder(0)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def changed(change: Change, file: Path = SEED) -> bytes:
    """Return a file with something changed in its objects."""
    tree = tree_of(file)
    change(tree)
    return packed(tree)


def patched(find: Callable[[FlatBuffer], int], letters: str, *values: int) -> bytes:
    """Return the seed with numbers written over what stands at a place."""
    body = bytearray(SEED.read_bytes())
    struct.pack_into(f"<{letters}", body, find(FlatBuffer(bytes(body), most_tables=100, most_numbers=1_000)), *values)
    return bytes(body)


def _layout(file: FlatBuffer) -> int:
    """Return where the layout of the root table stands."""
    start = file.root()[0]
    return start - int(struct.unpack_from("<i", SEED.read_bytes(), start)[0])


def _graph(file: FlatBuffer) -> Table:
    return file.tables(file.root(), SUBGRAPHS, 1)[0]


def _length(file: FlatBuffer, table: Table, field: int) -> int:
    """Return where the length of a vector stands."""
    return file.vector(table, field, 1)[0] - 4


def _tensor(number: int, **fields: Any) -> Change:
    def change(tree: Any) -> None:
        for name, value in fields.items():
            array = np.array(value, np.int32) if isinstance(value, list) else value
            setattr(tree.subgraphs[0].tensors[number], name, array)

    return change


def _operator(number: int, **fields: Any) -> Change:
    def change(tree: Any) -> None:
        for name, value in fields.items():
            setattr(tree.subgraphs[0].operators[number], name, value)

    return change


def _options(kind: int, made: Any, **fields: Any) -> Change:
    vars(made).update(fields)
    return _operator(PACK, builtinOptionsType=kind, builtinOptions=made)


def _buffer(**fields: int) -> Change:
    def change(tree: Any) -> None:
        vars(tree.buffers[2]).update(data=None, **fields)

    return change


def _custom(name: bytes | None, code: int = schema.BuiltinOperator.CUSTOM) -> Change:
    def change(tree: Any) -> None:
        vars(tree.operatorCodes[PACK]).update(builtinCode=code, deprecatedBuiltinCode=code, customCode=name)

    return change


def _constant(number: int, content: bytes, shape: list[int], kind: int) -> Change:
    """Let a tensor be a constant."""

    def change(tree: Any) -> None:
        held = schema.BufferT()
        held.data = np.frombuffer(content, np.uint8)
        tree.buffers.append(held)
        _tensor(number, shape=shape, shapeSignature=None, type=kind, buffer=len(tree.buffers) - 1)(tree)

    return change


def _new_shape(*shape: int) -> Change:
    """Let RESHAPE have a shape that stands in the file."""
    return _constant(8, np.array(shape, np.int32).tobytes(), [len(shape)], schema.TensorType.INT32)


class _Once:
    """A table that is written once, wherever it is listed."""

    def __init__(self, table: Any) -> None:
        self._table, self._place = table, None

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - as the packer calls it
        if self._place is None:
            self._place = self._table.Pack(builder)
        return self._place


def _shared_numbers(tree: Any) -> None:
    """List one operator with as many inputs as may be, again and again."""
    operator = tree.subgraphs[0].operators[PACK]
    operator.inputs = [0] * 9_999
    tree.subgraphs[0].operators = [_Once(operator)] * 200


def _shared_tables(tree: Any) -> None:
    """List one graph again and again, and in it one tensor."""
    graph = tree.subgraphs[0]
    graph.tensors = [_Once(graph.tensors[0])] * 20_000
    vars(tree).update(subgraphs=[_Once(graph)] * 1_000, signatureDefs=None)


def _signature(**fields: int) -> Change:
    def change(tree: Any) -> None:
        vars(tree.signatureDefs[0]).update(fields)

    return change


def detector(options: bytes | None = None, *, scores: int = CLASSES + 1, anchors: int = BOXES) -> bytes:
    """Return a file of nothing but TFLite_Detection_PostProcess, honest unless it is asked for otherwise."""
    tree = tree_of()
    graph, given = tree.subgraphs[0], flexbuffers.Dumps(OPTIONS) if options is None else options
    shapes = [[1, BOXES, 4], [1, BOXES, scores], [anchors, 4], [1, 4, 4], [1, 4], [1, 4], [1]]
    graph.tensors = [_made(shape, 0) for shape in shapes]
    held, empty = schema.BufferT(), schema.BufferT()
    held.data = np.frombuffer(np.full((anchors, 4), 0.5, np.float32).tobytes(), np.uint8)
    tree.buffers, graph.tensors[2].buffer = [empty, held], 1
    operator = schema.OperatorT()
    vars(operator).update(opcodeIndex=0, inputs=[0, 1, 2], outputs=[3, 4, 5, 6])
    operator.customOptions = np.frombuffer(given, np.uint8)
    graph.operators, graph.inputs, graph.outputs = [operator], [0, 1], [3, 4, 5, 6]
    code = tree.operatorCodes[0]
    vars(code).update(builtinCode=32, deprecatedBuiltinCode=32, customCode=b"TFLite_Detection_PostProcess")
    tree.operatorCodes, tree.signatureDefs, tree.metadata = [code], None, None
    return packed(tree)


def _made(shape: list[int], buffer: int) -> Any:
    tensor = schema.TensorT()
    vars(tensor).update(shape=np.array(shape, np.int32), buffer=buffer, name=b"t")
    return tensor


def _detecting(**options: Any) -> bytes:
    return detector(flexbuffers.Dumps({**OPTIONS, **options}))


def _without(name: str) -> bytes:
    return detector(flexbuffers.Dumps({key: value for key, value in OPTIONS.items() if key != name}))


_HONEST_OPTIONS = flexbuffers.Dumps(OPTIONS)
_TEXT = schema.TensorType.STRING
FORMAT, OPERATOR = "model_format_refused", "model_operator_unsupported"
# What is wrong → the file, and the code that it is refused with.
HOSTILE: dict[str, tuple[bytes, str]] = {
    "eight bytes and no root": (b"\0\0\0\0TFL3", FORMAT),
    "a root that is its own way": (struct.pack("<I", 0) + b"TFL3" + b"\0" * 64, FORMAT),
    "a root behind the file": (patched(lambda _: 0, "I", UINT_MAX), FORMAT),
    "a root at the last byte": (patched(lambda _: 0, "I", len(SEED.read_bytes()) - 1), FORMAT),
    "a layout before the file": (patched(lambda file: file.root()[0], "i", INT_MAX), FORMAT),
    "a layout behind the file": (patched(lambda file: file.root()[0], "i", -INT_MAX), FORMAT),
    "a layout of odd length": (patched(_layout, "H", 7), FORMAT),
    "a layout without end": (patched(_layout, "H", 65_534), FORMAT),
    "a table without end": (patched(lambda file: _layout(file) + 2, "H", 65_535), FORMAT),
    "a field behind its table": (patched(lambda file: _layout(file) + 8, "H", 60_000), FORMAT),
    "graphs without number": (patched(lambda file: _length(file, file.root(), SUBGRAPHS), "I", UINT_MAX), FORMAT),
    "buffers whose size wraps": (patched(lambda file: _length(file, file.root(), BUFFERS), "I", 2**30), FORMAT),
    "tensors without number": (patched(lambda file: _length(file, _graph(file), 0), "I", UINT_MAX), FORMAT),
    "an offset that wraps": (patched(lambda file: file.place(_graph(file), 0, 4), "I", UINT_MAX), FORMAT),
    "a name without end": (patched(lambda file: _length(file, _graph(file), 4), "I", 1), FORMAT),
    "no graph": (changed(lambda tree: vars(tree).update(subgraphs=[], signatureDefs=None)), FORMAT),
    "a buffer elsewhere whose end wraps": (changed(_buffer(offset=U64_MAX - 8, size=16)), FORMAT),
    "a buffer elsewhere behind the file": (changed(_buffer(offset=10**9, size=8)), FORMAT),
    "a buffer elsewhere of all sizes": (changed(_buffer(offset=16, size=U64_MAX)), FORMAT),
    "options elsewhere": (changed(_operator(PACK, largeCustomOptionsOffset=U64_MAX, largeCustomOptionsSize=9)), FORMAT),
    "dimensions of INT_MAX": (changed(_tensor(9, shape=[INT_MAX, INT_MAX], shapeSignature=None)), FORMAT),
    "a size that wraps to nothing": (changed(_tensor(9, shape=[65_536] * 4, shapeSignature=None)), FORMAT),
    "a size that wraps to little": (changed(_tensor(9, shape=[2**30 + 1, 4], shapeSignature=None)), FORMAT),
    "a negative dimension": (changed(_tensor(9, shape=[1, -4], shapeSignature=None)), FORMAT),
    "a negative free dimension": (changed(_tensor(9, shapeSignature=[-1, -4])), FORMAT),
    "nine dimensions": (changed(_tensor(9, shape=[1] * 9, shapeSignature=None)), FORMAT),
    "a thousand free dimensions": (changed(_tensor(9, shapeSignature=[1] * 1_000)), FORMAT),
    "a constant shorter than its shape": (changed(_tensor(2, shape=[2, 400])), FORMAT),
    "a constant longer than its shape": (changed(_tensor(2, shape=[2, 1])), FORMAT),
    "a constant of wider numbers": (changed(_tensor(2, type=schema.TensorType.FLOAT64)), FORMAT),
    "RESHAPE to 64 dimensions by its options": (
        changed(_options(RESHAPE_OPTIONS, schema.ReshapeOptionsT(), newShape=[1] * 64)),
        FORMAT,
    ),
    "RESHAPE to INT_MAX by its options": (
        changed(_options(RESHAPE_OPTIONS, schema.ReshapeOptionsT(), newShape=[INT_MAX, 4])),
        FORMAT,
    ),
    "RESHAPE to 20 dimensions by a constant": (changed(_new_shape(*[1] * 20)), FORMAT),
    "RESHAPE to INT_MAX by a constant": (changed(_new_shape(INT_MAX, INT_MAX)), FORMAT),
    "RESHAPE to a negative shape": (changed(_new_shape(-7, 4)), FORMAT),
    "RESHAPE by a shape of 40 numbers": (changed(_tensor(8, shape=[40])), FORMAT),
    "an input that is not there": (changed(_operator(FULLY_CONNECTED, inputs=[9, 2, 5_000])), FORMAT),
    "an input before the first": (changed(_operator(FULLY_CONNECTED, inputs=[9, 2, -2])), FORMAT),
    "an output that is not there": (changed(_operator(FULLY_CONNECTED, outputs=[INT_MAX])), FORMAT),
    "an output before the first": (changed(_operator(FULLY_CONNECTED, outputs=[-1])), FORMAT),
    "a temporary that is not there": (changed(_operator(FULLY_CONNECTED, intermediates=[99])), FORMAT),
    "an operator code that is not there": (changed(_operator(PACK, opcodeIndex=99)), FORMAT),
    "a buffer that is not there": (changed(_tensor(2, buffer=UINT_MAX)), FORMAT),
    "a graph's input that is not there": (changed(lambda tree: vars(tree.subgraphs[0]).update(inputs=[-5])), FORMAT),
    "a graph's output that is not there": (changed(lambda tree: vars(tree.subgraphs[0]).update(outputs=[99])), FORMAT),
    "a signature of no graph": (changed(_signature(subgraphIndex=7)), FORMAT),
    "a signature of no tensor": (
        changed(lambda tree: vars(tree.signatureDefs[0].inputs[0]).update(tensorIndex=UINT_MAX)),
        FORMAT,
    ),
    "notes in no buffer": (changed(lambda tree: vars(tree.metadata[0]).update(buffer=9_999)), FORMAT),
    "a loop of itself": (
        changed(lambda tree: vars(tree.subgraphs[0].operators[0].builtinOptions).update(bodySubgraphIndex=0), LOOPING),
        FORMAT,
    ),
    "a loop of no graph": (
        changed(lambda tree: vars(tree.subgraphs[0].operators[0].builtinOptions).update(condSubgraphIndex=99), LOOPING),
        FORMAT,
    ),
    "a convolution by steps of 0": (changed(_options(CONV_OPTIONS, schema.Conv2DOptionsT())), FORMAT),
    "a convolution by steps of INT_MAX": (
        changed(_options(CONV_OPTIONS, schema.Conv2DOptionsT(), strideW=INT_MAX, strideH=1)),
        FORMAT,
    ),
    "a pool of nothing": (changed(_options(POOL_OPTIONS, schema.Pool2DOptionsT(), strideW=1, strideH=1)), FORMAT),
    "a split into nothing": (changed(_options(SPLIT_OPTIONS, schema.SplitOptionsT())), FORMAT),
    "texts behind their tensor": (changed(_constant(3, struct.pack("<iii", 1, 12, 900), [1], _TEXT)), FORMAT),
    "texts that run backwards": (changed(_constant(3, struct.pack("<iii", 1, 12, -9), [1], _TEXT)), FORMAT),
    "texts without number": (changed(_constant(3, struct.pack("<iii", INT_MAX, 12, 12), [1], _TEXT)), FORMAT),
    "texts fewer than their shape": (changed(_constant(3, struct.pack("<iii", 1, 12, 12), [7], _TEXT)), FORMAT),
    "more numbers than anybody reads": (changed(_shared_numbers), FORMAT),
    "more tables than anybody reads": (changed(_shared_tables), FORMAT),
    "more graphs than anybody reads": (
        changed(lambda tree: vars(tree).update(subgraphs=[_Once(tree.subgraphs[0])] * 1_001, signatureDefs=None)),
        FORMAT,
    ),
    "an operator with a name of a megabyte": (changed(_custom(b"a" * (1 << 20))), FORMAT),
    "a delegate": (changed(_custom(None, schema.BuiltinOperator.DELEGATE)), FORMAT),
    "an operator of TensorFlow": (changed(_custom(b"FlexReadFile")), OPERATOR),
    "an operator of its maker's": (changed(_custom(b"RunCommand")), OPERATOR),
    "an operator without a name": (changed(_custom(None)), OPERATOR),
    "an operator like the known one": (changed(_custom(b"TFLite_Detection_PostProcess2")), OPERATOR),
    "no options of a detection": (detector(b""), FORMAT),
    "options of a detection that are no map": (detector(flexbuffers.Dumps([1, 2, 3])), FORMAT),
    "options of a detection that lead out": (detector(_HONEST_OPTIONS[:-3] + b"\xff" + _HONEST_OPTIONS[-2:]), FORMAT),
    "options of a detection cut short": (detector(_HONEST_OPTIONS[-20:]), FORMAT),
    "a detection of INT_MAX": (_detecting(max_detections=INT_MAX), FORMAT),
    "a detection of none": (_detecting(max_detections=0), FORMAT),
    "a detection of less than none": (_detecting(max_detections=-1), FORMAT),
    "a detection of INT_MAX classes": (_detecting(num_classes=INT_MAX), FORMAT),
    "a detection of more classes than scores": (_detecting(num_classes=CLASSES + 3), FORMAT),
    "a detection of fewer classes than scores": (_detecting(num_classes=1), FORMAT),
    "more classes a detection than classes": (_detecting(max_classes_per_detection=CLASSES + 1), FORMAT),
    "no classes a detection": (_detecting(max_classes_per_detection=0), FORMAT),
    "detections a class of INT_MAX": (_detecting(detections_per_class=INT_MAX), FORMAT),
    "a detection by words": (_detecting(detections_per_class="many"), FORMAT),
    "a scale of nothing": (_detecting(x_scale=0.0), FORMAT),
    "a scale that is no number": (_detecting(w_scale=float("nan")), FORMAT),
    "a scale that is left out": (_without("h_scale"), FORMAT),
    "a detection with fewer anchors than boxes": (detector(anchors=BOXES - 1), FORMAT),
    "a detection of scores that are too narrow": (detector(scores=CLASSES - 1), FORMAT),
}
