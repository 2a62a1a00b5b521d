"""No test has to catch a job on its way: whatever asks for that says what holds the job meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from passing_rules import Passing, find_passing

TESTS = Path(__file__).parents[1]
# Where jobs are worked on by processes of their own; in unit tests nothing moves that the test does not move.
LIVE = ("integration", "faults", "clients", "e2e")
BATCH = "integration/test_stack_batch.py"
# What is found, by file, function and state: what holds the work until the test has seen it.
SLOW = "test_it_is_answered_by_a_job_whose_outcome_is_what_was_computed"
HELD = {
    ("faults/test_slow_models.py", SLOW, "QUEUED"): "the acceptance's own words, and no queue is read there",
    ("faults/test_slow_models.py", SLOW, "RUNNING"): "its model waits for an event of the test's, set afterwards",
    (
        "integration/doors/test_async_door.py",
        "test_a_picture_is_answered_later_as_it_is_at_once",
        "QUEUED",
    ): "the acceptance's own words, written before anything is sent",
    (
        "integration/doors/test_jobs_door.py",
        "test_results_are_read_while_the_job_runs_in_the_order_of_the_items",
        "RUNNING",
    ): "one of the shards is sent by the test itself, afterwards",
    (
        "integration/doors/test_retirement.py",
        "test_retire_is_refused_while_a_job_runs_on_the_version_and_works_once_it_has_ended",
        "RUNNING",
    ): "the second shard is sent by the test itself, afterwards",
    (BATCH, "test_process_that_ignores_sigterm_is_killed_after_the_grace_time", "RUNNING"): "it ends by a signal only",
    (
        BATCH,
        "test_terminated_job_fails_with_the_callers_reason_even_if_it_exits_well",
        "RUNNING",
    ): "it ends by a signal only",
    (BATCH, "test_cancel_ends_a_waiting_job_and_leaves_a_running_one", "RUNNING"): "it ends by a signal only",
    (
        BATCH,
        "test_cancel_ends_a_waiting_job_and_leaves_a_running_one",
        "PENDING",
    ): "it waits for one that ends by a signal only",
    (BATCH, "test_lost_host_is_retried", "RUNNING"): "it ends by a signal only",
    ("integration/test_stack_life.py", "busy", "RUNNING"): "it ends by a signal only",
}


@pytest.fixture(scope="module")
def found() -> list[tuple[str, Passing]]:
    return list(every_place())


def every_place() -> Iterator[tuple[str, Passing]]:
    for file in sorted(file for folder in LIVE for file in (TESTS / folder).rglob("*.py")):
        path = file.relative_to(TESTS)
        # Hidden folders hold what was built, of others' code too.
        if not any(part.startswith(".") for part in path.parts):
            yield from ((path.as_posix(), each) for each in find_passing(file.read_text()))


def test_whoever_asks_for_a_job_on_its_way_says_what_holds_it(found: list[tuple[str, Passing]]) -> None:
    open_ended = [
        f"tests/{file}:{each.line}: {each.state} in {each.place or 'the module'}"
        for file, each in found
        if (file, each.place, each.state) not in HELD
    ]

    assert open_ended == [], "Hold the job (Product.plan_job and send_shard, a gate in its program); then say so here."


def test_what_is_held_is_still_there_and_says_how(found: list[tuple[str, Passing]]) -> None:
    there = {(file, each.place, each.state) for file, each in found}

    assert HELD.keys() - there == set()
    assert [place for place, reason in HELD.items() if len(reason.split()) < 5] == []


FOUND = {
    "a comparison": 'def test():\n    assert job["state"] == "RUNNING"',
    "one of several": 'def test():\n    assert (job.state, job.done) == ("RUNNING", 3)',
    "a choice": 'def test():\n    if answer.headers["Lambent-Job-State"] == "RUNNING":\n        seen = 1',
    "a member": 'def test():\n    assert job.state in {"DONE", "RUNNING"}',
    "the product's own name": "def test():\n    assert job.state is JobState.RUNNING",
    "a wait": 'def test():\n    wait_until(stack, job_id, "RUNNING")',
    "a wait by a function": 'def test():\n    wait_for(lambda: look().state == "RUNNING", what="it")',
    "a named argument": 'def test():\n    wait_for_job(job_id, state="RUNNING")',
}
LEFT = {
    "an end": 'assert job["state"] == "SUCCEEDED"',
    "a state that is written": 'jobs.transition(JobState.RUNNING)\nrow = {"state": "RUNNING"}',
    "a part of a text": 'assert "it is RUNNING" in told',
}


@pytest.mark.parametrize("case", FOUND)
def test_a_state_that_passes_is_found(case: str) -> None:
    assert {(each.place, each.state) for each in find_passing(dedent(FOUND[case]))} == {("test", "RUNNING")}


@pytest.mark.parametrize("case", LEFT)
def test_what_does_not_pass_is_left(case: str) -> None:
    assert find_passing(dedent(LEFT[case])) == []
