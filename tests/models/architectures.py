"""Models of the kinds that people bring: small, seeded, untrained; each with what must become of it.

A builder is called inside of `tensorflow_quiet.quiet`; it imports Keras itself, so that this module costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambent_toolkit.modelkit.errors import ConversionFailed

if TYPE_CHECKING:
    import keras

PICTURE = (16, 16, 3)
SERIES = (6, 3)


# The most that a form of a file may differ from Keras on noise, absolute, where a kind does not say otherwise.
ROUNDING = {"float32": 1e-5, "float16": 1e-3, "dynamic": 2e-2, "int16x8": 2e-2, "int8": 4e-2}
# Of a model that was trained in half precision: its own rounding.
HALF = dict.fromkeys(("float32", "float16", "dynamic"), 5e-3)
# The form in which every tensor has a range takes no inputs of whole numbers.
WHOLE_NUMBERS = {"int16x8": "which holds whole numbers"}
ABC = ("--labels", "a,b,c")


@dataclass(frozen=True)
class Architecture:
    """A kind of model and its outcome.

    Parameters
    ----------
    build      makes it
    rounding   form of its file → the most that it may differ from Keras, where that is more than in `ROUNDING`
    told       words that must stand among the changes made for the converter; none says that nothing is changed
    refusal    words of the refusal, for one that has no .tflite file; it must name a layer or an operation
    code       exit code of the refusal: that of the converter, or another one, which `contract init` ends with
    unmade     form of its file → words of why there is none
    init       what `contract init` is told; None names three labels where the model has one output of three numbers
    """

    build: Callable[[], keras.Model]
    rounding: Mapping[str, float] = field(default_factory=dict)
    told: str | None = None
    refusal: str | None = None
    code: int = ConversionFailed.exit_code
    unmade: Mapping[str, str] = field(default_factory=dict)
    init: tuple[str, ...] | None = None

    def most(self, form: str) -> float:
        """Return the most that a form of its file may differ from Keras."""
        return self.rounding.get(form, ROUNDING[form])


def _picture(*body: Any, head: Any = None) -> keras.Model:
    import keras

    inputs = out = keras.Input(PICTURE, name="picture")
    for layer in body:
        out = layer(out)
    return keras.Model(inputs, (head or _scores)(out))


def _scores(features: Any) -> Any:
    from keras import layers

    return layers.Dense(3, activation="softmax", name="scores")(layers.GlobalAveragePooling2D()(features))


def _of(shape: tuple[int | None, ...], *body: Any, batch: int | None = None, dtype: str = "float32") -> keras.Model:
    import keras

    return keras.Sequential([keras.Input(batch_shape=(batch, *shape), name="numbers", dtype=dtype), *body])


def _series(*body: Any, length: int | None = SERIES[0]) -> keras.Model:
    import keras

    head = keras.layers.Dense(3, activation="softmax", name="scores")
    return keras.Sequential([keras.Input((length, SERIES[1]), name="series"), *body, head])


def _words(body: Callable[[Any], Any]) -> keras.Model:
    import keras
    from keras import layers

    ids = keras.Input((SERIES[0],), dtype="int32", name="ids")
    out = body(layers.Embedding(20, 4, mask_zero=True)(ids))
    return keras.Model(ids, layers.Dense(3, activation="softmax", name="scores")(out))


def _under(policy: str, build: Callable[[], keras.Model]) -> keras.Model:
    import keras

    keras.config.set_dtype_policy(policy)
    try:
        return build()
    finally:
        keras.config.set_dtype_policy("float32")


def _conv(**more: Any) -> Any:
    from keras import layers

    return layers.Conv2D(4, 3, activation="relu", **more)


def _shared_encoder() -> keras.Model:
    import keras
    from keras import layers

    encoder = keras.Sequential([keras.Input(SERIES), layers.LSTM(3)], name="encoder")
    left, right = keras.Input(SERIES, name="left"), keras.Input(SERIES, name="right")
    both = layers.Concatenate()([encoder(left), encoder(right)])
    return keras.Model([left, right], layers.Dense(2, name="scores")(both))


def _encoder_decoder() -> keras.Model:
    import keras
    from keras import layers

    source, target = keras.Input((4, 3), name="source"), keras.Input((3, 2), name="target")
    _, hidden, cell = layers.LSTM(3, return_state=True)(source)
    decoded = layers.LSTM(3, return_sequences=True)(target, initial_state=[hidden, cell])
    return keras.Model([source, target], layers.Dense(2, name="words")(decoded))


def _masked_twice() -> keras.Model:
    from keras import layers

    forth_and_back = layers.Bidirectional(layers.LSTM(3, return_sequences=True))
    return _words(lambda words: layers.Flatten()(forth_and_back(words)))


def _encoder_of_any_length() -> keras.Model:
    import keras
    from keras import layers

    any_length = keras.Input((None, 3))
    inner = keras.Model(any_length, layers.LSTM(3, name="memory")(any_length), name="inner")
    outer_input = keras.Input((None, 3))
    outer = keras.Model(outer_input, inner(outer_input), name="outer")
    series = keras.Input((6, 3))
    return keras.Model(series, layers.Dense(2)(outer(series)))


def _recurrent() -> dict[str, Architecture]:
    from keras import layers

    both = layers.Bidirectional
    unrolled = "recurrent layers unrolled"
    return {
        "lstm": Architecture(lambda: _series(layers.LSTM(4, name="memory")), told="memory (6 steps)"),
        "gru": Architecture(lambda: _series(layers.GRU(4)), told=unrolled),
        "gru_reset_before_backwards": Architecture(
            lambda: _series(layers.GRU(4, reset_after=False, go_backwards=True)), told=unrolled
        ),
        "simple_rnn": Architecture(lambda: _series(layers.SimpleRNN(4)), told=unrolled),
        "stacked_cells": Architecture(
            lambda: _series(layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])), told=unrolled
        ),
        "bidirectional_twice": Architecture(
            lambda: _series(both(layers.GRU(2, return_sequences=True)), both(layers.SimpleRNN(2), merge_mode="sum")),
            told="bidirectional",
        ),
        "masked_lstm": Architecture(lambda: _words(layers.LSTM(3)), told=unrolled, unmade=WHOLE_NUMBERS),
        "masked_bidirectional_read_at_every_step": Architecture(_masked_twice, told=unrolled, unmade=WHOLE_NUMBERS),
        "recurrent_in_time_distributed": Architecture(
            lambda: _of((2, 3, 2), layers.TimeDistributed(layers.SimpleRNN(2)), layers.SimpleRNN(2)), told=unrolled
        ),
        "conv_lstm": Architecture(lambda: _of((2, 5, 5, 2), layers.ConvLSTM2D(2, 3), layers.Flatten()), told=unrolled),
        "encoder_shared_by_two_inputs": Architecture(_shared_encoder, told=unrolled),
        "encoder_decoder": Architecture(_encoder_decoder, told=unrolled),
        "encoder_of_any_length_in_a_model": Architecture(_encoder_of_any_length, told="memory (6 steps)"),
        "more_steps_than_are_converted": Architecture(
            lambda: _series(layers.Bidirectional(layers.SimpleRNN(1), name="both"), length=1_001),
            refusal="2,002 steps (both 1001), at most 2,000 are converted",
        ),
        "unrolled_by_its_maker": Architecture(lambda: _series(layers.SimpleRNN(3, unroll=True))),
        "lstm_over_any_time": Architecture(
            lambda: _series(layers.LSTM(3, name="memory"), length=None),
            refusal="memory is recurrent over a time of any",
        ),
        "stateful_lstm": Architecture(
            lambda: _of((2, 3), layers.LSTM(2, stateful=True, name="memory"), batch=1),
            refusal="memory keeps its state",
        ),
    }


def _floats() -> dict[str, Architecture]:
    from keras import layers

    def ends_in_float32() -> keras.Model:
        model = _picture(_conv(), layers.BatchNormalization(), layers.GlobalAveragePooling2D(), head=layers.Dense(3))
        return _behind(model, layers.Activation("softmax", dtype="float32", name="scores"))

    told = "computed in float32, where the model says"
    return {
        "mixed_float16_that_ends_in_float32": Architecture(
            lambda: _under("mixed_float16", ends_in_float32), HALF, told=f"{told} mixed_float16"
        ),
        "mixed_float16_to_its_end": Architecture(
            lambda: _under("mixed_float16", lambda: _picture(_conv())), HALF, told=f"{told} mixed_float16"
        ),
        "mixed_bfloat16": Architecture(
            lambda: _under("mixed_bfloat16", lambda: _picture(_conv())), HALF, told=f"{told} mixed_bfloat16"
        ),
        "float16_weights_too": Architecture(
            lambda: _under("float16", lambda: _picture(_conv())), HALF, told=f"{told} float16"
        ),
        "float64": Architecture(lambda: _under("float64", lambda: _picture(_conv())), told=f"{told} float64"),
        "one_layer_in_half": Architecture(
            lambda: _picture(_conv(), _conv(dtype="mixed_float16"), _conv()), HALF, told=f"{told} mixed_float16"
        ),
        "half_in_a_model_in_a_model": Architecture(
            lambda: _picture(_under("mixed_float16", lambda: _of(PICTURE, _conv()))), HALF, told=f"{told} mixed_float16"
        ),
        "half_and_recurrent": Architecture(
            lambda: _under("mixed_float16", lambda: _series(layers.Bidirectional(layers.SimpleRNN(2)))),
            HALF,
            told="unrolled",
        ),
    }


def _behind(model: keras.Model, layer: Any) -> keras.Model:
    import keras

    return keras.Model(model.inputs, layer(model.outputs[0]))


def _pictures() -> dict[str, Architecture]:
    import keras
    from keras import layers

    def unet(out: Any) -> Any:
        down = layers.Conv2D(4, 3, padding="same", activation="relu")(out)
        below = layers.Conv2D(4, 3, padding="same")(layers.MaxPooling2D()(down))
        ways = [
            down,
            layers.Conv2DTranspose(4, 2, strides=2)(below),
            layers.UpSampling2D(interpolation="bilinear")(below),
        ]
        return layers.Conv2D(2, 1, activation="sigmoid", name="mask")(layers.Concatenate()(ways))

    def attention(out: Any) -> Any:
        words = layers.Reshape((16, 8))(layers.Conv2D(8, 4, strides=4)(out))
        words = layers.LayerNormalization()(words + layers.MultiHeadAttention(2, 4)(words, words))
        words = layers.LayerNormalization()(words + layers.Dense(8)(layers.Dense(16, activation="gelu")(words)))
        return layers.Dense(3, activation="softmax", name="scores")(layers.GlobalAveragePooling1D()(words))

    def squeezed(out: Any) -> Any:
        out = layers.Conv2D(8, 3)(out)
        gate = layers.Dense(8, activation="hard_sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(out))
        return _scores(layers.Multiply()([out, gate]))

    def operations(out: Any) -> Any:
        out = layers.Conv2D(4, 3)(out / 127.5 - 1.0)
        return keras.ops.softmax(layers.Dense(3, name="logits")(keras.ops.mean(out[:, 1:-1, 1:-1, :], axis=(1, 2))))

    def detector(out: Any) -> list[Any]:
        out = layers.Flatten()(layers.Conv2D(4, 3, strides=4)(out))
        return [
            layers.Reshape((4, 4))(layers.Dense(16)(out)),
            layers.Dense(4, activation="sigmoid", name="scores")(out),
        ]

    return {
        "convolution": Architecture(lambda: _picture(_conv(), layers.MaxPooling2D(), _conv())),
        "separable_and_dilated": Architecture(
            lambda: _picture(
                layers.SeparableConv2D(4, 3), layers.DepthwiseConv2D(3, depth_multiplier=2), _conv(dilation_rate=2)
            )
        ),
        "grouped": Architecture(lambda: _picture(_conv(), _conv(groups=2))),
        "normalizations": Architecture(
            lambda: _picture(
                _conv(),
                layers.BatchNormalization(),
                layers.GroupNormalization(2),
                layers.LayerNormalization(),
                layers.UnitNormalization(),
                layers.RMSNormalization(),
            ),
            {"int8": 0.2},
            unmade={"int16x8": "cannot take NEG"},
        ),
        "spectral_normalization": Architecture(lambda: _picture(layers.SpectralNormalization(layers.Conv2D(4, 3)))),
        "odd_activations": Architecture(
            lambda: _picture(
                layers.Conv2D(4, 3),
                layers.PReLU(),
                layers.Activation("mish"),
                layers.ELU(),
                layers.LeakyReLU(),
                layers.Activation("hard_silu"),
                layers.Activation("gelu"),
                layers.Activation("softplus"),
            ),
            unmade={"int16x8": "cannot take PRELU"},
        ),
        "augmentation_and_rescaling": Architecture(
            lambda: _picture(layers.RandomFlip(), layers.RandomRotation(0.1), layers.Rescaling(1 / 255), _conv())
        ),
        "dropouts": Architecture(
            lambda: _picture(_conv(), layers.SpatialDropout2D(0.2), layers.GaussianNoise(0.1), layers.Dropout(0.2))
        ),
        "u_net": Architecture(lambda: _picture(head=unet)),
        "vision_transformer": Architecture(lambda: _picture(head=attention), unmade={"int16x8": "cannot take NEG"}),
        "squeeze_and_excitation": Architecture(lambda: _picture(head=squeezed)),
        "operations_instead_of_layers": Architecture(lambda: _picture(head=operations)),
        "detector_of_two_outputs": Architecture(lambda: _picture(head=detector)),
        "autoencoder": Architecture(
            lambda: _picture(_conv(strides=2, padding="same"), head=layers.Conv2DTranspose(3, 3, 2, padding="same"))
        ),
        "unit_embedding": Architecture(
            lambda: _picture(_conv(), layers.GlobalMaxPooling2D(), layers.Dense(8), head=layers.UnitNormalization()),
            unmade={"int16x8": "cannot take SQUARE"},
        ),
        "pictures_of_any_size": Architecture(
            lambda: _of((None, None, 3), layers.Resizing(8, 8), _conv(), layers.GlobalAveragePooling2D())
        ),
        "model_in_a_model": Architecture(lambda: _picture(_of(PICTURE, _conv(), _of((14, 14, 4), _conv())), _conv())),
    }


def _with_own_loss(shape: tuple[int, ...] = (4,)) -> keras.Model:
    import keras

    class Dice(keras.losses.Loss):
        def call(self, true: Any, predicted: Any) -> Any:
            return 1.0 - keras.ops.mean(true * predicted)

    model = _of(shape, keras.layers.Dense(3, name="scores"))
    model.compile("adam", loss=Dice())
    return model


def _others() -> dict[str, Architecture]:
    import keras
    from keras import layers

    def two_inputs() -> keras.Model:
        picture, numbers = keras.Input(PICTURE, name="picture"), keras.Input((5,), name="numbers")
        both = layers.Concatenate()([layers.GlobalAveragePooling2D()(_conv()(picture)), layers.Dense(4)(numbers)])
        return keras.Model([picture, numbers], layers.Dense(3, activation="softmax", name="scores")(both))

    def normalization() -> keras.Model:
        return _of((4,), layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 16]), layers.Dense(1))

    return {
        "dense": Architecture(lambda: _of((8,), layers.Dense(16, activation="relu"), layers.Dense(3))),
        "normalization_and_regression": Architecture(normalization),
        "picture_and_numbers": Architecture(two_inputs),
        "categories_encoded_many_hot": Architecture(
            lambda: _of(
                (3,), layers.CategoryEncoding(4, "multi_hot", name="categories"), layers.Dense(2), dtype="int32"
            ),
            refusal="no kernel for DenseBincount of layer categories",
        ),
        "discretized": Architecture(
            lambda: _of((3,), layers.Discretization([0.0, 1.0]), layers.Rescaling(0.5)),
            unmade={"int16x8": "cannot take BUCKETIZE"},
        ),
        "text_convolution": Architecture(
            lambda: _words(lambda words: layers.GlobalMaxPooling1D()(layers.Conv1D(4, 3)(words))), unmade=WHOLE_NUMBERS
        ),
        "text_of_masked_attention": Architecture(
            lambda: _words(
                lambda words: layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 2)(words, words))
            ),
            unmade=WHOLE_NUMBERS,
        ),
        "causal_convolution": Architecture(
            lambda: _series(layers.Conv1D(4, 2, padding="causal", dilation_rate=2), layers.AveragePooling1D(2))
        ),
        "series_of_any_length": Architecture(
            lambda: _series(layers.Conv1D(4, 2), layers.GlobalAveragePooling1D(), length=None)
        ),
        "convolution_3d": Architecture(
            lambda: _of((5, 5, 5, 2), layers.Conv3D(3, 3), layers.GlobalAveragePooling3D(), layers.Dense(2)),
            unmade={"int16x8": "cannot take CONV_3D"},
        ),
        "time_distributed_convolution": Architecture(
            lambda: _of((3, 6, 6, 2), layers.TimeDistributed(_conv()), layers.Flatten(), layers.Dense(2))
        ),
        "pooling_3d": Architecture(
            lambda: _of((6, 6, 6, 2), layers.MaxPooling3D(name="pool"), layers.Flatten(), layers.Dense(2)),
            refusal="no kernel for MaxPool3D of layer pool",
        ),
        "operator_without_a_kernel": Architecture(
            lambda: _picture(_conv(), head=lambda out: _scores(keras.ops.arcsinh(out))), refusal="no kernel for Asinh"
        ),
        "compiled_with_a_loss_of_its_own": Architecture(_with_own_loss),
        "compiled_inside_with_a_loss_of_its_own": Architecture(lambda: _picture(_with_own_loss(PICTURE))),
    }


def architectures() -> dict[str, Architecture]:
    """Return all of them, by name."""
    return {**_recurrent(), **_floats(), **_pictures(), **_others()}
