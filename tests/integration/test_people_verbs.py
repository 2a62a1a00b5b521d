"""Verbs under the policies that the template makes for people: each does what its table says, and nothing of others.

The stack is found in CloudFormation by its name, and every call is signed by a user's own access key and judged.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from botocore.exceptions import ClientError
from people import POLICIES, Person, person, said_by_aws, verbs_of
from published import SHADE, publish_shade, shade_contract
from typer.testing import CliRunner

from builders import picture, request
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.domain.model import ModelRef
from lambent.runtime.clock import SystemClock
from lambent.services.submit_job import new_job
from lambent_toolkit.cli.main import app
from lambent_toolkit.fakes import FakeClock
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.remote.records import RunKeys
from lambent_toolkit.sandbox import LocalStack, StackInfo

MODEL, GONE, TENANT, JOB = "peopled", "people-gone", "people-t", "people-j"
DATA, FAR_DATA = "shades", "far-shades"
DAY_S = 86_400
NOTHING_UPLOADED = json.dumps({"Records": []})
OF_NO_JOB = json.dumps(
    {
        "source": "aws.batch", "detail-type": "Batch Job State Change", "time": "2026-11-30T00:00:00Z",
        "detail": {"jobId": "b", "status": "FAILED", "parameters": {"tenant": "people-t", "job_id": "none"}},
    }
)  # fmt: skip
# In a bucket of one's own, on which no policy of the stack gives rights.
ANCHORS = "audit anchor"
# A verb, with words that mean something that there is, or that would be made.
WORDS: dict[str, tuple[str, ...]] = {
    "models": (),
    "show": (f"{MODEL}@1",),
    "diff": (MODEL, "1", "2"),
    "label list": (MODEL,),
    "label history": (MODEL, "live"),
    "audit list": (),
    "audit verify": (),
    ANCHORS: ("--bucket", "none-of-the-stacks"),
    "status": (),
    "logs": ("predict",),
    "publish": ("lite", "--force", "--why", "never measured"),
    "label set": (MODEL, "refused", "1"),
    "canary": (MODEL, "2", "--weight", "10%"),
    "promote": (MODEL, "--label", "canaried"),
    "rollback": (MODEL, "--label", "moved"),
    "retire": (MODEL, "4"),
    "gc": ("--yes",),
    "evaluate": (f"{MODEL}@1", "--data", DATA),
    "compare": (f"{MODEL}@1", f"{MODEL}@2", "--data", DATA),
    "train": ("wine", "--epochs", "1", "--remote", "--detach", "--out", "refused"),
    "runs list": (),
    "runs attach": ("20261129-000000-abcdef",),
    "runs cancel": ("20261129-000000-abcdef",),
    "data add": ("refused", f"s3://{{data}}/inputs/{DATA}"),
    "jobs submit": ("items.jsonl", "-m", MODEL),
    "jobs quote": ("items.jsonl", "-m", MODEL),
    "jobs list": (),
    "jobs show": (JOB,),
    "jobs watch": (JOB,),
    "jobs results": (JOB,),
    "jobs errors": (JOB,),
    "jobs cancel": (JOB,),
    "jobs retry": (JOB,),
    "jobs priority": (JOB, "3"),
    "webhooks secret": (),
    "tenant add": ("refused",),
    "tenant list": (),
    "tenant remove": ("refused",),
    "tenant history": (TENANT,),
    "key create": ("--tenant", TENANT),
    "key list": (),
    "key get": (),
    "key rotate": ("refused",),
    "key revoke": ("refused",),
    "dlq list": (),
    "dlq show": ("refused",),
    "dlq redrive": ("refused",),
    "dlq drop": ("refused", "--yes"),
}
# Has an answer of its own to each right that is missing: that it could not look.
TELLS_ITSELF = {"doctor"}
FOR_THE_DOCTOR = ("MakeKeys", "apigateway:GET")  # it looks for keys that nobody knows
OF_MODELS = {"models", "show", "diff", "label list", "label history"}


def may(policy: str) -> set[str]:
    """Return the verbs that a policy's row gives, with those that it names by words."""
    own = verbs_of(policy) - TELLS_ITSELF
    return (
        own
        | {
            "ReaderPolicy": set(),
            "PublisherPolicy": OF_MODELS,
            "TrainerPolicy": OF_MODELS,
            "OperatorPolicy": verbs_of("ReaderPolicy"),
        }[policy]
    )


# Verbs of one service that begin with the same call: all of them are tried by one policy, the first by the others.
ALIKE = [verb for verb in WORDS if verb.startswith(("jobs ", "tenant ", "key ", "dlq "))]
FIRST = {"jobs submit", "tenant add", "key create", "key get", "dlq list"}
REFUSED = [
    (policy, verb)
    for policy in POLICIES
    for verb in WORDS
    if verb not in may(policy) and (policy == "ReaderPolicy" or verb not in ALIKE or verb in FIRST)
]


@pytest.fixture(scope="module")
def people(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Person]]:
    """Return a person for each policy, in a folder with a model and data of their own, and what others made before."""
    info, folder = stack.info, tmp_path_factory.mktemp("people")
    with ExitStack() as ending:
        ending.enter_context(pytest.MonkeyPatch.context()).chdir(folder)
        write_data(folder, info)
        import_model(folder)
        publish_for_others(info)
        yield {policy: ending.enter_context(person(info, policy)) for policy in POLICIES}


def write_data(folder: Path, info: StackInfo) -> None:
    """Write pictures of two classes as a data set, below the stack's inputs, and as a batch's items."""
    s3, items = info.client("s3"), []
    for number in range(40):
        shade, value = ("dark", number) if number % 2 else ("bright", 255 - number)
        body, name = picture(value), f"{shade}/{number}.png"
        path = folder / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        s3.put_object(Bucket=info.buckets["data"], Key=f"inputs/{DATA}/{name}", Body=body)
        items.append(json.dumps({"id": str(number), "image": {"b64": b64encode(body).decode()}}))
    s3.close()
    bad = json.dumps({"id": "bad", "image": {"b64": b64encode(b"no picture").decode()}})
    (folder / "items.jsonl").write_text("\n".join([*items[:4], bad]) + "\n")
    alone("data", "add", DATA, "pictures")


def import_model(folder: Path) -> None:
    """Leave the folder `lite`, which `publish` takes by force."""
    (folder / "contract.json").write_bytes(msgspec.json.encode(shade_contract(MODEL)))
    alone("import", str(SHADE), "--contract", "contract.json", "--out", "lite")


def alone(*words: str) -> None:
    """Run a verb that needs no stack."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


def publish_for_others(info: StackInfo) -> None:
    """Publish four versions, with labels to look at and to move."""
    for _ in range(4):
        publish_shade(info, name=MODEL)
    rollout = Rollout(info, by="ann")
    rollout.set_label(MODEL, "live", 1)
    rollout.set_label(MODEL, "moved", 1)
    rollout.set_label(MODEL, "moved", 2)
    rollout.set_label(MODEL, "canaried", 1)
    rollout.start_canary(MODEL, "canaried", 2, 1_000)


def leave_garbage(info: StackInfo) -> ModelRef:
    """Publish a version, and retire it long ago."""
    ref, long_ago = publish_shade(info, name=GONE), Rollout(info, by="ann")
    long_ago._clock = FakeClock(time.time() - 60 * DAY_S)
    long_ago.retire(ref)
    return ref


@contextmanager
def an_open_job(info: StackInfo) -> Iterator[None]:
    """Write down a job that waits, of a tenant and model that there are not, and forget it."""
    client = info.client("dynamodb")
    job = new_job("people-s", request(id="people-open"), clock=SystemClock(), retention_days=1)
    DynamoJobStore(DynamoTable(client, info.table)).create(job)
    yield
    key = {":pk": {"S": "JOB#people-s#people-open"}}
    rows = client.query(TableName=info.table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=key)["Items"]
    assert rows
    for row in rows:
        client.delete_item(TableName=info.table, Key={name: row[name] for name in ("pk", "sk")})
    client.close()


@pytest.mark.parametrize(("policy", "verb"), REFUSED)
def test_a_verb_of_others_is_refused_in_one_line_with_aws_s_words(
    people: dict[str, Person], policy: str, verb: str
) -> None:
    info = people[policy].caller.info
    words = [word.format(**info.buckets) for word in WORDS[verb]]
    if verb == "gc":
        leave_garbage(info)

    result = people[policy].types(*verb.split(), *words)

    told = said_by_aws(result)
    assert result.exit_code == 125, told
    assert f"arn:aws:iam::123456789012:user/with-{policy} is not authorized to perform: " in told


def test_every_verb_of_the_table_is_tried_under_every_policy() -> None:
    assert set(WORDS) == set().union(*(verbs_of(policy) for policy in POLICIES)) - TELLS_ITSELF


def test_a_reader_sees_models_state_logs_and_figures(people: dict[str, Person]) -> None:
    reader = people["ReaderPolicy"]

    listed = reader.does("models")
    for verb in ("show", "diff", "label list", "label history", "audit list", "audit verify", "status", "logs"):
        reader.does(verb, *WORDS[verb])
    reader.does("logs")
    reader.does(ANCHORS, *WORDS[ANCHORS], status=125)
    look_at_figures(reader)
    missing = reader.types("show", str(publish_without_files(reader.caller.info)))

    assert MODEL in listed
    assert (missing.exit_code, "authorized" in missing.stderr) == (20, False), missing.output
    assert set(reader.verbs) == may("ReaderPolicy")
    assert reader.unused_rights() == set()


def publish_without_files(info: StackInfo) -> ModelRef:
    """Publish a version, and lose its files, as after a `gc` that was killed."""
    ref, s3 = publish_shade(info, name=GONE), info.client("s3")
    for entry in s3.list_objects_v2(Bucket=info.buckets["models"], Prefix=f"{ref.name}/{ref.version}/")["Contents"]:
        s3.delete_object(Bucket=info.buckets["models"], Key=entry["Key"])
    s3.close()
    return ref


def look_at_figures(reader: Person) -> None:
    """Do what needs no verb: the console shows figures, alarms, and a log's lines."""
    info, cloudwatch = reader.caller.info, reader.caller.client("cloudwatch")
    cloudwatch.describe_alarms()
    cloudwatch.list_metrics(Namespace="Lambent")
    now = int(time.time())
    cloudwatch.get_metric_data(MetricDataQueries=[], StartTime=now - 60, EndTime=now)
    cloudwatch.get_dashboard(DashboardName=info.resources["Dashboard"])
    logs = reader.caller.client("logs")
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=info.resources["PredictLogGroup"]):
        assert "events" in page


def test_a_publisher_changes_models_and_measures_them(people: dict[str, Person]) -> None:
    publisher = people["PublisherPolicy"]

    for verb in OF_MODELS:
        publisher.does(verb, *WORDS[verb])
    published = publisher.does("publish", *WORDS["publish"])
    publisher.does("label set", MODEL, "own", "1")
    publisher.does("canary", MODEL, "2", "--weight", "10%", "--label", "own")
    publisher.does("promote", MODEL, "--label", "own")
    publisher.does("rollback", MODEL, "--label", "own")
    # A label named the version once, and may name it again: it is checked in the transaction.
    publisher.does("label set", MODEL, "own", "3")
    publisher.does("label set", MODEL, "own", "1")
    with an_open_job(publisher.caller.info):
        publisher.does("retire", MODEL, "3")
    garbage = leave_garbage(publisher.caller.info)
    cleared = publisher.does("gc", "--yes")
    publisher.does("evaluate", f"{MODEL}@1", "--data", DATA, "--out", "evaluated")
    publisher.does("compare", f"{MODEL}@1", f"{MODEL}@2", "--data", DATA, "--out", "compared")

    assert f"published {MODEL}@5" in published
    assert f"{garbage}: removed" in cleared
    assert set(publisher.verbs) == may("PublisherPolicy")
    assert publisher.unused_rights() == set()


def test_a_trainer_runs_jobs_of_the_gpu_lane_on_data_of_the_bucket(people: dict[str, Person]) -> None:
    trainer, data = people["TrainerPolicy"], people["TrainerPolicy"].caller.info.buckets["data"]

    for verb in OF_MODELS:
        trainer.does(verb, *WORDS[verb])
    missing = trainer.types("show", str(publish_without_files(trainer.caller.info)))
    trainer.does("data add", FAR_DATA, f"s3://{data}/inputs/{DATA}")
    evaluation = trainer.does("evaluate", f"{MODEL}@1", "--data", FAR_DATA, "--remote", "--out", "far")
    training = trainer.does("train", "wine", "--epochs", "1", "--remote", "--detach", "--out", "trained")
    run_id = training.split()[1]
    forget_the_job(trainer.caller.info, run_id)
    trainer.does("runs cancel", run_id)
    trainer.does("runs attach", evaluation.split()[1].rstrip(";"), "--out", "far-again")
    trainer.does("compare", f"{MODEL}@1", f"{MODEL}@2", "--data", FAR_DATA, "--out", "far-compared")
    listed = trainer.does("runs list")

    assert (missing.exit_code, "authorized" in missing.stderr) == (20, False), missing.output
    assert Path("far/report.json").is_file()
    assert run_id in listed
    assert set(trainer.verbs) == may("TrainerPolicy")
    assert trainer.unused_rights() == set()


def forget_the_job(info: StackInfo, run_id: str) -> None:
    """Lose which job a run is, as where its command was killed before it wrote that down."""
    s3 = info.client("s3")
    s3.delete_object(Bucket=info.buckets["data"], Key=RunKeys("default", run_id).job)
    s3.close()


def test_an_operator_keeps_jobs_tenants_and_keys(people: dict[str, Person]) -> None:
    operator = people["OperatorPolicy"]

    for verb in may("ReaderPolicy") - {ANCHORS}:
        operator.does(verb, *WORDS[verb])
    operator.does(ANCHORS, *WORDS[ANCHORS], status=125)
    operate_jobs(operator)
    operate_tenants(operator)
    operate_queues_and_alarms(operator)

    assert set(operator.verbs) == may("OperatorPolicy")
    assert operator.unused_rights() == {FOR_THE_DOCTOR}


def operate_jobs(operator: Person) -> None:
    """Do what there is to do with jobs, whose one bad item makes them end as PARTIAL."""
    operator.does("jobs quote", *WORDS["jobs quote"])
    operator.does("jobs submit", "items.jsonl", "-m", MODEL, "--lane", "cpu", "--id", JOB)
    operator.does("jobs watch", JOB, "--every", "0.2", status=101)
    for verb in ("jobs list", "jobs show", "jobs results", "jobs errors"):
        operator.does(verb, *WORDS[verb])
    operator.does("jobs retry", JOB, "--wait", status=100)
    # Of a job that has ended, the service refuses both by its own rules.
    operator.does("jobs cancel", JOB, status=20)
    operator.does("jobs priority", JOB, "3", status=20)
    operator.does("webhooks secret")


def operate_tenants(operator: Person) -> None:
    """Add a tenant with keys of two quotas, and remove it."""
    operator.does("tenant add", TENANT)
    operator.does("tenant list")
    operator.does("key create", "--tenant", TENANT)
    operator.does("key create", "--tenant", TENANT, "--quota", "1000/day")
    first, second = (line.split()[0] for line in operator.does("key list", "--tenant", TENANT).splitlines())
    operator.does("key get", first)
    operator.does("key rotate", second, "--grace", "1h")
    operator.does("key revoke", first)
    operator.does("tenant remove", TENANT, "--yes")
    history = operator.does("tenant history", TENANT)
    assert "key rotated in" in history


def operate_queues_and_alarms(operator: Person) -> None:
    """See dead letters, send some and all of a queue again, drop one, stop a task that moves; make an alarm quiet."""
    info, sqs, cloudwatch = operator.caller.info, operator.caller.client("sqs"), operator.caller.client("cloudwatch")
    event, one, other = (
        info.client("sqs").send_message(QueueUrl=info.queues[f"{name}_dead_letter"], MessageBody=body)["MessageId"]
        for name, body in (("job_events", OF_NO_JOB), ("upload", NOTHING_UPLOADED), ("notify", "{}"))
    )
    listed = operator.does("dlq list")
    assert all(message_id[:8] in listed for message_id in (event, one, other))
    operator.does("dlq show", one)
    operator.does("dlq redrive", one, event)
    operator.does("dlq drop", other, event, "--yes")
    operator.does("dlq redrive", "--queue", "notify")
    dead = sqs.get_queue_attributes(QueueUrl=info.queues["infer_dead_letter"], AttributeNames=["QueueArn"])
    handle = json.dumps({"taskId": "ended", "sourceArn": dead["Attributes"]["QueueArn"]})
    with pytest.raises(ClientError, match="Task does not exist"):  # it may cancel, and there is none to be cancelled
        sqs.cancel_message_move_task(TaskHandle=b64encode(handle.encode()).decode())
    cloudwatch.disable_alarm_actions(AlarmNames=[f"{info.name}-quiet"])
    cloudwatch.enable_alarm_actions(AlarmNames=[f"{info.name}-quiet"])
