"""The step `sensitivity` in a model's folder: its report, and the files of the remedies that were asked for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lambent.domain.model import KERAS_FILE
from lambent_toolkit.modelkit.calibration import sample
from lambent_toolkit.modelkit.errors import DataChanged
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.recipe import prepare
from lambent_toolkit.modelkit.recipes import find_recipe
from lambent_toolkit.modelkit.remedies import Remedies
from lambent_toolkit.modelkit.remedies_page import sensitivity_page
from lambent_toolkit.modelkit.sensitivity_report import FineTuning, SensitivityReport
from lambent_toolkit.modelkit.step_files import read_step_file
from lambent_toolkit.modelkit.variant_files import calibration_rows
from lambent_toolkit.modelkit.variants import VARIANTS_FOLDER
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together
from lambent_toolkit.modelkit.workbench import Workbench
from lambent_toolkit.reporting.page import render_page


class RemediesBench:
    """A folder with a trained model of a recipe; raises StepMissing, RecipeUnknown, DataChanged."""

    def __init__(self, folder: Path, *, watcher: Watcher = SILENCE) -> None:
        self._folder = folder
        record = Workbench(folder).record()
        self._recipe = find_recipe(record.recipe)
        split = prepare(self._recipe)
        if split.sha256 != record.data.sha256:
            raise DataChanged(f"The data is not what the model in {folder} was trained on: run `lambent train` again.")
        keras_file = read_step_file(folder, KERAS_FILE, step="train")
        calibration = sample(split.train, calibration_rows(folder, KerasFloat(keras_file), split, watcher=watcher))
        self._remedies = Remedies(keras_file, split, calibration, watcher=watcher)

    def sensitivity(self) -> SensitivityReport:
        """Leave sensitivity.json and sensitivity.html; raises as `Remedies.sensitivity`."""
        return self._keep(self._remedies.sensitivity())

    def mixed(self, *, limit: float | None = None) -> SensitivityReport:
        """Leave variants/mixed.tflite too, unless int8 holds the limit; raises as `Remedies.mixed`."""
        made = self._remedies.mixed(limit=limit)
        if made.tflite_file is None:
            (self._folder / VARIANTS_FOLDER / "mixed.tflite").unlink(missing_ok=True)
        else:
            write_together(self._folder / VARIANTS_FOLDER, {"mixed.tflite": made.tflite_file})
        return self._keep(made.report)

    def fine_tuned(self, *, epochs: int) -> FineTuning:
        """Leave variants/qat.tflite, model.qat.keras and qat.json; raises as `Remedies.fine_tuned`."""
        settings = self._recipe.settings
        made = self._remedies.fine_tuned(batch_size=settings.batch_size, seed=settings.seed, epochs=epochs)
        write_together(self._folder / VARIANTS_FOLDER, {"qat.tflite": made.tflite_file})
        write_together(self._folder, {"model.qat.keras": made.keras_file, "qat.json": _json(made.report)})
        return made.report

    def _keep(self, report: SensitivityReport) -> SensitivityReport:
        page = render_page(sensitivity_page(report)).encode()
        write_together(self._folder, {"sensitivity.json": _json(report), "sensitivity.html": page})
        return report


def _json(report: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report)) + b"\n"
