"""What is sent to a function that does not take it has an outcome that is declared here; none of them is "done"."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from foreign_page import BODIES, EVENTS, KEY
from foreign_program import OTHERS, QUEUES, TENANTS

HERE = Path(__file__).parent
DONE = {"batchItemFailures": []}
SECOND = "inbox/acme/shade/two.png"
# The invocation fails with the code: a caller sees it, and Lambda keeps an event that nobody waits for.
FAILS = "fails: event_unknown"
# Somebody waits for an answer by HTTP.
REFUSED = "500 event_unknown"

# Of the events themselves, what a function takes, or answers; it fails on all others.
BY_HTTP = {
    "API Gateway REST": "404 route_not_found",
    **{name: REFUSED for name in EVENTS if name.startswith("API Gateway REST, ")},
    "API Gateway REST, context of another type": FAILS,
    **dict.fromkeys(("HTTP API", "function URL", "load balancer", "WebSocket"), REFUSED),
}
TAKEN: dict[str, dict[str, str]] = {
    "predict": BY_HTTP,
    "jobs": BY_HTTP,
    "job_events": {"EventBridge: batch job": "reaches apply", "EventBridge: batch queue": "reaches note"},
    "sweep": {
        "EventBridge: schedule": "reaches sweep, read",
        "EventBridge Scheduler": "reaches sweep, read",
        "{}": "reaches sweep, read",  # started by hand: nothing in an event says what a sweep has to do
    },
}
# Of what a message of the upload queue holds.
UPLOADS = {
    **dict.fromkeys(("S3 test event", "S3 test event through SNS"), "nothing to do"),
    **dict.fromkeys(
        (
            "S3",
            "EventBridge: object created",
            "SNS envelope",
            "text of an S3 event",
            "S3 through SNS",
            "EventBridge through SNS",
            "SNS through EventBridge",
            "S3, a later form",
            "S3, multipart",
            "S3, no etag",
        ),
        f"reaches ingest {KEY}",
    ),
    "S3, two objects": f"reaches ingest {KEY}, ingest {SECOND}",
    # What is ours among them is done; the message is kept, since the rest is not.
    "S3, one of ours, one of others": f"reaches ingest {KEY}; dead: event_foreign",
    **dict.fromkeys(
        ("S3, one of ours, one of no form", "S3, one of ours, one of another form", "records: SQS and S3"),
        f"reaches ingest {KEY}; dead: event_unknown",
    ),
    **dict.fromkeys(
        (
            "S3, another bucket",
            "S3 through SNS, another bucket",
            "SNS through EventBridge, another bucket",
            "EventBridge, another bucket",
            "S3, a result of ours",
            "EventBridge, a result of ours",
            "S3, removed",
            "S3, expired",
            "S3, restored",
            "S3, lost",
            "S3, tagged",
            "S3, kind of a text like ours",
            "S3, kind that is no name",
            "EventBridge, deleted",
            "EventBridge, tagged",
        ),
        "dead: event_foreign",
    ),
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "foreign_program.py"],
        cwd=HERE,
        env={"PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def told(outcome: dict[str, Any]) -> str:
    """Return an outcome as the tables have it."""
    if "error" in outcome:
        return f"fails: {outcome['code']}"
    answer = outcome["answer"]
    if isinstance(answer, dict) and "statusCode" in answer:
        return f"{answer['statusCode']} {json.loads(answer['body'])['code']}"
    reached = [f"reaches {', '.join(outcome['reached'])}"] if outcome["reached"] else []
    dead = [f"dead: {letter['reason_code']}" for letter in outcome["dead"]]
    back = ["comes back"] if isinstance(answer, dict) and answer.get("batchItemFailures") else []
    return "; ".join([*reached, *dead, *back]) or "nothing to do"


@pytest.mark.parametrize("function", [*QUEUES, *OTHERS])
def test_every_event_has_the_outcome_that_is_declared(outcomes: Any, function: str) -> None:
    declared = {name: TAKEN.get(function, {}).get(name, FAILS) for name in EVENTS}

    assert {name: told(outcomes[function][f"event {name}"]) for name in EVENTS} == declared


def test_every_message_of_the_upload_queue_has_the_outcome_that_is_declared(outcomes: Any) -> None:
    names = [*EVENTS, *BODIES]

    found = {name: told(outcomes["preprocess"][f"body {name}"]) for name in names}

    assert found == {name: UPLOADS.get(name, "dead: event_unknown") for name in names}
    assert UPLOADS.keys() <= set(names)


def test_every_message_that_s3_may_send_is_passed_on_as_it_is_whatever_it_holds(outcomes: Any) -> None:
    for name, body in {**EVENTS, **BODIES}.items():
        text = body if isinstance(body, str) else json.dumps(body)

        found = outcomes["sort"][f"body {name}"]

        assert told(found) == "nothing to do"
        ((passed, group),) = found["passed"]
        assert (name, passed) == (name, text)
        assert group == "acme" or UPLOADS.get(name) != f"reaches ingest {KEY}", name


@pytest.mark.parametrize("function", ["infer", "dispatch", "notify"])
def test_a_foreign_message_of_another_queue_is_dead_with_its_reason(outcomes: Any, function: str) -> None:
    found = {name: told(outcomes[function][f"body {name}"]) for name in [*EVENTS, *BODIES]}

    assert set(found.values()) == {"dead: envelope_invalid"}


def test_a_batch_belongs_to_the_tenant_that_its_attribute_names_as_a_text(outcomes: Any) -> None:
    found = {name: told(outcomes["dispatch"][f"tenant {name}"]) for name in TENANTS}

    taken = {name for name, outcome in found.items() if outcome == "nothing to do"}  # a job is recorded
    assert taken == {"a text", "a text of a sender's type"}
    assert {outcome for name, outcome in found.items() if name not in taken} == {"dead: envelope_invalid"}


def test_what_is_dead_is_the_message_itself_with_its_envelope_and_a_reason_to_read(outcomes: Any) -> None:
    for function in QUEUES:
        for name, body in {**EVENTS, **BODIES}.items():
            for letter in outcomes[function][f"body {name}"]["dead"]:
                assert letter["body"] == (body if isinstance(body, str) else json.dumps(body))
                assert letter["tenant"] == "acme"
                assert 20 < len(letter["reason"]) <= 512
                assert letter["reason"].isprintable()


def test_every_refusal_is_logged_with_its_code_and_none_tells_content_or_code_of_ours(outcomes: Any) -> None:
    for function, cases in outcomes.items():
        for name, outcome in cases.items():
            refusals = {outcome.get("code"), *(letter["reason_code"] for letter in outcome["dead"])} - {None}
            texts = [outcome.get("text", ""), *(letter["reason"] for letter in outcome["dead"])]
            assert refusals <= set(outcome["logged"]), (function, name)
            assert not [text for text in texts if "Traceback" in text or "/" in text.replace("inbox/", "")], name
            assert not [text for text in texts if "others" in text or "arn:" in text], name
