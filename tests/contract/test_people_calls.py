"""What verbs on models ask of AWS is what their policies allow, and they allow nothing that no verb asks for.

The store is moto in this process; nobody enforces anything there, so each call is recorded and judged here.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws
from policy_judge import Right, allows, rights_of
from template_expanded import WITH_GPU, expand, read_source
from template_references import as_list

from builders import contract, create_table, golden_vectors, model_files, request, tell_shade
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.domain.model import ModelRef
from lambent.services.submit_job import new_job
from lambent_toolkit.fakes import FakeClock
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.modelkit.shown import parse_choice, show_version

POLICIES = expand(read_source(), WITH_GPU).of_type("IAM::ManagedPolicy")
REGION = "us-east-1"
NAMES = {"table": "Table", "models": "ModelsBucket", "data": "DataBucket", "predict": "PredictFunction"}
DAY_S = 86_400
# Asked for by what finds a stack, before any verb.
FINDING = {"FindStack"}


@dataclass
class RecordedStack:
    """A stack of which every call is recorded as the rights that it needs."""

    table: str = "table"
    name: str = "recorded"
    buckets: dict[str, str] = field(default_factory=lambda: {"models": "models", "data": "data"})
    functions: dict[str, str] = field(default_factory=lambda: {"predict": "predict"})
    asked: list[Right] = field(default_factory=list)

    def client(self, service: str, **_options: Any) -> Any:
        """Return a client that tells of its calls."""
        client = boto3.client(service, region_name=REGION)

        def tell(params: dict[str, Any], model: Any, **_more: Any) -> None:
            self.asked += rights_of(service, model.name, params, NAMES)

        client.meta.events.register("provide-client-params", tell)
        return client


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedStack]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        create_table("table")
        for bucket in ("models", "data"):
            boto3.client("s3").create_bucket(Bucket=bucket)
        _create_function()
        job = new_job("acme", request(id="open"), clock=FakeClock(), retention_days=1)
        DynamoJobStore(DynamoTable(boto3.client("dynamodb"), "table")).create(job)
        yield RecordedStack()


def _create_function() -> None:
    trust = '{"Version":"2012-10-17","Statement":[]}'
    role = boto3.client("iam").create_role(RoleName="predict", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "")
    boto3.client("lambda").create_function(
        FunctionName="predict",
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"MODEL_PUBLIC_KEYS": ""}},
    )


def _publish(stack: RecordedStack) -> ModelRef:
    declared = contract()
    files = model_files(golden_vectors(declared, tell_shade))
    return Publisher(stack, by="anna").publish_files({**files, "card.md": b"# Shade"}, declared).ref


def _life_of_a_version(stack: RecordedStack) -> None:
    """Do what every verb of a publisher does, once."""
    for _ in range(3):
        _publish(stack)
    rollout = Rollout(stack, by="anna")
    rollout.check_servable("shade", 1)
    rollout.set_label("shade", "live", 1)
    rollout.start_canary("shade", "live", 2, 1_000)
    rollout.promote("shade", "live")
    rollout.rollback("shade", "live")
    rollout.retire(ModelRef("shade", 2))  # which a label named, and may name again: it is checked in the transaction
    later = Rollout(stack, by="anna")
    later._clock = FakeClock(rollout._clock.epoch_s() + 60 * DAY_S)
    (garbage,) = later.garbage()
    assert later.remove(garbage)


def _look_around(stack: RecordedStack) -> None:
    """Do what every verb of a reader does, once, as far as it is about models."""
    rollout = Rollout(stack)
    for name in rollout.registry.models():
        rollout.registry.versions(name)
        rollout.registry.labels(name)
        rollout.history(name, "live")
        rollout.diff(name, 1, 3)
        show_version(parse_choice(f"{name}@1"), registry=rollout.registry, files=rollout.files)


def _statements(policy: str) -> list[dict[str, Any]]:
    return list(POLICIES[policy]["PolicyDocument"]["Statement"])


def _denied(stack: RecordedStack, statements: list[dict[str, Any]]) -> list[Right]:
    return [right for right in stack.asked if not allows(statements, right)]


def test_a_publisher_may_do_all_that_its_verbs_do(stack: RecordedStack) -> None:
    _life_of_a_version(stack)

    assert _denied(stack, _statements("PublisherPolicy")) == []
    assert {right.action for right in stack.asked} >= {"dynamodb:ConditionCheckItem", "s3:DeleteObject"}


def test_a_publisher_needs_every_right_that_it_has(stack: RecordedStack) -> None:
    _life_of_a_version(stack)
    statements = _statements("PublisherPolicy")

    unused = [
        (statement["Sid"], action)
        for number, statement in enumerate(statements)
        if statement["Sid"] not in FINDING
        for action in as_list(statement["Action"])
        if not _denied(stack, _without(statements, number, action))
    ]

    assert unused == []


def _without(statements: list[dict[str, Any]], number: int, action: str) -> list[dict[str, Any]]:
    """Return the statements of which one grants an action less."""
    left = [each for each in as_list(statements[number]["Action"]) if each != action]
    return [*statements[:number], {**statements[number], "Action": left}, *statements[number + 1 :]]


def test_a_reader_may_look_at_models_and_a_trainer_too(stack: RecordedStack) -> None:
    _life_of_a_version(stack)
    stack.asked.clear()

    _look_around(stack)

    assert stack.asked
    for policy in ("ReaderPolicy", "PublisherPolicy", "TrainerPolicy"):
        assert _denied(stack, _statements(policy)) == []


def test_an_operator_alone_sees_no_model(stack: RecordedStack) -> None:
    _life_of_a_version(stack)
    stack.asked.clear()

    _look_around(stack)

    assert len(_denied(stack, _statements("OperatorPolicy"))) == len(stack.asked)


@pytest.mark.parametrize(
    "change",
    [
        _publish,
        lambda stack: Rollout(stack).set_label("shade", "live", 2),
        lambda stack: Rollout(stack).retire(ModelRef("shade", 2)),
    ],
    ids=["publish", "label set", "retire"],
)
@pytest.mark.parametrize("policy", ["ReaderPolicy", "TrainerPolicy", "OperatorPolicy"])
def test_nobody_else_changes_models(stack: RecordedStack, policy: str, change: Callable[[RecordedStack], Any]) -> None:
    for _ in range(2):
        _publish(stack)
    stack.asked.clear()

    change(stack)

    writing = {"PutItem", "UpdateItem", "PutObject", "DeleteObject"}
    denied = {right.action.partition(":")[2] for right in _denied(stack, _statements(policy))}
    assert denied & writing
