"""The steps from a recipe to a complete artifact, each leaving its files in one folder for the next."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import msgspec

from lambent.contracts.model import Classification
from lambent.domain.model import CONTRACT_FILE, GOLDEN_FILE, KERAS_FILE, KERAS_GOLDEN_FILE, REPORT_FILE, TFLITE_FILE
from lambent.services.version_files import decode_contract
from lambent_toolkit.modelkit.errors import DataChanged, RecipeUnknown, StepMissing, VariantUndecided
from lambent_toolkit.modelkit.measurement import FLOAT_FILE, measure
from lambent_toolkit.modelkit.quantization import spread, to_tflite
from lambent_toolkit.modelkit.recipe import Recipe, Split, prepare
from lambent_toolkit.modelkit.report import QuantizationRecord, Report
from lambent_toolkit.modelkit.training import Trained, from_keras_file
from lambent_toolkit.modelkit.training_record import TRAINING_FILE, TrainingRecord, recorded_recipe
from lambent_toolkit.modelkit.training_step import run_training
from lambent_toolkit.modelkit.variants import Variant, VariantChoice
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

QUANTIZATION_FILE = "quantization.json"
GOLDEN_ITEMS = 20
TOOLS = ("tensorflow", "keras", "numpy", "pillow", "simplejpeg", "scikit-learn", "babel", "tokenizers")
_MEASURED_FILES = (CONTRACT_FILE, GOLDEN_FILE, KERAS_GOLDEN_FILE, REPORT_FILE)
_LATER_FILES = (TFLITE_FILE, FLOAT_FILE, QUANTIZATION_FILE, *_MEASURED_FILES)


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

    def quantize(self, *, variant: Variant | None = None) -> dict[str, int]:
        """Make model.tflite, the file that Lambda serves, and model.float32.tflite to compare it with.

        Parameters
        ----------
        variant   of model.tflite; the recipe's own if None

        Returns
        -------
        file name → size in bytes

        Raises
        ------
        StepMissing        nothing has been trained here
        DataChanged        the recipe's data is not what was trained on
        VariantUndecided   neither the call nor the recipe names a variant
        """
        recipe, split = self._prepared()
        chosen = _decided(variant or recipe.settings.variant)
        model = from_keras_file(self._read(KERAS_FILE, step="train"))
        self._watcher.begin("quantize", total=2)
        files = {FLOAT_FILE: to_tflite(model, split.contract, variant="float32")}
        self._watcher.advance("float32")
        calibration = spread(split.train.tensors, split.train.targets)
        files[TFLITE_FILE] = to_tflite(model, split.contract, variant=chosen, calibration=calibration)
        self._watcher.advance(chosen)
        for name, body in files.items():
            self._write(name, body)
        self._write(QUANTIZATION_FILE, _to_json(QuantizationRecord(variant=chosen)))
        return {name: len(body) for name, body in files.items()}

    def evaluate(self) -> Report:
        """Measure all variants on the held-out part, the .tflite ones in the serving interpreter.

        Leaves contract.json, report.json, golden.npz and golden.keras.npz.

        Raises
        ------
        StepMissing          nothing has been trained or quantized here
        DataChanged          the recipe's data is not what was trained on
        ServingRefused       the serving interpreter does not take a file
        ServingCheckFailed   the layers' packages preprocess otherwise than training did, or crashed
        AgreementTooLow      the published file answers too many test items otherwise than the Keras model
        """
        recipe, split = self._prepared()
        files = {name: self._read(name, step=step) for name, step in _NEEDED.items()}
        quantized = msgspec.json.decode(self._read(QUANTIZATION_FILE, step="quantize"), type=QuantizationRecord)
        measured = measure(split, files, variant=quantized.variant, watcher=self._watcher)
        record = self.record()
        report = Report(
            recipe=recipe.name,
            seed=record.seed,
            epochs=record.epochs,
            data=record.data,
            published=quantized.variant,
            variants=measured.variants,
            confusion=measured.confusion,
            tools={name: version(name) for name in TOOLS}
            | {f"serving {name}": number for name, number in measured.serving_versions.items()},
        )
        contract = msgspec.structs.replace(split.contract, golden_tolerance=measured.golden_tolerance)
        self._write(CONTRACT_FILE, _to_json(contract))
        self._write(GOLDEN_FILE, measured.golden.sample(GOLDEN_ITEMS).to_npz())
        self._write(KERAS_GOLDEN_FILE, measured.keras_golden.sample(GOLDEN_ITEMS).to_npz())
        self._write(REPORT_FILE, _to_json(report))
        return report

    def labels(self) -> tuple[str, ...]:
        """Return what the classes are called; raises StepMissing before `evaluate`."""
        contract = decode_contract(self._read(CONTRACT_FILE, step="evaluate"))
        if not isinstance(contract.postprocessing, Classification):
            raise RecipeUnknown(f"{contract.name} is no classifier: recipes make classifiers only.")
        return contract.postprocessing.labels

    def record(self) -> TrainingRecord:
        """Return what was trained here; raises StepMissing."""
        return msgspec.json.decode(self._read(TRAINING_FILE, step="train"), type=TrainingRecord)

    def _prepared(self) -> tuple[Recipe, Split]:
        record = self.record()
        recipe = recorded_recipe(record)
        split = prepare(recipe)
        if split.sha256 != record.data.sha256:
            raise DataChanged(
                f"The data of {recipe.name} is not what the model in {self.folder} was trained on: "
                "run `lambent train` again."
            )
        return recipe, split

    def _read(self, name: str, *, step: str) -> bytes:
        return read_step_file(self.folder, name, step=step)

    def _write(self, name: str, body: bytes) -> None:
        (self.folder / name).write_bytes(body)


_NEEDED = {KERAS_FILE: "train", FLOAT_FILE: "quantize", TFLITE_FILE: "quantize"}


def read_step_file(folder: Path, name: str, *, step: str) -> bytes:
    """Return a file that the command ``step`` leaves; raises StepMissing."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise StepMissing(f"There is no {name} in {folder}: run `lambent {step}` first.") from None


def _to_json(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"


def _decided(variant: VariantChoice) -> Variant:
    if variant == "auto":
        raise VariantUndecided("The recipe's variant is auto: name one by `lambent quantize --variant`.")
    return variant
