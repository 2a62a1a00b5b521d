"""A model in its working folder, trained or imported, with the data that its later steps are made and measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lambent.domain.model import KERAS_FILE
from lambent_toolkit.modelkit.data_source import split_for
from lambent_toolkit.modelkit.errors import DataChanged, DataNeeded, StepMissing
from lambent_toolkit.modelkit.float_model import FloatModel, KerasFloat, SavedModelFloat
from lambent_toolkit.modelkit.importing.bring import IMPORT_FILE, import_record, imported_declaration
from lambent_toolkit.modelkit.importing.reading import SAVED_MODEL_FILE
from lambent_toolkit.modelkit.recipe import Recipe, Split, prepare
from lambent_toolkit.modelkit.step_files import read_step_file
from lambent_toolkit.modelkit.training_record import read_training_record, recorded_recipe
from lambent_toolkit.modelkit.variants import VariantChoice


@dataclass(frozen=True)
class MadeModel:
    """What the steps after training or importing begin with.

    Parameters
    ----------
    folder
    split         the data in three parts, preprocessed, with the contract and its assets
    float_model   None where a .tflite file was imported: it is the model
    recipe        None where the model was imported
    epochs        that it was trained for, None where it was imported
    """

    folder: Path
    split: Split
    float_model: FloatModel | None
    recipe: Recipe | None = None
    epochs: int | None = None

    @property
    def variant(self) -> VariantChoice:
        """The form of model.tflite that the recipe asks for; of an imported model, whichever measures best."""
        choice: VariantChoice = self.recipe.settings.variant if self.recipe else "auto"
        return choice


def open_model(folder: Path, *, data: str | None = None, recipe: Recipe | None = None) -> MadeModel:
    """Open a folder that `lambent train` or `lambent import` left.

    Parameters
    ----------
    data     name of other data than the recipe's; an imported model has none of its own
    recipe   the one that the model was trained by, if its file lies elsewhere than the record says

    Raises
    ------
    StepMissing             nothing was trained or imported here
    DataChanged             the recipe's data is not what the model was trained on
    DataNeeded              the model was imported, and no data was named
    DataUnknown, DataUnfit, DataUnusable, RecipeUnfit   see `split_for`
    """
    if (folder / IMPORT_FILE).exists():
        return _imported(folder, data)
    record = read_training_record(folder)
    recipe = recipe or recorded_recipe(record)
    split = prepare(recipe)
    if split.sha256 != record.data.sha256:
        raise DataChanged(
            f"The data of {recipe.name} is not what the model in {folder} was trained on: run `lambent train` again."
        )
    if data is not None:
        split = split_for(split.declaration, data)
    keras_file = read_step_file(folder, KERAS_FILE, step="train")
    return MadeModel(folder, split, KerasFloat(keras_file), recipe, record.epochs)


def _imported(folder: Path, data: str | None) -> MadeModel:
    record = import_record(folder)
    if data is None:
        raise DataNeeded(
            f"The model in {folder} was imported and has no data of its own: name some by --data, with the labels "
            "that its contract has."
        )
    split = split_for(imported_declaration(folder), data)
    return MadeModel(folder, split, _imported_float(folder, record.kind))


def _imported_float(folder: Path, kind: str) -> FloatModel | None:
    if kind == "tflite":
        return None
    if (folder / KERAS_FILE).exists():
        return KerasFloat((folder / KERAS_FILE).read_bytes())
    try:
        return SavedModelFloat((folder / SAVED_MODEL_FILE).read_bytes())
    except FileNotFoundError:
        raise StepMissing(f"There is no {SAVED_MODEL_FILE} in {folder}: run `lambent import` again.") from None
