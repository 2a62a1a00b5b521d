"""training.json: how model.keras came about; stays in the working folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from lambent_toolkit.modelkit.errors import SettingInvalid, StepMissing
from lambent_toolkit.modelkit.recipe import Recipe, Split
from lambent_toolkit.modelkit.recipes import find_recipe
from lambent_toolkit.modelkit.report import DataFigures
from lambent_toolkit.modelkit.step_files import read_step_file
from lambent_toolkit.modelkit.training import Trained
from lambent_toolkit.modelkit.training_identity import identify
from lambent_toolkit.modelkit.training_progress import EpochFigures

TRAINING_FILE = "training.json"


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """training.json.

    Parameters
    ----------
    recipe          name of a built-in one, or path of the Python file
    source_sha256   of the recipe's file
    settings        all of them, with the values that were used
    seed            of ``settings``
    epochs          that were run
    best_epoch      whose weights model.keras has: the one of the lowest validation loss
    stopped_early   whether the validation loss had stopped falling
    resumed_after   epochs that an interrupted run had left, 0 if it ran in one go
    training_s      wall-clock time of all epochs
    curve           figures of every epoch
    data            items of each part and digest
    tools           versions of the packages that the weights depend on
    sources         sha256 of the files that the model was made of beside the data, by name
    """

    schema_version: int = 1
    recipe: str
    source_sha256: str
    settings: dict[str, Any]
    seed: int
    epochs: int
    best_epoch: int
    stopped_early: bool
    resumed_after: int
    training_s: float
    curve: list[EpochFigures]
    data: DataFigures
    tools: dict[str, str]
    sources: dict[str, str] = {}


def make_record(recipe: Recipe, split: Split, trained: Trained) -> TrainingRecord:
    """Return what is to be remembered of a training."""
    identity = identify(recipe, split)
    return TrainingRecord(
        recipe=identity.recipe,
        source_sha256=identity.source_sha256,
        settings=identity.settings,
        seed=recipe.settings.seed,
        epochs=len(trained.epochs),
        best_epoch=trained.best_epoch,
        stopped_early=trained.stopped_early,
        resumed_after=trained.resumed_after,
        training_s=round(trained.training_s, 3),
        curve=trained.epochs,
        data=DataFigures(
            train_items=len(split.train),
            validation_items=len(split.validation),
            test_items=len(split.test),
            sha256=split.sha256,
            name=split.data_name,
        ),
        tools=identity.tools,
        sources=identity.sources,
    )


def read_training_record(folder: Path) -> TrainingRecord:
    """Return what was trained in a folder; raises StepMissing."""
    body = read_step_file(folder, TRAINING_FILE, step="train")
    try:
        return msgspec.json.decode(body, type=TrainingRecord)
    except msgspec.DecodeError as exc:
        raise StepMissing(
            f"{TRAINING_FILE} in {folder} is none of this release ({exc}): run `lambent train` again."
        ) from exc


def recorded_recipe(record: TrainingRecord) -> Recipe:
    """Return the recipe of a training with the settings it had.

    Raises
    ------
    RecipeUnknown, RecipeFailed   the recipe's file is gone, or raises
    SettingInvalid                the recipe's Settings have changed since
    """
    recipe = find_recipe(record.recipe)
    try:
        return recipe.having(**record.settings)
    except (TypeError, msgspec.ValidationError) as exc:
        raise SettingInvalid(
            f"{record.recipe} no longer takes the settings that the model was trained with ({exc}): run "
            "`lambent train` again."
        ) from exc
