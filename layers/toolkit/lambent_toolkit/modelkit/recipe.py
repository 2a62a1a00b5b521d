"""What a recipe is, and how its data becomes tensors: by the very code that serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing import make_preprocessor

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LabelledPictures:
    """Encoded pictures with the number of their class."""

    pictures: list[bytes]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.pictures)

    def take(self, rows: NDArray[np.int64]) -> LabelledPictures:
        """Return the pictures of these row numbers."""
        return LabelledPictures([self.pictures[row] for row in rows], self.classes[rows])


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Parameters
    ----------
    name : str            as in `lambent train NAME`
    contract              what the finished model takes and gives
    load_pictures         returns the whole data set
    build_model           returns the compiled, untrained Keras model; imports TensorFlow
    epochs, batch_size : int
    seed : int            of the split, of the weights and of the order of the batches
    test_items : int      pictures that training and calibration never see
    path : str | None     the Python file it came from, None for built-in ones
    """

    name: str
    contract: ModelContract
    load_pictures: Callable[[], LabelledPictures]
    build_model: Callable[[], keras.Model]
    epochs: int
    batch_size: int
    seed: int
    test_items: int
    path: str | None = None


@dataclass(frozen=True)
class Prepared:
    """Pictures with their tensors, float32 (n, …), as the contract's preprocessing makes them."""

    pictures: list[bytes]
    classes: NDArray[np.int64]
    tensors: Array


@dataclass(frozen=True)
class Split:
    """Training and held-out data; ``sha256`` is of all tensors and classes in the data set's own order."""

    train: Prepared
    test: Prepared
    sha256: str


def prepare(recipe: Recipe) -> Split:
    """Load a recipe's data, preprocess it as serving does and hold out a stratified, seeded test part."""
    data = recipe.load_pictures()
    tensors = preprocess_all(data.pictures, recipe.contract)
    train_rows, test_rows = split_rows(data.classes, test_items=recipe.test_items, seed=recipe.seed)
    return Split(
        train=_prepared(data.take(train_rows), tensors[train_rows]),
        test=_prepared(data.take(test_rows), tensors[test_rows]),
        sha256=sha256(tensors.tobytes() + data.classes.tobytes()).hexdigest(),
    )


def held_out(recipe: Recipe) -> LabelledPictures:
    """Return the test pictures as encoded files with their classes, the same ones as `prepare` holds out."""
    data = recipe.load_pictures()
    return data.take(split_rows(data.classes, test_items=recipe.test_items, seed=recipe.seed)[1])


def preprocess_all(pictures: list[bytes], contract: ModelContract) -> Array:
    """Return float32 (n, …): every picture through the one preprocessing path."""
    preprocessor = make_preprocessor(contract, {})
    return preprocessor.collate([preprocessor.prepare(picture) for picture in pictures])[contract.inputs[0].name]


def split_rows(
    classes: NDArray[np.int64], *, test_items: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row numbers of the training and of the test part, each class in both by its share."""
    from sklearn.model_selection import train_test_split  # a second of imports

    rows: Any = np.arange(len(classes))
    train, test = train_test_split(rows, test_size=test_items, random_state=seed, stratify=classes)
    return train, test


def _prepared(data: LabelledPictures, tensors: Array) -> Prepared:
    return Prepared(data.pictures, data.classes, tensors)
