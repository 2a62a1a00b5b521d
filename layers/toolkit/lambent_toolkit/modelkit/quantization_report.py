"""quantization.json: every form of a model in the serving interpreter, the choice among them, and why.

All of it is measured on the validation part; `lambent evaluate` measures the chosen file on the test part.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Target = Literal["latency", "size"]
Basis = Literal["estimate", "bound"]
# "outputs": there is no truth to hold the answers to, so they are held to the float model's.
Metric = Literal["accuracy", "rmse", "outputs"]


class _Figures(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Loss(_Figures, frozen=True, kw_only=True):
    """How much worse than the float Keras model a variant is, on the same items.

    ``value`` is in percentage points of accuracy for a classifier, and the increase of the RMSE as a share of the
    Keras model's for a regression; below zero, the variant is better. Where nothing is right or wrong (metric
    "outputs"), it is the relative error of the outputs. ``low`` and ``high`` are its 95 % interval, see
    `quantization_loss`. ``only_float_right`` and ``only_variant_right`` count the items that one of the two gets right
    and the other does not; a regression has none.
    """

    value: float
    low: float
    high: float
    only_float_right: int | None = None
    only_variant_right: int | None = None


class WorstClass(_Figures, frozen=True, kw_only=True):
    """The class whose accuracy falls most, by ``drop_pt`` percentage points of its ``items``."""

    label: str
    drop_pt: float
    items: int


class Latency(_Figures, frozen=True, kw_only=True):
    """One row through the serving adapter with ``threads`` threads, ``calls`` times.

    The calls come in rounds that take turns with the other variants, so that a busy machine is busy for all of them.
    ``low_ms`` and ``high_ms`` are the quartiles of the rounds' medians: how far p50 is to be trusted.
    """

    threads: int
    calls: int
    p50_ms: float
    p99_ms: float
    low_ms: float
    high_ms: float


class VariantMeasurement(_Figures, frozen=True, kw_only=True):
    """A variant in the serving interpreter.

    ``agreement`` is the share of items for which it names the Keras model's class. ``output_error_max`` and
    ``output_error_mean`` are absolute differences from the Keras model's outputs, over all of them, in their own
    unit. A classifier has ``accuracy``, ``agreement`` and ``worst_class``; a regression ``rmse`` (in the answer's
    unit) and ``r2``. ``score_difference`` and ``output_error`` say how far the two lanes lie apart, see
    `lane_distance`. ``frontiers`` names the targets for which no other variant is at least as good in both.
    """

    size_bytes: int
    load_ms: float
    latencies: list[Latency]
    loss: Loss
    output_error_max: float
    output_error_mean: float
    accuracy: float | None = None
    agreement: float | None = None
    worst_class: WorstClass | None = None
    rmse: float | None = None
    r2: float | None = None
    score_difference: float | None = None
    output_error: float | None = None
    frontiers: list[Target] = []

    def latency(self, threads: int) -> Latency:
        """Return the latency with so many threads; raises KeyError if it was not measured."""
        for latency in self.latencies:
            if latency.threads == threads:
                return latency
        raise KeyError(threads)


class VariantRow(_Figures, frozen=True, kw_only=True):
    """One variant: ``sha256`` of its file and what was measured, or ``problem``: why there are no figures."""

    variant: str
    sha256: str | None = None
    measured: VariantMeasurement | None = None
    problem: str | None = None


class FloatFigures(_Figures, frozen=True, kw_only=True):
    """The float model, which the variants are held against: ``name`` is ``keras`` or ``saved_model``."""

    name: str
    size_bytes: int
    accuracy: float | None = None
    rmse: float | None = None
    r2: float | None = None


class ChoiceStep(_Figures, frozen=True, kw_only=True):
    """What the choice made of one variant, in the order of preference."""

    variant: str
    outcome: Literal["chosen", "beaten", "over_limit", "not_measured"]
    reason: str


class Choice(_Figures, frozen=True, kw_only=True):
    """Which variant model.tflite is.

    ``mode`` "fixed" means that a person or the recipe named it, whatever the figures. ``limit`` is the most that
    `Loss.value` (``basis`` "estimate") or `Loss.high` ("bound") may be; the three after ``steps`` are the contract's
    limits of how far the lanes may lie apart, None in a report of a release that had none. ``holds_limit`` says whether
    the chosen one keeps to all of them.
    """

    variant: str
    mode: Literal["auto", "fixed"]
    target: Target
    limit: float
    basis: Basis
    holds_limit: bool
    steps: list[ChoiceStep]
    min_agreement: float | None = None
    max_score_difference: float | None = None
    max_output_error: float | None = None


class CalibrationRound(_Figures, frozen=True, kw_only=True):
    """One size of the calibration sample; ``range_growth`` is None for the first.

    It is by how much the widest-growing tensor's range (maximum - minimum) grew since the round before, as a share of
    that range.
    """

    items: int
    range_growth: float | None


class CalibrationFigures(_Figures, frozen=True, kw_only=True):
    """The sample of the training part that the ranges of int8 and int16x8 come from; calibration.npz names its items.

    ``items_by_stratum`` counts them by class label, or by quantile of the target. ``converged``: no range grew by more
    than ``tolerance`` in either of the last two doublings; else the sample has all items there are, or the most.
    """

    items: int
    items_by_stratum: dict[str, int]
    tolerance: float
    converged: bool
    rounds: list[CalibrationRound]


class TemperatureFigures(_Figures, frozen=True, kw_only=True):
    """Temperature scaling of the chosen variant's scores; ``temperature`` goes into the contract.

    ECE: expected calibration error over ``bins`` bins of equal width; NLL in nats an item. Before is at temperature 1.
    """

    temperature: float
    ece_before: float
    ece_after: float
    nll_before: float
    nll_after: float
    bins: int


class QuantizationReport(_Figures, frozen=True, kw_only=True):
    """quantization.json.

    ``model_sha256`` is of model.tflite, ``data_sha256`` of the data as in training.json. ``temperature`` is None where
    there is nothing to scale; ``temperature_note`` then says why. ``changes`` says how the model was made otherwise for
    the converter, such as recurrent layers unrolled; it is empty for one that was converted as it is. ``unmeasured``
    says why there is neither accuracy nor RMSE, None where there is one. ``broken_limits`` of the contract are those
    that the chosen file breaks on these items, in words: the gate holds it to them on the test part.
    """

    schema_version: int = 2
    model: str
    metric: Metric
    validation_items: int
    data_sha256: str
    model_sha256: str
    float_model: FloatFigures
    variants: list[VariantRow]
    choice: Choice
    calibration: CalibrationFigures | None
    temperature: TemperatureFigures | None
    temperature_note: str | None = None
    changes: list[str] = []
    unmeasured: str | None = None
    broken_limits: list[str] = []
    runtime: str
    tools: dict[str, str]

    def row(self, variant: str) -> VariantRow:
        """Return a variant's row; raises KeyError."""
        for row in self.variants:
            if row.variant == variant:
                return row
        raise KeyError(variant)
