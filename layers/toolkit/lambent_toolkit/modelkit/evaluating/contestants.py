"""Models that are ready to be compared, and the items they are compared on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lambent.contracts.model import Classification, TextPreprocessing
from lambent.domain.model import CONTRACT_FILE, REPORT_FILE, TFLITE_FILE, TOKENIZER_FILE, digest
from lambent.services.version_files import decode_contract
from lambent_toolkit.modelkit.data_source import find_data, renumbered
from lambent_toolkit.modelkit.errors import DataNeeded, DataUnknown, ModelFileExchanged, ModelsIncomparable
from lambent_toolkit.modelkit.evaluating.subject import Subject
from lambent_toolkit.modelkit.recipe import LabelledItems, split_items
from lambent_toolkit.modelkit.report import Report, decode_report
from lambent_toolkit.modelkit.step_files import read_step_file
from lambent_toolkit.modelkit.training_record import TRAINING_FILE, read_training_record, recorded_recipe


@dataclass(frozen=True)
class Ready:
    """A model with its served file, and the name of the data that it was evaluated on, if it was.

    ``folder`` is None for a published version.
    """

    subject: Subject
    data_name: str | None
    folder: Path | None = None


def ready_folder(folder: Path) -> Ready:
    """Return the model of a working folder after `lambent evaluate`.

    Raises
    ------
    StepMissing          it was not evaluated
    ReportOutdated       another release evaluated it
    ModelFileExchanged   model.tflite was made anew since
    """
    report: Report = decode_report(read_step_file(folder, REPORT_FILE, step="evaluate"), of=str(folder))
    contract = decode_contract(read_step_file(folder, CONTRACT_FILE, step="evaluate"))
    served = read_step_file(folder, TFLITE_FILE, step="quantize")
    if digest(served) != report.model_sha256:
        raise ModelFileExchanged(
            f"{TFLITE_FILE} in {folder} is not the file that {REPORT_FILE} tells of: run `lambent evaluate` again."
        )
    assets = {}
    if isinstance(contract.preprocessing, TextPreprocessing):
        assets[TOKENIZER_FILE] = read_step_file(folder, TOKENIZER_FILE, step="train")
    subject = Subject(
        name=folder.resolve().name,
        contract=contract,
        published=report.published,
        files={report.published: served},
        float_model=None,
        source=report.source,
        assets=assets,
    )
    return Ready(subject, report.data.name, folder)


def test_items(first: Ready, data_name: str | None) -> tuple[str, LabelledItems]:
    """Return the name and the test items to compare on: those of named data, else of the first model's own.

    Raises
    ------
    DataUnknown   there is no data of the name that was given
    DataNeeded    the first model's own data cannot be found by its name
    """
    if data_name is not None:
        return data_name, find_data(data_name, first.subject.contract).items("test")
    if first.folder and (first.folder / TRAINING_FILE).exists():
        record = read_training_record(first.folder)
        recipe = recorded_recipe(record)
        if recipe.name == first.data_name:
            return recipe.name, _labelled(split_items(recipe)["test"], first)
    if first.data_name is None:
        raise DataNeeded(f"{first.subject.name} was never evaluated on any data: name some by --data.")
    try:
        return first.data_name, find_data(first.data_name, first.subject.contract).items("test")
    except DataUnknown as exc:
        raise DataNeeded(
            f"{first.subject.name} was evaluated on {first.data_name!r}, which is not known here: name data by --data."
        ) from exc


def _labelled(items: LabelledItems, ready: Ready) -> LabelledItems:
    """Return items whose class numbers have names: the contract's, where the data gives none."""
    spec = ready.subject.contract.postprocessing
    if items.labels or not isinstance(spec, Classification):
        return items
    return LabelledItems(items.items, items.targets, items.slices, spec.labels)


def items_for(ready: Ready, items: LabelledItems, data_name: str) -> LabelledItems:
    """Return the items with the class numbers of a model's own contract; raises DataUnfit."""
    return renumbered(items, ready.subject.contract, data_name)


def trained_on(ready: Ready, items: LabelledItems) -> int | None:
    """Return how many of the items a model was trained on; None where that is not known."""
    if ready.folder is None or not (ready.folder / TRAINING_FILE).exists():
        return None
    known = set(split_items(recorded_recipe(read_training_record(ready.folder)))["train"].items)
    return sum(item in known for item in items.items)


def check_comparable(first: Subject, second: Subject) -> None:
    """Raise ModelsIncomparable unless both take the same kind of item and answer the same question."""
    one, other = first.contract, second.contract
    kinds = [type(each.preprocessing).__name__.removesuffix("Preprocessing").lower() for each in (one, other)]
    if kinds[0] != kinds[1]:
        raise ModelsIncomparable(
            f"{first.name} takes items of kind {kinds[0]}, {second.name} of kind {kinds[1]}: they cannot be compared."
        )
    answers = [type(each.postprocessing).__name__.lower() for each in (one, other)]
    if answers[0] != answers[1] or answers[0] == "rawoutputs":
        raise ModelsIncomparable(
            f"{first.name} gives {answers[0]}, {second.name} gives {answers[1]}: two classifications or two "
            "regressions can be compared."
        )
    ours, theirs = one.postprocessing, other.postprocessing
    if only := sorted({*getattr(ours, "labels", ())} ^ {*getattr(theirs, "labels", ())}):
        raise ModelsIncomparable(
            f"{first.name} and {second.name} have other labels; only one of them has {', '.join(only[:10])}."
        )
    units = [getattr(each.postprocessing, "unit", None) for each in (one, other)]
    if units[0] != units[1]:
        raise ModelsIncomparable(f"{first.name} answers in {units[0]}, {second.name} in {units[1]}.")
