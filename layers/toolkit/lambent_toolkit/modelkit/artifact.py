"""The files of a model version, complete and checked, before they are published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lambent.contracts.model import ModelContract, TextPreprocessing
from lambent.domain.model import (
    CONTRACT_FILE,
    GOLDEN_FILE,
    KERAS_FILE,
    KERAS_GOLDEN_FILE,
    REPORT_FILE,
    TFLITE_FILE,
    THROUGHPUT_FILE,
    TOKENIZER_FILE,
)
from lambent.services.version_files import decode_contract
from lambent_toolkit.modelkit.card import CARD_FILE
from lambent_toolkit.modelkit.importing.bring import IMPORT_FILE
from lambent_toolkit.modelkit.report import Report, decode_report
from lambent_toolkit.modelkit.step_files import read_step_file

_MADE_BY = {TFLITE_FILE: "quantize", CONTRACT_FILE: "evaluate", GOLDEN_FILE: "evaluate"}
_MADE_BY_TOO = {KERAS_FILE: "train", KERAS_GOLDEN_FILE: "evaluate", REPORT_FILE: "evaluate"}


@dataclass(frozen=True)
class Artifact:
    """Everything of a version but its number.

    Parameters
    ----------
    contract   decoded contract.json
    report     decoded report.json; None for an imported model that was never evaluated
    files      model.tflite with its golden vectors and the assets; model.keras with its own, report.json,
               throughput.json and card.md where there are such
    """

    contract: ModelContract
    report: Report | None
    files: dict[str, bytes]

    @property
    def assets(self) -> dict[str, bytes]:
        """The files that the contract's preprocessing needs, by name."""
        return {TOKENIZER_FILE: self.files[TOKENIZER_FILE]} if TOKENIZER_FILE in self.files else {}

    @classmethod
    def read(cls, folder: Path) -> Artifact:
        """Read a finished workbench, or an imported model that needs no steps.

        Raises
        ------
        StepMissing      a file that a trained model has, or that every model has, is not there or cannot be read
        ReportOutdated   another release wrote the report
        RequestInvalid   the contract is broken
        """
        needed = _MADE_BY if (folder / IMPORT_FILE).exists() else _MADE_BY | _MADE_BY_TOO
        files = {name: read_step_file(folder, name, step=step) for name, step in needed.items()}
        for name in (*_MADE_BY_TOO, CARD_FILE, THROUGHPUT_FILE):
            if (folder / name).exists():
                files[name] = read_step_file(folder, name, step="evaluate")
        contract = decode_contract(files.pop(CONTRACT_FILE))
        if isinstance(contract.preprocessing, TextPreprocessing):
            files[TOKENIZER_FILE] = read_step_file(folder, TOKENIZER_FILE, step="train")
        report = decode_report(files[REPORT_FILE], of=str(folder)) if REPORT_FILE in files else None
        return cls(contract, report, files)
