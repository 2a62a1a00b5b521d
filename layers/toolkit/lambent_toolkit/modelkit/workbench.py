"""The steps from a recipe, or an imported model, to a complete artifact, each leaving files in one folder."""

from __future__ import annotations

from pathlib import Path

from lambent_toolkit.modelkit.evaluation_step import MEASURED_FILES, run_evaluation
from lambent_toolkit.modelkit.made_model import open_model
from lambent_toolkit.modelkit.quantization_report import QuantizationReport
from lambent_toolkit.modelkit.quantization_step import QUANTIZED_FILES, Wish, run_quantization
from lambent_toolkit.modelkit.recipe import Recipe
from lambent_toolkit.modelkit.report import Report
from lambent_toolkit.modelkit.training import Trained
from lambent_toolkit.modelkit.training_record import TrainingRecord, read_training_record
from lambent_toolkit.modelkit.training_step import run_training
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

_LATER_FILES = (*QUANTIZED_FILES, *MEASURED_FILES)


class Workbench:
    """A folder in which a model is made.

    Parameters
    ----------
    folder    created if need be
    watcher   is told of every step
    """

    def __init__(self, folder: Path, *, watcher: Watcher = SILENCE) -> None:
        self.folder = folder
        self._watcher = watcher

    def train(self, recipe: Recipe, *, fresh: bool = False) -> Trained:
        """Train, or go on training; files of later steps are removed. See `run_training`."""
        return run_training(self.folder, recipe, fresh=fresh, stale_files=_LATER_FILES, watcher=self._watcher)

    def quantize(self, wish: Wish | None = None, *, data: str | None = None) -> QuantizationReport:
        """Make and measure the variants, and choose what Lambda serves; raises as `open_model`, `run_quantization`."""
        made = open_model(self.folder, data=data)
        return run_quantization(made, wish, stale_files=MEASURED_FILES, watcher=self._watcher)

    def evaluate(self, *, data: str | None = None) -> Report:
        """Measure it on the test part; raises as `open_model` and `run_evaluation` do."""
        return run_evaluation(open_model(self.folder, data=data), watcher=self._watcher)

    def record(self) -> TrainingRecord:
        """Return what was trained here; raises StepMissing."""
        return read_training_record(self.folder)
