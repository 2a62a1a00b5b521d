"""Measure every form of a model on the held-out part, the .tflite files in the serving interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from lambent.contracts.tensor import Array
from lambent.domain.model import KERAS_FILE, TFLITE_FILE
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import AgreementTooLow, ServingCheckFailed
from lambent_toolkit.modelkit.evaluation import accuracy, agreement, confusion
from lambent_toolkit.modelkit.recipe import Recipe, Split
from lambent_toolkit.modelkit.report import VariantFigures
from lambent_toolkit.modelkit.serving_check import ServingRun, serve
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

FLOAT_FILE = "model.float32.tflite"
# Full int8 may flip answers that were close; more than this is a broken calibration.
MIN_AGREEMENT = 0.97


@dataclass(frozen=True)
class Measurement:
    """What `measure` found.

    Parameters
    ----------
    variants           figures of keras, float32 and int8
    confusion          of int8; row = true class, column = predicted class
    golden             all test pictures with the tensors and outputs of int8
    keras_golden       the same with the outputs of the Keras model
    serving_versions   Python and packages of the serving interpreter
    """

    variants: dict[str, VariantFigures]
    confusion: list[list[int]]
    golden: GoldenVectors
    keras_golden: GoldenVectors
    serving_versions: dict[str, str]


def measure(recipe: Recipe, split: Split, files: Mapping[str, bytes], *, watcher: Watcher = SILENCE) -> Measurement:
    """Measure model.keras, model.float32.tflite and model.tflite (int8), given by name in ``files``.

    Raises
    ------
    ServingRefused       the serving interpreter does not take a file
    ServingCheckFailed   the layers' packages preprocess otherwise than training did, or crashed
    AgreementTooLow      the int8 file answers too many test items otherwise than the Keras model
    """
    watcher.begin("evaluate", total=3)
    keras_golden = _keras_golden(files[KERAS_FILE], recipe, split)
    keras_scores = keras_golden.outputs[recipe.contract.outputs[0].name]
    watcher.advance("Keras")
    runs = {}
    for variant, file in (("float32", FLOAT_FILE), ("int8", TFLITE_FILE)):
        runs[variant] = serve(files[file], recipe.contract, split.test.pictures)
        watcher.advance(f"{variant} in {runs[variant].runtime}")
    _check_preprocessing(recipe, split, runs["int8"])
    variants = {
        "keras": _keras_figures(keras_scores, split, size_bytes=len(files[KERAS_FILE])),
        "float32": _figures(runs["float32"], recipe, keras_scores, split, size_bytes=len(files[FLOAT_FILE])),
        "int8": _figures(runs["int8"], recipe, keras_scores, split, size_bytes=len(files[TFLITE_FILE])),
    }
    _check_agreement(variants["int8"])
    golden = runs["int8"].golden
    counts = confusion(_scores(runs["int8"], recipe), split.test.classes).tolist()
    return Measurement(variants, counts, golden, keras_golden, runs["int8"].versions)


def _keras_golden(model: bytes, recipe: Recipe, split: Split) -> GoldenVectors:
    with quiet(), NamedTemporaryFile() as file:
        file.write(model)
        file.flush()
        # The batch worker's own adapter; not at the top, because it imports TensorFlow.
        from lambent.adapters.keras_model import KerasInterpreterLoader

        interpreter = KerasInterpreterLoader().load(Path(file.name), recipe.contract)
    tensors = {recipe.contract.inputs[0].name: split.test.tensors}
    return GoldenVectors(split.test.pictures, tensors, interpreter.run(tensors))


def _keras_figures(scores: Array, split: Split, *, size_bytes: int) -> VariantFigures:
    right = accuracy(scores, split.test.classes)
    return VariantFigures(accuracy=right, agreement=1.0, size_bytes=size_bytes, runtime="tensorflow")


def _scores(run: ServingRun, recipe: Recipe) -> Array:
    return run.golden.outputs[recipe.contract.outputs[0].name]


def _figures(run: ServingRun, recipe: Recipe, keras_scores: Array, split: Split, *, size_bytes: int) -> VariantFigures:
    scores = _scores(run, recipe)
    return VariantFigures(
        accuracy=accuracy(scores, split.test.classes),
        agreement=agreement(scores, keras_scores),
        size_bytes=size_bytes,
        runtime=f"{run.runtime} {run.versions[run.runtime]}",
        load_ms=round(run.load_ms, 3),
        p50_ms=round(run.p50_ms, 4),
        p99_ms=round(run.p99_ms, 4),
    )


def _check_preprocessing(recipe: Recipe, split: Split, run: ServingRun) -> None:
    if not np.array_equal(split.test.tensors, run.golden.tensors[recipe.contract.inputs[0].name]):
        raise ServingCheckFailed("The layers' packages preprocess the test pictures otherwise than training did.")


def _check_agreement(figures: VariantFigures) -> None:
    if figures.agreement < MIN_AGREEMENT:
        raise AgreementTooLow(
            f"The int8 file gives the Keras model's answer for only {figures.agreement:.1%} of the test items, "
            f"at least {MIN_AGREEMENT:.0%} are needed: train longer, or calibrate with more representative data."
        )
