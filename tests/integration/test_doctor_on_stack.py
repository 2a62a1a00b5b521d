"""The doctor on a stack that runs: nothing fails on one that is well; after a fault exactly what names it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from integration.conftest import UNHURRIED
from lambent.domain.model import ModelRef
from lambent_toolkit.doctor import Status, examine
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir, publish_demo_model
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.sandbox import LocalStack, StackInfo
from lambent_toolkit.tenants import Tenants
from patience import PATIENCE_S

T = TypeVar("T")
pytestmark = pytest.mark.timeout(1200)
# How long something takes on a busy machine is told, and no fault; old versions' expiry is the template's to say.
TOLD = {"first-answer", "versions-expire"}
SEEN_S = PATIENCE_S
LOST_S = 3.0


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """Run a stack of this module's own, whose label `live` has a canary: what is broken here, nobody else meets."""
    with LocalStack(tmp_path_factory.mktemp("patient"), parameters=UNHURRIED, kill_grace_s=5.0) as running:
        publish_demo_model(running.info)
        Publisher(running.info).publish(build_demo_model(default_cache_dir()))
        Rollout(running.info).start_canary("digits", "live", 2, 4_000)
        yield running.info


class Unheard(Patient):
    """A stack whose bucket tells nobody: an upload's result, which cannot come, is waited for a moment only."""

    def wait_for(self, look: Callable[[], T | None], *, wait_s: float | None = None) -> T | None:
        """Wait for a job as long as ever, and for the result of an upload, of which no limit is told, hardly."""
        return super().wait_for(look, wait_s=LOST_S if wait_s is None else wait_s)


def ill(patient: Patient) -> dict[str, str]:
    """Return the checks that are neither well nor without anything to look at."""
    fine = {Status.OK, Status.SKIPPED}
    results = examine(patient)
    print([(each.name, each.finding.told) for each in results if each.finding.status not in fine])
    return {
        each.name: each.finding.status.value
        for each in results
        if each.finding.status not in fine and each.name not in TOLD
    }


def test_nothing_fails_on_a_stack_that_is_well(examined: StackInfo) -> None:
    results = examine(Patient(examined, wait_s=SEEN_S))

    findings = {each.name: each.finding for each in results}
    assert {name: found for name, found in findings.items() if found.status in (Status.FAILED, Status.UNKNOWN)} == {}
    for name in ("http-round-trip", "upload-round-trip", "form-round-trip", "queue-round-trip", "canary-sticky"):
        assert findings[name].status is Status.OK, findings[name]


@contextmanager
def message_given_up(stack: StackInfo) -> Iterator[None]:
    sqs, url = stack.client("sqs"), stack.queues["infer_dead_letter"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    yield
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@contextmanager
def key_of_nobody(stack: StackInfo) -> Iterator[None]:
    gateway = stack.client("apigateway")
    key = gateway.create_api_key(name="by hand", enabled=True)["id"]
    gateway.create_usage_plan_key(usagePlanId=stack.resources["UsagePlan"], keyId=key, keyType="API_KEY")
    yield
    gateway.delete_usage_plan_key(usagePlanId=stack.resources["UsagePlan"], keyId=key)
    gateway.delete_api_key(apiKey=key)


@contextmanager
def key_disabled(stack: StackInfo) -> Iterator[None]:
    tenants = Tenants(stack)
    tenants.add("acme")
    key, _ = tenants.create_key("acme")
    off = [{"op": "replace", "path": "/enabled", "value": "false"}]
    stack.client("apigateway").update_api_key(apiKey=key.key_id, patchOperations=off)
    yield
    tenants.remove("acme")


@contextmanager
def label_to_a_version_that_is_not_there(stack: StackInfo) -> Iterator[None]:
    table, live = stack.client("dynamodb"), {"pk": {"S": "MODEL#digits"}, "sk": {"S": "LABEL#live"}}
    row = table.get_item(TableName=stack.table, Key=live)["Item"]
    stable = {name: value for name, value in row.items() if "canary" not in name}
    beta = {**live, "sk": {"S": "LABEL#beta"}}
    table.put_item(TableName=stack.table, Item={**stable, **beta, "version": {"N": "7"}})
    yield
    table.delete_item(TableName=stack.table, Key=beta)


@contextmanager
def file_of_a_version_changed(stack: StackInfo) -> Iterator[None]:
    s3, place = stack.client("s3"), {"Bucket": stack.buckets["models"], "Key": ModelRef("digits", 2).key("report.json")}
    body = s3.get_object(**place)["Body"].read()
    s3.put_object(**place, Body=body[:-2] + b" }")
    yield
    s3.put_object(**place, Body=body)


@contextmanager
def bucket_tells_nobody(stack: StackInfo) -> Iterator[None]:
    s3, data = stack.client("s3"), stack.buckets["data"]
    told = s3.get_bucket_notification_configuration(Bucket=data)
    s3.put_bucket_notification_configuration(Bucket=data, NotificationConfiguration={})
    yield
    rules = {name: value for name, value in told.items() if name.endswith("Configurations")}
    s3.put_bucket_notification_configuration(Bucket=data, NotificationConfiguration=rules)


FAULTS: list[tuple[Callable[[StackInfo], Any], dict[str, str]]] = [
    (message_given_up, {"dead-letters": "failed"}),
    (key_of_nobody, {"keys-have-tenants": "failed"}),
    (key_disabled, {"keys-open": "warning"}),
    (label_to_a_version_that_is_not_there, {"labels-lead-somewhere": "failed", "versions-verified": "failed"}),
    (file_of_a_version_changed, {"versions-verified": "failed"}),
    (bucket_tells_nobody, dict.fromkeys(("upload-trigger", "upload-round-trip", "form-round-trip"), "failed")),
]


@pytest.mark.parametrize(("fault", "named"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_after_a_fault_exactly_the_checks_that_name_it_fail(
    fault: Callable[[StackInfo], Any], named: dict[str, str], examined: StackInfo
) -> None:
    patient = Unheard if "upload-round-trip" in named else Patient

    with fault(examined):
        found = ill(patient(examined, wait_s=SEEN_S))

    assert found == named
