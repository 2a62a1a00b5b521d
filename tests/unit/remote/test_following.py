"""A followed job tells each state and each line once, in order; what AWS Batch says is put into words."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_lane import JOB, STREAM, Heard, ScriptedBatch, ScriptedLogs, attempt, job, lane

from lambent.errors import Unavailable
from lambent_toolkit.modelkit.errors import RunCancelled, RunFailed
from lambent_toolkit.remote.following import Follower
from lambent_toolkit.remote.wording import CANCELLED_BY, failure, state_in_words


def test_states_and_lines_are_told_once_each_and_the_last_lines_before_the_end() -> None:
    batch = ScriptedBatch(
        [
            job("RUNNABLE"),
            job("RUNNABLE"),
            job("STARTING"),
            job("RUNNING"),
            job("RUNNING"),
            job("SUCCEEDED", attempt(0)),
        ]
    )
    logs = ScriptedLogs({STREAM: [["one", "two"], ["three"], ["late"]]})
    heard, waits = Heard(), []

    last = Follower(lane(batch, logs), heard, wait=waits.append).follow(JOB)

    assert last["status"] == "SUCCEEDED"
    assert [told.split(":")[0] for told in heard.told] == [
        "RUNNABLE", "STARTING", "RUNNING", "|one", "|two", "|three", "|late", "SUCCEEDED",
    ]  # fmt: skip
    assert waits


def test_second_attempt_is_told_with_the_end_of_the_first_and_its_own_log() -> None:
    first, second = attempt(137, stream="first"), attempt(0, stream="second")
    batch = ScriptedBatch(
        [
            job("RUNNABLE", first),
            {**job("RUNNING", first), "container": {"logStreamName": "second"}},
            job("SUCCEEDED", first, second),
        ]
    )
    logs = ScriptedLogs({"first": [["until here"]], "second": [["from here"]]})
    heard = Heard()

    Follower(lane(batch, logs), heard, wait=lambda _s: None).follow(JOB)

    assert heard.told[0].endswith("(attempt 2; the last one ended with: killed by signal 9)")
    assert [told for told in heard.told if told.startswith("|")] == ["|until here", "|from here"]


def test_job_that_aws_batch_has_forgotten_is_told() -> None:
    with pytest.raises(RunFailed, match="AWS Batch knows no job b-1 any more"):
        Follower(lane(ScriptedBatch()), Heard()).follow(JOB)


def test_network_that_is_away_for_a_while_loses_no_line() -> None:
    batch = ScriptedBatch([job("RUNNING"), job("RUNNING"), job("SUCCEEDED", attempt(0))])
    logs = ScriptedLogs({STREAM: [["one"], ["two"], ["three"]]})
    logs.away = 5
    heard, waits = Heard(), []

    Follower(lane(batch, logs), heard, wait=waits.append).follow(JOB)

    assert [told for told in heard.told if told.startswith("|")] == ["|one", "|two", "|three"]
    assert len(waits) >= 5


def test_network_that_stays_away_is_told() -> None:
    logs = ScriptedLogs({STREAM: []})
    logs.away = 10_000

    with pytest.raises(Unavailable, match=r"takes no more requests just now \(ThrottlingException\); try"):
        Follower(lane(ScriptedBatch([job("RUNNING")]), logs), Heard(), wait=lambda _s: None).follow(JOB)


def test_waiting_job_says_what_it_waits_for() -> None:
    reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - no instance is large enough"

    assert state_in_words(job("RUNNABLE")).startswith("RUNNABLE: waiting for an instance")
    assert reason in state_in_words(job("RUNNABLE", statusReason=reason))


@pytest.mark.parametrize(
    ("description", "error", "told"),
    [
        (
            job("FAILED", attempt(reason="CannotPullContainerError: not found"), statusReason="Task failed to start"),
            RunFailed,
            "image could not be pulled (CannotPullContainerError: not found): push the image",
        ),
        (
            job("FAILED", attempt(143), statusReason="Job attempt duration exceeded timeout"),
            RunFailed,
            "took longer than an attempt may: deploy with a larger TrainingTimeoutSeconds",
        ),
        (
            job("FAILED", attempt(143), statusReason=f"{CANCELLED_BY} of ada", isTerminated=True),
            RunCancelled,
            "Cancelled by `lambent runs cancel` of ada",
        ),
        (
            job("FAILED", statusReason="budget", isCancelled=True),
            RunCancelled,
            "was ended in AWS Batch: budget",
        ),
        (
            job("FAILED", attempt(75), attempt(75), statusReason="Essential container in task exited"),
            RunFailed,
            "failed after 2 attempts, without a message of its own: exit code 75",
        ),
        (
            job("FAILED", attempt(137, reason="OutOfMemoryError: Container killed due to memory usage")),
            RunFailed,
            "OutOfMemoryError: Container killed",
        ),
        (job("FAILED", attempt(139)), RunFailed, "killed by signal 11"),
        (job("FAILED", statusReason="No instance for 6 hours"), RunFailed, "of its own: No instance for 6 hours"),
        (
            job("FAILED", {**attempt(), "statusReason": "Host EC2 (instance i-1) terminated."}),
            RunFailed,
            "Host EC2 (instance i-1) terminated",
        ),
    ],
)
def test_end_of_a_job_without_a_message_is_put_into_words(
    description: dict[str, Any], error: type[Exception], told: str
) -> None:
    found = failure(description, run_id="20261127-101500-3f9a2c")

    assert type(found) is error
    assert told in str(found)
