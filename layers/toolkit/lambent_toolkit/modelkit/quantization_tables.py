"""What `lambent quantize` found, as tables and sentences for a terminal and for quantization.html."""

from __future__ import annotations

from lambent_toolkit.modelkit.lane_distance import LaneLimits
from lambent_toolkit.modelkit.quantization_choice import Rule
from lambent_toolkit.modelkit.quantization_report import (
    Choice,
    FloatFigures,
    Loss,
    QuantizationReport,
    VariantMeasurement,
    VariantRow,
)
from lambent_toolkit.reporting.page import Cell, Column, Marked, Table, Tone

_UNMEASURED = "-"
_HELD_TO_FLOAT = "The forms are held to the float model's answers instead."
_STILL_GROWING = "the ranges still grow, but there are no more items, or more are not taken"
_TONES: dict[str, Tone] = {"chosen": "good", "over_limit": "bad", "not_measured": "warning", "beaten": "neutral"}
_WORDS = {"chosen": "chosen", "over_limit": "over the limit", "not_measured": "no figures", "beaten": "not chosen"}


def quality_table(report: QuantizationReport) -> Table:
    """Return what each variant answers on the validation part, the float model first and the chosen one in bold."""
    own = [_own(report.float_model, report), *("" for _ in range(_quality_width(report) - 1))]
    rows = [[report.float_model.name, *own], *(_quality_row(row, report) for row in report.variants)]
    caption = f"Quality: {report.model}, {report.validation_items} validation items, in {report.runtime}"
    return Table(_quality_columns(report), rows, caption, _chosen_row(report))


def cost_table(report: QuantizationReport) -> Table:
    """Return what each variant costs; ``best in`` names the targets on whose Pareto frontier it lies."""
    columns = (
        Column("variant"),
        Column("size", "kB", is_number=True),
        Column("load", "ms", is_number=True),
        Column("p50, 1 thread", "ms", is_number=True),
        Column("p99", "ms", is_number=True),
        Column("p50, 2 threads", "ms", is_number=True),
        Column("p99", "ms", is_number=True),
        Column("on the frontier of"),
    )
    size = f"{report.float_model.size_bytes / 1000:.1f}"
    rows = [
        [report.float_model.name, size, *("" for _ in columns[2:])],
        *(_cost_row(row, len(columns)) for row in report.variants),
    ]
    return Table(columns, rows, "Cost: one item a call, calls of all variants in turns", _chosen_row(report))


def sentences(report: QuantizationReport, folder: str) -> list[str]:
    """Return what is to be told beside the tables; ``folder`` is the model's, for commands to go on with."""
    advice = hint(report, folder)
    told = [*changes(report), *problems(report), verdict(report), *([advice] if advice else []), *doubts(report)]
    return [*told, temperature_line(report), calibration_line(report)]


def changes(report: QuantizationReport) -> list[str]:
    """Return how the model was made otherwise for the converter, in a sentence; none if it was not."""
    return [f"Made for the converter: {'; '.join(report.changes)}."] if report.changes else []


def doubts(report: QuantizationReport) -> list[str]:
    """Return what the figures cannot tell: what nobody can measure, and what so few items do not show."""
    told = [] if report.unmeasured is None else [f"Unmeasured: {report.unmeasured}. {_HELD_TO_FLOAT}"]
    if report.broken_limits:
        told.append(
            f"The contract does not allow that ({'; '.join(report.broken_limits)}): if it is so on the test part too, "
            "the gate will not let it be published. Change the contract's quality, or choose another form."
        )
    one_item_pt = 100 / report.validation_items
    if report.metric == "accuracy" and one_item_pt > report.choice.limit:
        told.append(
            f"Too few validation items to tell: one of {report.validation_items} is {one_item_pt:.2f} pt, more than "
            f"the limit of {rule_of(report).show_limit()}, so that a loss of that size cannot be seen. Measure on more."
        )
    return told


def problems(report: QuantizationReport) -> list[str]:
    """Return a sentence for each variant without figures."""
    return [f"{row.variant}: {(row.problem or '').rstrip('.')}." for row in report.variants if row.measured is None]


def choice_table(report: QuantizationReport) -> Table:
    """Return why each variant was chosen or not, in the order of preference."""
    tones = _TONES if report.choice.holds_limit else {**_TONES, "chosen": "bad"}
    rows = [
        (step.variant, Marked(_WORDS[step.outcome], tones[step.outcome]), step.reason) for step in report.choice.steps
    ]
    return Table((Column("variant"), Column("outcome"), Column("because")), rows, _rule_caption(report))


def verdict(report: QuantizationReport) -> str:
    """Return the choice in a sentence."""
    choice = report.choice
    how = "as named" if choice.mode == "fixed" else f"chosen for {choice.target}"
    rule, measured = rule_of(report), _measured(report, choice.variant)
    apart = "".join(f"; {each}" for each in rule.lanes.broken(measured))
    return (
        f"model.tflite is {choice.variant}, {how}: {rule.show_loss(measured.loss)}, limit {rule.show_limit()}{apart}."
        f"{_lanes(measured)}"
    )


def _lanes(measured: VariantMeasurement) -> str:
    """Return how far the lane of the served file and that of the float model lie apart."""
    if measured.score_difference is not None:
        return (
            f" Beside the GPU lane's, its scores differ by up to {measured.score_difference:.3f} for 99 of 100 items."
        )
    if measured.output_error is not None:
        return f" Beside the GPU lane's, its answers are {measured.output_error:.2%} off."
    return ""


def hint(report: QuantizationReport, folder: str) -> str | None:
    """Return what to try where int8 loses too much; None where it holds the limit, or its remedies are there."""
    names = {row.variant for row in report.variants}
    int8 = next((row.measured for row in report.variants if row.variant == "int8"), None)
    if int8 is None or not rule_of(report).broken(int8.loss, int8) or {"mixed", "qat"} <= names:
        return None
    options = " ".join(option for name, option in (("mixed", "--mixed"), ("qat", "--qat")) if name not in names)
    return (
        f"int8 loses more than the limit. `lambent sensitivity {folder} {options}` finds the layers that cost it and "
        "makes a form that loses less; then quantize again."
    )


def temperature_line(report: QuantizationReport) -> str:
    """Return in a sentence what became of the temperature."""
    fitted = report.temperature
    if fitted is None:
        return f"Not scaled by a temperature. {report.temperature_note}"
    return (
        f"Temperature {fitted.temperature:.3f}, fitted on validation data after quantization: ECE "
        f"{fitted.ece_before:.2%} → {fitted.ece_after:.2%}, NLL {fitted.nll_before:.4f} → {fitted.nll_after:.4f} nats."
    )


def calibration_line(report: QuantizationReport) -> str:
    """Return in a sentence which sample int8 and int16x8 were calibrated on."""
    calibration = report.calibration
    if calibration is None:
        return "No variant needed calibration."
    told = [f"{each.range_growth:.1%}" for each in calibration.rounds[-2:] if each.range_growth is not None]
    grown = f"; in the last doublings, the widest-growing range grew by {' and '.join(told)}" if told else ""
    ended = "the ranges have converged" if calibration.converged else _STILL_GROWING
    return f"Calibrated on {calibration.items} training items: {ended} (tolerance {calibration.tolerance:.0%}){grown}."


def rule_of(report: QuantizationReport) -> Rule:
    """Return the rule that the choice was made by."""
    choice: Choice = report.choice
    if choice.min_agreement is None or choice.max_score_difference is None or choice.max_output_error is None:
        return Rule(report.metric, choice.limit, choice.target, choice.basis)
    lanes = LaneLimits(choice.min_agreement, choice.max_score_difference, choice.max_output_error)
    return Rule(report.metric, choice.limit, choice.target, choice.basis, lanes)


def _measured(report: QuantizationReport, variant: str) -> VariantMeasurement:
    measured = report.row(variant).measured
    if measured is None:
        raise KeyError(variant)
    return measured


def _chosen_row(report: QuantizationReport) -> frozenset[int]:
    return frozenset(n for n, row in enumerate(report.variants, 1) if row.variant == report.choice.variant)


def _quality_columns(report: QuantizationReport) -> tuple[Column, ...]:
    errors = (
        Column("output error, mean", is_number=True, is_detail=True),
        Column("max", is_number=True, is_detail=True),
    )
    if report.metric == "rmse":
        numbers = (Column(name, is_number=True) for name in ("RMSE", "R²", "more RMSE"))
        return (Column("variant"), *numbers, Column("95 % interval"), Column("off", is_number=True), *errors)
    if report.metric == "outputs":
        return (
            Column("variant"),
            Column("outputs off", is_number=True),
            Column("95 % interval"),
            Column("agrees", is_number=True),
            Column("scores differ", is_number=True),
            *errors,
        )
    return (
        Column("variant"),
        Column("accuracy", is_number=True),
        Column("drop", "pt", is_number=True),
        Column("95 % interval"),
        Column("agrees", is_number=True),
        Column("scores differ", is_number=True),
        Column("worst class"),
        *errors,
    )


def _quality_width(report: QuantizationReport) -> int:
    return len(_quality_columns(report)) - 1


def _quality_row(row: VariantRow, report: QuantizationReport) -> list[Cell]:
    if row.measured is None:
        return [row.variant, Marked("no figures", "warning"), *(_UNMEASURED for _ in range(_quality_width(report) - 1))]
    figures, loss = row.measured, row.measured.loss
    errors = [f"{figures.output_error_mean:.2g}", f"{figures.output_error_max:.2g}"]
    own, lanes = _own(figures, report), rule_of(report).lanes
    if report.metric == "rmse":
        r2 = "" if figures.r2 is None else f"{figures.r2:.4f}"
        more = _within(f"{loss.value:+.2%}", loss, report)
        off = _kept(figures.output_error, "{:.2%}", is_kept=lanes.holds_output_error(figures))
        return [row.variant, own, r2, more, f"{loss.low:+.2%} to {loss.high:+.2%}", off, *errors]
    agrees = _kept(figures.agreement, "{:.2%}", is_kept=lanes.holds_agreement(figures))
    differ = _kept(figures.score_difference, "{:.3f}", is_kept=lanes.holds_scores(figures))
    if report.metric == "outputs":
        off = _within(f"{loss.value:.2%}", loss, report)
        return [row.variant, off, f"{loss.low:.2%} to {loss.high:.2%}", agrees, differ, *errors]
    worst = figures.worst_class
    return [
        row.variant,
        own,
        _within(f"{loss.value:.2f}", loss, report),
        f"{loss.low:.2f} to {loss.high:.2f}",
        agrees,
        differ,
        f"{worst.label}: {worst.drop_pt:.1f} pt of {worst.items}" if worst else "none",
        *errors,
    ]


def _cost_row(row: VariantRow, width: int) -> list[Cell]:
    if row.measured is None:
        return [row.variant, *(_UNMEASURED for _ in range(width - 1))]
    figures = row.measured
    one, two = figures.latency(1), figures.latency(2)
    return [
        row.variant,
        f"{figures.size_bytes / 1000:.1f}",
        f"{figures.load_ms:.2f}",
        *(f"{value:.3f}" for value in (one.p50_ms, one.p99_ms, two.p50_ms, two.p99_ms)),
        ", ".join(figures.frontiers),
    ]


def _own(figures: FloatFigures | VariantMeasurement, report: QuantizationReport) -> str:
    if report.metric == "outputs":
        return ""
    return f"{figures.accuracy:.2%}" if report.metric == "accuracy" else f"{figures.rmse:.4g}"


def _within(text: str, loss: Loss, report: QuantizationReport) -> Cell:
    return text if rule_of(report).holds(loss) else Marked(text, "bad")


def _kept(value: float | None, form: str, *, is_kept: bool) -> Cell:
    if value is None:
        return _UNMEASURED
    return form.format(value) if is_kept else Marked(form.format(value), "bad")


def _rule_caption(report: QuantizationReport) -> str:
    choice = report.choice
    which = "the loss" if choice.basis == "estimate" else "the upper end of the loss's interval"
    return (
        f"Best {choice.target} among those that keep {which} within {rule_of(report).show_limit()} and their answers "
        "near the float model's, as the contract says, in the order of preference."
    )
