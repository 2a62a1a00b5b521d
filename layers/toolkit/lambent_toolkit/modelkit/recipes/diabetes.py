"""How far diabetes has progressed a year on, in points, from ten measurements of a patient: a number with its unit.

Data: scikit-learn's ``load_diabetes``, 442 patients (Efron et al., "Least Angle Regression", Annals of Statistics 32,
2004). The network learns numbers around zero; the contract's scale and offset make points of them, wherever it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lambent.contracts.model import ModelContract, NumericColumn, Regression, TabularPreprocessing, TensorSpec
from lambent_toolkit.modelkit.recipe import Count, Declaration, HyperParameters, LabelledItems, Rate
from lambent_toolkit.modelkit.variants import VariantChoice

if TYPE_CHECKING:
    import keras

COLUMNS = 10
_DIGITS = 4


class Settings(HyperParameters, frozen=True, kw_only=True):
    """What `lambent train diabetes --set` can change; ``units`` is the width of the hidden layer."""

    units: Count = 16
    learning_rate: Rate = 5e-3
    epochs: Count = 60
    patience_epochs: Count = 10
    # 2 kB: there is nothing to gain by quantizing.
    variant: VariantChoice = "float32"


def data(_settings: Settings) -> LabelledItems:
    """Return all 442 patients as JSON objects of column and number, with slices by age and sex."""
    from sklearn.datasets import load_diabetes  # seconds of imports

    bunch = load_diabetes(scaled=False)
    rows = [dict(zip(bunch.feature_names, row, strict=True)) for row in bunch.data.tolist()]
    slices = {"age": [_age_group(row["age"]) for row in rows], "sex": [f"{row['sex']:g}" for row in rows]}
    return LabelledItems([msgspec.json.encode(row) for row in rows], bunch.target.astype(np.float64), slices)


def _age_group(years: float) -> str:
    if years < 40:  # noqa: PLR2004 - about a third of the patients each
        return "under 40"
    return "40 to 54" if years < 55 else "55 or more"  # noqa: PLR2004


def contract(train: LabelledItems, _settings: Settings) -> Declaration:
    """Return the contract, which standardizes columns and target by mean and standard deviation of the training part.

    A missing number is refused, as in the recipe `wine`.
    """
    rows = [msgspec.json.decode(item, type=dict[str, float]) for item in train.items]
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    declared = ModelContract(
        name="diabetes",
        inputs=(TensorSpec(name="patient", datatype="FP32", shape=(-1, COLUMNS)),),
        outputs=(TensorSpec(name="progression", datatype="FP32", shape=(-1, 1)),),
        preprocessing=TabularPreprocessing(
            columns=tuple(
                NumericColumn(name=name, mean=_rounded(column.mean()), std=_rounded(column.std()))
                for name, column in values.items()
            )
        ),
        postprocessing=Regression(
            scale=_rounded(train.targets.std()), offset=_rounded(train.targets.mean()), unit="points"
        ),
    )
    return Declaration(declared)


def _rounded(number: float) -> float:
    return round(float(number), _DIGITS)


def model(_contract: ModelContract, settings: Settings) -> keras.Model:
    """Return a small dense network, compiled and untrained."""
    import keras

    network = keras.Sequential(
        [
            keras.Input((COLUMNS,), name="patient"),
            keras.layers.Dense(settings.units, activation="relu"),
            keras.layers.Dense(1, name="progression"),
        ],
        name="diabetes",
    )
    network.compile(optimizer=keras.optimizers.Adam(settings.learning_rate), loss="mean_squared_error")
    return network
