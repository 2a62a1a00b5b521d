"""More kinds of models, by what they take and what they answer; see `architectures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architectures import ABC, PICTURE, SERIES, WHOLE_NUMBERS, Architecture
from fitting_data import WORDS

from lambent_toolkit.modelkit.errors import ForeignModelRefused

if TYPE_CHECKING:
    import keras

_ROW = 6
_BINARY = ("--labels", "no,yes")
_TEXT = ("--preprocessing", "text", "--tokenizer", "tokenizer.json", *ABC)
_TABLE = ("--preprocessing", "tabular")
_LENGTH = 8
_FOREIGN = ForeignModelRefused.exit_code


def structures() -> dict[str, Architecture]:
    """Return all of them, by name."""
    return {**_answers(), **_inputs(), **_texts(), **_layers(), **_refused()}


def _row(end: Any, name: str = "row") -> keras.Model:
    import keras

    inputs = keras.Input((_ROW,), name=name)
    return keras.Model(inputs, end(keras.layers.Dense(5, activation="relu")(inputs)))


def _answers() -> dict[str, Architecture]:
    import keras
    from keras import layers, ops

    def heads(seen: Any) -> list[Any]:
        return [layers.Dense(1, name="age")(layers.Dense(4)(seen)), layers.Dense(3, "softmax", name="kind")(seen)]

    def dicts() -> keras.Model:
        left, right = keras.Input((_ROW,), name="left"), keras.Input((4,), name="right")
        both = layers.Concatenate()([left, right])
        ends = {"embedding": layers.Dense(4)(both), "scores": layers.Dense(3, activation="softmax")(both)}
        return keras.Model({"right": right, "left": left}, ends)

    def nested_outputs(seen: Any) -> list[Any]:
        return [layers.Dense(2, name="near")(seen), {"far": layers.Dense(3, activation="softmax", name="f")(seen)}]

    def odd_names() -> keras.Model:
        inputs = keras.Input((_ROW,), name="une ligne")
        seen = layers.Dense(4, name="couche cachée")(inputs)
        return keras.Model(inputs, layers.Dense(3, activation="softmax", name="é sortie")(seen), name="mon modèle")

    def averaged(seen: Any) -> Any:
        return layers.Average()([layers.Dense(3, activation="softmax")(seen) for _ in range(2)])

    return {
        "two_heads_all_answered": Architecture(lambda: _row(heads)),
        "two_heads_labels_tell_which": Architecture(lambda: _row(heads), init=ABC),
        "two_heads_one_named": Architecture(lambda: _row(heads), init=("--output", "age")),
        "dicts_in_and_out": Architecture(dicts, init=ABC),
        "nested_outputs": Architecture(lambda: _row(nested_outputs), init=ABC),
        "odd_names": Architecture(odd_names),
        "binary_score": Architecture(lambda: _row(layers.Dense(1, "sigmoid", name="p")), init=_BINARY),
        "binary_logit": Architecture(lambda: _row(layers.Dense(1, name="z")), init=_BINARY),
        "one_label_a_number": Architecture(lambda: _row(layers.Dense(3, "sigmoid")), init=ABC),
        "logits": Architecture(lambda: _row(layers.Dense(3))),
        "logarithms_of_scores": Architecture(
            lambda: _row(layers.Dense(3, "log_softmax")), unmade={"int16x8": "cannot take LOG_SOFTMAX"}
        ),
        "scores_averaged": Architecture(lambda: _row(averaged)),
        "number_of_a_table": Architecture(lambda: _row(layers.Dense(1, name="price")), init=_TABLE),
        "labels_of_a_table": Architecture(lambda: _row(layers.Dense(3, "softmax")), init=(*_TABLE, *ABC)),
        "number_of_a_picture": Architecture(lambda: _picture(layers.Dense(1, name="age"))),
        "quantiles": Architecture(lambda: _row(layers.Dense(3)), init=()),
        "rows_made_again": Architecture(lambda: _row(layers.Dense(_ROW))),
        "number_of_the_best_class": Architecture(
            lambda: _row(lambda seen: ops.argmax(layers.Dense(4)(seen), axis=-1)), refusal="no kernel for BitwiseAnd"
        ),
    }


def _picture(end: Any, *, dtype: str = "float32", prepare: Any = None) -> keras.Model:
    import keras
    from keras import layers

    inputs = keras.Input(PICTURE, name="picture", dtype=dtype)
    seen = layers.Conv2D(4, 3, activation="relu")(prepare(inputs) if prepare else inputs)
    return keras.Model(inputs, end(layers.GlobalAveragePooling2D()(seen)))


def _inputs() -> dict[str, Architecture]:
    import keras
    from keras import layers, ops

    def siamese() -> keras.Model:
        eye = keras.Sequential([keras.Input(PICTURE), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()], name="eye")
        left, right = keras.Input(PICTURE, name="left"), keras.Input(PICTURE, name="right")
        return keras.Model([left, right], layers.Dense(1, "sigmoid", name="same")(ops.abs(eye(left) - eye(right))))

    def wide_and_deep() -> keras.Model:
        city, numbers = keras.Input((1,), dtype="int32", name="city"), keras.Input((_ROW,), name="numbers")
        deep = layers.Flatten()(layers.Embedding(6, 3)(city))
        both = layers.Concatenate()([deep, layers.Dense(4, activation="relu")(numbers)])
        return keras.Model([city, numbers], layers.Dense(3, activation="softmax", name="scores")(both))

    def one_hot() -> keras.Model:
        kind = keras.Input((1,), dtype="int32", name="kind")
        return keras.Model(kind, layers.Dense(3, "softmax")(layers.CategoryEncoding(4, "one_hot", name="hot")(kind)))

    def of_a_graph() -> keras.Model:
        nodes, edges = keras.Input((5, 4), name="nodes"), keras.Input((5, 5), name="edges")
        seen = layers.Dense(4, activation="relu")(ops.matmul(edges, nodes))
        return keras.Model([nodes, edges], layers.Dense(3, activation="softmax", name="scores")(ops.mean(seen, axis=1)))

    def any_size() -> keras.Model:
        inputs = keras.Input((None, None, 3), name="picture")
        seen = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(inputs)))
        return keras.Model(inputs, layers.Dense(3, activation="softmax")(seen))

    scores = lambda: layers.Dense(3, activation="softmax", name="scores")  # noqa: E731
    return {
        "two_pictures_compared": Architecture(siamese, init=_BINARY),
        "category_and_numbers": Architecture(wide_and_deep, init=ABC, unmade=WHOLE_NUMBERS),
        "category_encoded_one_hot": Architecture(
            # The converter's own 8-bit form of ONE_HOT is that far off.
            one_hot,
            {"int8": 0.2},
            init=ABC,
            unmade={"int16x8": "cannot take CAST"},
        ),
        "graph_of_nodes_and_edges": Architecture(of_a_graph, init=ABC),
        "pictures_of_bytes": Architecture(
            lambda: _picture(scores(), dtype="uint8", prepare=layers.Rescaling(1 / 255)),
            unmade={"int16x8": "cannot take CAST"},
        ),
        "pictures_of_one_size_said": Architecture(any_size, init=(*ABC, "--size", "12x10")),
        "pictures_prepared_inside": Architecture(
            lambda: _picture(scores(), prepare=keras.applications.densenet.preprocess_input)
        ),
    }


def _texts() -> dict[str, Architecture]:
    import keras
    from keras import layers, ops

    def tokens(*, masked: bool, length: int | None = _LENGTH) -> keras.Model:
        inputs = [keras.Input((length,), dtype="int32", name=name) for name in ("ids", "mask")[: 1 + masked]]
        seen = layers.Embedding(len(WORDS) + 2, 4)(inputs[0])
        if masked:
            weights = ops.expand_dims(ops.cast(inputs[1], "float32"), -1)
            seen = ops.sum(seen * weights, axis=1) / ops.sum(weights, axis=1)
        else:
            seen = layers.GlobalMaxPooling1D()(layers.Conv1D(4, 3, activation="relu")(seen))
        return keras.Model(inputs, layers.Dense(3, activation="softmax", name="scores")(seen))

    def transformer() -> keras.Model:
        ids = keras.Input((_LENGTH,), dtype="int32", name="ids")
        seen = layers.Embedding(len(WORDS) + 2, 8)(ids) + layers.Embedding(_LENGTH, 8)(ops.arange(_LENGTH))
        seen = layers.LayerNormalization()(seen + layers.MultiHeadAttention(2, 4)(seen, seen, use_causal_mask=True))
        return keras.Model(ids, layers.Dense(len(WORDS) + 2, name="next")(layers.Dense(8, "gelu")(seen)))

    def translator() -> keras.Model:
        source, target = (keras.Input((5,), dtype="int32", name=name) for name in ("source", "target"))
        _, *state = layers.LSTM(4, return_state=True)(layers.Embedding(9, 4)(source))
        decoded = layers.LSTM(4, return_sequences=True)(layers.Embedding(9, 4)(target), initial_state=state)
        return keras.Model([source, target], layers.Dense(9, activation="softmax", name="words")(decoded))

    unrolled = "recurrent layers unrolled"
    return {
        "text_of_tokens": Architecture(lambda: tokens(masked=False), init=_TEXT, unmade=WHOLE_NUMBERS),
        "text_with_a_mask": Architecture(lambda: tokens(masked=True), init=_TEXT, unmade=WHOLE_NUMBERS),
        "text_of_any_length": Architecture(lambda: tokens(masked=True, length=None), init=_TEXT, unmade=WHOLE_NUMBERS),
        "next_word_of_a_transformer": Architecture(transformer, unmade=WHOLE_NUMBERS),
        "translator_of_tokens": Architecture(translator, told=unrolled, unmade=WHOLE_NUMBERS),
    }


def _layers() -> dict[str, Architecture]:
    import keras
    from keras import layers, ops

    def series(*body: Any) -> keras.Model:
        return keras.Sequential([keras.Input(SERIES, name="series"), *body])

    def residual() -> keras.Model:
        inputs = out = keras.Input(SERIES, name="series")
        for width in (1, 2):
            same = layers.Conv1D(SERIES[1], 2, padding="same", dilation_rate=width, activation="tanh")
            out = layers.Add()([out, same(out)])
        return keras.Model(inputs, layers.Dense(1, name="next")(layers.Flatten()(out)))

    def attended() -> keras.Model:
        inputs = keras.Input(SERIES, name="series")
        seen = layers.AdditiveAttention()([inputs, layers.Attention()([inputs, inputs])])
        return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(seen)))

    def upscaled() -> keras.Model:
        inputs = keras.Input((8, 8, 3), name="picture")
        seen = layers.Conv2D(12, 3, padding="same")(inputs)
        parts = ops.transpose(ops.reshape(seen, (-1, 8, 8, 2, 2, 3)), (0, 1, 3, 2, 4, 5))
        return keras.Model(inputs, ops.reshape(parts, (-1, 16, 16, 3)))

    unrolled = "recurrent layers unrolled"
    return {
        "sequence_to_sequence": Architecture(
            lambda: series(
                layers.GRU(4),
                layers.RepeatVector(3),
                layers.GRU(4, return_sequences=True),
                layers.TimeDistributed(layers.Dense(2)),
            ),
            told=unrolled,
            unmade={"int16x8": "cannot run the model file"},
        ),
        "masking_before_memory": Architecture(
            lambda: series(layers.Masking(), layers.LSTM(3), layers.Dense(3, "softmax")),
            told=unrolled,
            unmade={"int8": "cannot run the model file", "int16x8": "cannot take NOT_EQUAL"},
        ),
        "residual_forecast": Architecture(residual),
        "attention_by_other_layers": Architecture(attended, {"int16x8": 0.1}),
        "einsum": Architecture(
            lambda: series(
                layers.EinsumDense("abc,cd->abd", output_shape=(SERIES[0], 4)), layers.Flatten(), layers.Dense(2)
            )
        ),
        "series_upsampled": Architecture(
            lambda: series(layers.Conv1DTranspose(2, 3, strides=2), layers.Cropping1D(1), layers.ZeroPadding1D(1))
        ),
        "picture_upscaled": Architecture(upscaled),
    }


def _refused() -> dict[str, Architecture]:
    import keras
    from keras import layers, ops

    twice = lambda: layers.Lambda(lambda x: x * 2, name="twice")  # noqa: E731

    @keras.saving.register_keras_serializable(package="theirs")
    class Swish(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * ops.sigmoid(inputs)

    def words(layer: Any) -> keras.Model:
        inputs = keras.Input((1,), dtype="string", name="words")
        return keras.Model(inputs, layers.Dense(3)(ops.cast(layer(inputs), "float32")))

    def codes(layer: Any) -> keras.Model:
        inputs = keras.Input((2,), dtype="int32", name="codes")
        return keras.Model(inputs, layers.Dense(2)(ops.cast(layer(inputs), "float32")))

    return {
        "lambda": Architecture(lambda: _row(twice()), refusal="Lambda", code=_FOREIGN),
        "layer_of_its_own": Architecture(lambda: _row(Swish(name="swish")), refusal="Swish", code=_FOREIGN),
        "texts_vectorized_inside": Architecture(
            lambda: words(layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)),
            refusal="TextVectorization", code=_FOREIGN,
        ),
        "categories_of_strings": Architecture(
            lambda: words(layers.StringLookup(vocabulary=["a", "b"])), refusal="StringLookup", code=_FOREIGN
        ),
        "categories_looked_up": Architecture(
            lambda: codes(layers.IntegerLookup(vocabulary=[1, 2, 3])), refusal="IntegerLookup", code=_FOREIGN
        ),
        "categories_hashed": Architecture(lambda: codes(layers.Hashing(8, name="hashed")), refusal="hashed"),
    }  # fmt: skip
