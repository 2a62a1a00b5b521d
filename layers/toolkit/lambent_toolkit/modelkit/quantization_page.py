"""quantization.html: the variants side by side, why one of them was chosen, and what came with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lambent_toolkit.modelkit import quantization_tables as tables
from lambent_toolkit.modelkit.quantization_report import Metric, QuantizationReport, Target, VariantMeasurement
from lambent_toolkit.modelkit.report import Reliability
from lambent_toolkit.modelkit.temperature import TemperatureFit
from lambent_toolkit.reporting.page import (
    Block,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Notice,
    Page,
    Prose,
    Section,
    Table,
    render_page,
)
from lambent_toolkit.reporting.plots import bar_chart, line_chart
from lambent_toolkit.reporting.plots_classes import ReliabilityCurve, reliability_diagram
from lambent_toolkit.reporting.plots_tradeoff import Choice, pareto_plot

QUANTIZATION_PAGE = "quantization.html"
_COST_AXES: dict[Target, str] = {"latency": "p50 of one item, one thread (ms)", "size": "size of the file (kB)"}
_QUALITY_AXES: dict[Metric, str] = {
    "accuracy": "accuracy (%)",
    "rmse": "RMSE below the float model's (%, more is better)",
    "outputs": "outputs off the float model's (%, nearer to zero is better)",
}
_MOST_STRATA = 30
_METHODS = {
    "accuracy": (
        "Drop: accuracy of the float model minus that of the form, in percentage points, on the same items; its 95 % "
        "interval is Tango's for paired proportions. Agrees: share of the items with the float model's answer. Scores "
        "differ: the largest difference of an item's scores that 99 of 100 items keep to. Output "
        "error: absolute difference from the float model's outputs."
    ),
    "rmse": (
        "More RMSE: by what share the RMSE is above the float model's on the same items; its 95 % interval is a paired "
        "bootstrap of 2,000 resamples. Off: root mean square of the difference from the float model's answers, as a "
        "share of their spread. Output error: absolute difference from the float model's outputs."
    ),
    "outputs": (
        "Outputs off: root mean square of the difference from the float model's outputs, as a share of that of the "
        "outputs themselves; its 95 % interval is a bootstrap of 2,000 resamples. Whether any of it is right is not "
        "measured."
    ),
}


def quantization_page(report: QuantizationReport, fit: TemperatureFit, *, folder: str) -> str:
    """Return quantization.html.

    Parameters
    ----------
    report
    fit      of the chosen variant's temperature
    folder   the model's, for commands to go on with
    """
    sections = [
        Section("In short", list(_in_short(report, folder))),
        Section("What each form costs", [*_pareto_plots(report), tables.cost_table(report)]),
        Section("How well each form answers", [tables.quality_table(report), Prose(_METHODS[report.metric])]),
        Section("Why this one", (tables.choice_table(report),)),
        Section("Calibration of the ranges", list(_calibration(report))),
        Section("Confidence", list(_confidence(report, fit))),
        Section("Versions", (_versions(report),), is_folded=True),
    ]
    return render_page(
        Page(
            title=f"{report.model}: forms of the model, measured where it serves",
            subtitle=f"{report.validation_items} validation items, which were not trained on; {report.runtime}, the "
            "layers' packages in processes of their own. The test part was not looked at.",
            sections=sections,
        )
    )


def _in_short(report: QuantizationReport, folder: str) -> Iterator[Block]:
    measured = _measured(report)[report.choice.variant]
    latency, rule = measured.latency(1), tables.rule_of(report)
    share = measured.size_bytes / report.float_model.size_bytes
    yield KeyFigures(
        [
            KeyFigure("served", report.choice.variant, _how_chosen(report)),
            _quality(measured, report),
            KeyFigure("size", f"{measured.size_bytes / 1000:.1f} kB", f"{share:.0%} of the float model's file"),
            KeyFigure("p50", f"{latency.p50_ms:.3g} ms", f"p99 {latency.p99_ms:.3g} ms, {latency.calls} calls"),
        ]
    )
    yield Notice(tables.verdict(report), "bad" if rule.broken(measured.loss, measured) else "good")
    for change in tables.changes(report):
        yield Notice(change, "neutral")
    for doubt in tables.doubts(report):
        yield Notice(doubt, "warning")
    for problem in tables.problems(report):
        yield Notice(problem, "warning")
    if advice := tables.hint(report, folder):
        yield Notice(advice, "warning")


def _quality(measured: VariantMeasurement, report: QuantizationReport) -> KeyFigure:
    if report.metric == "accuracy":
        return KeyFigure("accuracy", f"{measured.accuracy:.1%}", f"float model {report.float_model.accuracy:.1%}")
    if report.metric == "rmse":
        return KeyFigure("RMSE", f"{measured.rmse:.4g}", f"float model {report.float_model.rmse:.4g}")
    return KeyFigure("outputs off", f"{measured.loss.value:.2%}", "against the float model; unmeasured otherwise")


def _how_chosen(report: QuantizationReport) -> str:
    choice = report.choice
    return "as named" if choice.mode == "fixed" else f"best {choice.target} within the limit"


def _pareto_plots(report: QuantizationReport) -> Iterator[Figure]:
    for target, axis in _COST_AXES.items():
        choices = [_point(name, each, target, report) for name, each in _measured(report).items()]
        best = ", ".join(name for name, each in _measured(report).items() if target in each.frontiers)
        quality = _QUALITY_AXES[report.metric]
        yield pareto_plot(
            choices,
            cost_axis=axis,
            quality_axis=quality,
            alt=f"Quality of {len(choices)} forms of {report.model} against {target}; on the frontier: {best}.",
            caption=f"Quality against {target}, with the 95 % interval of the difference from the float model. On the "
            f"frontier: {best}.",
        )


def _point(name: str, measured: VariantMeasurement, target: Target, report: QuantizationReport) -> Choice:
    """Return a variant's place: the float model's quality less the loss, so that the interval is the loss's own."""
    loss, top = measured.loss, 100 * (report.float_model.accuracy or 0)
    scale = 1 if report.metric == "accuracy" else 100
    return Choice(
        name=name,
        cost=measured.size_bytes / 1000 if target == "size" else measured.latency(1).p50_ms,
        quality=top - scale * loss.value,
        is_chosen=name == report.choice.variant,
        low=top - scale * loss.high,
        high=top - scale * loss.low,
    )


def _calibration(report: QuantizationReport) -> Iterator[Block]:
    yield Prose(tables.calibration_line(report))
    calibration = report.calibration
    if calibration is None:
        return
    grown = [each for each in calibration.rounds if each.range_growth is not None]
    if grown:
        yield line_chart(
            {
                "widest-growing range": [100 * (each.range_growth or 0) for each in grown],
                f"tolerance ({calibration.tolerance:.0%})": [100 * calibration.tolerance] * len(grown),
            },
            x_axis=f"doubling (1: to {grown[0].items} items, {len(grown)}: to {grown[-1].items})",
            y_axis="growth of the range (%)",
            alt=f"Growth of the widest-growing range at each doubling of the sample, up to {calibration.items} items.",
            caption="By how much the range of any tensor grew with each doubling of the sample. Below the tolerance "
            "twice in a row, more items would hardly change the 8-bit steps.",
        )
    if len(calibration.items_by_stratum) <= _MOST_STRATA:
        yield bar_chart(
            calibration.items_by_stratum,
            axis="items in the sample",
            alt=f"Items of the sample by {len(calibration.items_by_stratum)} strata.",
            caption="The sample holds every class, or every tenth of the target, about equally often, as far as there "
            "are items. calibration.npz names them.",
        )


def _confidence(report: QuantizationReport, fit: TemperatureFit) -> Iterator[Block]:
    yield Prose(tables.temperature_line(report))
    if fit.figures is None or fit.before is None or fit.after is None:
        return
    yield reliability_diagram(
        [_curve("before (temperature 1)", fit.before), _curve(f"after ({fit.figures.temperature:.3f})", fit.after)],
        bins=fit.figures.bins,
        alt=f"Reliability of {report.choice.variant} before and after temperature scaling.",
        caption=f"How often answers of a confidence are right, with Wilson's 95 % intervals. A perfectly calibrated "
        f"model would show an ECE of {fit.after.ece_expected:.2%} on so few items, up to {fit.after.ece_limit:.2%} by "
        "chance. These are the items that the temperature was fitted to; `lambent evaluate` measures it on the test "
        "part.",
    )


def _curve(name: str, found: Reliability) -> ReliabilityCurve:
    return ReliabilityCurve(
        name=name,
        confidence=[each.confidence for each in found.bins],
        accuracy=[each.accuracy for each in found.bins],
        low=[each.low for each in found.bins],
        high=[each.high for each in found.bins],
        counts=[each.items for each in found.bins],
    )


def _versions(report: QuantizationReport) -> Table:
    rows: list[Sequence[str]] = [list(each) for each in report.tools.items()]
    rows += [[f"sha256 of {row.variant}", row.sha256] for row in report.variants if row.sha256]
    rows += [["sha256 of the data", report.data_sha256]]
    return Table((Column("what"), Column("version or digest")), rows)


def _measured(report: QuantizationReport) -> dict[str, VariantMeasurement]:
    return {row.variant: row.measured for row in report.variants if row.measured}
