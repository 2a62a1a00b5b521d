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
from lambent_toolkit.modelkit.recipe import Split
from lambent_toolkit.modelkit.report import VariantFigures
from lambent_toolkit.modelkit.serving_check import ServingRun, serve
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.variants import Variant
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

FLOAT_FILE = "model.float32.tflite"
# Quantization may flip answers that were close; more than this is a broken calibration.
MIN_AGREEMENT = 0.97
# Kernels of another processor add in another order; a quantized output may then lie one step beside.
_STEPS = 1.5
_FLOAT_SHARE = 1e-3
# Activations are quantized at every call: what rounds the other way moves the scores by more than float kernels do.
_DYNAMIC_SHARE = 1e-2


@dataclass(frozen=True)
class Measurement:
    """What `measure` found.

    Parameters
    ----------
    variants           figures of keras, float32 and the published variant
    confusion          of the published variant; row = true class, column = predicted class
    golden             all test items with the tensors and outputs of the published variant
    keras_golden       the same with the outputs of the Keras model
    golden_tolerance   for the contract: how far an output may lie elsewhere
    serving_versions   Python and packages of the serving interpreter
    """

    variants: dict[str, VariantFigures]
    confusion: list[list[int]]
    golden: GoldenVectors
    keras_golden: GoldenVectors
    golden_tolerance: float
    serving_versions: dict[str, str]


def measure(split: Split, files: Mapping[str, bytes], *, variant: Variant, watcher: Watcher = SILENCE) -> Measurement:
    """Measure model.keras, model.float32.tflite and model.tflite (of ``variant``), given by name in ``files``.

    Raises
    ------
    ServingRefused       the serving interpreter does not take a file
    ServingCheckFailed   the layers' packages preprocess otherwise than training did, or crashed
    AgreementTooLow      the published file answers too many test items otherwise than the Keras model
    """
    watcher.begin("evaluate", total=3)
    keras_golden = _keras_golden(files[KERAS_FILE], split)
    keras_scores = _scores(keras_golden, split)
    watcher.advance("Keras")
    tflite_files: dict[Variant, bytes] = {"float32": files[FLOAT_FILE], variant: files[TFLITE_FILE]}
    runs = {}
    for name, file in tflite_files.items():
        runs[name] = serve(file, split.contract, split.test.items, assets=split.declaration.assets)
        watcher.advance(f"{name} in {runs[name].runtime}")
    published = runs[variant]
    _check_preprocessing(split, published)
    figures = {name: _figures(run, split, keras_scores, len(tflite_files[name])) for name, run in runs.items()}
    _check_agreement(variant, figures[variant])
    return Measurement(
        variants={"keras": _keras_figures(keras_scores, split, len(files[KERAS_FILE])), **figures},
        confusion=confusion(_scores(published.golden, split), split.test.targets).tolist(),
        golden=published.golden,
        keras_golden=keras_golden,
        golden_tolerance=golden_tolerance(published, variant),
        serving_versions=published.versions,
    )


def golden_tolerance(run: ServingRun, variant: Variant) -> float:
    """Return how far (absolute) an output may lie from its golden vector where other kernels compute it.

    One and a half steps of a quantized output; a share of the largest output otherwise.
    """
    if run.output_step:
        return _STEPS * run.output_step
    share = _DYNAMIC_SHARE if variant == "dynamic" else _FLOAT_SHARE
    return share * max(float(np.abs(array).max()) for array in run.golden.outputs.values())


def _keras_golden(model: bytes, split: Split) -> GoldenVectors:
    with quiet(), NamedTemporaryFile() as file:
        file.write(model)
        file.flush()
        # The batch worker's own adapter; not at the top, because it imports TensorFlow.
        from lambent.adapters.keras_model import KerasInterpreterLoader

        interpreter = KerasInterpreterLoader().load(Path(file.name), split.contract)
        return GoldenVectors(split.test.items, split.test.tensors, interpreter.run(split.test.tensors))


def _keras_figures(scores: Array, split: Split, size_bytes: int) -> VariantFigures:
    right = accuracy(scores, split.test.targets)
    return VariantFigures(accuracy=right, agreement=1.0, size_bytes=size_bytes, runtime="tensorflow")


def _scores(golden: GoldenVectors, split: Split) -> Array:
    return golden.outputs[split.contract.outputs[0].name]


def _figures(run: ServingRun, split: Split, keras_scores: Array, size_bytes: int) -> VariantFigures:
    scores = _scores(run.golden, split)
    return VariantFigures(
        accuracy=accuracy(scores, split.test.targets),
        agreement=agreement(scores, keras_scores),
        size_bytes=size_bytes,
        runtime=f"{run.runtime} {run.versions[run.runtime]}",
        load_ms=round(run.load_ms, 3),
        p50_ms=round(run.p50_ms, 4),
        p99_ms=round(run.p99_ms, 4),
    )


def _check_preprocessing(split: Split, run: ServingRun) -> None:
    for name, expected in split.test.tensors.items():
        if not np.array_equal(expected, run.golden.tensors[name]):
            raise ServingCheckFailed(
                f"The layers' packages preprocess the test items otherwise than training did: input {name} differs."
            )


def _check_agreement(variant: str, figures: VariantFigures) -> None:
    if figures.agreement < MIN_AGREEMENT:
        raise AgreementTooLow(
            f"The {variant} file gives the Keras model's answer for only {figures.agreement:.1%} of the test items, "
            f"at least {MIN_AGREEMENT:.0%} are needed: train longer, calibrate with more representative data, or "
            "choose another --variant."
        )
