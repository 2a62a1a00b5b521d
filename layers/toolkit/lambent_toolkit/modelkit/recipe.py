"""What a recipe is, and how its data becomes tensors: by the very code that serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.variants import Variant

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LabelledItems:
    """Raw items, as an uploaded object holds them, with the number of their class.

    An item is an encoded picture, a text in UTF-8, or a table row as a JSON object.
    """

    items: list[bytes]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)

    def take(self, rows: NDArray[np.int64]) -> LabelledItems:
        """Return the items of these row numbers."""
        return LabelledItems([self.items[row] for row in rows], self.classes[rows])


@dataclass(frozen=True)
class Declaration:
    """What the finished model takes and gives.

    Parameters
    ----------
    contract
    assets     files that its preprocessing needs, by name: the tokenizer of a text model
    """

    contract: ModelContract
    assets: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Parameters
    ----------
    name : str            as in `lambent train NAME`
    load_items            returns the whole data set
    declare               returns contract and assets; what they learn from data (a tokenizer's vocabulary, a column's
                          mean), they learn from the training part, which is all that they are given
    build_model           returns the compiled, untrained Keras model; imports TensorFlow
    epochs, batch_size : int
    seed : int            of the split, of the weights and of the order of the batches
    test_items : int      items that training and calibration never see
    variant               the form of model.tflite that is published unless `lambent quantize` is told otherwise
    path : str | None     the Python file it came from, None for built-in ones
    """

    name: str
    load_items: Callable[[], LabelledItems]
    declare: Callable[[LabelledItems], Declaration]
    build_model: Callable[[], keras.Model]
    epochs: int
    batch_size: int
    seed: int
    test_items: int
    variant: Variant = "int8"
    path: str | None = None


@dataclass(frozen=True)
class Prepared:
    """Items with their tensors, (n, …) by the contract's names, as its preprocessing makes them."""

    items: list[bytes]
    classes: NDArray[np.int64]
    tensors: dict[str, Array]


@dataclass(frozen=True)
class Split:
    """Training and held-out data with what was declared for them.

    ``sha256`` is of all tensors, input by input in the contract's order, and of the classes: training part first.
    """

    declaration: Declaration
    train: Prepared
    test: Prepared
    sha256: str

    @property
    def contract(self) -> ModelContract:
        """The declared contract."""
        return self.declaration.contract


def prepare(recipe: Recipe) -> Split:
    """Load a recipe's data, hold out a stratified, seeded test part and preprocess both as serving does."""
    train, test = split_items(recipe)
    declaration = recipe.declare(train)
    prepared_train, prepared_test = (prepare_items(part, declaration) for part in (train, test))
    hashed = sha256()
    for part in (prepared_train, prepared_test):
        for spec in declaration.contract.inputs:
            hashed.update(part.tensors[spec.name].tobytes())
        hashed.update(part.classes.tobytes())
    return Split(declaration, prepared_train, prepared_test, hashed.hexdigest())


def held_out(recipe: Recipe) -> LabelledItems:
    """Return the raw test items with their classes, the same ones as `prepare` holds out."""
    return split_items(recipe)[1]


def split_items(recipe: Recipe) -> tuple[LabelledItems, LabelledItems]:
    """Return the training and the test part of a recipe's data."""
    data = recipe.load_items()
    train_rows, test_rows = split_rows(data.classes, test_items=recipe.test_items, seed=recipe.seed)
    return data.take(train_rows), data.take(test_rows)


def prepare_items(data: LabelledItems, declaration: Declaration) -> Prepared:
    """Return the items with their tensors: every item through the one preprocessing path."""
    preprocessor = make_preprocessor(declaration.contract, declaration.assets)
    tensors = preprocessor.collate([preprocessor.prepare(item) for item in data.items])
    return Prepared(data.items, data.classes, tensors)


def split_rows(
    classes: NDArray[np.int64], *, test_items: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row numbers of the training and of the test part, each class in both by its share."""
    from sklearn.model_selection import train_test_split  # a second of imports

    rows: Any = np.arange(len(classes))
    train, test = train_test_split(rows, test_size=test_items, random_state=seed, stratify=classes)
    return train, test
