"""What a .tflite file may be before its interpreter sees it: LiteRT follows what a file says, wherever that leads.

Everything is read from the flat buffer, which may be a stranger's. What passes may still crash an operator, so that a
file is also tried out in a child process; what is refused here has harmed nothing, and is told with its reason.
"""

from __future__ import annotations

from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from lambent.adapters import tflite_schema as schema
from lambent.adapters.detection_options import MOST_OPTION_BYTES, read_detection_options
from lambent.adapters.flat_buffer import FlatBuffer, Malformed, Table, Vector
from lambent.adapters.tflite_tensors import MOST_BYTES, MOST_DIMENSIONS, Tensor, below, read_tensor
from lambent.errors import ModelFormatRefused, ModelOperatorUnsupported

IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every TFLite flat buffer
MOST_GRAPHS, MOST_PARTS, MOST_BUFFERS, MOST_CODES = 1_000, 100_000, 200_000, 10_000
# Of an operator; TFLite's own have a few, but a concatenation may have thousands.
MOST_OPERANDS = 10_000
MOST_STEP = 65_536
# Vectors may be shared by many tables, so that a small file lists any number of them.
MOST_TABLES, MOST_NUMBERS = 50_000, 1_000_000
MOST_NAME_BYTES = 1_000
_DETECTION_INPUTS = 3
_DETECTION = b"TFLite_Detection_PostProcess"
_FLEX = b"Flex"


def check_tflite_file(path: Path) -> None:
    """Refuse a file that could harm the interpreter; see `check_tflite`."""
    with path.open("rb") as file:
        if len(file.read(8)) < len(IDENTIFIER) * 2:
            raise _not_tflite()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            check_tflite(data)


def check_tflite(data: bytes | mmap) -> None:
    """Refuse a file that could harm the interpreter.

    Parameters
    ----------
    data   of the whole file

    Raises
    ------
    ModelFormatRefused         not a TFLite flat buffer, one that leads out of itself, or beyond a limit
    ModelOperatorUnsupported   it uses operators that the runtimes do not have: TensorFlow's own, or somebody's
    """
    if data[4:8] != IDENTIFIER:
        raise _not_tflite()
    try:
        _Checked(FlatBuffer(data, most_tables=MOST_TABLES, most_numbers=MOST_NUMBERS)).check()
    except Malformed as exc:
        raise ModelFormatRefused(f"The model file is damaged or was made to do harm: {exc}.") from exc


def _not_tflite() -> ModelFormatRefused:
    return ModelFormatRefused("The model file is not a TFLite flat buffer (no TFL3 identifier).")


class _Operator(NamedTuple):
    """An operator's code, and the name of one that is not TFLite's own."""

    code: int
    name: bytes


class _Checked:
    """One file, gone through from its root."""

    def __init__(self, file: FlatBuffer) -> None:
        self._file = file
        self._contents: list[Vector] = []
        self._codes: list[_Operator] = []
        self._graphs: list[Table] = []
        self._sizes: list[int] = []
        self._calls: list[set[int]] = []

    def check(self) -> None:
        file = self._file
        model = file.root()
        file.string(model, schema.DESCRIPTION)
        self._contents = [self._content(each) for each in file.tables(model, schema.BUFFERS, MOST_BUFFERS)]
        self._codes = [self._code(each) for each in file.tables(model, schema.OPERATOR_CODES, MOST_CODES)]
        self._graphs = file.tables(model, schema.SUBGRAPHS, MOST_GRAPHS)
        if not self._graphs:
            raise Malformed("it has no graph")
        for graph in self._graphs:
            self._check_graph(graph)
        self._check_calls()
        self._in_range(file.vector(model, schema.METADATA_BUFFERS, 4), len(self._contents), "a buffer", least=0)
        for note in file.tables(model, schema.METADATA, MOST_PARTS):
            file.string(note, 0)
            below(file.unsigned(note, 1, 4), len(self._contents), "a buffer")
        for signature in file.tables(model, schema.SIGNATURES, MOST_GRAPHS):
            self._check_signature(signature)

    def _content(self, buffer: Table) -> Vector:
        """Return where the bytes of a buffer stand: in it, or, in files of more than 2 GB, behind all tables."""
        start, count = self._file.vector(buffer, schema.DATA, 1)
        offset = self._file.unsigned(buffer, schema.DATA_OFFSET, 8)
        size = self._file.unsigned(buffer, schema.DATA_SIZE, 8)
        if offset <= 1:
            return start, count
        if offset + size > self._file.size:
            raise Malformed("a buffer lies behind the file")
        return offset, size

    def _code(self, code: Table) -> _Operator:
        # Codes above 127 have a field of their own, and the older one says so.
        found = max(self._file.number(code, schema.OLD_CODE, 1) & 0xFF, self._file.number(code, schema.NEW_CODE, 4))
        name = self._file.octets(self._file.string(code, schema.CUSTOM_CODE), MOST_NAME_BYTES)
        if found == schema.DELEGATE:
            raise Malformed("it names a delegate as an operator")
        if found != schema.CUSTOM:
            return _Operator(found, b"")
        if name.startswith(_FLEX):
            raise ModelOperatorUnsupported(
                f"The model uses operators of TensorFlow itself (Flex, SELECT_TF_OPS), such as {_shown(name)}, which "
                "the runtimes do not have: convert it with TFLITE_BUILTINS only.",
                got=_shown(name),
            )
        if name != _DETECTION:
            raise ModelOperatorUnsupported(
                f"The model uses an operator of its maker's own, {_shown(name) or 'without a name'}, which the "
                f"runtimes do not have. The only one besides TFLite's own that is served is {_DETECTION.decode()}.",
                limit=_DETECTION.decode(),
                got=_shown(name),
            )
        return _Operator(found, name)

    def _check_graph(self, graph: Table) -> None:
        file = self._file
        tensors = [read_tensor(file, each, self._contents) for each in file.tables(graph, schema.TENSORS, MOST_PARTS)]
        self._sizes.append(len(tensors))
        file.string(graph, schema.GRAPH_NAME)
        for side in (schema.INPUTS, schema.OUTPUTS):
            self._in_range(file.vector(graph, side, 4), len(tensors), "a tensor", least=0)
        called: set[int] = set()
        for operator in file.tables(graph, schema.OPERATORS, MOST_PARTS):
            called |= self._check_operator(operator, tensors)
        self._calls.append(called)

    def _check_operator(self, operator: Table, tensors: list[Tensor]) -> set[int]:
        """Look at an operator; return the graphs that it calls."""
        file = self._file
        number = file.unsigned(operator, schema.OPCODE, 4)
        below(number, len(self._codes), "an operator code")
        code = self._codes[number]
        inputs = self._in_range(file.vector(operator, schema.OP_INPUTS, 4), len(tensors), "a tensor", least=-1)
        self._in_range(file.vector(operator, schema.OP_OUTPUTS, 4), len(tensors), "a tensor", least=0)
        self._in_range(file.vector(operator, schema.INTERMEDIATES, 4), len(tensors), "a tensor", least=-1)
        file.vector(operator, schema.MUTATING, 1)
        if file.unsigned(operator, schema.LARGE_OFFSET, 8) > 1:
            raise Malformed("an operator's options lie behind all tables, as of a file of more than 2 GB")
        custom = file.vector(operator, schema.CUSTOM_OPTIONS, 1)
        if code.name:
            self._check_detection(custom, [tensors[each] for each in inputs if each >= 0])
        self._check_ranks(code.code, [tensors[each] if each >= 0 else None for each in inputs])
        return self._check_options(operator)

    def _check_options(self, operator: Table) -> set[int]:
        file, called = self._file, set[int]()
        kind, options = file.unsigned(operator, schema.OPTIONS_TYPE, 1), file.table(operator, schema.OPTIONS)
        if options is not None:
            file.check_fields(options, schema.OPTION_KINDS.get(kind, ""))
            called |= {file.unsigned(options, field, 4) for field in schema.CALLS.get(kind, ())}
            for field, default in schema.DIVISORS.get(kind, ()):
                self._check_step(file.number(options, field, 4, default))
            if kind == schema.NEW_SHAPE_OPTIONS:
                self._check_shape(file.whole(file.vector(options, 0, 4), MOST_DIMENSIONS))
        kind, options = file.unsigned(operator, schema.OPTIONS_2_TYPE, 1), file.table(operator, schema.OPTIONS_2)
        if options is not None:
            file.check_fields(options, schema.OPTION_2_KINDS.get(kind, ""))
            called |= {file.number(options, field, 4) for field in schema.CALLS_2.get(kind, ())} - {-1}
            if kind in schema.CALL_LISTS_2:
                called |= set(file.whole(file.vector(options, schema.CALL_LISTS_2[kind], 4), MOST_GRAPHS))
        for graph in called:
            below(graph, len(self._graphs), "a graph")
        return called

    def _check_step(self, step: int) -> None:
        if not 1 <= step <= MOST_STEP:
            raise Malformed(f"an operator divides by {step}, and may by 1 to {MOST_STEP}")

    def _check_ranks(self, code: int, inputs: list[Tensor | None]) -> None:
        for place in schema.RANK_INPUTS.get(code, ()):
            tensor = inputs[place] if place < len(inputs) else None
            if tensor is not None and tensor.shape and tensor.shape[0] > MOST_DIMENSIONS:
                raise Malformed(
                    f"an operator is given {tensor.shape[0]} dimensions for a tensor, which may have {MOST_DIMENSIONS}"
                )
        place = schema.SHAPE_INPUTS.get(code, len(inputs))
        tensor = inputs[place] if place < len(inputs) else None
        if tensor is not None and tensor.content[1] and tensor.kind in {schema.INT32, schema.INT64}:
            start, count = tensor.content
            read, width = (self._file.whole, 4) if tensor.kind == schema.INT32 else (self._file.long, 8)
            self._check_shape(read((start, count // width), MOST_DIMENSIONS))

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if min(shape, default=0) < -1 or prod(max(each, 1) for each in shape) > MOST_BYTES:
            raise Malformed(f"an operator is to make a tensor of the shape {list(shape)}")

    def _check_detection(self, custom: Vector, inputs: list[Tensor]) -> None:
        options = read_detection_options(self._file.octets(custom, MOST_OPTION_BYTES))
        if len(inputs) != _DETECTION_INPUTS:
            raise Malformed(f"{_DETECTION.decode()} takes {_DETECTION_INPUTS} tensors and is given {len(inputs)}")
        boxes, scores, anchors = (each.shape for each in inputs)
        extra = scores[-1] - options["num_classes"] if scores else -1
        if (len(boxes), len(scores), len(anchors)) != (3, 3, 2) or extra not in {0, 1}:
            raise Malformed(f"{_DETECTION.decode()} is given {list(scores)} scores, and classes as its options say")
        if boxes[-1] < 4 or anchors[-1] < 4 or not boxes[1] == scores[1] == anchors[0]:  # noqa: PLR2004 - sides of a box
            raise Malformed(f"{_DETECTION.decode()} is given boxes {list(boxes)} and anchors {list(anchors)}")

    def _check_signature(self, signature: Table) -> None:
        file = self._file
        file.string(signature, schema.SIGNATURE_KEY)
        graph = file.unsigned(signature, schema.SIGNATURE_GRAPH, 4)
        below(graph, len(self._graphs), "a graph")
        for side in (schema.SIGNATURE_INPUTS, schema.SIGNATURE_OUTPUTS):
            for named in file.tables(signature, side, MOST_PARTS):
                file.string(named, 0)
                below(file.unsigned(named, 1, 4), self._sizes[graph], "a tensor")

    def _check_calls(self) -> None:
        """Refuse graphs that lead back to themselves, which would be called without end."""
        open_calls = {number: set(called) for number, called in enumerate(self._calls)}
        while ended := {number for number, called in open_calls.items() if not called & open_calls.keys()}:
            for number in ended:
                del open_calls[number]
        if open_calls:
            raise Malformed(f"graph {min(open_calls)} calls itself")

    def _in_range(self, vector: Vector, count: int, what: str, *, least: int) -> tuple[int, ...]:
        numbers = self._file.whole(vector, MOST_OPERANDS)
        if numbers and (min(numbers) < least or max(numbers) >= count):
            raise Malformed(f"it names {what} that it does not have")
        return numbers


def _shown(name: bytes) -> str:
    return name[:100].decode("utf-8", "replace")
