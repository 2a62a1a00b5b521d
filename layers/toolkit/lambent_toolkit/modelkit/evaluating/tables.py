"""Tables of a report, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from lambent_toolkit.modelkit.card import Figure
from lambent_toolkit.modelkit.evaluating.wording import NO_INTERVAL, Format, in_unit, interval, number, percent
from lambent_toolkit.modelkit.report import (
    BaselineFigures,
    ClassFigures,
    Estimate,
    LabelFigures,
    Report,
    SliceFigures,
    VariantFigures,
)
from lambent_toolkit.reporting.page import Cell, Column, Marked, Table

# Heading → the figure and its format, by the model's task.
_QUALITY: dict[str, dict[str, tuple[str, Format]]] = {
    "classification": {
        "accuracy": ("accuracy", percent),
        "mAP": ("mean_average_precision", percent),
        "agrees": ("agreement", percent),
        "scores differ": ("score_difference", "{:.3f}".format),
    },
    "regression": {
        "RMSE": ("rmse", number),
        "MAE": ("mae", number),
        "R²": ("r2", number),
        "off": ("output_error", percent),
    },
    "raw": {
        "off": ("output_error", percent),
        "largest difference": ("output_error_max", number),
        "mean": ("output_error_mean", number),
    },
}


_INTERVAL = "95 %"
# Of one label an item, and of several.
_RARE = {"accuracy": False, "mean_average_precision": True}


def variants_table(report: Report) -> Table:
    """Return the forms of the model side by side, with the latencies of one row on one thread."""
    is_several = report.several_labels is not None
    quality = {
        heading: (field, form)
        for heading, (field, form) in _QUALITY[report.task].items()
        if _RARE.get(field, is_several) == is_several
    }
    columns = [Column("variant"), *(Column(heading, is_number=True) for heading in quality)]
    columns += [Column(heading, unit, is_number=True) for heading, unit in (("size", "kB"), ("load", "ms"))]
    columns += [Column(heading, "ms", is_number=True) for heading in ("p50", "p99")]
    columns.append(Column("interpreter", is_detail=True))
    rows = [_variant_row(name, figures, list(quality.values())) for name, figures in report.variants.items()]
    chosen = list(report.variants).index(report.published)
    return Table(columns, rows, highlighted_rows=frozenset({chosen}))


def latencies_table(report: Report) -> Table:
    """Return the latencies of one row with every number of threads."""
    columns = [Column("variant"), Column("threads", is_number=True), Column("p50", "ms", is_number=True)]
    columns += [Column("rounds' p50", "ms", is_number=True), Column("p99", "ms", is_number=True)]
    columns.append(Column("calls", is_number=True))
    rows = [
        [
            name,
            str(each.threads),
            _ms(each.p50_ms, 3),
            f"{each.low_ms:.3f} to {each.high_ms:.3f}",
            _ms(each.p99_ms, 3),
            str(each.calls),
        ]
        for name, figures in report.variants.items()
        for each in figures.latencies
    ]
    caption = "One row through the serving adapter, the variants taking turns; rounds' p50: the middle half of them"
    return Table(columns, rows, caption=caption)


def figures_table(figures: Sequence[Figure]) -> Table:
    """Return figures with their intervals."""
    rows = [[name, value, interval or ""] for name, value, interval in figures]
    columns = [Column("figure"), Column("value", is_number=True), Column("95 % interval", is_number=True)]
    return Table(columns, rows)


def classes_table(classes: Sequence[ClassFigures]) -> Table:
    """Return precision, recall, F1 and AUC of every class."""
    columns = [Column("class"), *(Column(heading, is_number=True) for heading in ("items", "answered"))]
    columns += [Column(heading, is_number=True) for heading in ("precision", "95 %", "recall", "95 %", "F1", "AUC")]
    rows = [
        [
            each.label,
            str(each.items),
            str(each.answered),
            *_pair(each.precision),
            *_pair(each.recall),
            _value(each.f1, percent),
            _value(each.auc, lambda area: f"{area:.4f}"),
        ]
        for each in classes
    ]
    return Table(columns, rows, caption="answered: how many items were answered so; a dash where nothing is defined")


def labels_table(labels: Sequence[LabelFigures]) -> Table:
    """Return precision, recall, F1 and average precision of every label, beside its share of the items."""
    headings = ["items", "answered", "prevalence", "AP", _INTERVAL, "precision", _INTERVAL, "recall", _INTERVAL, "F1"]
    columns = [
        Column("label"),
        *(Column(heading, is_number=True, is_detail=heading == _INTERVAL) for heading in headings),
    ]
    rows = [
        [
            each.label,
            str(each.items),
            str(each.answered),
            percent(each.prevalence),
            *_pair(each.average_precision),
            *_pair(each.precision),
            *_pair(each.recall),
            _value(each.f1, percent),
        ]
        for each in labels
    ]
    return Table(
        columns,
        rows,
        caption="AP: average precision, which for scores that say nothing is about the prevalence; a dash where "
        "nothing is defined",
    )


def baselines_table(report: Report) -> Table:
    """Return what the model must beat beside it."""
    columns = [Column("without a model"), Column("figure"), Column("value", is_number=True)]
    columns += [Column("better by", is_number=True), Column("95 % interval", is_number=True), Column("beaten?")]
    rows: list[list[Cell]] = []
    for each in report.baselines:
        is_share = each.metric not in {"rmse", "mae"}
        form = percent if is_share else in_unit(report.regression.unit if report.regression else None)
        name = each.metric if is_share else each.metric.upper()
        rows.append(
            [
                each.name,
                name,
                form(each.value),
                form(each.better_by.value),
                interval(each.better_by, form),
                _beaten(each),
            ]
        )
    return Table(columns, rows, caption="What is answered without a model, and by how much the model is better")


def _beaten(each: BaselineFigures) -> Marked:
    if each.is_beaten:
        return Marked("yes", "good")
    return Marked("not shown", "bad" if each.must_be_beaten else "neutral")


def slices_table(slices: Sequence[SliceFigures], report: Report) -> Table:
    """Return every slice beside the rest."""
    is_accuracy = report.slice_metric == "accuracy"
    form = percent if is_accuracy else in_unit(report.regression.unit if report.regression else None)
    name = "accuracy" if is_accuracy else "RMSE"
    columns = [Column("slice"), Column("items", is_number=True), Column(name, is_number=True)]
    columns += [Column("95 % interval", is_number=True), Column("the rest", is_number=True)]
    columns += [Column("p", is_number=True), Column("p, corrected", is_number=True), Column("worse?")]
    rows: list[list[Cell]] = [
        [
            f"{each.column} = {each.value}",
            str(each.items),
            form(each.metric.value),
            interval(each.metric, form),
            NO_INTERVAL if each.rest is None else form(each.rest),
            _p(each.p_value),
            _p(each.adjusted_p),
            Marked("worse than the rest", "bad") if each.is_worse else _untold(each),
        ]
        for each in slices
    ]
    return Table(columns, rows)


def _untold(each: SliceFigures) -> str:
    return "too few items to tell" if each.p_value is None else "not shown to be"


def _p(value: float | None) -> str:
    if value is None:
        return NO_INTERVAL
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - three digits


def _variant_row(name: str, figures: VariantFigures, quality: list[tuple[str, Format]]) -> list[str]:
    shown = [NO_INTERVAL if (value := getattr(figures, field)) is None else form(value) for field, form in quality]
    fast = figures.latency(1)
    return [
        name,
        *shown,
        f"{figures.size_bytes / 1000:.0f}" if figures.size_bytes > 10_000 else f"{figures.size_bytes / 1000:.1f}",  # noqa: PLR2004
        _ms(figures.load_ms, 1),
        _ms(fast.p50_ms if fast else None, 3),
        _ms(fast.p99_ms if fast else None, 3),
        figures.runtime,
    ]


def _ms(value: float | None, digits: int) -> str:
    return NO_INTERVAL if value is None else f"{value:.{digits}f}"


def _pair(estimate: Estimate | None) -> tuple[str, str]:
    return (NO_INTERVAL, NO_INTERVAL) if estimate is None else (percent(estimate.value), interval(estimate, percent))


def _value(estimate: Estimate | None, form: Format) -> str:
    return NO_INTERVAL if estimate is None else form(estimate.value)
