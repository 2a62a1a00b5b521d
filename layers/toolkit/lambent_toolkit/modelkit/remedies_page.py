"""Sensitivity of the layers as tables and a plot, for a terminal and for sensitivity.html."""

from __future__ import annotations

from lambent_toolkit.modelkit.quantization_choice import Rule
from lambent_toolkit.modelkit.sensitivity_report import Effect, FineTuning, SensitivityReport
from lambent_toolkit.reporting.page import Column, Page, Prose, Section, Table
from lambent_toolkit.reporting.plots import grouped_bar_chart


def layers_table(report: SensitivityReport) -> Table:
    """Return a row a layer, the most sensitive first; those that the mixed file leaves in float are in bold."""
    spared = report.mixed.float_layers if report.mixed else []
    rows = [
        (
            each.layer,
            ", ".join(each.operators),
            f"{each.alone.output_error:.4f}",
            *_figures(each.alone, report),
            f"{each.spared.output_error:.4f}",
            *_figures(each.spared, report),
        )
        for each in report.layers
    ]
    columns = (
        Column("layer"),
        Column("operators"),
        Column("alone in int8: RMS error", is_number=True),
        *_loss_columns(report),
        Column("alone in float: RMS error", is_number=True),
        *_loss_columns(report),
    )
    marked = frozenset(number for number, each in enumerate(report.layers) if each.layer in spared)
    return Table(columns, rows, f"{report.model}, {report.validation_items} validation items", marked)


def verdict(report: SensitivityReport) -> str:
    """Return in a sentence what int8 loses, and what the mixed file does about it."""
    whole = f"int8: {_show(report.int8, report)}."
    if report.mixed is None:
        return whole
    limit = Rule(report.metric, report.mixed.limit).show_limit()
    if not report.mixed.float_layers:
        return f"{whole} It holds the limit of {limit}: there is nothing to leave in float."
    names = ", ".join(report.mixed.float_layers)
    return (
        f"{whole} With {names} in float (weights float16), {report.mixed.size_bytes / 1000:.1f} kB: "
        f"{_show(report.mixed.effect, report)}, limit {limit}."
    )


def fine_tuning_verdict(report: FineTuning) -> str:
    """Return in a sentence what fine-tuning for int8 changed."""
    return (
        f"int8: {_show(report.int8, report)}. Fine-tuned, epoch {report.kept_epoch} of {len(report.validation_losses)} "
        f"kept, {report.size_bytes / 1000:.1f} kB: {_show(report.qat, report)}."
    )


def sensitivity_page(report: SensitivityReport) -> Page:
    """Return sensitivity.html."""
    figure = grouped_bar_chart(
        {
            "alone in int8": {each.layer: each.alone.output_error for each in report.layers},
            "alone in float, the rest in int8": {each.layer: each.spared.output_error for each in report.layers},
        },
        axis="RMS error of the outputs against the Keras model",
        alt=f"Output error of {report.model} with each layer alone in int8 and alone in float.",
        caption="A long first bar: the layer's own weights, inputs or outputs do not fit into 8 bits. A second bar "
        "that is shorter than the others: leaving this one layer in float would already help.",
        number_format="{:.3g}",
    )
    section = Section("Sensitivity of the layers", (Prose(verdict(report)), figure, layers_table(report)))
    return Page(f"{report.model}: what int8 costs, by layer", "Measured on the validation part.", (section,))


def _loss_columns(report: SensitivityReport) -> tuple[Column, Column]:
    name, unit = {"accuracy": ("drop", "pt"), "rmse": ("RMSE", "%"), "outputs": ("outputs off", "%")}[report.metric]
    return Column(name, unit, is_number=True), Column("95 %", is_number=True)


def _figures(effect: Effect, report: SensitivityReport) -> tuple[str, str]:
    loss, factor = effect.loss, 1 if report.metric == "accuracy" else 100
    return f"{factor * loss.value:.2f}", f"{factor * loss.low:.2f} to {factor * loss.high:.2f}"


def _show(effect: Effect, report: SensitivityReport | FineTuning) -> str:
    return Rule(report.metric, limit=0.0).show_loss(effect.loss)
