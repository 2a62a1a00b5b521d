"""Reports and evaluations for tests: every figure is measured, on answers that are made up."""

from __future__ import annotations

import numpy as np

from lambent.contracts.model import Classification, Regression
from lambent_toolkit.modelkit.evaluating.classification import classification_figures
from lambent_toolkit.modelkit.evaluating.regression import regression_figures
from lambent_toolkit.modelkit.quantization_report import Latency
from lambent_toolkit.modelkit.report import DataFigures, Report, Source, VariantFigures

LABELS = ("ant", "bee", "cat")


def latencies() -> list[Latency]:
    return [
        Latency(threads=threads, calls=1000, p50_ms=0.1, p99_ms=0.2, low_ms=0.09, high_ms=0.11) for threads in (1, 2)
    ]


def variant(**changes: object) -> VariantFigures:
    fields = {"size_bytes": 1000, "sha256": "0" * 64, "runtime": "ai-edge-litert 1.4.0", "latencies": latencies()}
    return VariantFigures(**{**fields, **changes})


def report(**changes: object) -> Report:
    fields = {
        "model": "animals",
        "task": "classification",
        "model_sha256": "1" * 64,
        "contract_sha256": "4" * 64,
        "published": "int8",
        "reference": "keras",
        "source": Source(kind="recipe", name="animals", sha256="2" * 64, seed=7, epochs=3),
        "data": DataFigures(name="animals", train_items=10, validation_items=5, test_items=6, sha256="3" * 64),
        "variants": {
            "keras": variant(accuracy=1.0, agreement=1.0, latencies=[], runtime="tensorflow"),
            "int8": variant(accuracy=0.9, agreement=0.9, load_ms=0.4),
        },
        "loss": None,
        "resamples": 2000,
        "bootstrap_seed": 1,
        "tools": {"numpy": "1.26.4"},
        **changes,
    }
    return Report(**fields)


def classifier_report(answers: list[int], classes: list[int], **changes: object) -> Report:
    """Return the report of a classifier that is quite sure of ``answers``."""
    rows = np.full((len(answers), len(LABELS)), 0.05)
    rows[np.arange(len(answers)), answers] = 0.9
    figures = classification_figures(rows, np.array(classes), Classification(labels=LABELS))
    return report(classification=figures, slice_metric="accuracy", **changes)


def regression_report(values: list[float], targets: list[float], **changes: object) -> Report:
    """Return the report of a regression in metres."""
    unit = Regression(unit="m").unit
    figures = regression_figures(np.array(values), np.array(targets), unit=unit)
    return report(task="regression", regression=figures, slice_metric="rmse", **changes)
