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
from lambent_toolkit.modelkit.recipe import Count, Declaration, HyperParameters, LabelledItems
from lambent_toolkit.modelkit.variants import VariantChoice

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


class Settings(HyperParameters, frozen=True, kw_only=True):
    """What `lambent train digits --set` can change; ``filters`` is the width of the convolution."""

    filters: Count = 32
    variant: VariantChoice = "int8"


def data(_settings: Settings) -> LabelledItems:
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


def contract(_train: LabelledItems, _settings: Settings) -> Declaration:
    """Return the contract, which learns nothing from data."""
    return Declaration(CONTRACT)


def model(_contract: ModelContract, settings: Settings) -> keras.Model:
    """Return the article's network, compiled and untrained: 54,410 weights."""
    import keras

    network = keras.Sequential(
        [
            keras.Input((SIDE_PX, SIDE_PX, 1), name="image"),
            keras.layers.Conv2D(settings.filters, (3, 3), activation="relu"),
            keras.layers.MaxPooling2D((2, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax", name="scores"),
        ],
        name="digits",
    )
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return network
