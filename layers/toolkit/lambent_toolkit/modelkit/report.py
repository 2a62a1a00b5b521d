"""report.json: what was measured before a version was published, all of it on the test part.

Shares (accuracy, precision, …) are from 0 to 1, errors of a regression are in the unit of its answer.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from lambent.contracts.model import Limits, ModelContract, QualityLimits
from lambent.domain.model import digest
from lambent_toolkit.modelkit.errors import ReportOutdated
from lambent_toolkit.modelkit.quantization_report import Latency, Loss, Metric

SCHEMA_VERSION = 3
Task = Literal["classification", "regression", "raw"]
IntervalMethod = Literal["bootstrap", "wilson", "tango", "none"]
FindingCode = Literal[
    "no_better_than_guessing",
    "constant_outputs",
    "one_class_answered",
    "saturated_scores",
    "labels_in_other_order",
    "pictures_on_other_scale",
    "constant_labels",
    "pictures_in_other_channels",
    "answers_on_other_scale",
]


class _Figures(msgspec.Struct, frozen=True, kw_only=True):
    pass


class DataFigures(_Figures, frozen=True, kw_only=True):
    """The data by its name, that of a recipe or of a data set with its version.

    ``sha256`` is of its tensors and targets.
    """

    name: str
    train_items: int
    validation_items: int
    test_items: int
    sha256: str


class Estimate(_Figures, frozen=True, kw_only=True):
    """A figure with its 95 % interval; see `evaluating.bootstrap`.

    ``method`` "wilson" stands where every resample is the same (no mistakes, or nothing but mistakes), so that the
    bootstrap sees no doubt; "none", with no interval, where that happens to a figure which is no share of items.
    "tango" is the interval of a difference of two shares of the same items.
    """

    value: float
    low: float | None = None
    high: float | None = None
    method: IntervalMethod = "none"


class VariantFigures(_Figures, frozen=True, kw_only=True):
    """One form of the model on the test part.

    ``agreement`` is the share of items with the reference's answer; ``output_error_max`` and ``output_error_mean`` are
    absolute differences from the reference's outputs, in their own unit. A classifier has ``accuracy``, one of several
    labels an item ``mean_average_precision``, a regression ``rmse``, ``mae`` and ``r2``. ``score_difference`` and
    ``output_error`` say how far its answers lie from the reference's, see `lane_distance`. Only what Lambda runs has
    ``load_ms`` and ``latencies``, measured in ``runtime``.
    """

    size_bytes: int
    sha256: str
    runtime: str
    load_ms: float | None = None
    latencies: list[Latency] = []
    accuracy: float | None = None
    mean_average_precision: float | None = None
    agreement: float | None = None
    rmse: float | None = None
    mae: float | None = None
    r2: float | None = None
    output_error_max: float | None = None
    output_error_mean: float | None = None
    score_difference: float | None = None
    output_error: float | None = None

    def latency(self, threads: int) -> Latency | None:
        """Return the latency with so many threads, None where it was not measured."""
        return next((each for each in self.latencies if each.threads == threads), None)


class TopK(_Figures, frozen=True, kw_only=True):
    """The share of items whose true class is among the ``k`` best scores, whatever the threshold."""

    k: int
    accuracy: Estimate


class ClassFigures(_Figures, frozen=True, kw_only=True):
    """One class: ``items`` are truly of it, ``answered`` were answered so. None where a figure is not defined."""

    label: str
    items: int
    answered: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    auc: Estimate | None


class LabelFigures(_Figures, frozen=True, kw_only=True):
    """One label of a classifier that scores each for itself: ``items`` have it, ``answered`` were answered it.

    ``prevalence`` is its share of the items. None where a figure is not defined.
    """

    label: str
    items: int
    answered: int
    prevalence: float
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    average_precision: Estimate | None


class SeveralLabelsFigures(_Figures, frozen=True, kw_only=True):
    """The published file as a classifier that scores each label for itself, on items whose labels are all known.

    ``threshold`` is the contract's, or one half. ``micro`` and ``macro`` are by "precision", "recall" and "f1".
    ``exact_match`` is the share of items of which every label is answered rightly, ``label_accuracy`` that of the
    answers of all labels. See `evaluating.several_labels`.
    """

    threshold: float
    mean_average_precision: Estimate | None
    micro: dict[str, Estimate | None]
    macro: dict[str, Estimate | None]
    exact_match: Estimate | None
    label_accuracy: Estimate
    labels: list[LabelFigures]


class ReliabilityBin(_Figures, frozen=True, kw_only=True):
    """Answers of about one confidence: how often they are right, with the Wilson interval of that share."""

    items: int
    confidence: float
    accuracy: float
    low: float
    high: float


class Reliability(_Figures, frozen=True, kw_only=True):
    """How far confidence can be trusted, with scores at one ``temperature``; see `evaluating.calibration`.

    ``ece_expected`` and ``ece_limit`` are the mean and the 95th percentile of the ECE that a perfectly calibrated
    model of the same confidences shows on so few items. ``log_loss`` is in nats an item, ``brier`` from 0 to 2.
    """

    temperature: float
    ece: float
    ece_expected: float
    ece_limit: float
    log_loss: Estimate
    brier: Estimate
    bins: list[ReliabilityBin]


class ClassifierMistake(_Figures, frozen=True, kw_only=True):
    """A wrong answer: ``item`` is its number in the test part; ``answer`` is None where no label reached the threshold.

    ``score`` is of the best label, ``true_score`` of the true one.
    """

    item: int
    truth: str
    answer: str | None
    score: float
    true_score: float


class ClassificationFigures(_Figures, frozen=True, kw_only=True):
    """The published file as a classifier.

    ``answered`` is the share of items whose best label reaches the contract's ``threshold``; the others count as wrong.
    Macro figures are means over the classes for which they are defined, ``weighted_f1`` weighs them by their items.
    ``auc`` is the mean over classes of one against the rest, where both occur. ``confusion``: row = true class, column
    = best label.
    ``reliability`` is at temperature 1, then at the contract's if that is another; None, with ``reliability_note``,
    where scores are no probabilities. ``mistakes`` are the worst only: the wrong answers given with most confidence.
    """

    labels: list[str]
    accuracy: Estimate
    threshold: float
    answered: float
    top_k: list[TopK]
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate
    auc: Estimate | None
    classes: list[ClassFigures]
    confusion: list[list[int]]
    reliability: list[Reliability]
    reliability_note: str | None
    mistakes: list[ClassifierMistake]
    note: str | None = None


class RegressionMistake(_Figures, frozen=True, kw_only=True):
    """A bad answer; ``item`` is its number in the test part."""

    item: int
    truth: float
    answer: float


class RegressionFigures(_Figures, frozen=True, kw_only=True):
    """The published file as a regression; residuals are answer - truth.

    ``r2`` is None where all targets are equal; ``residual_quantiles`` by the quantile, e.g. ``0.05``. ``mase`` is the
    MAE in units of what the (seasonal) naive forecast errs by on the training part, see `evaluating.forecasts`; None of
    what is no forecast.
    """

    unit: str | None
    rmse: Estimate
    mae: Estimate
    r2: Estimate | None
    bias: Estimate
    residual_quantiles: dict[str, Estimate]
    mistakes: list[RegressionMistake]
    mase: Estimate | None = None


class SliceFigures(_Figures, frozen=True, kw_only=True):
    """The items with one value in a slice's column: accuracy or RMSE, beside that of all the ``rest``.

    ``p_value`` is of the one-sided test that the slice is no worse than the rest, ``adjusted_p`` the same after the
    correction for the number of slices; None where there are too few items to test. See `evaluating.slices`.
    """

    column: str
    value: str
    items: int
    metric: Estimate
    rest: float | None
    p_value: float | None = None
    adjusted_p: float | None = None
    is_worse: bool = False


class BaselineFigures(_Figures, frozen=True, kw_only=True):
    """What is answered without a model, on the same test items; see `evaluating.baselines`.

    ``value`` is its figure in ``metric``; ``better_by`` is how much better the model is, with its paired interval: the
    model's share - the baseline's, or the baseline's error - the model's. ``is_beaten`` says whether even an interval
    of 99 % is above zero. A model that beats none of those that ``must_be_beaten`` is no better than guessing. Neither
    is one that does not beat each that ``is_forecast``, in one of its two metrics: those look at the past of a series,
    see `evaluating.forecasts`. As all of them have to be beaten, an interval of 95 % is enough for each.
    """

    name: str
    metric: Literal["accuracy", "macro recall", "label accuracy", "mAP", "rmse", "mae"]
    value: float
    better_by: Estimate
    p_value: float | None = None
    is_beaten: bool
    must_be_beaten: bool = True
    is_forecast: bool = False


class Finding(_Figures, frozen=True, kw_only=True):
    """A fault of the answers themselves, which no comparison with the float model shows; it stops the gate."""

    code: FindingCode
    text: str


class Source(_Figures, frozen=True, kw_only=True):
    """Where the model comes from: ``name`` of a recipe, an imported file or a published version, and its digest."""

    kind: Literal["recipe", "import", "version"]
    name: str
    sha256: str
    seed: int | None = None
    epochs: int | None = None


class Report(_Figures, frozen=True, kw_only=True):
    """report.json.

    Parameters
    ----------
    model            name in the contract
    model_sha256     of model.tflite, which was measured as the variant ``published``
    contract_sha256  of the contract that it was measured by; see `measured_contract_sha256`
    reference        the float model's key in ``variants`` ("keras", "saved_model"); None where a .tflite was imported
    loss             of the published file against the reference, on the same test items; see `quantization_loss`
    slice_metric     what the slices are compared by
    baselines        what the model must beat to know anything
    left_out         what it could not be held against → why
    findings         what makes no sense in its answers; None in a report of a release that did not look
    unmeasured       why nothing is said of how often it is right; None where it was measured
    resamples        of the bootstrap, and its seed
    warnings         what a reader should not overlook, in words
    tools            versions of the packages, those of the serving interpreter as "serving …"
    """

    schema_version: Literal[3] = 3
    model: str
    task: Task
    model_sha256: str
    contract_sha256: str
    published: str
    reference: str | None
    source: Source
    data: DataFigures
    variants: dict[str, VariantFigures]
    loss: Loss | None
    classification: ClassificationFigures | None = None
    several_labels: SeveralLabelsFigures | None = None
    regression: RegressionFigures | None = None
    slice_metric: Literal["accuracy", "rmse"] | None = None
    slices: list[SliceFigures] = []
    baselines: list[BaselineFigures] = []
    left_out: dict[str, str] = {}
    findings: list[Finding] | None = None
    unmeasured: str | None = None
    resamples: int
    bootstrap_seed: int
    warnings: list[str] = []
    tools: dict[str, str]

    def __post_init__(self) -> None:
        """Check that the two variants which everything is said of are there; raises ValueError."""
        missing = {self.published, self.reference} - {None, *self.variants}
        if missing:
            raise ValueError(f"no variant {', '.join(sorted(map(str, missing)))}")

    @property
    def measured(self) -> VariantFigures:
        """The published variant's figures."""
        return self.variants[self.published]

    @property
    def metric(self) -> Metric:
        """The figure that ``loss`` is in."""
        if self.task == "raw" or self.unmeasured is not None or self.several_labels is not None:
            return "outputs"
        return "accuracy" if self.task == "classification" else "rmse"

    @property
    def float_figures(self) -> VariantFigures | None:
        """The reference's figures."""
        return self.variants[self.reference] if self.reference else None


def measured_contract_sha256(contract: ModelContract) -> str:
    """Return the digest of all in a contract that figures depend on.

    That is everything but ``name``, ``limits`` and ``quality``, which are their owner's to choose at any time. Labels
    that changed places would be seen by nothing else: every tensor stays what it was.
    """
    measured = msgspec.structs.replace(contract, name="", limits=Limits(), quality=QualityLimits())
    return digest(msgspec.json.encode(measured))


class _Schema(msgspec.Struct):
    schema_version: int


def decode_report(body: bytes, *, of: str) -> Report:
    """Return a report.json of this release.

    Parameters
    ----------
    body
    of     whose it is, for the message

    Raises
    ------
    ReportOutdated   another release wrote it
    """
    try:
        written = msgspec.json.decode(body, type=_Schema).schema_version
        if written == SCHEMA_VERSION:
            return msgspec.json.decode(body, type=Report)
    except msgspec.DecodeError as exc:
        raise ReportOutdated(f"report.json of {of} cannot be read ({exc}): run `lambent evaluate` again.") from exc
    raise ReportOutdated(
        f"report.json of {of} has schema_version {written}, this release reads {SCHEMA_VERSION}: run "
        "`lambent evaluate` again."
    )
