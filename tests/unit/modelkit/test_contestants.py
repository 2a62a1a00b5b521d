"""Models that can be compared, and those that cannot."""

from pathlib import Path

import pytest

from builders import contract
from lambent.contracts.model import Classification, ModelContract, RawOutputs, Regression, TensorPreprocessing
from lambent.domain.model import digest
from lambent_toolkit.modelkit.errors import (
    DataNeeded,
    ModelFileExchanged,
    ModelsIncomparable,
    ReportOutdated,
    StepMissing,
)
from lambent_toolkit.modelkit.evaluating.contestants import Ready, check_comparable, ready_folder, test_items
from lambent_toolkit.modelkit.evaluating.subject import Subject
from lambent_toolkit.modelkit.report import Source
from lambent_toolkit.modelkit.step_files import to_json
from measured import classifier_report

MODEL = b"a model file"


def subject(name: str, declared: ModelContract) -> Subject:
    source = Source(kind="recipe", name=name, sha256="0" * 64)
    return Subject(name, declared, "int8", {"int8": MODEL}, None, source)


def answering(postprocessing: object) -> Subject:
    return subject("other", contract(postprocessing=postprocessing))


def evaluated(folder: Path, *, model: bytes = MODEL) -> Path:
    report = classifier_report([0, 1], [0, 1], model_sha256=digest(model))
    (folder / "report.json").write_bytes(to_json(report))
    (folder / "contract.json").write_bytes(to_json(contract()))
    (folder / "model.tflite").write_bytes(MODEL)
    return folder


def test_labels_in_another_order_can_be_compared() -> None:
    check_comparable(subject("shade", contract()), answering(Classification(labels=("bright", "dark"))))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (answering(Classification(labels=("dark", "bright", "grey"))), "other labels.*grey"),
        (answering(Regression()), "gives classification, other gives regression"),
        (subject("other", contract(preprocessing=TensorPreprocessing())), "kind image, other of kind tensor"),
    ],
)
def test_models_that_answer_another_question_are_refused(other: Subject, told: str) -> None:
    with pytest.raises(ModelsIncomparable, match=told):
        check_comparable(subject("shade", contract()), other)


def test_outputs_as_they_are_have_no_right_or_wrong() -> None:
    with pytest.raises(ModelsIncomparable, match="two classifications or two regressions"):
        check_comparable(answering(RawOutputs()), answering(RawOutputs()))


def test_numbers_of_other_units_are_refused() -> None:
    with pytest.raises(ModelsIncomparable, match="other answers in m, other in ft"):
        check_comparable(answering(Regression(unit="m")), answering(Regression(unit="ft")))


def test_an_evaluated_folder_is_ready(tmp_path: Path) -> None:
    ready = ready_folder(evaluated(tmp_path))

    assert ready.subject.name == tmp_path.name
    assert ready.subject.files == {"int8": MODEL}
    assert ready.data_name == "animals"


def test_a_folder_that_was_not_evaluated_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StepMissing, match="run `lambent evaluate` first"):
        ready_folder(tmp_path)


def test_a_file_made_since_the_evaluation_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ModelFileExchanged, match="`lambent evaluate` again"):
        ready_folder(evaluated(tmp_path, model=b"another file"))


def test_a_report_of_an_earlier_release_is_refused(tmp_path: Path) -> None:
    (evaluated(tmp_path) / "report.json").write_text('{"schema_version": 1}')

    with pytest.raises(ReportOutdated, match="schema_version 1"):
        ready_folder(tmp_path)


def test_data_that_is_not_known_here_has_to_be_named() -> None:
    with pytest.raises(DataNeeded, match="evaluated on 'holiday', which is not known here: name data by --data"):
        test_items(Ready(subject("shade@3", contract()), "holiday"), None)


def test_named_data_is_taken_with_its_labels() -> None:
    name, items = test_items(Ready(subject("shade@3", contract()), "holiday"), "wine")

    assert name == "wine"
    assert len(items) == 45
    assert items.labels == ("class_0", "class_1", "class_2")


test_items.__test__ = False
