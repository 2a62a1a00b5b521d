"""What makes each output of a loaded Keras model, told from its graph.

Keras keeps the graph of Functional and Sequential models, nested ones too: it is walked from each output back to the
operation that gives its numbers their range.
"""

from __future__ import annotations

from typing import Any

from lambent.adapters.keras_structure import graph_of

# Layers and operations that leave numbers as they are, or only put them elsewhere.
_ELSEWHERE = """
    ActivityRegularization AlphaDropout Cast CenterCrop ConvertToTensor Copy Cropping1D Cropping2D Dropout ExpandDims
    Flatten GaussianDropout GaussianNoise GetItem Identity Permute Ravel Reshape SaturateCast SpatialDropout1D
    SpatialDropout2D SpatialDropout3D Squeeze StopGradient Swapaxes Transpose
"""
TRANSPARENT = frozenset(_ELSEWHERE.split())
# Functions of keras.ops, and layers, that are nothing but an activation: class name → keras.activations' name.
_FUNCTIONS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log_sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "Tanh": "tanh",
    "HardTanh": "hard_tanh",
    "Relu": "relu",
    "ReLU": "relu",
    "Softplus": "softplus",
    "Sparsemax": "sparsemax",
}


def output_activations(model: Any) -> list[str | None]:
    """Return, for each output, the name of the function that its numbers come out of; None if the graph does not say.

    ``linear`` is what a layer gives that has no such function. Casts, reshapes, linear activations and nested models
    are looked through.
    """
    return [_activation_of(tensor) for tensor in graph_of(model).outputs]


def nested_graph(operation: Any) -> Any:
    """Return the graph of a model that stands as a layer in another; None for any other operation."""
    graph = graph_of(operation)
    return graph if hasattr(graph, "_nodes_by_depth") else None


def node_of(tensor: Any) -> Any:
    """Return the call that made a symbolic tensor."""
    history = tensor._keras_history  # noqa: SLF001 - there is no public way
    return history.operation._inbound_nodes[history.node_index]  # noqa: SLF001 - as above


def _activation_of(tensor: Any) -> str | None:
    callers: list[tuple[Any, Any]] = []  # graphs that the tensor stands in, and where each was called
    while True:
        node = node_of(tensor)
        if node.is_input:
            if not callers:
                return None
            graph, caller = callers.pop()
            tensor = caller.input_tensors[[id(each) for each in graph.inputs].index(id(tensor))]
            continue
        graph = nested_graph(node.operation)
        if graph is not None:
            callers.append((graph, node))
            tensor = graph.outputs[tensor._keras_history.tensor_index]  # noqa: SLF001 - there is no public way
            continue
        name = type(node.operation).__name__
        activation = _function_of(node.operation)
        is_transparent = name in TRANSPARENT or (name == "Activation" and activation == "linear")
        if not is_transparent or len(node.input_tensors) != 1:
            return activation
        tensor = node.input_tensors[0]


def _function_of(operation: Any) -> str | None:
    """Return what function an operation ends in."""
    wrapped = getattr(operation, "layer", None)  # TimeDistributed and other wrappers
    if wrapped is not None:
        return _function_of(wrapped)
    function = getattr(operation, "activation", None)
    if function is None:
        return _FUNCTIONS.get(type(operation).__name__)
    return getattr(function, "__name__", None) or _FUNCTIONS.get(type(function).__name__)
