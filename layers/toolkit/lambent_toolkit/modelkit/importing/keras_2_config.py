"""The configuration of a model that Keras 2 wrote, as Keras 3 reads it; what means something else there is refused.

Keras 3 loads some of these files as they are, and computes otherwise without a word: ``hard_sigmoid`` is another
function in it. So each layer is rewritten, and what Keras 3 makes of it is held against that, see `keras_2_meaning`.
"""

from __future__ import annotations

from typing import Any

from lambent.domain.keras_names import LAYERS
from lambent_toolkit.modelkit.errors import ForeignModelRefused

Config = dict[str, Any]
# Arguments that Keras 3 has not, with the value that means what it does anyway.
_DROPPED: Config = {
    "groups": 1,
    "time_major": False,
    "renorm": False,
    "virtual_batch_size": None,
    "ragged": False,
}
_KEPT_GROUPS = frozenset({"Conv1D", "Conv2D", "Conv3D", "GroupNormalization", "Conv1DTranspose"})
# Arguments of a layer that said nothing in Keras 2 either: of its base class, or of the tensors that it was built for.
_IDLE = {
    "SeparableConv1D": ("kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "SeparableConv2D": ("kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "MultiHeadAttention": ("query_shape", "key_shape", "value_shape"),
    "Embedding": ("input_length",),
    "SpatialDropout1D": ("trainable", "noise_shape"),
    "SpatialDropout2D": ("trainable", "noise_shape"),
    "SpatialDropout3D": ("trainable", "noise_shape"),
}
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
_WRAPPED = ("layer", "backward_layer", "cell", "cells")  # arguments that are layers themselves
_HARD_SIGMOID = "hard_sigmoid"
_FUNCTION = "TFOpLambda"
_CONSTANT = "_CONSTANT_VALUE"
_TENSOR = 3  # name of a layer, number of its call, number of the output
_TWO_TENSORS = {"math.add": "Add", "__operators__.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply"}
_ONE_TENSOR: dict[str, Config] = {"nn.relu": {}, "nn.relu6": {"max_value": 6.0}}


def as_keras_3(config: Any) -> Any:
    """Return the configuration of a Keras 2 model as Keras 3 reads it.

    Raises
    ------
    ForeignModelRefused   a layer computes what Keras 3 has under the same name, and computes otherwise
    """
    if isinstance(config, list):
        return [as_keras_3(each) for each in config]
    if not isinstance(config, dict):
        return config
    changed = {name: as_keras_3(value) for name, value in config.items()}
    if "class_name" not in changed or not isinstance(changed.get("config"), dict):
        return changed
    return _object(changed)


def _object(written: Config) -> Config:
    """Return one layer, model, policy or the like, whose own parts have been rewritten."""
    kind = written["class_name"]
    inner = _arguments(written)
    changed = {**written, "config": inner}
    if not _is_built_anew(kind, changed.get("build_config")):
        changed.pop("build_config", None)
    if kind == "Policy":
        return {"module": "keras", "class_name": "DTypePolicy", "config": inner, "registered_name": None}
    if kind == "Functional":
        changed["config"] = _graph(inner)
        return {**changed, "module": "keras.src.models.functional"} if "module" in written else changed
    return changed


def _arguments(written: Config) -> Config:
    kind = written["class_name"]
    inner = {name: value for name, value in written["config"].items() if not _says_nothing(kind, name, value)}
    _check_activations(kind, inner)
    if kind == "InputLayer" and "batch_input_shape" in inner:
        inner["batch_shape"] = inner.pop("batch_input_shape")
    elif "layers" not in inner and "module" in written:
        # A Sequential model's first layer said so what it takes; the model has an InputLayer for that as well.
        inner.pop("batch_input_shape", None)
    if kind == "LeakyReLU" and "alpha" in inner:
        inner["negative_slope"] = inner.pop("alpha")
    inner |= {name: _with_module(inner[name]) for name in _WRAPPED if name in inner}
    if inner.get("activation") == "swish":
        inner["activation"] = "silu"
    if isinstance(inner.get("axis"), list) and len(inner["axis"]) == 1:
        inner["axis"] = inner["axis"][0]
    return inner


def _with_module(layer: Any) -> Any:
    """Return a layer within another as Keras 3 finds it: before TensorFlow 2.13 only the name of its class was told."""
    if isinstance(layer, list):
        return [_with_module(each) for each in layer]
    if not isinstance(layer, dict) or "module" in layer or layer.get("class_name") not in LAYERS:
        return layer
    return {**layer, "module": "keras.layers", "registered_name": None}


def _check_activations(kind: str, inner: Config) -> None:
    if _HARD_SIGMOID in (inner.get("activation"), inner.get("recurrent_activation")):
        unrolled = " (Build it with unroll=True first, since loops are not converted.)" if kind in _RECURRENT else ""
        raise ForeignModelRefused(
            f"Layer {inner.get('name', kind)} computes Keras 2's hard_sigmoid, clip(x / 5 + 1 / 2), which is another "
            f"function in Keras 3.{unrolled}"
        )


def _is_built_anew(kind: str, build: Any) -> bool:
    """Return whether Keras 3 builds such a layer from what Keras 2 told: the shape of its one input."""
    shape = build.get("input_shape") if isinstance(build, dict) else None
    return kind != "MultiHeadAttention" and isinstance(shape, list) and not any(isinstance(dim, list) for dim in shape)


def _says_nothing(class_name: str, argument: str, value: Any) -> bool:
    if argument in _IDLE.get(class_name, ()):
        return True
    if argument == "groups" and class_name in _KEPT_GROUPS:
        return False
    return argument in _DROPPED and value == _DROPPED[argument]


def _graph(functional: Config) -> Config:
    """Return a graph whose calls are in a form that Keras 3 reads."""
    layers = functional["layers"]
    names = frozenset(layer["name"] for layer in layers)
    # A model with inputs of its own was called once before its first call in the graph, which Keras 3 does not count;
    # of a graph's outputs it does so itself, but for Sequential models.
    is_old = not any(isinstance(call, dict) for layer in layers for call in layer["inbound_nodes"])
    inner = {layer["name"]: layer["class_name"] for layer in layers if is_old and _has_inputs(layer["config"])}
    sequential = frozenset(name for name, kind in inner.items() if kind == "Sequential")
    calls = [_renumbered(layer["inbound_nodes"], frozenset(inner)) for layer in layers]
    return {
        **functional,
        "layers": [_with_calls(layer, made, names) for layer, made in zip(layers, calls, strict=True)],
        "output_layers": _renumbered(functional["output_layers"], sequential),
    }


def _has_inputs(config: Config) -> bool:
    return bool(config.get("layers")) and config["layers"][0]["class_name"] == "InputLayer"


def _renumbered(value: Any, models: frozenset[str]) -> Any:
    """Return calls, or outputs, in which the calls of models are counted from zero."""
    if isinstance(value, dict):
        return {name: _renumbered(each, models) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    if _is_tensor(value[:_TENSOR], models):
        name, call, output, *rest = value
        if call < 1:
            raise ForeignModelRefused(f"Its graph asks for call {call} of {name}, which is none.")
        return [name, call - 1, output, *_renumbered(rest, models)]
    return [_renumbered(each, models) for each in value]


def _with_calls(layer: Config, calls: list[Any], names: frozenset[str]) -> Config:
    if layer["class_name"] == _FUNCTION:
        return _arithmetic({**layer, "inbound_nodes": calls}, names)
    if any(not isinstance(tensor, list) for call in calls if isinstance(call, list) for tensor in call):
        raise ForeignModelRefused(f"Its graph calls TensorFlow itself as {layer['name']}.")
    return {**layer, "inbound_nodes": [_call(layer["class_name"], each, names) for each in calls]}


def _call(kind: str, tensors: Any, names: frozenset[str]) -> Any:
    """Return a call; Keras 3's older form knows tensors among the positional arguments only."""
    if not isinstance(tensors, list):
        return tensors
    has_states = kind in _RECURRENT and len(tensors) > 1
    if not has_states and not any(_refers(each[_TENSOR:], names) for each in tensors):
        return tensors
    arguments = [_as_tensor(each[:_TENSOR]) for each in tensors]
    named = {name: _as_tensors(value, names) for each in tensors for name, value in (*each[_TENSOR:], {})[0].items()}
    if has_states:
        # Keras 2 appends them to the sequence.
        arguments, named["initial_state"] = arguments[:1], arguments[1:]
    return {"args": arguments if len(arguments) == 1 else [arguments], "kwargs": named}


def _is_tensor(value: Any, names: frozenset[str]) -> bool:
    return isinstance(value, list) and len(value) == _TENSOR and isinstance(value[0], str) and value[0] in names


def _refers(value: Any, names: frozenset[str]) -> bool:
    if _is_tensor(value, names):
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_refers(each, names) for each in inner)


def _as_tensors(value: Any, names: frozenset[str]) -> Any:
    if _is_tensor(value, names):
        return _as_tensor(value)
    return [_as_tensors(each, names) for each in value] if isinstance(value, list) else value


def _as_tensor(history: list[Any]) -> Config:
    # Keras goes by the history; the shape is that of the tensor it finds there.
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": history}}


def _arithmetic(layer: Config, names: frozenset[str]) -> Config:
    """Return the layer that does what an operator between tensors does, or between a tensor and numbers."""
    function, name = layer["config"].get("function"), layer["name"]
    calls = layer["inbound_nodes"]
    if len(calls) == 1 and len(calls[0]) == _TENSOR + 1 and calls[0][0] != _CONSTANT:
        *tensor, named = calls[0]
        other, is_plain = named.get("y"), {"y", "name"}.issuperset(named) and named.get("name") is None
        if is_plain and _is_tensor(other, names) and function in _TWO_TENSORS:
            return _layer(_TWO_TENSORS[function], name, {}, [[*tensor, {}], [*other, {}]])
        if is_plain and (scaled := _scaled(function, other)) is not None:
            return _layer("Rescaling", name, scaled, [[*tensor, {}]])
        if function in _ONE_TENSOR and {"name"}.issuperset(named):
            return _layer("ReLU", name, _ONE_TENSOR[function], [[*tensor, {}]])
    raise ForeignModelRefused(f"Its graph calls TensorFlow's {function} as {name}, for which Keras 3 has no layer.")


def _scaled(function: Any, number: Any) -> Config | None:
    """Return scale and offset of an operation with one number, None if it is another one."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    if function in ("math.add", "__operators__.add", "math.subtract"):
        return {"scale": 1.0, "offset": -number if function == "math.subtract" else number}
    if function in ("math.multiply", "math.truediv") and (number or function == "math.multiply"):
        return {"scale": 1 / number if function == "math.truediv" else number, "offset": 0.0}
    return None


def _layer(class_name: str, name: str, config: Config, call: list[Any]) -> Config:
    # Names of operators have dots, which are fine in Keras 3.
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [call],
    }
