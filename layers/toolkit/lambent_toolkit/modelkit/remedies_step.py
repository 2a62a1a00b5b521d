"""The step `sensitivity` in a model's folder: its report, and the files of the remedies that were asked for."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from lambent.adapters.keras_archive import check_keras_archive
from lambent.domain.model import KERAS_FILE
from lambent.errors import ModelFormatRefused
from lambent_toolkit.modelkit.calibration import sample
from lambent_toolkit.modelkit.errors import LayerUnsupported
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.made_model import open_model
from lambent_toolkit.modelkit.recipe import HyperParameters
from lambent_toolkit.modelkit.remedies import Remedies
from lambent_toolkit.modelkit.remedies_page import sensitivity_page
from lambent_toolkit.modelkit.sensitivity_report import FineTuning, SensitivityReport
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.variant_files import calibration_rows
from lambent_toolkit.modelkit.variants import VARIANTS_FOLDER
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together
from lambent_toolkit.reporting.page import render_page


class RemediesBench:
    """A folder with a Keras model, trained or imported.

    Parameters
    ----------
    folder    that `lambent train` or `lambent import` wrote
    data      as for `open_model`
    watcher   is told of every step

    Raises
    ------
    LayerUnsupported   there is no Keras model, whose layers could be told apart
    ModelkitError      as `open_model` raises
    """

    def __init__(self, folder: Path, *, data: str | None = None, watcher: Watcher = SILENCE) -> None:
        self._folder = folder
        made = open_model(folder, data=data)
        if not isinstance(made.float_model, KerasFloat):
            raise LayerUnsupported(
                f"The model in {folder} was not imported as .keras: only there can layers be told apart and tuned."
            )
        self._settings = made.recipe.settings if made.recipe else HyperParameters()
        split, keras = made.split, made.float_model
        self._imported = keras.file if made.recipe is None else None
        calibration = sample(split.train, calibration_rows(folder, keras, split, watcher=watcher))
        self._remedies = Remedies(keras.file, split, calibration, watcher=watcher)

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
        if self._imported is not None:
            _check_compilation(self._imported)
        batch_size, seed = self._settings.batch_size, self._settings.seed
        made = self._remedies.fine_tuned(batch_size=batch_size, seed=seed, epochs=epochs)
        write_together(self._folder / VARIANTS_FOLDER, {"qat.tflite": made.tflite_file})
        write_together(self._folder, {"model.qat.keras": made.keras_file, "qat.json": to_json(made.report)})
        return made.report

    def _keep(self, report: SensitivityReport) -> SensitivityReport:
        page = render_page(sensitivity_page(report)).encode()
        write_together(self._folder, {"sensitivity.json": to_json(report), "sensitivity.html": page})
        return report


def _check_compilation(keras_file: bytes) -> None:
    """Check how a stranger's model was compiled, which importing it leaves out; raises LayerUnsupported."""
    with TemporaryDirectory() as name:
        path = Path(name) / KERAS_FILE
        path.write_bytes(keras_file)
        try:
            check_keras_archive(path, is_compiled=True)
        except ModelFormatRefused as exc:
            raise LayerUnsupported(
                "The model was compiled with a loss, a metric or an optimizer that is not Keras's own: fine-tuning has "
                "none to use. Compile it with Keras's own, save it and import it again."
            ) from exc
