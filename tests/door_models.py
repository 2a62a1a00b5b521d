"""Small models of every kind of input and answer, with items and what Keras itself answers to these.

Items and tensors are both made here, each by its own way: what Lambent makes of an item is not asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from PIL import Image

from lambent.contracts.model import Classification, ModelContract, NumericColumn, Regression, TabularPreprocessing
from lambent.contracts.tensor import Array
from lambent.domain.model import GOLDEN_FILE, TFLITE_FILE, TOKENIZER_FILE
from lambent.domain.preprocessing import make_preprocessor
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.importing.drafting import DraftWish, draft_of
from lambent_toolkit.modelkit.sensitivity import run_file
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.variant_files import converter_of
from lambent_toolkit.modelkit.variants import Variant

if TYPE_CHECKING:
    import keras

ITEMS = 3
_CALIBRATION = 32
_SEED = 11
_SIDE = 12
_ABC = ("a", "b", "c")
_WORDS = [f"w{number}" for number in range(20)]
_LENGTH = 8
_COLUMNS = tuple(NumericColumn(name=name, mean=mean, std=std) for name, mean, std in (("m2", 80, 30), ("rooms", 3, 1)))
Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class DoorModel:
    """A model in one of its forms, ready to be published.

    Parameters
    ----------
    contract
    files       by name
    kind        what callers may send instead of tensors, under the name that a batch's item has it by; None if nothing
    items       `ITEMS` of them: bytes of a picture, a row, a text
    tensors     the same as its maker prepares them, (ITEMS, …) by input
    keras       what Keras answers, (ITEMS, …) by output
    """

    contract: ModelContract
    files: Mapping[str, bytes]
    kind: str | None
    items: list[Any]
    tensors: Tensors
    keras: Tensors


@dataclass(frozen=True)
class _Source:
    """What a model is made of: ``tensors`` has rows to calibrate with behind those of the items."""

    build: Callable[[], keras.Model]
    tensors: Tensors
    wish: DraftWish = field(default_factory=DraftWish)
    kind: str | None = None
    items: list[Any] = field(default_factory=list)
    changes: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ("float32",)


def door_models(folder: Path) -> Iterator[DoorModel]:
    """Make all of them, in a folder; a form that is not of 32-bit floats has its name behind the model's.

    Yields
    ------
    models as `lambent import` takes them, by the contract that `lambent contract init` drafts
    """
    for name, source in _sources().items():
        yield from _made(name, source, folder / name)


def _made(name: str, source: _Source, folder: Path) -> Iterator[DoorModel]:
    folder.mkdir()
    with quiet():
        import keras

        keras.utils.set_random_seed(_SEED)
        source.build().save(folder / "theirs.keras")
    drafted = draft_of(folder / "theirs.keras", source.wish._replace(name=f"door-{name}")).contract
    contract = msgspec.structs.replace(drafted, **source.changes)
    assets = {TOKENIZER_FILE: source.wish.tokenizer} if source.wish.tokenizer else {}
    import_model(folder / "theirs.keras", contract, folder / "mine", assets=assets)
    file = (folder / "mine" / "model.keras").read_bytes()
    answers = _answers(file, source.tensors, contract)
    convert = converter_of(KerasFloat(file), contract)
    for variant in source.variants:
        model = convert(variant, source.tensors)
        own = contract if variant == "float32" else msgspec.structs.replace(contract, name=f"{contract.name}-{variant}")
        golden = _golden(source, own, model, assets)
        yield DoorModel(
            own,
            {TFLITE_FILE: model, GOLDEN_FILE: golden.to_npz(), **assets},
            source.kind,
            source.items,
            {name: array[:ITEMS] for name, array in source.tensors.items()},
            {output: array[:ITEMS] for output, array in answers.items()},
        )


def _golden(source: _Source, contract: ModelContract, model: bytes, assets: Mapping[str, bytes]) -> GoldenVectors:
    """Return golden vectors of the items, bit for bit as they are prepared where they are served."""
    tensors = {name: array[:ITEMS] for name, array in source.tensors.items()}
    raw = [_raw(item) for item in source.items]
    if raw:
        preprocessor = make_preprocessor(contract, assets)
        tensors = preprocessor.collate([preprocessor.prepare(item) for item in raw])
    return GoldenVectors(raw, tensors, run_file(model, contract, tensors))


def _answers(keras_file: bytes, tensors: Tensors, contract: ModelContract) -> dict[str, Array]:
    model = from_keras_file(keras_file)
    with quiet():
        import keras

        given = [tensors[tensor.name] for tensor in model.inputs]
        answers = keras.tree.flatten(model(given if len(given) > 1 else given[0], training=False))
    return {spec.name: np.asarray(answer) for spec, answer in zip(contract.outputs, answers, strict=True)}


def _raw(item: Any) -> bytes:
    """Return an item as golden vectors keep it."""
    if isinstance(item, bytes):
        return item
    return item.encode() if isinstance(item, str) else json.dumps(item).encode()


def _png(pixels: Array) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _sources() -> dict[str, _Source]:
    return {**_of_pictures(), **_of_rows(), **_of_texts(), **_of_tensors()}


def _of_pictures() -> dict[str, _Source]:
    from keras import Input, Model, layers

    pixels = np.random.default_rng(1).integers(0, 256, (_CALIBRATION, _SIDE, _SIDE, 3), dtype=np.uint8)
    pictures = [_png(each) for each in pixels[:ITEMS]]
    unit = {"picture": (pixels / 255).astype(np.float32)}
    whole = {"picture": pixels.astype(np.float32)}

    def network(*heads: Any, prepare: Any = None) -> Model:
        inputs = Input((_SIDE, _SIDE, 3), name="picture")
        seen = layers.Conv2D(6, 3, activation="relu")(prepare(inputs) if prepare else inputs)
        outputs = [
            layers.Dense(numbers, activation=end, name=name)(layers.Flatten()(seen)) for name, numbers, end in heads
        ]
        return Model(inputs, outputs if len(outputs) > 1 else outputs[0])

    labelled = DraftWish(labels=_ABC)
    return {
        "pictures": _Source(
            lambda: network(("scores", 3, "softmax")),
            unit, labelled, "image", pictures, variants=("float32", "int8"),
        ),
        "pictures-logits": _Source(
            lambda: network(("logits", 3, None), prepare=layers.Rescaling(1 / 127.5, -1)),
            whole, labelled, "image", pictures,
        ),
        "pictures-binary": _Source(
            lambda: network(("p", 1, "sigmoid")),
            unit, DraftWish(labels=("no", "yes")), "image", pictures,
        ),
        "pictures-outputs": _Source(
            lambda: network(("boxes", 8, None), ("scores", 2, "sigmoid")),
            unit, DraftWish(), "image", pictures, variants=("float32", "int8"),
        ),
    }  # fmt: skip


def _of_rows() -> dict[str, _Source]:
    from keras import Input, Sequential, layers

    numbers = np.random.default_rng(2).standard_normal((_CALIBRATION, len(_COLUMNS))).astype(np.float32).round(2)
    rows = [
        {each.name: float(np.float32(value) * each.std + each.mean) for each, value in zip(_COLUMNS, row, strict=True)}
        for row in numbers[:ITEMS]
    ]
    wish, declared = DraftWish(preprocessing="tabular"), TabularPreprocessing(columns=_COLUMNS)

    def network(*end: Any) -> Sequential:
        return Sequential([Input((len(_COLUMNS),), name="home"), layers.Dense(8, activation="relu"), *end])

    return {
        "rows": _Source(
            lambda: network(layers.Dense(3, activation="softmax", name="scores")),
            {"home": numbers}, wish._replace(labels=_ABC), "row", rows,
            {"preprocessing": declared}, ("float32", "int8"),
        ),
        "rows-number": _Source(
            lambda: network(layers.Dense(1, name="price")),
            {"home": numbers}, wish, "row", rows,
            {"preprocessing": declared, "postprocessing": Regression(scale=50.0, offset=200.0, unit="kEUR")},
        ),
    }  # fmt: skip


def _of_texts() -> dict[str, _Source]:
    from keras import Input, Model, layers, ops
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "?": 1, **{word: 2 + n for n, word in enumerate(_WORDS)}}, "?"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    rng = np.random.default_rng(3)
    chosen = [rng.integers(0, len(_WORDS), rng.integers(2, _LENGTH)) for _ in range(_CALIBRATION)]
    ids = np.zeros((_CALIBRATION, _LENGTH), np.int32)
    for row, words in zip(ids, chosen, strict=True):
        row[: len(words)] = words + 2
    texts = [" ".join(_WORDS[word] for word in words) for words in chosen[:ITEMS]]

    def network() -> Model:
        tokens, mask = (Input((_LENGTH,), dtype="int32", name=name) for name in ("ids", "mask"))
        weights = ops.expand_dims(ops.cast(mask, "float32"), -1)
        seen = ops.sum(layers.Embedding(len(_WORDS) + 2, 6)(tokens) * weights, axis=1) / ops.sum(weights, axis=1)
        return Model([tokens, mask], layers.Dense(3, activation="softmax", name="scores")(seen * 20.0))

    wish = DraftWish(preprocessing="text", labels=_ABC, tokenizer=tokenizer.to_str().encode())
    tensors = {"ids": ids, "mask": (ids != 0).astype(np.int32)}
    return {"texts": _Source(network, tensors, wish, "text", texts)}


def _of_tensors() -> dict[str, _Source]:
    from keras import Input, Model, layers

    rng = np.random.default_rng(4)
    tensors = {
        "series": rng.standard_normal((_CALIBRATION, 6, 2)).astype(np.float32),
        "level": rng.standard_normal((_CALIBRATION, 1)).astype(np.float32),
    }

    def network(several: bool) -> Model:
        series, level = Input((6, 2), name="series"), Input((1,), name="level")
        seen = layers.Concatenate()([layers.LSTM(4)(series), level])
        scores = layers.Dense(3, activation="softmax", name="scores")(seen)
        return Model([series, level], [scores, layers.Dense(2, name="next")(seen)] if several else scores)

    return {
        "tensors": _Source(
            lambda: network(several=False), tensors, DraftWish(labels=_ABC), variants=("float32", "int8")
        ),
        "tensors-outputs": _Source(lambda: network(several=True), tensors),
    }


def expected_scores(model: DoorModel) -> Array:
    """Return the scores of each label that a classifier's callers should get, (ITEMS, labels), by Keras's numbers."""
    spec = model.contract.postprocessing
    assert isinstance(spec, Classification)
    rows = model.keras[spec.output or model.contract.outputs[0].name].astype(np.float64)
    if spec.activation == "softmax":
        powers = np.exp(rows)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.concatenate([1 - rows, rows], axis=1) if rows.shape[1] == 1 else rows
