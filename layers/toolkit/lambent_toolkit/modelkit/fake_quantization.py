"""A copy of a Keras model that feels int8 while it trains.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018:
weights and activations are rounded to 8 bits on the way forward; backwards the rounding counts as the identity (the
straight-through estimator), so that the weights underneath stay real numbers.

- Weights: symmetric, one scale for each output channel, from the channel's largest weight of the moment, as int8 files
  have them. A batch normalization behind is frozen. It multiplies whole channels when it is folded into the weights,
  which moves the scales and not the rounding.
- Activations: one range a tensor, wherever an int8 file has a quantized tensor of its own, which is not between
  operators that the converter fuses (convolution, batch normalization, ReLU).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from lambent_toolkit.modelkit.errors import LayerUnsupported
from lambent_toolkit.modelkit.fake_quantized_layers import (
    ActivationRange,
    FakeQuantizedConv2D,
    FakeQuantizedDense,
    FakeQuantizedDepthwiseConv2D,
    FakeQuantizedWeights,
)

if TYPE_CHECKING:
    from keras import KerasTensor

SUPPORTED = (
    "Conv2D, DepthwiseConv2D and Dense (activation linear, relu, relu6, softmax, sigmoid or tanh), BatchNormalization "
    "right behind one of those, ReLU, Activation and Softmax layers, Add, Rescaling, MaxPooling2D, AveragePooling2D, "
    "GlobalAveragePooling2D, ZeroPadding2D, Flatten, Reshape, Dropout"
)
_FUSED = ("linear", "relu", "relu6")
# Their 8-bit outputs have these ranges by the specification of TensorFlow Lite's int8 operators.
_FIXED_RANGES = {"softmax": (0.0, 255 / 256), "sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
_WEIGHTED = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
# Outputs share the scale of the inputs.
_MOVERS = (
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.ZeroPadding2D,
    layers.Flatten,
    layers.Reshape,
    layers.Dropout,
)
_ARITHMETIC = (layers.Add, layers.GlobalAveragePooling2D, layers.Rescaling)


_FAKE = {
    layers.Conv2D: FakeQuantizedConv2D,
    layers.Dense: FakeQuantizedDense,
    layers.DepthwiseConv2D: FakeQuantizedDepthwiseConv2D,
}


def fake_quantized(model: keras.Model, *, pixel_inputs: frozenset[int] = frozenset()) -> keras.Model:
    """Return a copy, with the same weights and not compiled, that rounds as its int8 file does.

    Parameters
    ----------
    model          Functional or Sequential, without models in it
    pixel_inputs   numbers of the inputs that take 0 to 255, whatever the data holds

    Raises
    ------
    LayerUnsupported   names the first layer that is not of `SUPPORTED`
    """
    plain = _functional(model)
    following = _following_layers(plain)
    for layer in plain.layers:
        _check(layer, [each for each in plain.layers if layer in following[each.name]])
    core = keras.models.clone_model(
        plain,
        clone_function=_fake_layer,
        call_function=lambda layer, *args, **kwargs: _ranged(
            layer(*args, **kwargs), plain.get_layer(layer.name), following[layer.name]
        ),
    )
    copy_weights(plain, core)
    inputs = [keras.Input(each.shape[1:], name=each.name, dtype=each.dtype) for each in plain.inputs]
    ranged = [
        ActivationRange((0.0, 255.0) if number in pixel_inputs else None, name=f"{each.name}_range")(each)
        for number, each in enumerate(inputs)
    ]
    return keras.Model(inputs, core(ranged if len(ranged) > 1 else ranged[0]), name=f"{plain.name}_int8")


def leave_weights_to_converter(copy: keras.Model) -> None:
    """Prepare a copy by `fake_quantized` for `quantization.to_tflite`, which reads its ranges."""
    for layer in copy.layers[-1].layers:
        if isinstance(layer, FakeQuantizedWeights):
            layer.rounds_weights = False


def take_trained_weights(model: keras.Model, copy: keras.Model) -> None:
    """Give a model the weights of its fine-tuned copy by `fake_quantized`: real numbers, not rounded ones."""
    copy_weights(copy.get_layer(model.name), model)


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of every layer to the layer of the same name; ranges of activations have none."""
    for layer in source.layers:
        if layer.weights and not isinstance(layer, ActivationRange):
            target.get_layer(layer.name).set_weights(layer.get_weights())


def _functional(model: keras.Model) -> keras.Model:
    # Keras knows the inputs of a model only where it also knows its graph of layers.
    if not getattr(model, "inputs", None):
        raise LayerUnsupported(
            f"{model.name} is a model of its own class, whose layers cannot be seen: quantization-aware fine-tuning "
            "takes Sequential and Functional models."
        )
    return keras.Model(model.inputs, model.outputs, name=model.name)


def _following_layers(model: keras.Model) -> dict[str, list[Any]]:
    """Return the layers that take each layer's output."""
    following: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.get_config()["layers"]:
        if len(layer["inbound_nodes"]) > 1:
            raise LayerUnsupported(
                f"Layer {layer['name']} is used in several places, whose ranges differ: quantization-aware fine-tuning "
                "takes models whose layers are used once."
            )
        for source in _sources(layer["inbound_nodes"]):
            following[source].append(model.get_layer(layer["name"]))
    return following


def _sources(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "keras_history" in node:
            yield node["keras_history"][0]
        else:
            yield from _sources(list(node.values()))
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _sources(each)


def _check(layer: Any, before: list[Any]) -> None:
    known = (layers.InputLayer, layers.ReLU, layers.Softmax, layers.Activation, *_WEIGHTED, *_MOVERS, *_ARITHMETIC)
    if isinstance(layer, layers.BatchNormalization):
        if not all(isinstance(each, _WEIGHTED) and _activation(each) == "linear" for each in before):
            raise LayerUnsupported(
                f"Layer {layer.name} (BatchNormalization) does not stand right behind a layer with weights and without "
                "activation, so it cannot be folded into one. Quantization-aware fine-tuning takes: " + SUPPORTED + "."
            )
        return
    if type(layer) not in known or _activation(layer) not in (*_FUSED, *_FIXED_RANGES):
        kind = type(layer).__name__ + ("" if type(layer) not in known else f" with activation {_activation(layer)}")
        raise LayerUnsupported(
            f"Layer {layer.name} ({kind}) has no fake-quantized form here. Quantization-aware fine-tuning takes: "
            f"{SUPPORTED}. What helps any model: `lambent quantize --mixed`."
        )


def _activation(layer: Any) -> str:
    if isinstance(layer, layers.Softmax):
        return "softmax"
    if isinstance(layer, layers.ReLU):
        is_plain = layer.negative_slope == 0 and layer.threshold == 0 and layer.max_value in (None, 6)
        return "relu" if is_plain else "relu with a slope, a threshold or another maximum"
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", type(activation).__name__) if activation is not None else "linear"


def _fake_layer(layer: Any) -> Any:
    """Return the copy of a layer; an activation that is an operator of its own is applied by `_call`."""
    config = layer.get_config()
    if isinstance(layer, _WEIGHTED):
        if _activation(layer) in _FIXED_RANGES:
            config["activation"] = "linear"
        return _FAKE[type(layer)].from_config(config)
    copy = type(layer).from_config(config)
    if isinstance(layer, layers.BatchNormalization):
        copy.trainable = False
    return copy


def _ranged(outputs: KerasTensor, original: Any, following: list[Any]) -> KerasTensor:
    """Round a layer's outputs where its int8 file has a quantized tensor of its own."""
    activation, name = _activation(original), original.name
    if activation in _FIXED_RANGES:
        if isinstance(original, _WEIGHTED):
            outputs = ActivationRange(name=f"{name}_logits_range")(outputs)
            outputs = layers.Activation(activation, name=f"{name}_{activation}")(outputs)
        return ActivationRange(_FIXED_RANGES[activation], name=f"{name}_range")(outputs)
    if isinstance(original, _MOVERS) or (activation == "linear" and _fuses(following)):
        return outputs
    return ActivationRange(name=f"{name}_range")(outputs)


def _fuses(following: list[Any]) -> bool:
    """Tell whether what follows becomes a part of the operator before it."""
    if len(following) != 1:
        return False
    layer = following[0]
    is_relu = isinstance(layer, layers.ReLU | layers.Activation) and _activation(layer) in ("relu", "relu6")
    return is_relu or isinstance(layer, layers.BatchNormalization)
