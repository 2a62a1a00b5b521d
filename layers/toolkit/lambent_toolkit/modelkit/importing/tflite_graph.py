"""What a .tflite file does to its inputs before it learns from them, and what makes its outputs: read from its graph.

A SavedModel's outputs are read so too, of the file that it is converted into; for its inputs see `saved_model_paths`.
Where the file is quantized, numbers stand for others and the graph says less: then only the last operator is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from lambent.contracts.model import TensorSpec
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.importing.pixel_range import PROBES, InputPath
from lambent_toolkit.modelkit.importing.signature import Signature
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

_ARITHMETIC = {"MUL": np.multiply, "DIV": np.divide, "ADD": np.add, "SUB": np.subtract}
_SIGNS = {"MUL": "*", "DIV": "/", "ADD": "+", "SUB": "-"}
_ELSEWHERE = frozenset(
    {"CAST", "DEQUANTIZE", "EXPAND_DIMS", "IDENTITY", "PAD", "QUANTIZE", "RESHAPE", "RESIZE_BILINEAR"}
    | {"RESIZE_NEAREST_NEIGHBOR", "SQUEEZE", "TRANSPOSE"}
)
# They leave a picture of one level as it is, and are no end of a graph that gives numbers their range.
_POOLS = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D"})
# On the way from an input: other places of the same numbers, in part or together with others of the same input.
_MOVED = _ELSEWHERE | {"CONCATENATION", "GATHER", "PACK", "REVERSE_V2", "SLICE", "SPLIT", "STRIDED_SLICE", "UNPACK"}
_FUNCTIONS = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid", "LOG_SOFTMAX": "log_softmax", "TANH": "tanh"}
_LEARNING = frozenset({"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL"})
_TOLD_NUMBERS = 4
_FLOAT32, _WHOLE = 0, {2: np.int32, 4: np.int64}  # of tflite::TensorType


def with_graph_facts(signature: Signature, file: bytes) -> Signature:
    """Return the signature of a .tflite file with what its graph tells; as it is where the file has several graphs."""
    graph = TfliteGraph(file)
    if not graph.is_only:
        return signature
    functions = {spec.name: graph.activation(number) for spec, number in graph.named(signature.outputs, "outputs")}
    return replace(
        signature,
        activations={name: function for name, function in functions.items() if function},
        paths={spec.name: graph.path(number) for spec, number in graph.named(signature.inputs, "inputs")},
    )


class TfliteGraph:
    """The main graph of a .tflite file, whose bytes the serving interpreter has opened."""

    def __init__(self, file: bytes) -> None:
        with quiet():
            from tensorflow.lite.tools import flatbuffer_utils

        self._model = flatbuffer_utils.convert_bytearray_to_object(bytearray(file))
        self._graph = self._model.subgraphs[0]
        names = [flatbuffer_utils.opcode_to_name(self._model, each.opcodeIndex) for each in self._graph.operators]
        self._operators = list(zip(names, self._graph.operators, strict=True))

    def activation(self, output: int) -> str | None:
        """Return the function that an output's numbers come out of, as `keras_graph.output_activations` names it."""
        tensor = int(output)
        while (made := self._maker(tensor)) is not None:
            name, operator = made
            if name not in _ELSEWHERE:
                return _FUNCTIONS.get(name) or ("linear" if name in _LEARNING and not _fused(operator) else None)
            tensor = int(operator.inputs[0])
        return None

    def path(self, tensor: int) -> InputPath:
        """Return what happens to an input of floats up to the first operators that learn."""
        steps: list[str] = []
        levels: list[tuple[float, ...]] = []
        learns: list[str] = []
        pending, seen = [(int(tensor), np.array(PROBES))], set[int]()
        if self._graph.tensors[tensor].type != _FLOAT32:
            return InputPath()
        while pending:
            number, came = pending.pop()
            for name, operator in self._users(number):
                passed = self._pass(name, operator, number, came)
                if passed is None:
                    levels.append(tuple(came.tolist()))
                    learns.append(name)
                    continue
                if not np.array_equal(passed, came):
                    steps.append(f"{_SIGNS[name]} {_numbers(self._constant(operator, number))}")
                elif self._is_reversing(name, operator):
                    steps.append("channels reversed")
                pending += [(each, passed) for each in map(int, operator.outputs) if each not in seen]
                seen.update(map(int, operator.outputs))
        # The converter puts what it can into the weights behind: that nothing is left says nothing.
        return InputPath(tuple(steps), (), tuple(dict.fromkeys(levels)), learns[0]) if steps and learns else InputPath()

    def _pass(self, name: str, operator: Any, number: int, came: Array) -> Array | None:
        """Return what the probes have become, as the channels' mean; None where the operator does more than prepare."""
        if name in _POOLS:
            return came
        if name in _MOVED:
            return came if name != "GATHER" or int(operator.inputs[0]) == number else None
        constant = self._constant(operator, number) if name in _ARITHMETIC else None
        if constant is None or _fused(operator):
            return None
        is_first = int(operator.inputs[0]) == number
        sides = (came[:, None], constant.ravel()[None]) if is_first else (constant.ravel()[None], came[:, None])
        return np.asarray(_ARITHMETIC[name](*sides).mean(axis=1))

    def _constant(self, operator: Any, number: int) -> Array | None:
        """Return the other operand, if it is a constant of floats, one number or one a channel."""
        (other,) = [int(each) for each in operator.inputs if int(each) != number] or [-1]
        tensor = self._graph.tensors[other] if other >= 0 else None
        body = None if tensor is None else self._model.buffers[tensor.buffer].data
        if tensor is None or body is None or tensor.type != _FLOAT32:
            return None
        return np.frombuffer(bytes(body), np.float32).astype(np.float64)

    def _is_reversing(self, name: str, operator: Any) -> bool:
        """Return whether the last axis, that of channels, comes out the other way round."""
        rank = len(self._graph.tensors[int(operator.inputs[0])].shape)
        if name == "REVERSE_V2":
            return [each % rank for each in self._whole(operator.inputs[1])] == [rank - 1]
        if name == "STRIDED_SLICE":
            return self._whole(operator.inputs[3])[-1:] == [-1]
        if name == "GATHER":
            asked = self._whole(operator.inputs[1])
            return len(asked) > 1 and asked == list(range(len(asked)))[::-1]
        return False

    def _whole(self, number: int) -> list[int]:
        """Return the whole numbers of a constant; none where it is no such."""
        tensor = self._graph.tensors[int(number)]
        body, dtype = self._model.buffers[tensor.buffer].data, _WHOLE.get(tensor.type)
        return [] if body is None or dtype is None else np.frombuffer(bytes(body), dtype).tolist()

    def _maker(self, tensor: int) -> tuple[str, Any] | None:
        return next((each for each in self._operators if tensor in map(int, each[1].outputs)), None)

    def _users(self, tensor: int) -> Iterator[tuple[str, Any]]:
        return (each for each in self._operators if tensor in map(int, each[1].inputs))

    @property
    def is_only(self) -> bool:
        """Whether there is no other graph, and no more than one signature."""
        return len(self._model.subgraphs) == 1 and len(self._model.signatureDefs or []) < 2  # noqa: PLR2004

    def named(self, specs: Iterable[TensorSpec], side: Literal["inputs", "outputs"]) -> list[tuple[TensorSpec, int]]:
        """Return tensors with their numbers: by the names of the signature, or without one by their order."""
        if not self._model.signatureDefs:
            return [(spec, int(number)) for spec, number in zip(specs, getattr(self._graph, side), strict=True)]
        tensors = getattr(self._model.signatureDefs[0], side)
        by_name = {each.name.decode(): int(each.tensorIndex) for each in tensors}
        return [(spec, by_name[spec.name]) for spec in specs if spec.name in by_name]


def _fused(operator: Any) -> bool:
    return bool(getattr(operator.builtinOptions, "fusedActivationFunction", 0))


def _numbers(constant: Array | None) -> str:
    flat = np.unique(np.asarray(constant))
    if len(flat) > _TOLD_NUMBERS:
        return f"{flat[0]:.6g} to {flat[-1]:.6g}"
    return " or ".join(f"{each:.6g}" for each in flat)
