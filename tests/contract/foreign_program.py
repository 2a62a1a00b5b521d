"""Each function gets the whole page of foreign events, in a process of its own: prints what became of each as JSON.

Services are real where they read what came, on fakes of what lies beneath them; the others only tell that they were
reached.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

from foreign_page import BODIES, BUCKET, EVENTS, attribute, sqs

from programs import load_function

QUEUES = ("sort", "preprocess", "infer", "dispatch", "notify")
OTHERS = ("predict", "jobs", "job_events", "sweep")
REQUEST = {"schema_version": 1, "id": "job-1", "model": "shade", "input": {"manifest_uri": f"s3://{BUCKET}/inputs/x"}}
# What a message's attribute may be in which dispatch looks for the tenant.
TENANTS = {
    "missing": {},
    "a text": attribute("String", stringValue="acme"),
    "a text of a sender's type": attribute("String.tenant", stringValue="acme"),
    "binary": attribute("Binary", binaryValue="YWNtZQ=="),
    "a number": attribute("Number", stringValue="5"),
    "empty": attribute("String", stringValue=""),
    "null": {"tenant": None},
    "of no type": {"tenant": {"stringValue": "acme"}},
    "of another form": {"tenant": "acme"},
    "no name": attribute("String", stringValue="../x"),
}
# The functions' logger writes to what is standard output when it is made.
LOG = sys.stdout = io.StringIO()
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="r",
    get_remaining_time_in_millis=lambda: 20_000,
)  # fmt: skip


class Reached:
    """Stands for a service whose calls are remembered."""

    def __init__(self, calls: list[str], answer: Any = None) -> None:
        self._calls, self._answer = calls, answer

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self._calls.append(" ".join([name, *(str(getattr(each, "key", "")) for each in arguments)]).strip())
            return self._answer

        return call


def main() -> None:
    """Print ``{function: {"event …" or "body …": outcome}}``."""
    calls: list[str] = []
    dead, passed = wire(calls)
    outcomes: dict[str, dict[str, Any]] = {}
    for function in (*QUEUES, *OTHERS):
        module = load_function(function)
        told = outcomes[function] = {}
        for name, event in cases(function):
            calls.clear()
            for queue in (dead, passed):
                queue.sent.clear()
                queue.groups.clear()
            told[name] = outcome(module, event) | {
                "reached": list(calls),
                "dead": letters(dead),
                "passed": sorted_ones(passed),
            }
    print(json.dumps(outcomes), file=sys.__stdout__)


def cases(function: str) -> Iterator[tuple[str, Any]]:
    """Yield the function's cases by name."""
    yield from ((f"event {name}", event) for name, event in EVENTS.items())
    if function in QUEUES:
        for name, body in {**EVENTS, **BODIES}.items():
            yield f"body {name}", sqs(body, attributes=TENANTS["a text"])
    if function == "dispatch":
        yield from ((f"tenant {name}", sqs(REQUEST, attributes=tenant)) for name, tenant in TENANTS.items())


def outcome(module: ModuleType, event: Any) -> dict[str, Any]:
    """Return what a function answers, or how its invocation fails, and what it logs of that."""
    LOG.seek(0)
    LOG.truncate()
    try:
        # As Lambda gives it: what JSON holds.
        told = {"answer": module.handler(json.loads(json.dumps(event)), CONTEXT)}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is an outcome that the table must know
        told = {"error": type(error).__name__, "code": getattr(error, "code", None), "text": str(error)}
    lines = [json.loads(line) for line in LOG.getvalue().splitlines()]
    return told | {"logged": [line["code"] for line in lines if "code" in line]}


def letters(dead: Any) -> list[dict[str, Any]]:
    """Return what lies in the dead-letter queue."""
    return [{"body": body.decode(), **attributes} for body, attributes in dead.sent]


def sorted_ones(queue: Any) -> list[tuple[str, str | None]]:
    """Return the messages that were passed on, with their groups."""
    return [(body.decode(), group) for (body, _), group in zip(queue.sent, queue.groups, strict=True)]


def wire(calls: list[str]) -> tuple[Any, Any]:
    """Put fakes into the composition root; return the dead-letter queue, one for all, and that of sorted uploads."""
    os.environ.update(ALLOWED_ORIGINS="", POWERTOOLS_SERVICE_NAME="lambent", AWS_DEFAULT_REGION="eu-west-1")
    from builders import World
    from lambent.domain.caller import DEFAULT_SCOPES, Caller
    from lambent.runtime import wiring, wiring_dead_letters, wiring_jobs, wiring_notify
    from lambent.services.deliver_webhook import DeliverWebhookService
    from lambent.services.read_dead_letters import ReadReport
    from lambent.services.sort_uploads import SortUploadsService
    from lambent.services.sweep import SweepReport
    from lambent_toolkit.fakes import FakeQueue

    world, dead, passed = World(), FakeQueue(), FakeQueue()
    webhooks = DeliverWebhookService(
        jobs=world.jobs, secrets=Reached(calls), sender=Reached(calls), clock=world.clock,
        trusted_hosts=frozenset(), jitter=lambda: 0.0,
    )  # fmt: skip
    caller = Caller("acme", DEFAULT_SCOPES)
    made: dict[str, Any] = {
        "identify_service": SimpleNamespace(caller=lambda _key_id: caller),
        "ingest_service": Reached(calls),
        "sort_uploads_service": SortUploadsService(passed),
        "preprocess_settings": SimpleNamespace(data_bucket=BUCKET),
        "infer_service": Reached(calls),
        "dispatch_service": world.dispatcher(),
        "deliver_webhook_service": webhooks,
        "track_service": Reached(calls),
        "note_block_service": Reached(calls),
        "sweep_service": Reached(calls, SweepReport()),
        "dead_letter_reader": Reached(calls, ReadReport()),
        **dict.fromkeys(
            ("upload_dead_letters", "infer_dead_letters", "batch_dead_letters", "notify_dead_letters"), dead
        ),
    }
    for module in (wiring, wiring_dead_letters, wiring_jobs, wiring_notify):
        for name in made.keys() & vars(module).keys():
            setattr(module, name, lambda name=name: made[name])
    return dead, passed


if __name__ == "__main__":
    main()
