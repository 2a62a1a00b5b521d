"""training.html: how the loss and the metrics went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from lambent_toolkit.modelkit.training_progress import EpochFigures
from lambent_toolkit.modelkit.training_record import TrainingRecord
from lambent_toolkit.reporting.page import (
    Block,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Page,
    Prose,
    Section,
    Table,
    render_page,
)
from lambent_toolkit.reporting.plots import line_chart

TRAINING_PAGE = "training.html"


def training_page(record: TrainingRecord) -> str:
    """Return training.html of a training."""
    best = record.curve[record.best_epoch - 1]
    page = Page(
        title=f"Training of {PurePath(record.recipe).stem}",
        subtitle=f"{record.data.train_items} items to learn from, {record.data.validation_items} for validation; "
        f"seed {record.seed}",
        sections=(
            Section("In short", (_in_short(record, best), Prose(_ending(record)))),
            Section("Curves", _curves(record, best)),
            Section("Settings", (_settings(record),)),
            Section("Every epoch", (_epochs(record),), is_folded=True),
            Section("Versions", (_versions(record),), is_folded=True),
        ),
    )
    return render_page(page)


def metric_names(record: TrainingRecord) -> list[str]:
    """Return the names of what Keras measured beside the loss."""
    return [name for name in record.curve[0].validation if name != "loss"]


def _in_short(record: TrainingRecord, best: EpochFigures) -> Block:
    own = f"in epoch {best.epoch}"
    figures = [KeyFigure("validation loss", f"{best.validation['loss']:.4f}", own)]
    figures += [
        KeyFigure(f"validation {name}", _number(name, best.validation[name]), f"n = {record.data.validation_items}")
        for name in metric_names(record)
    ]
    figures.append(KeyFigure("epochs", str(record.epochs), f"{record.training_s:.1f} s"))
    return KeyFigures(figures)


def _ending(record: TrainingRecord) -> str:
    patience = record.settings["patience_epochs"]
    ended = (
        f"Training stopped early: the validation loss had not fallen for {patience} epochs."
        if record.stopped_early
        else "All epochs were run."
    )
    resumed = f" The training was interrupted and went on after epoch {record.resumed_after}."
    return (
        f"{ended} The model has the weights of epoch {record.best_epoch}, that of the lowest validation loss."
        f"{resumed if record.resumed_after else ''} The test part was not looked at."
    )


def _curves(record: TrainingRecord, best: EpochFigures) -> Sequence[Block]:
    marked = {f"weights kept (epoch {best.epoch})": float(best.epoch)}
    phases = {each.phase: each.epoch for each in reversed(record.curve)}
    marked |= {f"{phase} begins": first - 0.5 for phase, first in phases.items() if first > 1}
    return [_curve(name, record, best, marked) for name in ("loss", *metric_names(record))]


def _curve(name: str, record: TrainingRecord, best: EpochFigures, marked: dict[str, float]) -> Figure:
    return line_chart(
        {
            "training": [each.train[name] for each in record.curve],
            "validation": [each.validation[name] for each in record.curve],
        },
        x_axis="epoch",
        y_axis=name,
        marked_x=marked,
        alt=f"{name} on the training and the validation part over {record.epochs} epochs; on the validation part "
        f"{_number(name, best.validation[name])} in the epoch whose weights are kept.",
        caption=f"{name.capitalize()} by epoch. Training figures are averages while the weights moved, with dropout "
        "on; validation figures are of the weights at the epoch's end.",
    )


def _settings(record: TrainingRecord) -> Table:
    rows = [[name, str(value)] for name, value in record.settings.items()]
    return Table((Column("setting"), Column("value")), rows)


def _epochs(record: TrainingRecord) -> Table:
    names = ["loss", *metric_names(record)]
    columns = [Column("epoch", is_number=True), Column("phase")]
    columns += [Column(f"{part} {name}", is_number=True) for name in names for part in ("training", "validation")]
    columns += [Column("learning rate", is_number=True), Column("took", "s", is_number=True)]
    rows = [
        [
            str(each.epoch),
            each.phase,
            *(_number(name, part[name]) for name in names for part in (each.train, each.validation)),
            f"{each.learning_rate:g}",
            f"{each.took_s:.2f}",
        ]
        for each in record.curve
    ]
    return Table(columns, rows, highlighted_rows=frozenset({record.best_epoch - 1}))


def _versions(record: TrainingRecord) -> Table:
    rows = [[tool, number] for tool, number in record.tools.items()]
    rows += [["sha256 of the data", record.data.sha256], ["sha256 of the recipe", record.source_sha256]]
    return Table((Column("what"), Column("version or digest")), rows)


def _number(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "accuracy" else f"{value:.4f}"
