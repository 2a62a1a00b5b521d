"""The step `lambent evaluate`: everything there is of a model, on the test part."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from lambent.contracts.model import ModelContract, TextPreprocessing
from lambent.domain.card import CARD_FILE
from lambent.domain.model import (
    CONTRACT_FILE,
    GOLDEN_FILE,
    KERAS_GOLDEN_FILE,
    REPORT_FILE,
    TFLITE_FILE,
    THROUGHPUT_FILE,
)
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.evaluating.evaluated_card import evaluated_card
from lambent_toolkit.modelkit.evaluating.evaluation import TOOLS, Evaluation, evaluate
from lambent_toolkit.modelkit.evaluating.page import REPORT_PAGE, report_page
from lambent_toolkit.modelkit.evaluating.subject import subject_of_folder
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.golden_tolerance import golden_tolerance
from lambent_toolkit.modelkit.importing.shortest_lengths import with_min_shapes
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.report import Report, measured_contract_sha256
from lambent_toolkit.modelkit.serving_check import serve
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together

__all__ = ["MEASURED_FILES", "TOOLS", "run_evaluation"]

GOLDEN_ITEMS = 20
MEASURED_FILES = (CONTRACT_FILE, GOLDEN_FILE, KERAS_GOLDEN_FILE, CARD_FILE, THROUGHPUT_FILE, REPORT_FILE, REPORT_PAGE)


def run_evaluation(made: MadeModel, *, watcher: Watcher = SILENCE) -> Report:
    """Measure on the test part; leave contract, report, report.html, card, throughput.json, golden vectors.

    Raises
    ------
    StepMissing          nothing has been quantized here
    ModelFileExchanged   model.tflite is not what was quantized
    ServingRefused       the serving interpreter does not take a file
    ServingCheckFailed   the layers' packages preprocess otherwise than training did, or crashed
    AnswersNotFinite     a form of the model answers NaN or infinity
    FolderNotWritable    nothing was changed
    """
    subject = subject_of_folder(made)
    served = {TFLITE_FILE: subject.files[subject.published]}
    subject = replace(subject, contract=with_min_shapes(served, subject.contract))
    evaluation = evaluate(subject, made.split, data_name=made.split.data_name, watcher=watcher, with_throughput=True)
    golden = golden_vectors(evaluation)
    tolerance = golden_tolerance(
        subject.files[subject.published],
        golden[GOLDEN_FILE].outputs,
        output_step=evaluation.measured.answers[subject.published].output_step,
        variant=subject.published,
    )
    contract = msgspec.structs.replace(subject.contract, golden_tolerance=tolerance)
    # The tolerance comes out of the evaluation, and is part of what the gate holds contract.json to.
    report = msgspec.structs.replace(evaluation.report, contract_sha256=measured_contract_sha256(contract))
    card = evaluated_card(made, contract, report, subject.quantization)
    written = {
        CONTRACT_FILE: to_json(contract),
        **{name: vectors.to_npz() for name, vectors in golden.items()},
        CARD_FILE: card.encode(),
        THROUGHPUT_FILE: to_json(evaluation.measured.throughput),
        REPORT_PAGE: report_page(evaluation).encode(),
        REPORT_FILE: to_json(report),
    }
    # A SavedModel that was imported anew has no Keras lane any more.
    stale = {KERAS_GOLDEN_FILE} - written.keys()
    write_together(made.folder, written, last=REPORT_FILE, stale=stale)
    return report


def golden_vectors(evaluation: Evaluation) -> dict[str, GoldenVectors]:
    """Return the golden vectors of each lane, by their file's name: the first test items.

    Where texts are padded to the longest one of a call, fewer of them have other padding: those that are kept are run
    anew, together and alone, as whoever verifies them will.
    """
    subject, golden = evaluation.subject, evaluation.measured.golden
    outputs = dict(evaluation.measured.outputs)
    spec = subject.contract.preprocessing
    kept = _sample(golden, subject.contract)
    if isinstance(spec, TextPreprocessing) and spec.pad_to == "longest":
        file = subject.files[subject.published]
        kept = golden = serve(file, subject.contract, kept.raw, assets=subject.assets).golden
        if subject.float_model is not None:
            part = Prepared(kept.raw, evaluation.part.targets[: len(kept.raw)], kept.tensors)
            outputs[subject.float_model.name] = subject.float_model.outputs(part, subject.contract)
    vectors = {GOLDEN_FILE: kept}
    if isinstance(subject.float_model, KerasFloat):
        keras = replace(golden, outputs=dict(outputs[subject.float_model.name]))
        vectors[KERAS_GOLDEN_FILE] = _sample(keras, subject.contract)
    return vectors


def _sample(golden: GoldenVectors, contract: ModelContract) -> GoldenVectors:
    """Return the first vectors; of a fixed batch exactly one call."""
    rows = contract.inputs[0].shape[0]
    return golden.sample(GOLDEN_ITEMS) if rows == -1 else golden.first(rows)
