"""The networks of the benchmark models, of a real one's size and work, with weights that mean something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lambent.adapters.litert import LiteInterpreter, LiteInterpreterLoader
from lambent.contracts.model import (
    Classification,
    ImagePreprocessing,
    ModelContract,
    RawOutputs,
    TensorPreprocessing,
    TensorSpec,
)
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.quantization import to_tflite
from lambent_toolkit.modelkit.variants import Variant
from lambent_toolkit.modelkit.watcher import Watcher

if TYPE_CHECKING:
    import keras

SEED = 7
PHOTOS = ("china.jpg", "flower.jpg")
ROWS, COLUMNS = 2, 3
TOKENS, WIDTH, VOCABULARY = 128, 128, 1000
_SIDE_PX = 224
_BATCH = 24
_CALIBRATION_BATCHES = 8
_CALIBRATION_CROPS = 80
_TRAIN_CROPS, _TEST_CROPS = 384, 96
_RIDGE = 10.0
_SHARPNESS = 12.0


@dataclass(frozen=True)
class Built:
    """A network ready to be converted.

    Parameters
    ----------
    model, contract, variant   what to convert, and into which form
    calibration                preprocessed inputs by name
    raw                        items for the golden vectors, encoded as callers send them; empty for tensor models
    truth                      the right class of every raw item
    """

    model: keras.Model
    contract: ModelContract
    variant: Variant
    calibration: dict[str, Array]
    raw: list[bytes]
    truth: list[int]


@dataclass(frozen=True)
class Crops:
    """Pieces of the two photos: JPEG files, and the part of a photo (0 to 11) that each one's centre lies in."""

    files: list[bytes]
    parts: Array


def part_names() -> list[str]:
    """Return the names of the parts that a crop's centre may lie in, the classes of the photo model."""
    return [f"{photo[:-4]} {row}-{column}" for photo in PHOTOS for row in range(ROWS) for column in range(COLUMNS)]


def cut_crops(count: int, *, seed: int) -> Crops:
    """Return ``count`` square crops of 160 to 320 pixels a side, half of them mirrored, both photos by turns."""
    from sklearn.datasets import load_sample_image

    random = np.random.default_rng(seed)
    photos = [Image.fromarray(load_sample_image(name)) for name in PHOTOS]
    files, parts = [], []
    for number in range(count):
        which = number % len(photos)
        photo, side = photos[which], int(random.integers(160, 321))
        left, top = int(random.integers(photo.width - side + 1)), int(random.integers(photo.height - side + 1))
        crop = photo.crop((left, top, left + side, top + side))
        if random.integers(2):
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        buffer = BytesIO()
        crop.save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
        row, column = (top + side / 2) * ROWS // photo.height, (left + side / 2) * COLUMNS // photo.width
        parts.append(int(which * ROWS * COLUMNS + row * COLUMNS + column))
    return Crops(files, np.array(parts))


def photo_contract() -> ModelContract:
    """Return the contract of a MobileNetV2: 224 x 224 RGB pixels as they are, 1,000 labels as for ImageNet.

    The twelve parts of the two photos are the first labels; the rest is there because a real classifier is as wide.
    """
    parts = part_names()
    return ModelContract(
        name="mobilenet",
        inputs=(TensorSpec(name="image", datatype="UINT8", shape=(-1, _SIDE_PX, _SIDE_PX, 3)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 1000)),),
        preprocessing=ImagePreprocessing(
            height=_SIDE_PX, width=_SIDE_PX, channels=3, decode="scaled", resize="bilinear", scale=1.0, offset=0.0
        ),
        postprocessing=Classification(labels=(*parts, *(f"class {number}" for number in range(len(parts), 1000)))),
    )


def build_mobilenet(watcher: Watcher) -> Built:
    """Return MobileNetV2 (keras.applications, random weights) that tells which part of which photo it sees.

    Random weights alone forget the picture on the way: activations die out, and what differs between two pictures ends
    below one step of int8. So depthwise filters are made positive (they blur, and brightness and colour pass), batch
    norms are calibrated on crops of the photos, and the last layer is fitted to what the quantized network gives.
    """
    import keras

    keras.utils.set_random_seed(SEED)
    contract = photo_contract()
    watcher.begin("MobileNetV2 on crops of two photos", total=4)
    train, test = cut_crops(_TRAIN_CROPS, seed=SEED), cut_crops(_TEST_CROPS, seed=SEED + 1)
    pixels = _pixels(train.files, contract)
    calibration = {"image": pixels[:_CALIBRATION_CROPS]}
    network = _mobilenet_body()
    _calibrate_batch_norms(network, pixels)
    watcher.advance("batch norms calibrated")
    head = keras.layers.Dense(1000, activation="softmax", name="scores")
    model = keras.Model(network.inputs, head(network.outputs[0]))
    head.set_weights(_fit_head(_quantized_features(network, pixels, calibration), train.parts))
    watcher.advance("classifier fitted")
    return Built(model, contract, "int8", calibration, test.files, test.parts.tolist())


def build_transformer(watcher: Watcher) -> Built:
    """Return one attention block, 128 wide, on 128 token ids; its weights are random."""
    import keras

    keras.utils.set_random_seed(SEED)
    watcher.begin("transformer block", total=1)
    ids = keras.Input((TOKENS,), dtype="int32", name="ids")
    embedded = keras.layers.Embedding(VOCABULARY, WIDTH)(ids)
    placed = embedded + keras.layers.Embedding(TOKENS, WIDTH)(keras.ops.arange(TOKENS))
    attended = keras.layers.MultiHeadAttention(4, WIDTH // 4)(placed, placed)
    mixed = keras.layers.LayerNormalization()(placed + attended)
    wide = keras.layers.Dense(4 * WIDTH, activation="relu")(mixed)
    done = keras.layers.LayerNormalization()(mixed + keras.layers.Dense(WIDTH)(wide))
    scores = keras.layers.Dense(16, activation="softmax", name="scores")(keras.layers.GlobalAveragePooling1D()(done))
    contract = ModelContract(
        name="transformer",
        inputs=(TensorSpec(name="ids", datatype="INT32", shape=(-1, TOKENS)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 16)),),
        preprocessing=TensorPreprocessing(),
        postprocessing=Classification(labels=tuple(f"class {number}" for number in range(16))),
    )
    texts = np.random.default_rng(SEED).integers(1, VOCABULARY, (8, TOKENS), dtype=np.int32)
    return Built(keras.Model(ids, scores), contract, "dynamic", {"ids": texts}, [], [])


def interpreter_of(model: bytes, contract: ModelContract) -> LiteInterpreter:
    """Return a .tflite file's interpreter."""
    with NamedTemporaryFile(suffix=".tflite") as file:
        file.write(model)
        file.flush()
        return LiteInterpreterLoader().load(Path(file.name), contract)


def _pixels(files: list[bytes], contract: ModelContract) -> Array:
    preprocessor = make_preprocessor(contract, {})
    return preprocessor.collate([preprocessor.prepare(file) for file in files])["image"]


def _mobilenet_body() -> keras.Model:
    import keras

    body = keras.applications.MobileNetV2(
        weights=None, include_top=False, pooling="avg", input_shape=(_SIDE_PX, _SIDE_PX, 3)
    )
    for layer in body.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.set_weights([np.abs(kernel) for kernel in layer.get_weights()])
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.6  # few batches have to do
    image = keras.Input((_SIDE_PX, _SIDE_PX, 3), name="image")
    return keras.Model(image, body(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)))


def _calibrate_batch_norms(network: keras.Model, pixels: Array) -> None:
    import tensorflow as tf

    learn = tf.function(partial(network, training=True))
    for at in range(0, _CALIBRATION_BATCHES * _BATCH, _BATCH):
        learn(tf.constant(pixels[at : at + _BATCH], tf.float32))


def _quantized_features(network: keras.Model, pixels: Array, calibration: dict[str, Array]) -> Array:
    """Return what the network gives as a full int8 file, with the errors that the classifier has to live with."""
    contract = ModelContract(
        name="features",
        inputs=photo_contract().inputs,
        outputs=(TensorSpec(name="features", datatype="FP32", shape=(-1, network.output_shape[1])),),
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )
    file = to_tflite(network, contract, variant="int8", calibration=calibration)
    interpreter = interpreter_of(file, contract)
    rows = [interpreter.run({"image": row[np.newaxis]})["features"] for row in pixels]
    return np.concatenate(rows)


def _fit_head(features: Array, parts: Array) -> list[Array]:
    """Return kernel (features, 1000) and bias (1000) of a ridge regression on one-hot classes.

    Solved in its dual form, because there are more features than crops (Hoerl and Kennard, Technometrics 12, 1970).
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    standard = ((features - mean) / spread).astype(np.float64)
    wanted = np.eye(1000)[parts] - np.eye(1000)[parts].mean(axis=0)
    weights = standard.T @ np.linalg.solve(standard @ standard.T + _RIDGE * np.eye(len(standard)), wanted)
    kernel = _SHARPNESS * weights / spread[:, np.newaxis]
    # Rounded to 8 bits here, so that the bias is that of the rounded weights: features are all positive, and the errors
    # of rounding add up to more than what tells two classes apart.
    step = np.maximum(np.abs(kernel).max(axis=0), 1e-3) / 127
    rounded = np.rint(kernel / step) * step
    return [rounded.astype(np.float32), (-(mean @ rounded)).astype(np.float32)]
