"""The parts of report.html that only a regression has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.evaluating.items import ShowItem
from lambent_toolkit.modelkit.evaluating.wording import in_unit, interval, number
from lambent_toolkit.modelkit.report import RegressionFigures
from lambent_toolkit.reporting.page import Block, Column, KeyFigure, Section, Table
from lambent_toolkit.reporting.plots import histogram, scatter_plot


def key_figures(figures: RegressionFigures, items: int) -> list[KeyFigure]:
    """Return what is shown in large type."""
    form = in_unit(figures.unit)
    found = [
        KeyFigure("RMSE", form(figures.rmse.value), f"{interval(figures.rmse, form)}, n = {items}"),
        KeyFigure("MAE", form(figures.mae.value), interval(figures.mae, form)),
    ]
    if figures.mase:
        found.append(KeyFigure("MASE", number(figures.mase.value), interval(figures.mase, number)))
    if figures.r2:
        found.append(KeyFigure("R²", number(figures.r2.value), interval(figures.r2, number)))
    return found


def sections(figures: RegressionFigures, values: Floats, targets: Floats, show: ShowItem) -> list[Section]:
    """Return the sections, of the answers of the published file to all items."""
    return [
        Section("Answers and truth", _plots(figures, values, targets)),
        Section("Residuals", (_quantiles(figures),)),
        Section("Worst answers", (_mistakes(figures, show),)),
    ]


def _plots(figures: RegressionFigures, values: Floats, targets: Floats) -> Sequence[Block]:
    unit = f" ({figures.unit})" if figures.unit else ""
    residuals = values - targets
    return [
        scatter_plot(
            targets,
            values,
            x_axis=f"truth{unit}",
            y_axis=f"answer{unit}",
            line="diagonal",
            alt=f"{len(values)} answers against the truth; the correlation is {_correlation(values, targets)}.",
            caption="A perfect model's points lie on the dashed line.",
        ),
        scatter_plot(
            targets,
            residuals,
            x_axis=f"truth{unit}",
            y_axis=f"answer - truth{unit}",
            line="zero",
            alt=f"Residuals against the truth, from {residuals.min():.4g} to {residuals.max():.4g}.",
            caption="Residuals by truth: a slope or a funnel shows where the model errs in one direction, or more.",
        ),
        histogram(
            residuals,
            x_axis=f"answer - truth{unit}",
            marked_x={"no error": 0.0, "mean": float(residuals.mean())},
            alt=f"Histogram of {len(residuals)} residuals around their mean of {residuals.mean():.4g}.",
            caption="How the residuals are distributed.",
        ),
    ]


def _correlation(values: Floats, targets: Floats) -> str:
    if np.ptp(values) == 0 or np.ptp(targets) == 0:
        return "not defined"
    return f"{np.corrcoef(values, targets)[0, 1]:.3f}"


def _quantiles(figures: RegressionFigures) -> Table:
    form = in_unit(figures.unit)
    rows = [
        [f"{100 * float(share):g} %", form(each.value), interval(each, form)]
        for share, each in figures.residual_quantiles.items()
    ]
    columns = [Column("quantile"), Column("answer - truth", is_number=True), Column("95 % interval", is_number=True)]
    return Table(columns, rows, caption="So many of the residuals are at most so large")


def _mistakes(figures: RegressionFigures, show: ShowItem) -> Table:
    form = in_unit(figures.unit)
    rows = [
        [show(each.item), str(each.item), form(each.truth), form(each.answer), f"{each.answer - each.truth:+.4g}"]
        for each in figures.mistakes
    ]
    columns = [Column("item"), Column("no.", is_number=True), Column("truth", is_number=True)]
    columns += [Column("answer", is_number=True), Column("answer - truth", figures.unit or "", is_number=True)]
    return Table(columns, rows, caption="The answers furthest from the truth")
