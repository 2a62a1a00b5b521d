"""What a SavedModel does to its inputs before it learns from them: followed through the graph that was exported.

The converter puts what it can into the weights behind, a Rescaling before a convolution for one, so its file no longer
tells. Constant pictures are run through the exported graph as it stands, with its variables as constants, up to the
first operations that weigh or mix them. A graph that assigns to variables, as random layers that were exported with a
model do, cannot be run so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lambent.contracts.model import TensorSpec
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.importing.pixel_range import InputPath, level_of, probe_pictures
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

_RANKS = (2, 3, 4, 5)
_LEARNING = """
    BatchMatMul BatchMatMulV2 BatchMatMulV3 Conv Conv2D Conv3D DepthwiseConv2dNative Einsum MatMul XlaConvV2 XlaDotV2
"""
_MIXING = frozenset(_LEARNING.split())
_SIGNS = {"Mul": "*", "RealDiv": "/", "Div": "/", "AddV2": "+", "Add": "+", "Sub": "-"}
_TOLD_NUMBERS = 4


def saved_model_paths(folder: Path, signature: str, inputs: tuple[TensorSpec, ...]) -> dict[str, InputPath]:
    """Return the paths of a checked SavedModel's inputs of floats; of none where its graph cannot be followed."""
    with quiet():
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        try:
            loaded = tf.saved_model.load(str(folder))
            frozen = convert_variables_to_constants_v2(loaded.signatures[signature])
            return dict(_paths(frozen, {spec.name: spec for spec in inputs}))
        except Exception:  # noqa: BLE001 - whatever a graph of others' making raises: it is not followed, and that is told
            return {}


def _paths(frozen: Any, specs: Mapping[str, TensorSpec]) -> Iterator[tuple[str, InputPath]]:
    for tensor in frozen.inputs:
        name = next(iter(specs)) if len(specs) == 1 else tensor.op.name
        spec = specs.get(name)
        if spec is not None and len(spec.shape) in _RANKS and tensor.dtype.is_floating:
            yield name, _path(frozen, tensor, probe_pictures(spec.shape[1:]).astype(tensor.dtype.as_numpy_dtype))


def _path(frozen: Any, tensor: Any, probes: Array) -> InputPath:
    prepared, ends = _follow(frozen.graph, tensor)
    tensors = [tensor, *(made for operation in prepared for made in operation.outputs[:1])]
    wanted = frozen.prune([tensor], tensors)
    levels = {
        each.ref(): level_of(np.asarray(value, np.float64))
        for each, value in zip(tensors, wanted(_constant(probes)), strict=True)
        if (each.dtype.is_floating or each.dtype.is_integer) and value.shape[:1] == probes.shape[:1]
    }
    steps = [_told(each, levels) for each in prepared if _changes(each, levels)]
    reached = [(levels[came.ref()], operation) for operation, came in ends if came.ref() in levels]
    learns = _name(reached[0][1]) if reached else None
    return InputPath(tuple(steps), (), tuple(dict.fromkeys(level for level, _ in reached)), learns)


def _follow(graph: Any, tensor: Any) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """Return the operations that only prepare an input, in order, and those that take over, with what reaches them."""
    passed, fed = {tensor.ref()}, {tensor.ref()}  # what only was prepared; all that depends on any input
    prepared, ends = [], []
    for operation in graph.get_operations():
        if operation.type == "Placeholder":
            fed.update(each.ref() for each in operation.outputs)
            continue
        came = [each for each in operation.inputs if each.ref() in passed]
        if any(each.ref() in fed for each in operation.inputs):
            fed.update(each.ref() for each in operation.outputs)
        if not came:
            continue
        is_alone = all(each.ref() in passed or each.ref() not in fed for each in operation.inputs)
        if operation.type in _MIXING or not is_alone:
            ends.append((operation, came[0]))
        else:
            passed.update(each.ref() for each in operation.outputs)
            prepared.append(operation)
    return prepared, ends


def _constant(probes: Array) -> Any:
    import tensorflow as tf

    return tf.constant(probes)


def _changes(operation: Any, levels: Mapping[Any, tuple[float, ...]]) -> bool:
    came = next((levels[each.ref()] for each in operation.inputs if each.ref() in levels), None)
    made = levels.get(operation.outputs[0].ref()) if operation.outputs else None
    # Shapes of a picture are numbers too, but one for all pictures.
    return came is not None and made is not None and len(made) == len(came) and made != came


def _told(operation: Any, levels: Mapping[Any, tuple[float, ...]]) -> str:
    import tensorflow as tf

    others = [each for each in operation.inputs if each.ref() not in levels]
    constant = tf.get_static_value(others[0]) if len(others) == 1 else None
    if constant is None or operation.type not in _SIGNS:
        return f"{operation.type} {_name(operation)}"
    flat = np.unique(np.asarray(constant, np.float64))
    if len(flat) > _TOLD_NUMBERS:
        return f"{_SIGNS[operation.type]} {flat[0]:.6g} to {flat[-1]:.6g}"
    return f"{_SIGNS[operation.type]} {' or '.join(f'{each:.6g}' for each in flat)}"


def _name(operation: Any) -> str:
    """Return the layer that an operation is of, by the scope that it was traced in."""
    parts = operation.name.split("/")
    return str(parts[-2] if len(parts) > 1 else parts[0])
