"""What a person asks of the answers goes into the contract, or is refused with what it is of."""

from __future__ import annotations

import pytest

from builders import contract
from lambent.contracts.model import QualityLimits, RawOutputs, Regression
from lambent_toolkit.modelkit.errors import LimitUnfit
from lambent_toolkit.modelkit.importing.quality import with_quality


def test_what_is_asked_for_stands_in_the_contract_beside_the_other_limits() -> None:
    kept = QualityLimits(max_accuracy_drop_pt=2.0)

    assert with_quality(contract(quality=kept)).quality == kept
    assert with_quality(contract(quality=kept), min_accuracy=0.9).quality == QualityLimits(
        max_accuracy_drop_pt=2.0, min_accuracy=0.9
    )
    assert with_quality(contract(postprocessing=Regression()), max_rmse=2.5).quality.max_rmse == 2.5


@pytest.mark.parametrize(
    ("answer", "asked", "told"),
    [
        (None, {"max_rmse": 1.0}, "Only a regression"),
        (Regression(), {"min_accuracy": 0.9}, "Only a classifier"),
        (RawOutputs(), {"min_accuracy": 0.9}, "name its --labels"),
        (None, {"min_accuracy": 90.0}, "write 0.9 for 90 %"),
        (None, {"min_accuracy": float("nan")}, "no share"),
        (Regression(), {"max_rmse": 0.0}, "above 0"),
        (Regression(), {"max_rmse": float("inf")}, "above 0"),
    ],
)
def test_a_limit_that_cannot_be_held_is_refused(answer: object, asked: dict[str, float], told: str) -> None:
    made = contract(postprocessing=answer) if answer else contract()

    with pytest.raises(LimitUnfit, match=told):
        with_quality(made, **asked)
