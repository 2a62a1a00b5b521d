"""Which of three cultivars a wine was made from, by its chemical analysis: 13 numbers a row.

Data: scikit-learn's ``load_wine``, 178 wines of one region of Italy (UCI "Wine", Forina et al.).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lambent.contracts.model import Classification, ModelContract, NumericColumn, TabularPreprocessing, TensorSpec
from lambent_toolkit.modelkit.recipe import Count, Declaration, HyperParameters, LabelledItems, Rate, Share
from lambent_toolkit.modelkit.variants import VariantChoice

if TYPE_CHECKING:
    import keras

LABELS = ("class_0", "class_1", "class_2")
COLUMNS = 13


class Settings(HyperParameters, frozen=True, kw_only=True):
    """What `lambent train wine --set` can change; ``units`` is the width of the hidden layer."""

    units: Count = 32
    learning_rate: Rate = 5e-3
    epochs: Count = 40
    batch_size: Count = 16
    patience_epochs: Count = 10
    test_share: Share = 0.25
    # 2 kB: there is nothing to gain by quantizing.
    variant: VariantChoice = "float32"


def data(_settings: Settings) -> LabelledItems:
    """Return all 178 wines as JSON objects of column and number, the columns in scikit-learn's order and words."""
    from sklearn.datasets import load_wine  # seconds of imports

    bunch = load_wine()
    rows = [dict(zip(bunch.feature_names, row, strict=True)) for row in bunch.data.tolist()]
    return LabelledItems([msgspec.json.encode(row) for row in rows], bunch.target.astype(np.int64))


def contract(train: LabelledItems, _settings: Settings) -> Declaration:
    """Return the contract, which standardizes every column by mean and standard deviation of the training part.

    A missing number is refused: no wine of the data set lacks one, so how well the model would guess without is not
    known. Whoever wants it guessed sets the column's ``missing`` to its mean.
    """
    rows = [msgspec.json.decode(item, type=dict[str, float]) for item in train.items]
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    columns = tuple(
        NumericColumn(name=name, mean=round(float(column.mean()), 6), std=round(float(column.std()), 6))
        for name, column in values.items()
    )
    declared = ModelContract(
        name="wine",
        inputs=(TensorSpec(name="analysis", datatype="FP32", shape=(-1, COLUMNS)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, len(LABELS))),),
        preprocessing=TabularPreprocessing(columns=columns),
        postprocessing=Classification(labels=LABELS),
    )
    return Declaration(declared)


def model(_contract: ModelContract, settings: Settings) -> keras.Model:
    """Return a small dense network, compiled and untrained."""
    import keras

    network = keras.Sequential(
        [
            keras.Input((COLUMNS,), name="analysis"),
            keras.layers.Dense(settings.units, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(len(LABELS), activation="softmax", name="scores"),
        ],
        name="wine",
    )
    network.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network
