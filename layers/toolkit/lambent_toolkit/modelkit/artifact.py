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
    TOKENIZER_FILE,
)
from lambent.services.version_files import decode_contract
from lambent_toolkit.modelkit.card import CARD_FILE
from lambent_toolkit.modelkit.report import Report, decode_report
from lambent_toolkit.modelkit.step_files import read_step_file

_MADE_BY = {
    KERAS_FILE: "train",
    TFLITE_FILE: "quantize",
    CONTRACT_FILE: "evaluate",
    GOLDEN_FILE: "evaluate",
    KERAS_GOLDEN_FILE: "evaluate",
    REPORT_FILE: "evaluate",
}


@dataclass(frozen=True)
class Artifact:
    """Everything of a version but its number.

    Parameters
    ----------
    contract   decoded contract.json
    report     decoded report.json
    files      model.keras, model.tflite, their golden vectors, report.json, card.md if it is there, and assets
    """

    contract: ModelContract
    report: Report
    files: dict[str, bytes]

    @property
    def assets(self) -> dict[str, bytes]:
        """The files that the contract's preprocessing needs, by name."""
        return {TOKENIZER_FILE: self.files[TOKENIZER_FILE]} if TOKENIZER_FILE in self.files else {}

    @classmethod
    def read(cls, folder: Path) -> Artifact:
        """Read a finished workbench; raises StepMissing, and RequestInvalid for a broken contract."""
        files = {name: read_step_file(folder, name, step=step) for name, step in _MADE_BY.items()}
        contract = decode_contract(files.pop(CONTRACT_FILE))
        if isinstance(contract.preprocessing, TextPreprocessing):
            files[TOKENIZER_FILE] = read_step_file(folder, TOKENIZER_FILE, step="train")
        if (folder / CARD_FILE).exists():
            files[CARD_FILE] = (folder / CARD_FILE).read_bytes()
        return cls(contract, decode_report(files[REPORT_FILE], of=str(folder)), files)
