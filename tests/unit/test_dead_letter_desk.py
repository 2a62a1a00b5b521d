"""What an operator sees of dead letters and does with them, on moto's queues and table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from builders import create_table, request
from lambent.adapters.dynamodb_deaths import DynamoDeathLedger
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.contracts.messages import CallMessage
from lambent.domain.dead_letters import Became, DeathRecord
from lambent_toolkit.cli.main import app
from lambent_toolkit.dead_letters import DeadLetterDesk, Wanted
from lambent_toolkit.dead_letters.errors import LetterUnknown, MoveFailed, QueueUnknown
from lambent_toolkit.stacks import find

NAMES = ("upload", "infer", "batch", "notify", "job_events")
EVENT = json.dumps(
    {
        "source": "aws.batch",
        "detail-type": "Batch Job State Change",
        "time": "2026-11-30T00:00:00Z",
        "detail": {"jobId": "b", "status": "FAILED", "parameters": {"tenant": "acme", "job_id": "job-1"}},
    }
)


@dataclass
class AwsStack:
    """As much of a stack as the desk asks for."""

    queues: dict[str, str]
    table: str = "table"
    buckets: dict[str, str] = field(default_factory=lambda: {"data": "data"})
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, **_options: Any) -> Any:
        return self.clients.get(service) or boto3.client(service)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsStack]:
    for name, value in {"DEFAULT_REGION": "eu-west-1", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr("lambent.adapters.sqs_dead_letters._WAIT_S", 0)  # moto has one server, which knows all
    with mock_aws():
        sqs = boto3.client("sqs")
        names = [*NAMES[:-1], *(f"{name}_dead_letter" for name in NAMES)]
        queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
        create_table("table")
        yield AwsStack(queues)


def bury(stack: AwsStack, queue: str, body: str, **attributes: str) -> str:
    wire = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
    sent = boto3.client("sqs").send_message(
        QueueUrl=stack.queues[f"{queue}_dead_letter"], MessageBody=body, MessageAttributes=wire
    )
    return str(sent["MessageId"])


def record(queue: str, message_id: str, became: Became = Became.FAILED) -> None:
    told = DeathRecord(queue, message_id, became, "processing_gave_up", "Tried.", "acme", "call c1", "2026-11-30")
    DynamoDeathLedger(DynamoTable(boto3.client("dynamodb"), "table")).add(told, expires_at_s=1)


def waiting(stack: AwsStack, queue: str) -> list[dict[str, Any]]:
    """Take all that is visible in a queue."""
    sqs, found = boto3.client("sqs"), []
    while got := sqs.receive_message(
        QueueUrl=stack.queues[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    ).get("Messages"):
        found += got
    return found


def call(job_id: str, tenant: str = "acme") -> str:
    return msgspec.json.encode(CallMessage(tenant=tenant, job_id=job_id)).decode()


def batch() -> str:
    return msgspec.json.encode(request()).decode()


def test_a_list_tells_owner_reason_and_record_and_leaves_all_where_it_is(stack: AwsStack) -> None:
    known = bury(stack, "infer", call("c1"))
    bury(stack, "batch", batch(), tenant="acme", reason_code="envelope_invalid", reason="Not JSON.")
    bury(stack, "upload", "no JSON")
    record("infer", known)

    found = {each.letter.queue: each for each in DeadLetterDesk(stack).list()}

    told = {name: (each.tenant, each.subject, each.reason) for name, each in found.items()}
    assert told == {
        "infer": ("acme", "call c1", "gave_up"),
        "batch": ("acme", "batch job-1", "envelope_invalid"),
        "upload": (None, "nothing that can be read", "gave_up"),
    }
    assert found["infer"].record.became is Became.FAILED
    assert found["batch"].record is None
    assert [len(waiting(stack, f"{name}_dead_letter")) for name in ("infer", "batch", "upload")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(queue="infer"), {"a1", "b1"}),
        (Wanted(tenant="acme"), {"a1", "a2"}),
        (Wanted(reason="gave_up"), {"a1", "b1"}),
        (Wanted(queue="infer", tenant="bolt"), {"b1"}),
        (Wanted(reason="job_not_found"), {"a2"}),
        (Wanted(), {"a1", "a2", "b1"}),
    ],
)
def test_messages_are_chosen_by_queue_tenant_and_reason(stack: AwsStack, wanted: Wanted, expected: set[str]) -> None:
    bury(stack, "infer", call("a1"))
    bury(stack, "infer", call("b1", "bolt"))
    bury(stack, "batch", json.dumps({"id": "a2"}), tenant="acme", reason_code="job_not_found", reason="x")

    found = DeadLetterDesk(stack).list(wanted)

    assert {each.lost[0].job_id if each.letter.queue == "infer" else "a2" for each in found} == expected


def test_more_messages_than_one_receive_gives_are_all_listed(stack: AwsStack) -> None:
    for number in range(34):
        bury(stack, "infer", call(f"c{number}"))

    assert len(DeadLetterDesk(stack).list()) == 34


def test_a_redriven_message_is_at_its_queue_without_the_reasons_and_gone_from_where_it_lay(stack: AwsStack) -> None:
    message_id = bury(stack, "batch", batch(), tenant="acme", reason_code="unavailable", reason="Away.")
    bury(stack, "batch", "another", tenant="acme")

    moved = DeadLetterDesk(stack).redrive(Wanted(ids=(message_id[:8],)))

    (back,) = waiting(stack, "batch")
    assert (moved.count, moved.over) == (1, [])
    assert back["Body"] == batch()
    assert back["MessageAttributes"].keys() == {"tenant"}
    assert len(waiting(stack, "batch_dead_letter")) == 1


@pytest.mark.parametrize("became", [Became.FAILED, Became.SETTLED])
def test_a_message_of_a_job_that_has_ended_is_left_and_told(stack: AwsStack, became: Became) -> None:
    over = bury(stack, "infer", call("c1"))
    bury(stack, "infer", call("c2"))
    record("infer", over, became)

    moved = DeadLetterDesk(stack).redrive(Wanted(tenant="acme"))

    assert (moved.count, moved.over) == (1, [over])
    assert [json.loads(each["Body"])["job_id"] for each in waiting(stack, "infer")] == ["c2"]
    assert len(waiting(stack, "infer_dead_letter")) == 1


def test_a_message_of_a_job_that_goes_on_is_sent(stack: AwsStack) -> None:
    record("infer", bury(stack, "infer", call("c1")), Became.GOES_ON)

    assert DeadLetterDesk(stack).redrive(Wanted(tenant="acme")).count == 1


def test_a_redrive_that_dies_after_sending_leaves_the_message_in_both_places(stack: AwsStack) -> None:
    bury(stack, "infer", call("c1"))

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(boto3.client("sqs"), name)

        def delete_message(self, **_arguments: Any) -> None:
            raise KeyboardInterrupt

    stack.clients["sqs"] = Dying()
    with pytest.raises(KeyboardInterrupt):
        DeadLetterDesk(stack).redrive(Wanted(tenant="acme"))

    assert (len(waiting(stack, "infer")), len(waiting(stack, "infer_dead_letter"))) == (1, 1)


@pytest.mark.parametrize("wanted", [Wanted(queue="job_events"), Wanted(tenant="acme")])
def test_an_event_of_aws_batch_is_left_to_the_sweep(stack: AwsStack, wanted: Wanted) -> None:
    message_id = bury(stack, "job_events", EVENT)

    moved = DeadLetterDesk(stack).redrive(wanted)

    assert (moved.count, moved.over) == (0, [message_id])
    assert len(waiting(stack, "job_events_dead_letter")) == 1


class Tasks:
    """SQS with move tasks, which moto lacks: each list tells the next status."""

    def __init__(self, *statuses: dict[str, Any]) -> None:
        self.statuses, self.started = list(statuses), []

    def __getattr__(self, name: str) -> Any:
        return getattr(boto3.client("sqs"), name)

    def start_message_move_task(self, **arguments: Any) -> dict[str, Any]:
        self.started.append(arguments)
        return {"TaskHandle": "h"}

    def list_message_move_tasks(self, **_arguments: Any) -> dict[str, Any]:
        return {"Results": [self.statuses.pop(0)]}


def test_a_whole_queue_is_moved_by_a_task_to_the_queue_that_is_named(stack: AwsStack) -> None:
    tasks = Tasks({"Status": "RUNNING"}, {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7})
    stack.clients["sqs"], pauses = tasks, []

    moved = DeadLetterDesk(stack, sleep=pauses.append).redrive(Wanted(queue="infer"), a_second=20)

    (started,) = tasks.started
    assert started["SourceArn"].endswith(":infer_dead_letter")
    assert started["DestinationArn"].endswith(":infer")
    assert started["MaxNumberOfMessagesPerSecond"] == 20
    assert (moved.count, len(pauses)) == (7, 1)


def test_a_task_that_fails_is_told_with_what_it_has_moved(stack: AwsStack) -> None:
    failed = {"Status": "FAILED", "FailureReason": "OverLimit", "ApproximateNumberOfMessagesMoved": 3}
    stack.clients["sqs"] = Tasks(failed)

    with pytest.raises(MoveFailed, match="FAILED after 3 messages: OverLimit"):
        DeadLetterDesk(stack).redrive(Wanted(queue="infer"))


def test_what_is_dropped_is_gone_and_nothing_else(stack: AwsStack) -> None:
    bury(stack, "infer", call("a1"))
    bury(stack, "infer", call("b1", "bolt"))

    dropped = DeadLetterDesk(stack).drop(Wanted(tenant="acme"))

    assert dropped == 1
    assert [json.loads(each["Body"])["tenant"] for each in waiting(stack, "infer_dead_letter")] == ["bolt"]


def test_unknown_queues_and_ids_are_told(stack: AwsStack) -> None:
    desk = DeadLetterDesk(stack)

    with pytest.raises(QueueUnknown, match="there are upload, infer, batch, notify, job_events"):
        desk.list(Wanted(queue="other"))
    for act in (desk.show, lambda each: desk.redrive(Wanted(ids=(each,))), lambda each: desk.drop(Wanted(ids=(each,)))):
        with pytest.raises(LetterUnknown, match="0123"):
            act("0123")


def test_an_id_that_begins_several_is_not_guessed(stack: AwsStack) -> None:
    for number in range(17):  # of two of them the first digit is the same
        bury(stack, "infer", call(f"c{number}"))
    firsts = [each.letter.message_id[0] for each in DeadLetterDesk(stack).list()]
    double = next(each for each in firsts if firsts.count(each) > 1)

    with pytest.raises(LetterUnknown, match="say more of it"):
        DeadLetterDesk(stack).show(double)


# ---- the command


@pytest.fixture
def run(stack: AwsStack, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(find, "find_stack", lambda _choice: stack)
    monkeypatch.setattr("lambent_toolkit.cli.screen._LOG_COLUMNS", 80)

    def run(*words: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, ["dlq", *words])
        assert done.exit_code == status, done.output
        return done.output

    return run


def test_the_table_fits_a_terminal_of_80_columns(stack: AwsStack, run: Any) -> None:
    message_id = bury(stack, "infer", call("a-very-long-name-of-a-job-of-some-sixty-characters-by-itself"))
    bury(stack, "batch", batch(), tenant="acme", reason_code="model_signature_invalid", reason="x")
    record("infer", message_id)

    told = run("list")

    assert max(map(len, told.splitlines())) <= 80
    (row,) = (line for line in told.splitlines() if line.startswith(message_id[:8]))
    assert all(part in row for part in ("infer", "acme", "gave_up", "failed", "call a-"))
    assert "model_signatu…" in told
    assert "lambent dlq show ID" in told


def test_an_empty_list_says_so(run: Any) -> None:
    assert "No dead letter." in run("list")


def test_json_has_all_that_is_known(stack: AwsStack, run: Any) -> None:
    message_id = bury(stack, "infer", call("c1"), reason_code="unavailable", reason="Away.")
    record("infer", message_id)

    (told,) = json.loads(run("list", "--json"))

    assert (told["id"], told["queue"], told["tenant"]) == (message_id, "infer", "acme")
    assert (told["reason_code"], told["reason"]) == ("unavailable", "Away.")
    assert json.loads(told["body"])["job_id"] == "c1"
    assert told["recorded"]["code"] == "processing_gave_up"
    (shown,) = json.loads(run("show", message_id, "--json"))
    assert shown | {"receives": 1} == told  # to look is to receive


def test_a_message_is_shown_whole_and_harmless(stack: AwsStack, run: Any) -> None:
    message_id = bury(stack, "batch", "\x1b[2J{", tenant="acme", reason_code="envelope_invalid", reason="No JSON.")

    told = run("show", message_id[:10])

    assert re.search(r"reason +envelope_invalid: No JSON\.", told)
    assert "tenant=acme" in told
    assert "not yet; the next sweep does it" in told
    assert "\x1b" not in told


def test_a_redrive_tells_what_it_left(stack: AwsStack, run: Any) -> None:
    record("infer", bury(stack, "infer", call("c1")))
    bury(stack, "infer", call("c2"))

    told = run("redrive", "--tenant", "acme")

    assert "1 sent back." in told
    assert "1 left: their jobs have ended" in told


def test_nothing_is_dropped_without_a_yes(stack: AwsStack, run: Any) -> None:
    bury(stack, "infer", call("c1"))

    asked = run("drop", "--queue", "infer")
    dropped = run("drop", "--queue", "infer", "--yes")

    assert "Nothing was dropped; --yes drops these 1 for good, 1 of which nobody has been told of yet" in " ".join(
        asked.split()
    )
    assert "1 dropped." in dropped
    assert waiting(stack, "infer_dead_letter") == []


@pytest.mark.parametrize("verb", ["redrive", "drop"])
def test_no_verb_takes_everything_by_default(run: Any, verb: str) -> None:
    assert "Say which" in run(verb, status=2)


@pytest.mark.parametrize(
    ("words", "status"), [(("list", "--queue", "x"), 170), (("show", "0"), 171), (("redrive", "0"), 171)]
)
def test_failures_have_codes_of_their_own(run: Any, words: tuple[str, ...], status: int) -> None:
    run(*words, status=status)
