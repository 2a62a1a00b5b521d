"""How much may be lost, as people write it: ``0.5pt`` of accuracy, ``2%`` of the RMSE or of raw outputs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lambent.contracts.model import ModelContract
from lambent_toolkit.modelkit.errors import LimitUnfit
from lambent_toolkit.modelkit.quantization_report import Metric

_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(pt|%)\s*")


@dataclass(frozen=True)
class Limit:
    """A number with its unit: percentage points of accuracy, or per cent of the float model's RMSE or outputs."""

    number: float
    unit: Literal["pt", "%"]

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read ``0.5pt`` or ``2%``; raises LimitUnfit."""
        found = _WRITTEN.fullmatch(text)
        if not found:
            raise LimitUnfit(f"{text!r} is no limit: write 0.5pt (of accuracy) or 2% (of the RMSE).")
        return cls(float(found[1]), "pt" if found[2] == "pt" else "%")

    def of(self, metric: Metric) -> float:
        """Return it in the unit of `quantization_report.Loss`; raises LimitUnfit for the other kind of model."""
        if metric == "accuracy":
            if self.unit != "pt":
                raise LimitUnfit(
                    f"A classifier loses points of accuracy, not per cent of the RMSE: write {self.number:g}pt."
                )
            return self.number
        if self.unit != "%":
            what = "A regression loses per cent of the RMSE" if metric == "rmse" else "Outputs are off by per cent"
            raise LimitUnfit(f"{what}, not points of accuracy: write {self.number:g}%.")
        return self.number / 100


def limit_of(contract: ModelContract, metric: Metric) -> float:
    """Return the contract's own limit, in the unit of `quantization_report.Loss`."""
    quality = contract.quality
    limits: dict[Metric, float] = {
        "accuracy": quality.max_accuracy_drop_pt,
        "rmse": quality.max_rmse_increase,
        "outputs": quality.max_output_error,
    }
    return limits[metric]
