"""The step `lambent evaluate`: the served file and the float model on the test part."""

from __future__ import annotations

from importlib.metadata import version

import msgspec

from lambent.domain.model import CONTRACT_FILE, GOLDEN_FILE, KERAS_FILE, KERAS_GOLDEN_FILE, REPORT_FILE, TFLITE_FILE
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.measurement import FLOAT_FILE, measure
from lambent_toolkit.modelkit.quantization_step import QUANTIZATION_FILE
from lambent_toolkit.modelkit.report import DataFigures, QuantizationRecord, Report
from lambent_toolkit.modelkit.step_files import read_step_file, to_json
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together

GOLDEN_ITEMS = 20
TOOLS = ("tensorflow", "keras", "numpy", "pillow", "simplejpeg", "scikit-learn", "babel", "tokenizers")
MEASURED_FILES = (CONTRACT_FILE, GOLDEN_FILE, KERAS_GOLDEN_FILE, REPORT_FILE)
_NEEDED = {KERAS_FILE: "train", FLOAT_FILE: "quantize", TFLITE_FILE: "quantize"}


def run_evaluation(made: MadeModel, *, watcher: Watcher = SILENCE) -> Report:
    """Measure on the test part; leave contract.json, report.json, golden.npz and golden.keras.npz.

    Raises
    ------
    StepMissing          nothing has been quantized here
    ServingRefused       the serving interpreter does not take a file
    ServingCheckFailed   the layers' packages preprocess otherwise than training did, or crashed
    AgreementTooLow      the published file answers too many test items otherwise than the Keras model
    """
    folder, split = made.folder, made.split
    files = {name: read_step_file(folder, name, step=step) for name, step in _NEEDED.items()}
    quantized = msgspec.json.decode(read_step_file(folder, QUANTIZATION_FILE, step="quantize"), type=QuantizationRecord)
    measured = measure(split, files, variant=quantized.variant, watcher=watcher)
    report = Report(
        recipe=made.data_name,
        seed=made.recipe.settings.seed if made.recipe else 0,
        epochs=made.epochs or 0,
        data=DataFigures(
            train_items=len(split.train),
            validation_items=len(split.validation),
            test_items=len(split.test),
            sha256=split.sha256,
        ),
        published=quantized.variant,
        variants=measured.variants,
        confusion=measured.confusion,
        tools={name: version(name) for name in TOOLS}
        | {f"serving {name}": number for name, number in measured.serving_versions.items()},
    )
    contract = msgspec.structs.replace(split.contract, golden_tolerance=measured.golden_tolerance)
    written = {
        CONTRACT_FILE: to_json(contract),
        GOLDEN_FILE: measured.golden.sample(GOLDEN_ITEMS).to_npz(),
        KERAS_GOLDEN_FILE: measured.keras_golden.sample(GOLDEN_ITEMS).to_npz(),
        REPORT_FILE: to_json(report),
    }
    write_together(folder, written, last=REPORT_FILE)
    return report
