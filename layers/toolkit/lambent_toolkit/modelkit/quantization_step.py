"""The step `lambent quantize`: the file that Lambda serves, and a float one to compare it with."""

from __future__ import annotations

from lambent.domain.model import TFLITE_FILE
from lambent_toolkit.modelkit.errors import ConversionFailed, VariantUndecided
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.measurement import FLOAT_FILE
from lambent_toolkit.modelkit.quantization import spread, to_tflite
from lambent_toolkit.modelkit.report import QuantizationRecord
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.variants import Variant, VariantChoice
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together

QUANTIZATION_FILE = "quantization.json"


def run_quantization(made: MadeModel, *, variant: Variant | None = None, watcher: Watcher = SILENCE) -> dict[str, int]:
    """Make model.tflite and model.float32.tflite; return their sizes in bytes.

    Raises
    ------
    VariantUndecided   neither the call nor the recipe names a variant
    ConversionFailed   the converter has no such form of this model
    """
    chosen = _decided(variant or made.variant)
    if not isinstance(made.float_model, KerasFloat):
        raise ConversionFailed(f"There is no Keras model in {made.folder} to quantize.")
    model, split = from_keras_file(made.float_model.file), made.split
    watcher.begin("quantize", total=2)
    files = {FLOAT_FILE: to_tflite(model, split.contract, variant="float32")}
    watcher.advance("float32")
    calibration = spread(split.train.tensors, split.train.targets)
    files[TFLITE_FILE] = to_tflite(model, split.contract, variant=chosen, calibration=calibration)
    watcher.advance(chosen)
    record = {QUANTIZATION_FILE: to_json(QuantizationRecord(variant=chosen))}
    write_together(made.folder, {**files, **record}, last=QUANTIZATION_FILE)
    return {name: len(body) for name, body in files.items()}


def _decided(variant: VariantChoice) -> Variant:
    if variant == "auto":
        raise VariantUndecided("The recipe's variant is auto: name one by `lambent quantize --variant`.")
    return variant
