"""The first step of a working folder: train, or go on training, and leave the model with how it came about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from lambent.domain.model import KERAS_FILE
from lambent_toolkit.modelkit.checkpoints import Checkpoints
from lambent_toolkit.modelkit.errors import OtherTraining, TrainingDiverged, TrainingInterrupted
from lambent_toolkit.modelkit.recipe import Recipe, Split, prepare
from lambent_toolkit.modelkit.stopping import Stop
from lambent_toolkit.modelkit.training import CHECKPOINTS_FOLDER, Trained, to_keras_file, train
from lambent_toolkit.modelkit.training_identity import identify
from lambent_toolkit.modelkit.training_page import TRAINING_PAGE, training_page
from lambent_toolkit.modelkit.training_record import TRAINING_FILE, make_record
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks, write_together


def run_training(
    folder: Path,
    recipe: Recipe,
    *,
    fresh: bool = False,
    stale_files: Iterable[str] = (),
    on_checkpoint: Callable[[], None] | None = None,
    stop: Stop | None = None,
    watcher: Watcher = SILENCE,
) -> Trained:
    """Train a recipe in a working folder.

    Leaves model.keras, training.json, training.html, the assets and logs/. While it runs, checkpoints/ holds what is
    needed to go on; the files of an earlier training stay until all of the new ones are on the disk.

    Parameters
    ----------
    folder          created if need be
    recipe
    fresh           whether to drop checkpoints of an unfinished training; otherwise the training goes on where they end
    stale_files     names of files that later steps made of the earlier model, to be removed with it
    on_checkpoint   see `train`
    stop            see `train`
    watcher         is told of every epoch

    Raises
    ------
    OtherTraining         the checkpoints are of another recipe, of other settings or of other data
    TrainingInterrupted   Ctrl-C, or ``stop`` was asked
    ModelkitError         as `prepare` and `train` raise
    """
    checkpoints = Checkpoints(folder / CHECKPOINTS_FOLDER)
    try:
        watcher.begin("prepare the data", total=1)
        split = prepare(recipe)
        watcher.advance(f"{len(split.train)} train, {len(split.validation)} validation, {len(split.test)} test items")
        if fresh:
            checkpoints.clear()
        _check_same(checkpoints, recipe, split, watcher)
        trained = train(recipe, split, folder=folder, on_checkpoint=on_checkpoint, stop=stop, watcher=watcher)
        _write(folder, recipe, split, trained, stale_files)
    except KeyboardInterrupt:
        raise TrainingInterrupted(_how_to_resume(checkpoints, recipe)) from None
    except TrainingDiverged:
        # They lead to the same end: the order of the batches is part of them.
        checkpoints.clear()
        raise
    checkpoints.clear()
    return trained


def _check_same(checkpoints: Checkpoints, recipe: Recipe, split: Split, watcher: Watcher) -> None:
    saved = checkpoints.newest()
    if saved is None:
        checkpoints.clear()
        return
    if differences := identify(recipe, split).differences(saved.identity):
        raise OtherTraining(
            f"{checkpoints.folder} holds {len(saved.figures)} epochs of another training ({'; '.join(differences)}): "
            "add --fresh to drop them, or name another folder by --out."
        )
    begun = f" and {saved.batches} batches" if saved.batches else ""
    watcher.tell(
        f"Resuming after epoch {len(saved.figures)}{begun}: {checkpoints.folder} is of the same recipe, settings and "
        "data."
    )


def _write(folder: Path, recipe: Recipe, split: Split, trained: Trained, stale_files: Iterable[str]) -> None:
    record = make_record(recipe, split, trained)
    with telling_of_full_disks(folder):
        model_file = to_keras_file(trained.model)
    files = {
        KERAS_FILE: model_file,
        **split.declaration.assets,
        TRAINING_PAGE: training_page(record).encode(),
        TRAINING_FILE: msgspec.json.format(msgspec.json.encode(record)) + b"\n",
    }
    write_together(folder, files, last=TRAINING_FILE, stale=stale_files)


def _how_to_resume(checkpoints: Checkpoints, recipe: Recipe) -> str:
    saved = checkpoints.newest()
    if saved is None:
        return "Stopped before the first epoch was complete: nothing was written."
    return (
        f"Stopped after epoch {len(saved.figures)} of {recipe.settings.epochs + recipe.settings.fine_tune_epochs}: run "
        f"the same command again to go on from there (checkpoints in {checkpoints.folder})."
    )
