"""AWS Batch's rules: when a job is tried again, and what a submission may change."""

import pytest

from lambent_toolkit.sandbox.batch_api import override
from lambent_toolkit.sandbox.batch_job import RetryStrategy, substitute

STRATEGY = RetryStrategy.read(
    {
        "attempts": 3,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onExitCode": "1*", "action": "retry"},
            {"onExitCode": "65", "onReason": "broken*", "action": "EXIT"},
            {"onExitCode": "70", "action": "EXIT"},
        ],
    }
)


@pytest.mark.parametrize(
    ("exit_code", "reason", "status_reason", "is_retried"),
    [
        (None, "", "Host EC2 (instance i-1) terminated.", True),
        (1, "", "", True),
        (137, "", "", True),
        (70, "", "", False),
        (65, "BROKEN model", "", False),
        (65, "", "", True),
        (75, "", "", True),
        (None, "", "something else", True),
    ],
    ids=["lost host", "crash", "killed", "exit rule", "all patterns match", "one does not", "no rule", "nothing known"],
)
def test_first_matching_rule_decides_and_no_match_means_retry(
    exit_code: int | None, reason: str, status_reason: str, is_retried: bool
) -> None:
    assert STRATEGY.should_retry(1, exit_code, reason, status_reason) is is_retried


def test_attempts_end_whatever_the_rules_say() -> None:
    assert not STRATEGY.should_retry(3, 1, "", "")
    assert not RetryStrategy.read(None).should_retry(1, 1, "", "")


def test_star_matches_a_missing_value() -> None:
    strategy = RetryStrategy.read({"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}]})

    assert not strategy.should_retry(1, None, "", "")


@pytest.mark.parametrize(
    ("word", "text"), [("Ref::a", "1"), ("Ref::b", "Ref::b"), ("x-Ref::a", "x-Ref::a"), ("a", "a")]
)
def test_parameters_replace_whole_words(word: str, text: str) -> None:
    assert substitute(word, {"a": "1"}) == text


def test_overrides_replace_the_command_and_merge_by_name() -> None:
    container = {
        "image": "i",
        "command": ["a"],
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}],
    }

    merged = override(container, {"command": ["b"], "environment": [{"name": "B", "value": "3"}]})

    assert merged["command"] == ["b"]
    assert merged["environment"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]
    assert (merged["image"], merged["resourceRequirements"]) == ("i", container["resourceRequirements"])
