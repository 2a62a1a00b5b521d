"""Handwritten digits with the small convolutional network of our user's article.

Data: scikit-learn's ``load_digits``, 1,797 real digits written by 43 people (UCI "Optical Recognition of Handwritten
Digits", test part), 8 x 8 pixels of 0 to 16, enlarged to 28 x 28 grey pictures.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, TensorSpec
from lambent_toolkit.modelkit.recipe import Declaration, LabelledItems, Recipe

if TYPE_CHECKING:
    import keras

SIDE_PX = 28
_STROKE_MAX = 16  # load_digits counts ink in 17 steps

CONTRACT = ModelContract(
    name="digits",
    inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, SIDE_PX, SIDE_PX, 1)),),
    outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 10)),),
    # The data set is white ink on black, so what is transparent counts as paper: black.
    preprocessing=ImagePreprocessing(height=SIDE_PX, width=SIDE_PX, channels=1, background=0),
    postprocessing=Classification(labels=tuple("0123456789")),
)


def load_items() -> LabelledItems:
    """Return all 1,797 digits as PNG files, 28 x 28, grey, white on black."""
    from sklearn.datasets import load_digits  # seconds of imports

    bunch = load_digits()
    return LabelledItems([digit_png(ink) for ink in bunch.images], bunch.target.astype(np.int64))


def digit_png(ink: NDArray[np.float64]) -> bytes:
    """Return one digit as a PNG file.

    Parameters
    ----------
    ink : ndarray   float, shape (8, 8), 0 (paper) to 16 (ink)
    """
    pixels = np.rint(ink * (255 / _STROKE_MAX)).astype(np.uint8)
    picture = Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def build_model() -> keras.Model:
    """Return the article's network, compiled and untrained: 54,410 weights."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((SIDE_PX, SIDE_PX, 1), name="image"),
            keras.layers.Conv2D(32, (3, 3), activation="relu"),
            keras.layers.MaxPooling2D((2, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax", name="scores"),
        ],
        name="digits",
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


RECIPE = Recipe(
    name="digits",
    load_items=load_items,
    declare=lambda _train: Declaration(CONTRACT),
    build_model=build_model,
    epochs=20,
    batch_size=32,
    seed=7,
    test_items=360,
)
