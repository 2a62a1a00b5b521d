"""What a Keras model does to an input before it learns from it: followed by numbers through the model's own graph.

Constant pictures (or rows) are sent in, and each operation that only prepares numbers is run on them as it stands in
the model, nested models too, up to the first layers that weigh or mix them. So arithmetic of any form is understood by
what it does: Rescaling, Normalization, ``preprocess_input``, a batch normalization that stands first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from lambent.adapters.keras_structure import flat_outputs, graph_of
from lambent_toolkit.modelkit.importing.keras_graph import TRANSPARENT, nested_graph
from lambent_toolkit.modelkit.importing.pixel_range import InputPath, level_of, probe_pictures

_RANKS = (2, 3, 4, 5)
# Layers with weights that learn nothing from an answer; what has no weights learns nothing either.
_PREPARING = TRANSPARENT | frozenset({"BatchNormalization", "Normalization"})
# Layers that act in training only, beside all that are called Random.
_AUGMENTING = frozenset({"AugMix", "CutMix", "Equalization", "MixUp", "RandAugment", "Solarization"})
_OPERATIONS = """
    BatchNorm Conv ConvTranspose DepthwiseConv Dot DotProductAttention Einsum Fold Inner LayerNorm Matmul RMSNorm
    SeparableConv Tensordot Unfold Vdot
"""
_MIXING = frozenset(_OPERATIONS.split())
_SIGNS = {"Multiply": "*", "TrueDivide": "/", "Divide": "/", "Add": "+", "Subtract": "-"}
_TOLD_NUMBERS = 4
# What makes numbers so much smaller, or takes away so wide a spread, was made for pixels of 0 to 255.
_OF_PIXELS = 1 / 40
_PICTURE_RANK = 4


def input_paths(model: Any) -> list[InputPath]:
    """Return, for each input in the model's order, what happens to it up to the first layers that learn."""
    graph = graph_of(model)
    return [_Walk().of(graph, tensor) for tensor in graph.inputs]


class _Walk:
    """One input's way through the graph."""

    def __init__(self) -> None:
        self._steps: list[str] = []
        self._idle: list[str] = []
        self._levels: list[tuple[float, ...]] = []
        self._learns: list[str] = []
        self._learned: set[int] = set()
        self._behind: list[str] = []

    def of(self, graph: Any, tensor: Any) -> InputPath:
        """Return an input's path."""
        if tensor.shape and len(tensor.shape) in _RANKS and "float" in str(tensor.dtype):
            self._follow(graph, {id(tensor): _probes(tensor)})
        first = self._learns[0] if self._learns else None
        levels = tuple(dict.fromkeys(self._levels))
        return InputPath(tuple(self._steps), tuple(self._idle), levels, first, tuple(self._behind))

    def _follow(self, graph: Any, values: dict[int, Any]) -> None:
        """Run what only prepares, and note where the rest takes over; ``values`` goes by ids of symbolic tensors."""
        for node in _in_order(graph):
            came = [values[id(each)] for each in node.input_tensors if id(each) in values]
            inner = nested_graph(node.operation)
            if not came:
                self._look_behind(node, inner)
            elif inner is not None:
                self._enter(inner, node, values)
            elif len(came) < len(node.input_tensors) or not self._passes(node, values, came[0]):
                self._levels.append(_level(came[0]))
                self._learns.append(node.operation.name)
                self._learned.update(map(id, node.outputs))

    def _look_behind(self, node: Any, inner: Any) -> None:
        """Note what prepares pixels behind a layer that has learned, such as colours of a grey picture."""
        if self._learned.isdisjoint(map(id, node.input_tensors)):
            return
        self._learned.update(map(id, node.outputs))
        within = [node] if inner is None else _in_order(inner)
        self._behind += [_told(each.operation, each) for each in within if _prepares_pixels(each)]

    def _enter(self, inner: Any, node: Any, values: dict[int, Any]) -> None:
        pairs = [(id(ours), id(theirs)) for ours, theirs in zip(inner.inputs, node.input_tensors, strict=True)]
        inside = {ours: values[theirs] for ours, theirs in pairs if theirs in values}
        self._follow(inner, inside)
        for ours, theirs in zip(inner.outputs, node.outputs, strict=True):
            if id(ours) in inside:
                values[id(theirs)] = inside[id(ours)]
            else:
                self._learned.add(id(theirs))

    def _passes(self, node: Any, values: dict[int, Any], came: Any) -> bool:
        """Run one operation if it only prepares numbers, and return whether it did."""
        operation = node.operation
        if not _prepares(operation):
            return False
        args, kwargs = node.arguments.fill_in(values)
        if isinstance(operation, keras.Layer) and operation._call_has_training_arg:  # noqa: SLF001 - no public way
            kwargs["training"] = False
        try:
            answer = flat_outputs(operation(*args, **kwargs))
        except Exception:  # noqa: BLE001 - whatever an operation says to numbers that were not made for it: not followed
            return False
        values.update(zip(map(id, node.outputs), answer, strict=True))
        if _is_idle(operation):
            self._idle.append(operation.name)
        elif _level(answer[0]) != _level(came):
            self._steps.append(_told(operation, node))
        return True


def _in_order(graph: Any) -> Iterator[Any]:
    """Yield the calls of a graph, each after those that it needs."""
    by_depth = graph._nodes_by_depth  # noqa: SLF001 - there is no public way
    for depth in sorted(by_depth, reverse=True):
        yield from (node for node in by_depth[depth] if not node.is_input)


def _probes(tensor: Any) -> Any:
    return keras.ops.convert_to_tensor(probe_pictures(tensor.shape[1:]), dtype=tensor.dtype)


def _prepares(operation: Any) -> bool:
    name = type(operation).__name__
    if not isinstance(operation, keras.Layer):
        return name not in _MIXING
    return name in _PREPARING or _is_idle(operation) or not operation.weights


def _prepares_pixels(node: Any) -> bool:
    """Return whether a call makes a picture of one or three channels out of pixels of 0 to 255."""
    operation, shape = node.operation, node.input_tensors[0].shape if node.input_tensors else ()
    if len(shape) != _PICTURE_RANK or shape[-1] not in (1, 3):
        return False
    if isinstance(operation, keras.layers.Rescaling):
        return bool(np.abs(np.asarray(operation.scale)).max() <= _OF_PIXELS)
    if isinstance(operation, keras.layers.Normalization):
        return bool(1 / np.sqrt(np.asarray(operation.variance)).min() <= _OF_PIXELS)
    return False


def _is_idle(operation: Any) -> bool:
    name = type(operation).__name__
    return isinstance(operation, keras.Layer) and (name.startswith("Random") or name in _AUGMENTING)


def _level(value: Any) -> tuple[float, ...]:
    return level_of(np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(value, "float32")), dtype=np.float64))


def _told(operation: Any, node: Any) -> str:
    """Return what an operation does, in words."""
    name = type(operation).__name__
    if name == "Rescaling":
        does = f"* {_numbers(operation.scale)} + {_numbers(operation.offset)}"
    elif name == "Normalization":
        does = f"mean {_numbers(operation.mean)}, std {_numbers(np.sqrt(np.asarray(operation.variance)))}"
    elif name == "BatchNormalization":
        variance = keras.ops.convert_to_numpy(operation.moving_variance)
        mean = keras.ops.convert_to_numpy(operation.moving_mean)
        does = f"mean {_numbers(mean)}, std {_numbers(np.sqrt(variance))}"
    else:
        constants = [each for each in node.arguments.args if not hasattr(each, "_keras_history")]
        sign = _SIGNS.get(name)
        return f"{sign} {_numbers(constants[0])}" if sign and len(constants) == 1 else f"{name} {operation.name}"
    return f"{name} {operation.name} ({does})"


def _numbers(values: Any) -> str:
    flat = np.unique(np.asarray(keras.ops.convert_to_numpy(values), dtype=np.float64))
    if len(flat) > _TOLD_NUMBERS:
        return f"{flat[0]:.6g} to {flat[-1]:.6g}"
    return " or ".join(f"{each:.6g}" for each in flat)
