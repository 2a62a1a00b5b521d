"""What a SavedModel does to its inputs before it learns from them: followed by numbers, before the converter folds it.

Of a scaling in front of a convolution nothing is left in a .tflite file: it is in the weights. So the graph is looked
at as it was saved, with its functions put in line: constant pictures (or rows) go through every operator that only
prepares numbers, up to the first ones that weigh or mix them, as `input_paths` does for Keras. No variable is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lambent.contracts.model import TensorSpec
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.importing.pixel_range import PROBES, InputPath, level_of, probe_pictures
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

_RANKS = (2, 3, 4)
_ELSEWHERE = """
    BroadcastTo Cast CheckNumerics Concat ConcatV2 EnsureShape ExpandDims GatherV2 Identity IdentityN MirrorPad Pack
    Pad PadV2 PreventGradient Reshape ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2
    Slice Snapshot Split SplitV Squeeze StopGradient StridedSlice Tile Transpose Unpack
"""
_NUMBERS = """
    Add AddV2 AvgPool AvgPool3D BiasAdd ClipByValue Div DivNoNan Elu FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    Floor LeakyRelu Max MaxPool MaxPool3D Maximum Mean Min Minimum Mul Neg RealDiv Relu Relu6 Round Selu Sigmoid Sub
    Sum Tanh
"""
_PREPARING = frozenset((_ELSEWHERE + _NUMBERS).split())
_ONLY_MOVED = frozenset(_ELSEWHERE.split())
_ONLY_SHAPES = frozenset({"Shape", "ShapeN", "Rank", "Size"})
_WEIGHING = """
    BatchMatMul BatchMatMulV2 BatchMatMulV3 Conv2D Conv3D DepthwiseConv2dNative Einsum GatherV2 MatMul ResourceGather
"""
_LEARNING = frozenset(_WEIGHING.split())
_SIGNS = {"Mul": "*", "RealDiv": "/", "Div": "/", "Add": "+", "AddV2": "+", "BiasAdd": "+", "Sub": "-"}
_LOOKUP = "GatherV2"  # prepares its first operand; by its second it looks something up
_TOLD_NUMBERS = 4
_COLOURS = (10.0, 20.0, 40.0)
_CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?\Z")


@dataclass
class _Way:
    """What an input has become where it is only prepared, and where the rest takes over."""

    reached: set[str]
    operations: list[Any] = field(default_factory=list)
    ends: list[tuple[Any, Any]] = field(default_factory=list)


def saved_model_paths(graph: Any, name: str, inputs: Sequence[TensorSpec]) -> dict[str, InputPath]:
    """Return, for the inputs of a signature of which that can be told, what happens to them up to what learns.

    Parameters
    ----------
    graph    the MetaGraph of a SavedModel, as `check_graph` returns it
    name     of the signature
    inputs   with their names in it
    """
    with quiet():
        import tensorflow as tf

        signature = graph.signature_def[name]
        with tf.Graph().as_default() as flat:
            tf.import_graph_def(_in_line(graph, signature), name="")
            tensors = {spec.name: flat.get_tensor_by_name(signature.inputs[spec.name].name) for spec in inputs}
            found = {each: _path(tensor) for each, tensor in tensors.items() if _is_followed(tensor)}
    return {each: path for each, path in found.items() if path.learns}


def _in_line(graph: Any, signature: Any) -> Any:
    """Return the graph of a signature with the functions that it calls put in line, by TensorFlow's own optimizer."""
    from tensorflow.core.protobuf.config_pb2 import ConfigProto
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
    from tensorflow.python.grappler import tf_optimizer

    meta = MetaGraphDef(graph_def=graph.graph_def)
    for node in (*meta.graph_def.node, *(each for one in meta.graph_def.library.function for each in one.node_def)):
        node.attr.pop("_output_shapes", None)  # what was known where it was made, which need not hold in line
    # What is asked for stays as it is, so that must not be the call itself.
    for number, output in enumerate(signature.outputs.values()):
        asked = meta.graph_def.node.add(name=f"lambent_asked_{number}", op="Identity", input=[output.name])
        asked.attr["T"].type = output.dtype
        meta.collection_def["train_op"].node_list.value.append(asked.name)
    config = ConfigProto()
    config.graph_options.rewrite_options.optimizers.append("function")
    config.graph_options.rewrite_options.function_optimization = RewriterConfig.AGGRESSIVE
    config.graph_options.rewrite_options.min_graph_nodes = -1
    return tf_optimizer.OptimizeGraph(config, meta)


def _is_followed(tensor: Any) -> bool:
    rank = tensor.shape.rank
    return rank in _RANKS and (tensor.dtype.is_floating or (tensor.dtype.is_integer and rank == max(_RANKS)))


def _path(tensor: Any) -> InputPath:
    way = _followed(tensor)
    # Another end, such as arithmetic with a batch normalization's variables: what reaches what learns is not known.
    if not way.ends or any(operation.type not in _LEARNING for _, operation in way.ends):
        return InputPath()
    values = _values(tensor, way)
    picture, steps = values[tensor.name], []
    for operation in way.operations:
        came = next(values[each.name] for each in operation.inputs if each.name in way.reached)
        went = values[operation.outputs[0].name]
        numbers = [values[each.name] for each in operation.inputs if each.name in values.keys() - way.reached]
        steps += _told(operation.type, came if came.shape[-1:] == went.shape[-1:] else picture, went, numbers)
        picture = went if went.shape[-1:] == picture.shape[-1:] else picture
    levels = [_level(values[came.name]) for came, _ in way.ends]
    return InputPath(tuple(steps), (), tuple(dict.fromkeys(levels)), _place(way.ends[0][1]))


def _followed(tensor: Any) -> _Way:
    way, waiting, seen = _Way({tensor.name}), [tensor], set()
    while waiting:
        came = waiting.pop(0)
        for operation in came.consumers():
            if operation.name in seen or operation.type in _ONLY_SHAPES:
                continue
            seen.add(operation.name)
            if _prepares(operation, came, tensor):
                way.operations.append(operation)
                way.reached |= {each.name for each in operation.outputs}
                waiting += operation.outputs
            else:
                way.ends.append((came, operation))
    return way


def _prepares(operation: Any, came: Any, tensor: Any) -> bool:
    if operation.type not in _PREPARING:
        return False
    if operation.type == _LOOKUP and operation.inputs[0].name != came.name:
        return False
    return _sources(operation) <= {tensor.op.name}


def _sources(operation: Any) -> set[str]:
    """Return what an operator's operands come from: the inputs and variables before it."""
    found, waiting, seen = set(), [operation], {operation.name}
    while waiting:
        each = waiting.pop()
        if not each.inputs and each.type != "Const":
            found.add(each.name)
        new = [before.op for before in each.inputs if before.op.name not in seen]
        seen |= {before.name for before in new}
        waiting += new
    return found


def _values(tensor: Any, way: _Way) -> dict[str, Array]:
    """Return what the probes become, and the operands of the arithmetic on them."""
    import tensorflow as tf

    outputs = [each for operation in way.operations for each in operation.outputs]
    operands = [each for operation in way.operations if operation.type in _SIGNS for each in operation.inputs]
    wanted = {each.name: each for each in (tensor, *outputs, *operands)}
    rows, batch = _probes(tensor), tensor.shape[0]
    asked = [rows] if batch is None else [np.repeat(row[None], batch, axis=0) for row in rows]
    with tf.compat.v1.Session(graph=tensor.graph) as session:
        answers = [session.run(wanted, {tensor: each}) for each in asked]
    found = {name: np.asarray(value, dtype=np.float64) for name, value in answers[0].items()}
    if batch is not None:
        found |= {name: np.stack([answer[name][0] for answer in answers]).astype(np.float64) for name in way.reached}
    return found


def _probes(tensor: Any) -> Array:
    """Return constant pictures, or rows, and at last one of other numbers in each channel."""
    constant = probe_pictures(tuple(tensor.shape[1:]))
    rest = constant.shape[1:]
    coloured = np.broadcast_to(np.resize(_COLOURS, rest[-1]), (1, *rest))
    probes = np.concatenate([constant, coloured])
    low = 0 if tensor.dtype.is_unsigned else None
    return probes.clip(low, None).astype(tensor.dtype.as_numpy_dtype)


def _level(value: Array) -> tuple[float, ...]:
    """Return what each constant probe has become."""
    return level_of(value[: len(PROBES)])


def _middles(value: Array) -> Array:
    return np.asarray(value[(slice(None), *[side // 2 for side in value.shape[1:-1]])])


def _told(kind: str, came: Array, went: Array, numbers: list[Array]) -> Iterator[str]:
    """Yield what an operator does to numbers, in words; nothing where it leaves them as they are."""
    before, after = _middles(came), _middles(went)
    if before.shape == after.shape and np.array_equal(before[:, ::-1], after) and not np.array_equal(before, after):
        yield "channels reversed"
    elif kind not in _ONLY_MOVED and _level(came) != _level(went):
        sign = _SIGNS.get(kind)
        yield f"{sign} {_numbers(numbers[0])}" if sign and len(numbers) == 1 else kind


def _numbers(constant: Array) -> str:
    flat = np.unique(constant)
    if len(flat) > _TOLD_NUMBERS:
        return f"{flat[0]:.6g} to {flat[-1]:.6g}"
    return " or ".join(f"{each:.6g}" for each in flat)


def _place(operation: Any) -> str:
    """Return the layer of an operator, as far as its name tells one."""
    steps = [step for step in operation.name.split("/") if not _CALLS.match(step)]
    return "/".join(steps[:-1]) or operation.type
