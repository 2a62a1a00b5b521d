"""What a reader is told of targets that cannot be learned or measured."""

import pytest

from lambent_toolkit.modelkit.datasets.checks import Checks, TargetSpread, findings
from lambent_toolkit.modelkit.splitting import Part


def spread(split: Part, low: float, high: float) -> TargetSpread:
    return TargetSpread(split=split, count=5, low=low, mean=low, median=low, high=high)


@pytest.mark.parametrize(
    ("split", "tone", "text"),
    [("train", "bad", "nothing to learn"), ("test", "warning", "R² cannot be measured")],
)
def test_target_that_never_changes_is_told(split: Part, tone: str, text: str) -> None:
    found = findings(Checks(targets=(spread(split, 1.5, 1.5),)))

    assert [each.tone for each in found] == [tone]
    assert text in found[0].text


def test_target_that_changes_is_no_finding() -> None:
    assert [each.tone for each in findings(Checks(targets=(spread("train", 1.0, 2.0),)))] == ["good"]
