"""compare.html: two models side by side, and the items on which they differ."""

from __future__ import annotations

from collections.abc import Sequence

from lambent_toolkit.modelkit.evaluating.comparing import Compared
from lambent_toolkit.modelkit.evaluating.comparison_report import (
    Comparison,
    Contestant,
    Difference,
    DifferingAnswer,
    DifferingItem,
)
from lambent_toolkit.modelkit.evaluating.items import ShowItem, item_shower
from lambent_toolkit.modelkit.evaluating.verdict import p_text
from lambent_toolkit.modelkit.evaluating.wording import NO_INTERVAL, Format, in_unit, interval, percent
from lambent_toolkit.reporting.page import (
    Block,
    Cell,
    Column,
    Figure,
    Marked,
    Notice,
    Page,
    Prose,
    Section,
    Table,
    Tone,
    render_page,
)
from lambent_toolkit.reporting.plots import Interval, interval_plot

COMPARISON_PAGE = "compare.html"
# Each has a picture; compare.json has them all.
MOST_SHOWN = 60


def comparison_page(compared: Compared) -> str:
    """Return compare.html."""
    comparison = compared.comparison
    one, other = comparison.first.name, comparison.second.name
    page = Page(
        title=f"{one} and {other}",
        subtitle=f"{comparison.items} test items of {comparison.data_name}, each answered by both as they are served",
        sections=(
            Section("Verdict", _verdict(comparison)),
            Section("Side by side", _side_by_side(comparison)),
            *([Section("Who is right", _agreement(comparison))] if comparison.task == "classification" else []),
            Section("Items on which they differ", _items(compared)),
            Section("How it was measured", (Prose(_method(comparison)),)),
        ),
    )
    return render_page(page)


def contestants_table(comparison: Comparison) -> Table:
    """Return both models' figures."""
    form = _form(comparison)
    columns = [Column("model"), Column("form"), Column("sha256"), Column(_metric(comparison), is_number=True)]
    columns += [Column("95 % interval", is_number=True)]
    columns += [Column("MAE", is_number=True)] if comparison.task == "regression" else []
    columns += [Column("size", "kB", is_number=True), Column("p50", "ms", is_number=True)]
    columns.append(Column("p99", "ms", is_number=True))
    rows = [_contestant(each, form, comparison) for each in (comparison.first, comparison.second)]
    winner = {"first": {0}, "second": {1}, "undecided": set[int]()}[comparison.outcome]
    return Table(columns, rows, highlighted_rows=frozenset(winner))


def differences_table(comparison: Comparison) -> Table:
    """Return by how much the second is better."""
    rows = [_difference(each, comparison.unit) for each in comparison.differences]
    columns = [Column("second - first" if comparison.task == "classification" else "first - second")]
    columns += [Column("difference", is_number=True), Column("95 % interval", is_number=True)]
    columns += [Column("test"), Column("p", is_number=True)]
    return Table(columns, rows, caption="Above zero, the second is better")


def differing_table(comparison: Comparison, show: ShowItem, *, at_most: int) -> Table:
    """Return the items on which the two differ, the most telling first."""
    shown = comparison.differing_items[:at_most]
    told = "" if len(shown) == comparison.differing else f", {len(shown)} of them shown"
    columns = [Column("item"), Column("no.", is_number=True)]
    if comparison.task == "regression":
        names = ("truth", comparison.first.name, comparison.second.name)
        columns += [Column(name, comparison.unit or "", is_number=True) for name in names]
    else:
        columns += [Column("truth"), Column(comparison.first.name), Column("score", is_number=True)]
        columns += [Column(comparison.second.name), Column("score", is_number=True)]
    rows = [[show(each.item), str(each.item), *_answers(each)] for each in shown]
    return Table(columns, rows, caption=f"{comparison.differing} items are answered differently{told}")


def _verdict(comparison: Comparison) -> Sequence[Block]:
    tone: Tone = "neutral" if comparison.outcome == "undecided" else "good"
    return [Notice(comparison.verdict, tone), *(Notice(text, "warning") for text in comparison.warnings)]


def _side_by_side(comparison: Comparison) -> Sequence[Block]:
    return [contestants_table(comparison), *_plots(comparison), differences_table(comparison)]


def _metric(comparison: Comparison) -> str:
    return "accuracy" if comparison.task == "classification" else "RMSE"


def _form(comparison: Comparison) -> Format:
    return percent if comparison.task == "classification" else in_unit(comparison.unit)


def _contestant(each: Contestant, form: Format, comparison: Comparison) -> list[str]:
    fast = each.figures.latency(1)
    mae = [form(each.mae.value) if each.mae else NO_INTERVAL] if comparison.task == "regression" else []
    return [
        each.name,
        each.variant,
        each.model_sha256[:12],
        form(each.metric.value),
        interval(each.metric, form),
        *mae,
        f"{each.figures.size_bytes / 1000:.1f}",
        f"{fast.p50_ms:.3f}" if fast else NO_INTERVAL,
        f"{fast.p99_ms:.3f}" if fast else NO_INTERVAL,
    ]


def _difference(each: Difference, unit: str | None) -> list[str]:
    if each.metric == "accuracy":
        value, span = f"{each.value:+.2f} pt", f"{each.low:+.2f} to {each.high:+.2f}"
    else:
        value, span = f"{each.value:+.4g} {unit or ''}".strip(), f"{each.low:+.4g} to {each.high:+.4g}"
    name = each.metric if each.metric == "accuracy" else each.metric.upper()
    return [name, value, span, each.test, p_text(each.p_value).removeprefix("p ").removeprefix("= ")]


def _plots(comparison: Comparison) -> list[Figure]:
    scale = 100 if comparison.task == "classification" else 1
    unit = "%" if comparison.task == "classification" else comparison.unit
    axis = f"{_metric(comparison)} ({unit})" if unit else _metric(comparison)
    figures = [
        Interval(
            each.name,
            scale * each.metric.value,
            scale * (each.metric.value if each.metric.low is None else each.metric.low),
            scale * (each.metric.value if each.metric.high is None else each.metric.high),
        )
        for each in (comparison.first, comparison.second)
    ]
    main = comparison.differences[0]
    gap_unit = "points" if comparison.task == "classification" else comparison.unit
    gap = f"how much better the second is{f' ({gap_unit})' if gap_unit else ''}"
    return [
        interval_plot(
            figures,
            axis=axis,
            alt=f"{axis}: {', '.join(f'{each.name} {each.value:.4g}' for each in figures)}.",
            caption="Each for itself, with 95 % intervals. They may overlap where the difference is certain.",
        ),
        interval_plot(
            [Interval("difference", main.value, main.low, main.high)],
            axis=gap,
            reference=("no difference", 0.0),
            alt=f"Difference {main.value:.4g}, 95 % interval {main.low:.4g} to {main.high:.4g}.",
            caption="The difference on the same items, with its 95 % interval.",
        ),
    ]


def _agreement(comparison: Comparison) -> Sequence[Block]:
    first_only, second_only = comparison.first_only or 0, comparison.second_only or 0
    wrong = comparison.both_wrong or 0
    right = comparison.items - first_only - second_only - wrong
    columns = [Column("items"), Column(f"{comparison.second.name} right", is_number=True)]
    columns += [Column(f"{comparison.second.name} wrong", is_number=True)]
    rows = [
        [f"{comparison.first.name} right", str(right), str(first_only)],
        [f"{comparison.first.name} wrong", str(second_only), str(wrong)],
    ]
    return [Table(columns, rows), Prose("The test looks at the two cells where only one of them is right.")]


def _answers(each: DifferingItem) -> list[Cell]:
    if isinstance(each.first, DifferingAnswer) and isinstance(each.second, DifferingAnswer):
        cells: list[Cell] = [str(each.truth)]
        for answer in (each.first, each.second):
            cells += [Marked(answer.label or "no answer", "good" if answer.is_right else "bad"), percent(answer.score)]
        return cells
    return [f"{value:.4g}" for value in (each.truth, each.first, each.second) if isinstance(value, float)]


def _items(compared: Compared) -> Sequence[Block]:
    if not compared.comparison.differing_items:
        return [Prose("There are none: both answer every item alike.")]
    show = item_shower(compared.items, compared.contract)
    return [differing_table(compared.comparison, show, at_most=MOST_SHOWN)]


def _method(comparison: Comparison) -> str:
    test = (
        "McNemar's test, mid-p, on the items that only one gets right; the interval of the difference is Tango's for "
        "paired shares"
        if comparison.task == "classification"
        else "a paired bootstrap: the same 2,000 resamples of the items for both; with a hundred items and a few large "
        "errors among them it finds differences about twice as often as it promises"
    )
    return (
        "Both ran in the serving interpreter, from raw items on, each with the preprocessing, threshold and "
        f"temperature of its own contract. The test is {test}. Latencies were measured one model after the other, of "
        "one row on one thread."
    )
