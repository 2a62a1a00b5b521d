"""Each right of each role is needed: without it a feature fails, and with it the same feature works.

One stack serves all cases: the storage judges by policies as they are, so a right is taken away and given back while
the stack runs, by `iam.put_role_policy`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import deeds
import httpx
import pytest
from botocore.exceptions import ClientError
from made_policies import listening_queue

from lambent_toolkit.modelkit.demo_model import publish_demo_model
from lambent_toolkit.sandbox import LocalStack, StackInfo
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD
from patience import PATIENCE_S, wait_for
from receivers import receiving
from rights import roles_of

ROLE_BODY = re.compile(r"^  (\w+Role):.*?\n(.*?)(?=^  \w+:)", re.MULTILINE | re.DOTALL)
STATEMENT = re.compile(r"Sid: (\w+),?\s+Effect: (\w+)")
ROOT = Path(__file__).parents[3]
# Small bounds, so that a large answer, a job of many shards and a checkpoint are small things.
BOUNDS = {"MaxAnswerBytes": "1024", "ShardItems": "2", "CheckpointItems": "1", "QueueConcurrency": "2"}
UNHURRIED = {
    "RequestsPerSecond": "10000",
    "RequestBurst": "5000",
    "StageRequestsPerSecond": "10000",
    "StageRequestBurst": "5000",
}

CASES: dict[tuple[str, str], deeds.Deed] = {
    ("PredictRole", "ReadModels"): deeds.predict_fresh_model,
    ("PredictRole", "ReadRecords"): deeds.predict_fresh_model,
    ("PredictRole", "RecordCallsAndGrants"): deeds.call_for_later,
    ("PredictRole", "StoreCallsAndAnswers"): deeds.call_for_later,
    ("PredictRole", "AnswerLater"): deeds.call_for_later,
    ("PredictRole", "SignLinksToAnswers"): deeds.large_answer,
    ("PredictRole", "LoadAndUnload"): deeds.load_again,
    ("PredictRole", "AddToTrail"): deeds.load_again,
    ("JobsRole", "AddToTrail"): deeds.answered("POST", "/webhooks/secret"),
    ("JobsRole", "ReadRecords"): deeds.answered("GET", "/models/digits"),
    ("JobsRole", "ListJobs"): deeds.answered("GET", "/jobs"),
    ("JobsRole", "RecordJobsAndGrants"): deeds.submit,
    ("JobsRole", "KeepWebhookSecrets"): deeds.answered("POST", "/webhooks/secret"),
    ("JobsRole", "ShowCardsAndQuote"): deeds.answered("GET", "/models/digits/versions/1"),
    ("JobsRole", "CountItems"): deeds.quote,
    ("JobsRole", "SubmitAndWiden"): deeds.submit,
    ("JobsRole", "ClaimKeysAndChangeJobs"): deeds.cancel,
    ("JobsRole", "SignUploads"): deeds.granted_upload,
    ("SortRole", "Consume"): deeds.upload,
    ("SortRole", "SortByTenant"): deeds.upload,
    ("PreprocessRole", "Consume"): deeds.upload,
    ("PreprocessRole", "ReadModels"): deeds.upload_to_fresh_model,
    ("PreprocessRole", "ReadRegistryAndGrants"): deeds.upload_to_fresh_model,
    ("PreprocessDataRole", "ReadUploadsAndOutcomes"): deeds.upload,
    ("PreprocessDataRole", "WriteTensors"): deeds.upload,
    ("PreprocessDataRole", "ReplaceResultByError"): deeds.bad_upload,
    ("PreprocessRole", "AskForInference"): deeds.upload,
    ("PreprocessRole", "RefuseOddKeys"): deeds.upload_of_no_tenant,
    ("PreprocessRole", "RefuseEvents"): deeds.refused_message("upload"),
    ("InferRole", "Consume"): deeds.upload,
    ("InferRole", "ReadModels"): deeds.upload_to_fresh_model,
    ("InferRole", "ReadRecords"): deeds.batch("cpu"),
    ("InferRole", "ChangeJobsAndFigures"): deeds.batch("cpu"),
    ("InferDataRole", "ReadInputs"): deeds.upload,
    ("InferDataRole", "ReplaceErrorByResult"): deeds.upload,
    ("InferDataRole", "WriteParts"): deeds.batch("cpu"),
    ("InferRole", "SendNextShard"): deeds.batch("cpu", None, count=8, priority=0),
    ("InferRole", "RefuseMessages"): deeds.refused_message("infer"),
    ("InferRole", "CountTenantsJobs"): deeds.batch("cpu", None, count=8, priority=0),
    ("DispatchRole", "Consume"): deeds.batch("cpu"),
    ("DispatchRole", "SendChunksAndRefusals"): deeds.batch("cpu"),
    ("DispatchRole", "ReadModels"): deeds.batch("cpu", None),
    ("DispatchRole", "ReadRecords"): deeds.batch("cpu"),
    ("DispatchRole", "RecordJobs"): deeds.batch_by_queue,
    ("DispatchRole", "ChangeJobsAndFigures"): deeds.batch("cpu"),
    ("DispatchRole", "ReadInputs"): deeds.batch("cpu"),
    ("DispatchRole", "WritePlan"): deeds.batch("cpu"),
    ("DispatchRole", "CountTenantsJobs"): deeds.batch("cpu"),
    ("DispatchRole", "NotifyByWebhook"): deeds.webhook_told,
    ("DispatchRole", "SubmitToGpuLane"): deeds.batch("gpu"),
    ("DispatchRole", "MarkSubmitted"): deeds.batch("gpu"),
    ("BatchJobRole", "ReadModels"): deeds.batch("gpu"),
    ("BatchJobRole", "ReadRecords"): deeds.batch("gpu"),
    ("BatchJobRole", "ChangeJobs"): deeds.batch("gpu"),
    ("BatchJobDataRole", "ReadInputs"): deeds.batch("gpu"),
    ("BatchJobDataRole", "WriteParts"): deeds.batch("gpu"),
    ("JobEventsRole", "ReadRecords"): deeds.batch("gpu"),
    ("JobEventsRole", "ChangeJobsAndFigures"): deeds.batch("gpu"),
    ("JobEventsRole", "FinishJob"): deeds.batch("gpu"),
    ("NotifyRole", "Consume"): deeds.webhook_told,
    ("NotifyRole", "ReadJobsAndSecrets"): deeds.webhook_told,
    ("NotifyRole", "RecordAttempts"): deeds.webhook_told,
    ("InferRole", "Notify"): deeds.job_heard_of("cpu"),
    ("InferRole", "NotifyByEvent"): deeds.job_heard_of("cpu"),
    ("InferRole", "NotifyByWebhook"): deeds.webhook_of_batch("cpu"),
    ("JobEventsRole", "Notify"): deeds.job_heard_of("gpu"),
    ("JobEventsRole", "NotifyByEvent"): deeds.job_heard_of("gpu"),
    ("JobEventsRole", "NotifyByWebhook"): deeds.webhook_of_batch("gpu"),
    ("JobEventsRole", "KeepFailedEvents"): deeds.failed_event_kept,
    ("DispatchRole", "Notify"): deeds.failure_heard_of,
    ("DispatchRole", "NotifyByEvent"): deeds.failure_heard_of,
    ("NotifyRole", "MakeSecrets"): deeds.first_webhook,
    ("SweepRole", "FindOpenJobs"): deeds.sweep,
    ("SweepRole", "ReadRecords"): deeds.sweep_lost_end,
    ("SweepRole", "ChangeJobsAndFigures"): deeds.sweep_lost_call,
    ("SweepRole", "SendAgain"): deeds.sweep_lost_call,
    ("SweepRole", "ReadDeadLetters"): deeds.dead_upload,
    ("SweepRole", "RecordDeadLetters"): deeds.dead_upload,
    ("SweepRole", "LookAtUploads"): deeds.dead_upload_that_is_there,
    ("SweepRole", "FailUploads"): deeds.dead_upload,
    ("SweepRole", "FailRequestsOfNoJob"): deeds.dead_request,
    ("JobsRole", "StopGpuJobs"): deeds.cancel_running_gpu_job,
}
# No test takes these away yet; what is known of each.
BY_LAMBDA = "Lambda writes it itself, of which the local stack has nothing"
# By a run of the doors' tests with --rights.
SEEN = "used in the local stack, and none has seen what fails without it: "
UNSEEN = "no test of the local stack gets there: "
REMOVED = UNSEEN + "S3 calls a file forbidden, not missing, after `gc` has removed a version that a function knew"
BY_ECS = "the agent of ECS uses it on the instance, of which the local stack has neither"
UNDRIVEN: dict[str, str] = {
    "Log": BY_LAMBDA,
    "Trace": BY_LAMBDA,
    "TellMissingModelFileFromForbidden": REMOVED,
    "TellMissingFromForbidden": SEEN + "a result that is not there yet; of PredictRole and SweepRole not even used",
    "BatchInstanceRole JoinCluster": BY_ECS,
    "BatchInstanceRole TakeTasks": BY_ECS,
    "BatchInstanceRole FindService": BY_ECS,
    "BatchInstanceRole MarkItself": BY_ECS,
    "BatchInstanceRole PullImages": BY_ECS,
    "PredictRole SignUploads": SEEN + "the form that answers a body too large for the door",
    "JobsRole KeepLargeRequests": UNSEEN + "a job by the queue of 100 KB and more that failed unplanned and is retried",
    "JobsRole ShowOutcomes": SEEN + "results and errors of jobs",
    "JobsRole TellWhyJobsWait": SEEN + "the queue's length in `waiting`",
    "JobsRole TellWhyGpuJobsWait": UNSEEN + "a job that waits for a GPU is told of by tests/unit/test_why_waiting.py",
    "PreprocessRole RecordJobs": SEEN + "a job by an upload",
    "DispatchRole StopGpuJobs": UNSEEN + "a job that is cancelled while it is submitted to AWS Batch",
    "DispatchRole FindSubmitted": SEEN + "a GPU job's message that comes twice is submitted once",
    "InferDataRole ClearCheckpoints": UNSEEN
    + "its shards end before a checkpoint is due; tests/faults clears some by file",
    "BatchJobDataRole ClearCheckpoints": UNSEEN + "as InferDataRole's",
    "NotifyRole WaitForNextAttempt": SEEN + "a receiver that fails at first",
    "NotifyRole GiveUp": SEEN + "a receiver that is gone for good",
    "SweepRole CountTenantsJobs": UNSEEN + "a dead shard in the midst of a job, after which the job goes on",
    "SweepRole FinishJob": SEEN + "a job whose end was lost",
    "SweepRole Notify": SEEN + "as FinishJob",
    "SweepRole NotifyByEvent": SEEN + "as FinishJob",
    "SweepRole NotifyByWebhook": UNSEEN + "a job with a webhook whose end was lost",
    "SweepRole ReadDeadLettersOfGpuLane": SEEN + "its queue is asked in every sweep",
    "SweepRole StopGpuJobs": UNSEEN + "a GPU job whose cancelling was cut off, or whose deadline passed",
    "SweepRole AskForStatus": UNSEEN + "a GPU job whose event was lost",
    "TrainingDataRole ReadRunsAndData": SEEN + "test_remote_runs.py, but of data sets below inputs/",
    "TrainingDataRole WriteCheckpointsAndResult": SEEN + "test_remote_runs.py",
    "TrainingDataRole ForgetOldCheckpoints": SEEN + "test_remote_runs.py",
}


class Rights:
    """The policies of a running stack's roles, and who was refused what."""

    def __init__(self, info: StackInfo) -> None:
        self._info, self._iam = info, info.client("iam")

    @contextmanager
    def without(self, role: str, statement: str) -> Iterator[None]:
        """Take a statement away, and give it back."""
        name = self._info.resources[role]
        (policy,) = self._iam.list_role_policies(RoleName=name)["PolicyNames"]
        document = self._iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        rest = [each for each in document["Statement"] if each["Sid"] != statement]
        assert len(rest) == len(document["Statement"]) - 1
        self._put(name, policy, {**document, "Statement": rest})
        try:
            yield
        finally:
            self._put(name, policy, document)

    def _put(self, role: str, policy: str, document: dict[str, Any]) -> None:
        self._iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

    def refusals(self, role: str) -> list[str]:
        """Return the actions that a role was refused so far."""
        url, shown = f"{self._info.endpoint}/_lambent/iam/denials", {SECRET_FIELD: self._info.secret}
        denials = httpx.get(url, headers=shown, timeout=PATIENCE_S).json()["denials"]
        return [each["action"] for each in denials if each["principal"] == self._info.resources[role]]


@pytest.fixture(scope="module")
def bounded(as_product: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a product of its own, whose roles may be changed."""
    parameters = UNHURRIED | BOUNDS
    with (
        LocalStack(tmp_path_factory.mktemp("rights"), parameters=parameters, retry_scale=1 / 360) as stack,
        receiving() as receiver,
    ):
        publish_demo_model(stack.info)
        product = as_product(stack.info)
        object.__setattr__(product, "receiver", receiver)
        object.__setattr__(product, "listeners", listeners(stack.info))
        yield product


@pytest.mark.parametrize(("role", "statement"), CASES)
def test_a_feature_fails_without_its_right_and_works_with_it(bounded: Any, role: str, statement: str) -> None:
    begin, rights = CASES[role, statement], Rights(bounded.info)
    before = len(rights.refusals(role))

    with rights.without(role, statement):
        if statement == "Consume":  # a receive that waits has been allowed already; a refused delete says nothing of it
            refused = "sqs:ReceiveMessage"
            wait_for(lambda: refused in rights.refusals(role)[before:], what="a refused receive")
        is_done = begin(bounded)

        def is_refused() -> bool:
            is_done()  # some of them only then do what needs the right, and a sweep may begin with another's job
            return len(rights.refusals(role)) > before

        wait_for(is_refused, what="a refusal")
        was_done = is_done()
    with_right = begin(bounded)

    assert not was_done
    wait_for(with_right, what="the same with the right")


@pytest.mark.parametrize("role", ["PreprocessDataRole", "InferDataRole", "BatchJobDataRole"])
def test_a_session_for_one_tenant_is_refused_the_objects_of_another(bounded: Any, role: str) -> None:
    for tenant in ("one", "two"):
        bounded.put(f"inbox/{tenant}/digits/{role}.png", bounded.seven)
    reached = {
        (acting, tenant): is_read_as(bounded, role, acting, f"inbox/{tenant}/digits/{role}.png")
        for acting in ("one", "two", None)
        for tenant in ("one", "two")
    }

    assert {pair for pair, is_reached in reached.items() if is_reached} == {("one", "one"), ("two", "two")}


def test_a_role_of_a_tenants_session_is_taken_by_its_function_alone_and_for_one_tenant(bounded: Any) -> None:
    allowed = {"one": [{"Key": "tenant", "Value": "one"}]}
    refused = {
        "none": [],
        "other tag": [{"Key": "team", "Value": "one"}],
        "two tags": [*allowed["one"], {"Key": "a", "Value": "b"}],
    }
    taken = {
        (caller, name): is_taken_by(bounded, caller, "InferDataRole", tags)
        for caller in ("InferRole", "PreprocessRole", "JobsRole", "BatchJobRole")
        for name, tags in {**allowed, **refused}.items()
    }

    assert {pair for pair, is_taken in taken.items() if is_taken} == {("InferRole", "one")}


def is_taken_by(product: Any, caller: str, role: str, tags: list[dict[str, str]]) -> bool:
    """Tell whether a role of the stack, as its function has it, may take another with these tags."""
    source = {
        "role": role_arn(product, caller),
        "service": "lambda.amazonaws.com",
        "session": "test",
        "source": "arn:aws:lambda:::x",
    }
    if caller == "BatchJobRole":
        source["service"] = "ecs-tasks.amazonaws.com"
    url, shown = f"{product.info.endpoint}/_lambent/iam/session", {SECRET_FIELD: product.info.secret}
    own = httpx.post(url, json=source, headers=shown, timeout=PATIENCE_S).json()
    keys = {
        "aws_access_key_id": own["key_id"],
        "aws_secret_access_key": own["secret"],
        "aws_session_token": own["token"],
    }
    sts = boto3.client("sts", endpoint_url=product.info.endpoint, region_name="us-east-1", **keys)
    arn = role_arn(product, role)
    return is_allowed(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="test", Tags=tags))


def role_arn(product: Any, role: str) -> str:
    return str(product.info.client("iam").get_role(RoleName=product.info.resources[role])["Role"]["Arn"])


@pytest.mark.parametrize(
    ("role", "area"),
    [
        ("PreprocessDataRole", "inbox"),
        ("InferDataRole", "jobs"),
        ("BatchJobDataRole", "inputs"),
        ("TrainingDataRole", "training"),
    ],
)
def test_a_session_for_one_tenant_lists_no_names_of_another_and_is_told_what_of_its_own_is_missing(
    bounded: Any, role: str, area: str
) -> None:
    s3 = s3_of(bounded, role, "one")

    def told(key: str) -> str:
        with pytest.raises(ClientError) as refused:
            s3.get_object(Bucket=bounded.data, Key=key)
        return str(refused.value.response["Error"]["Code"])

    listed = {
        prefix: is_allowed(lambda given=given: s3.list_objects_v2(Bucket=bounded.data, **given))
        for prefix in (f"{area}/one/", f"{area}/two/", f"{area}/on", f"{area}/", "", None)
        for given in [{} if prefix is None else {"Prefix": prefix}]
    }

    assert [prefix for prefix, is_listed in listed.items() if is_listed] == [f"{area}/one/"]
    assert (told(f"{area}/one/none"), told(f"{area}/two/none")) == ("NoSuchKey", "AccessDenied")


def is_read_as(product: Any, role: str, tenant: str | None, key: str) -> bool:
    """Tell whether a session of a role for a tenant, or with no tag, reads an object."""
    s3 = s3_of(product, role, tenant)
    return is_allowed(lambda: s3.get_object(Bucket=product.data, Key=key))


def s3_of(product: Any, role: str, tenant: str | None) -> Any:
    """Return a client by a session of a role for a tenant, or with no tag."""
    tags = [] if tenant is None else [{"Key": "tenant", "Value": tenant}]
    taken = product.info.client("sts").assume_role(RoleArn=role_arn(product, role), RoleSessionName="test", Tags=tags)[
        "Credentials"
    ]
    return boto3.client(
        "s3", endpoint_url=product.info.endpoint, region_name="us-east-1", aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"], aws_session_token=taken["SessionToken"],
    )  # fmt: skip


def is_allowed(call: Callable[[], Any]) -> bool:
    """Make a call; tell whether it was allowed."""
    try:
        call()
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_every_right_has_a_case_or_says_why_it_has_none() -> None:
    granted = set()
    for role, body in ROLE_BODY.findall((ROOT / "template.yaml").read_text()):
        granted |= {(role, name) for name, effect in STATEMENT.findall(body) if effect == "Allow"}
    undriven = {(role, name) for role, name in granted if UNDRIVEN.get(f"{role} {name}", UNDRIVEN.get(name))}

    assert granted == set(CASES) | undriven
    assert not set(CASES) & undriven
    # Who may take another role by that one's trust alone, and has no right of its own.
    assert roles_of(ROOT / "template.yaml") - {role for role, _ in granted} == {"TrainingJobRole"}
    assert {role for role, _ in granted} < roles_of(ROOT / "template.yaml")


def listeners(info: StackInfo) -> dict[str, str]:
    """Make a queue for what the topic tells, and one for what the bus tells."""
    sns, events = info.client("sns"), info.client("events")
    by_topic, topic_arn = listening_queue(info, "rights-topic")
    by_bus, bus_arn = listening_queue(info, "rights-bus")
    sns.subscribe(TopicArn=info.topic, Protocol="sqs", Endpoint=topic_arn)
    events.put_rule(Name="rights", EventPattern=json.dumps({"source": ["lambent.jobs"]}))
    events.put_targets(Rule="rights", Targets=[{"Id": "queue", "Arn": bus_arn}])
    sns.close()
    events.close()
    return {"topic": by_topic, "bus": by_bus}
