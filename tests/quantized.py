"""What `lambent quantize` reports, for tests: figures are made up, choices are made by the code that makes them."""

from __future__ import annotations

from lambent_toolkit.modelkit.quantization_choice import Rule, choose, fixed_choice, with_frontiers
from lambent_toolkit.modelkit.quantization_report import (
    CalibrationFigures,
    CalibrationRound,
    FloatFigures,
    Latency,
    Loss,
    QuantizationReport,
    TemperatureFigures,
    VariantMeasurement,
    VariantRow,
    WorstClass,
)
from lambent_toolkit.modelkit.variants import VARIANTS

SIZES = {"float32": 400, "float16": 200, "dynamic": 110, "int8": 105, "int16x8": 112, "qat": 105, "mixed": 150}


def row(variant: str, *, loss: float = 0.0, metric: str = "accuracy", p50_ms: float = 1.0) -> VariantRow:
    """Return a variant that loses so many points, or such a share of the RMSE."""
    classifier = {"accuracy": 0.95 - loss / 100, "agreement": 0.98, "worst_class": None}
    if loss > 0:
        classifier["worst_class"] = WorstClass(label="a class with a rather long name", drop_pt=4 * loss, items=12)
    regression = {"rmse": 2.0 * (1 + loss), "r2": 0.8}
    own = {"accuracy": classifier, "rmse": regression, "outputs": {"output_error": loss}}[metric]
    width = 1.0 if metric == "accuracy" else 0.01
    return VariantRow(
        variant=variant,
        sha256="0" * 64,
        measured=VariantMeasurement(
            size_bytes=SIZES[variant] * 1000,
            load_ms=1.0,
            latencies=[
                Latency(threads=n, calls=500, p50_ms=p50_ms / n, p99_ms=2 * p50_ms, low_ms=p50_ms, high_ms=p50_ms)
                for n in (1, 2)
            ],
            loss=Loss(value=loss, low=loss - width, high=loss + width),
            output_error_max=0.03,
            output_error_mean=0.001,
            **own,
        ),
    )


def report(
    *rows: VariantRow, metric: str = "accuracy", variant: str | None = None, **changes: object
) -> QuantizationReport:
    """Return a report on these rows; on five that lose nothing if there are none."""
    measured = with_frontiers(list(rows) or [row(each, metric=metric) for each in VARIANTS])
    rule = Rule(metric, 1.0 if metric == "accuracy" else 0.02)  # type: ignore[arg-type]
    choice = fixed_choice(measured, variant, rule) if variant else choose(measured, rule)
    own = {"accuracy": {"accuracy": 0.95}, "rmse": {"rmse": 2.0, "r2": 0.8}, "outputs": {}}[metric]
    fields = {
        "model": "animals",
        "metric": metric,
        "validation_items": 200,
        "data_sha256": "a" * 64,
        "model_sha256": "0" * 64,
        "float_model": FloatFigures(name="keras", size_bytes=900_000, **own),
        "variants": measured,
        "choice": choice,
        "calibration": CalibrationFigures(
            items=128,
            items_by_stratum={"ant": 64, "bee": 64},
            tolerance=0.02,
            converged=True,
            rounds=[
                CalibrationRound(items=32, range_growth=None),
                CalibrationRound(items=64, range_growth=0.015),
                CalibrationRound(items=128, range_growth=0.01),
            ],
        ),
        "temperature": TemperatureFigures(
            temperature=1.7, ece_before=0.08, ece_after=0.02, nll_before=0.4, nll_after=0.3, bins=15
        ),
        "runtime": "ai-edge-litert 1.4.0",
        "tools": {"tensorflow": "2.21.0"},
        **changes,
    }
    return QuantizationReport(**fields)
