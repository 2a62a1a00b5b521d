"""Keras models whose graph tells what their contract is: preprocessing inside, heads, structures, odd names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Build = Callable[[Any, Any], Any]
SIDE = 12
ROW = 6


class GraphModel(NamedTuple):
    """A model, what its draft is asked for, and what it must say; None where it does not matter."""

    build: Build
    labels: tuple[str, ...] = ()
    pixels: tuple[float, float] | None = None
    activation: str | None = None
    output: str | None = None


PIXELS, UNIT, SIGNED = (1.0, 0.0), (1 / 255, 0.0), (2 / 255, -1.0)
ABC = ("a", "b", "c")


def _pictures(keras: Any, prepare: Callable[[Any], Any], *, end: Callable[[Any], Any] | None = None) -> Any:
    inputs = keras.Input((SIDE, SIDE, 3), name="picture")
    seen = keras.layers.Conv2D(4, 3, activation="relu")(prepare(inputs))
    seen = keras.layers.GlobalAveragePooling2D()(seen)
    scores = keras.layers.Dense(3, activation="softmax", name="scores")
    return keras.Model(inputs, (end or scores)(seen))


def _row(keras: Any, end: Callable[[Any], Any]) -> Any:
    inputs = keras.Input((ROW,), name="row")
    return keras.Model(inputs, end(keras.layers.Dense(5, activation="relu")(inputs)))


def _adapted(layers: Any, numbers: np.ndarray) -> Any:
    layer = layers.Normalization()
    layer.adapt(numbers.astype(np.float32))
    return layer


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random((16, *shape))


def _normed_first(keras: Any, layers: Any) -> Any:
    layer = layers.BatchNormalization()
    layer.build((None, SIDE, SIDE, 3))
    layer.moving_mean.assign([120.0, 110.0, 100.0])
    layer.moving_variance.assign([4900.0] * 3)
    return _pictures(keras, layer)


def _swapped_means(keras: Any, layers: Any) -> Any:
    return _pictures(
        keras, lambda x: layers.Concatenate()([x[..., 2:3] - 103.9, x[..., 1:2] - 116.8, x[..., 0:1] - 123.7])
    )


def _augmented(keras: Any, layers: Any) -> Any:
    augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    return _pictures(keras, lambda x: layers.Rescaling(1 / 127.5, offset=-1)(augment(x)))


def _nested_base(keras: Any, layers: Any) -> Any:
    inputs = keras.Input((SIDE, SIDE, 3))
    base = keras.Model(inputs, layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(inputs)), name="base")
    return keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(3), layers.Softmax()])


def _mobile(keras: Any, layers: Any) -> Any:
    base = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3))
    inputs = keras.Input((32, 32, 3), name="picture")
    score = layers.Dense(1, activation="sigmoid", name="score")
    return keras.Model(inputs, score(layers.GlobalAveragePooling2D()(base(inputs, training=False))))


def _half_precision_end(keras: Any, layers: Any) -> Any:
    return _row(keras, lambda x: layers.Activation("linear", dtype="float32")(layers.Dense(3, activation="softmax")(x)))


def _two_heads(keras: Any, layers: Any) -> Any:
    return _row(
        keras,
        lambda x: [
            layers.Dense(1, name="age")(layers.Dense(4)(x)),
            layers.Dense(3, activation="softmax", name="kind")(x),
        ],
    )


def _dicts(keras: Any, layers: Any) -> Any:
    left, right = keras.Input((ROW,), name="left"), keras.Input((4,), name="right")
    both = layers.Concatenate()([left, right])
    heads = {"embedding": layers.Dense(4)(both), "scores": layers.Dense(3, activation="softmax")(both)}
    return keras.Model({"right": right, "left": left}, heads)


def _nested_structure(keras: Any, layers: Any) -> Any:
    inputs = keras.Input((ROW,), name="row")
    heads = [layers.Dense(2, name="near")(inputs), {"far": layers.Dense(3, activation="softmax", name="f")(inputs)}]
    return keras.Model([inputs], heads)


def _odd_names(keras: Any, layers: Any) -> Any:
    inputs = keras.Input((ROW,), name="une ligne")
    seen = layers.Dense(4, name="couche cachée")(inputs)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="é sortie")(seen), name="mon modèle")


def _averaged(keras: Any, layers: Any) -> Any:
    return _row(keras, lambda x: layers.Average()([layers.Dense(3, activation="softmax")(x) for _ in range(2)]))


def _learned_colours(keras: Any, layers: Any) -> Any:
    base_inputs = keras.Input((SIDE, SIDE, 3))
    base = keras.Model(base_inputs, layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(base_inputs)), name="base")
    inputs = keras.Input((SIDE, SIDE, 1), name="grey")
    seen = layers.GlobalAveragePooling2D()(base(layers.Conv2D(3, 1, name="colours")(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(seen))


def _wrapped(keras: Any, layers: Any) -> Any:
    frames = layers.TimeDistributed(layers.Rescaling(1 / 255, name="scale"), name="each_frame")
    inputs = keras.Input((4, SIDE, SIDE, 3), name="video")
    seen = layers.Flatten()(layers.TimeDistributed(layers.Conv2D(2, 3, strides=4))(frames(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(seen))


GRAPH_MODELS: dict[str, GraphModel] = {
    "rescaling": GraphModel(lambda k, n: _pictures(k, n.Rescaling(1 / 255)), ABC, PIXELS, "none"),
    "preprocess_tf": GraphModel(lambda k, _n: _pictures(k, lambda x: x / 127.5 - 1.0), ABC, PIXELS, "none"),
    "preprocess_caffe": GraphModel(
        lambda k, _n: _pictures(k, k.applications.resnet50.preprocess_input), ABC, PIXELS, "none"
    ),
    "preprocess_torch": GraphModel(
        lambda k, _n: _pictures(k, k.applications.densenet.preprocess_input), ABC, PIXELS, "none"
    ),
    "swapped_means": GraphModel(_swapped_means, ABC, PIXELS, "none"),
    "cast_pixels": GraphModel(
        lambda k, _n: _pictures(k, lambda x: k.ops.cast(k.ops.cast(x, "uint8"), "float32") / 255.0), ABC, PIXELS, "none"
    ),
    "resized": GraphModel(lambda k, n: _pictures(k, lambda x: n.Rescaling(1 / 255)(n.Resizing(8, 8)(x))), ABC, PIXELS),
    "augmented": GraphModel(_augmented, ABC, PIXELS, "none"),
    "nested_base": GraphModel(_nested_base, ABC, PIXELS, "none"),
    "mobile": GraphModel(_mobile, ("cat", "dog"), PIXELS, "none"),
    "normed_pixels": GraphModel(
        lambda k, n: _pictures(k, _adapted(n, 255 * _noise(SIDE, SIDE, 3))), ABC, PIXELS, "none"
    ),
    "normed_unit": GraphModel(lambda k, n: _pictures(k, _adapted(n, _noise(SIDE, SIDE, 3))), ABC, UNIT, "none"),
    "batch_norm_first": GraphModel(_normed_first, ABC, PIXELS, "none"),
    "unit_to_signed": GraphModel(lambda k, _n: _pictures(k, lambda x: x * 2.0 - 1.0), ABC, UNIT, "none"),
    "signed_to_unit": GraphModel(lambda k, _n: _pictures(k, lambda x: x * 0.5 + 0.5), ABC, SIGNED, "none"),
    "unit_to_pixels": GraphModel(lambda k, n: _pictures(k, n.Rescaling(255.0)), ABC, UNIT, "none"),
    "pooled_first": GraphModel(
        lambda k, n: _pictures(k, lambda x: n.Rescaling(1 / 255)(n.MaxPooling2D()(n.AveragePooling2D(2)(x)))),
        ABC,
        PIXELS,
    ),
    "cut_off_first": GraphModel(
        lambda k, n: _pictures(k, lambda x: n.Rescaling(1 / 127.5, offset=-1)(n.ReLU(max_value=255)(x))), ABC, PIXELS
    ),
    "learned_colours": GraphModel(_learned_colours, ABC, PIXELS, "none"),
    "wrapped": GraphModel(_wrapped, ABC, None, "none"),
    "nothing_inside": GraphModel(lambda k, _n: _pictures(k, lambda x: x), ABC, UNIT, "none"),
    "linear_end": GraphModel(_half_precision_end, ABC, None, "none"),
    "heads": GraphModel(_two_heads, ABC, None, "none", "kind"),
    "softmax_operation": GraphModel(lambda k, n: _row(k, lambda x: k.ops.softmax(n.Dense(3)(x))), ABC, None, "none"),
    "log_softmax": GraphModel(lambda k, n: _row(k, n.Dense(3, activation="log_softmax")), ABC, None, "softmax"),
    "logits": GraphModel(lambda k, n: _row(k, n.Dense(3)), ABC, None, "softmax"),
    "reshaped": GraphModel(
        lambda k, n: _row(k, lambda x: n.Reshape((3,))(n.Reshape((3, 1))(n.Dense(3, activation="softmax")(x)))),
        ABC,
        None,
        "none",
    ),
    "averaged": GraphModel(_averaged, ABC, None, "none"),
    "labels_each": GraphModel(lambda k, n: _row(k, n.Dense(3, activation="sigmoid")), ABC, None, "none"),
    "binary_score": GraphModel(
        lambda k, n: _row(k, n.Dense(1, activation="sigmoid", name="p")), ("no", "yes"), None, "none"
    ),
    "binary_logit": GraphModel(lambda k, n: _row(k, n.Dense(1, name="z")), ("no", "yes"), None, "sigmoid"),
    "dicts": GraphModel(_dicts, ABC, None, "none", "scores"),
    "nested_structure": GraphModel(_nested_structure, ABC, None, "none", "1_far"),
    "odd_names": GraphModel(_odd_names, ABC, None, "none"),
    "one_number": GraphModel(lambda k, n: _row(k, n.Dense(1, name="price"))),
    "list_of_one": GraphModel(lambda k, n: _row(k, lambda x: [n.Dense(4)(x)])),
}
