"""The end of a job is told: a real receiver gets signed webhooks, operators hear by SNS and EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from made_policies import listening_queue
from standardwebhooks.webhooks import Webhook
from typer.testing import CliRunner

from lambent.contracts.notifications import NotifyMessage
from lambent_toolkit.cli.main import app
from patience import wait_for
from receivers import Receiver, receiving, refusing


def submit(product: Any, *, manifest: str | None = None, **notification: Any) -> str:
    """Submit a batch; without a manifest it fails at once."""
    job_id = f"told-{uuid4().hex[:8]}"
    uri = manifest or f"s3://{product.data}/inputs/default/missing.jsonl"
    body = {"schema_version": 1, "id": job_id, "model": "digits", "lane": "cpu", "input": {"manifest_uri": uri}}
    accepted = product.http.post("/jobs", json={**body, "notification": notification})
    assert accepted.status_code == 202, accepted.text
    return job_id


def webhook(product: Any, job_id: str) -> dict[str, Any] | None:
    """Return how the delivery stands, as GET /jobs/{id} tells it."""
    told = product.http.get(f"/jobs/{job_id}").json()["notification"]
    return None if told is None else dict(told["webhook"])


def wait_for_webhook(product: Any, job_id: str, state: str) -> dict[str, Any]:
    def has_state() -> dict[str, Any] | None:
        found = webhook(product, job_id)
        return found if found and found["state"] == state else None

    return dict(wait_for(has_state, what=f"a webhook that is {state}"))


def secret(product: Any) -> str:
    return str(product.http.get("/webhooks/secret").json()["secret"])


def url(receiver: Receiver) -> dict[str, str]:
    return {"url": f"http://localhost:{receiver.port}/hook?from=lambent"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_a_job_that_ends_is_told_by_a_signed_webhook_that_the_standard_s_package_verifies(
    product: Any, receiver: Receiver
) -> None:
    manifest = product.put_batch("default", "told", [product.seven, b"not a picture"])

    job_id = submit(product, manifest=manifest, webhook=url(receiver))
    delivered = wait_for_webhook(product, job_id, "delivered")

    (request,) = receiver.requests
    event = Webhook(secret(product)).verify(request.body, request.headers)
    assert (request.path, event["type"]) == ("/hook?from=lambent", "lambent.job.partial")
    assert (event["data"]["job_id"], event["data"]["done"], event["data"]["failed"]) == (job_id, 1, 1)
    assert (delivered["attempts"], delivered["last_status"], delivered["last_error"]) == (1, 200, None)


def test_a_receiver_that_is_down_at_first_gets_its_webhook_when_it_is_back(product: Any) -> None:
    with refusing() as held:
        job_id = submit(product, webhook={"url": f"http://localhost:{held.getsockname()[1]}/"})
        waiting = wait_for_webhook(product, job_id, "retrying")
        with receiving(held=held) as receiver:
            delivered = wait_for_webhook(product, job_id, "delivered")

    (request,) = receiver.requests
    assert Webhook(secret(product)).verify(request.body, request.headers)["data"]["state"] == "FAILED"
    assert (waiting["last_status"], waiting["last_error"]) == (None, "No connection.")
    assert delivered["attempts"] > 1


def test_what_comes_twice_is_the_same_event(product: Any, receiver: Receiver) -> None:
    receiver.statuses, receiver.location = [500, 302], "http://localhost:1/elsewhere"

    job_id = submit(product, webhook=url(receiver))
    delivered = wait_for_webhook(product, job_id, "delivered")

    assert len(receiver.requests) == delivered["attempts"] == 3
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1
    for request in receiver.requests:
        Webhook(secret(product)).verify(request.body, request.headers)


def test_a_webhook_that_was_delivered_is_not_sent_again(product: Any, receiver: Receiver) -> None:
    job_id = submit(product, webhook=url(receiver))
    wait_for_webhook(product, job_id, "delivered")
    queue = product.info.queues["notify"]
    product.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"tenant": "default", "job_id": job_id}))

    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_empty() -> bool:
        counts = product.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return set(counts.values()) == {"0"}

    wait_for(is_empty, what="an empty queue")
    assert len(receiver.requests) == 1


def test_a_receiver_that_is_gone_is_given_up_with_the_reason(product: Any, receiver: Receiver) -> None:
    receiver.statuses = [410]

    job_id = submit(product, webhook=url(receiver))
    given_up = wait_for_webhook(product, job_id, "given_up")
    message = msgspec.json.encode(NotifyMessage(tenant="default", job_id=job_id)).decode()
    body = product.wait_for_dead_letter("notify_dead_letter", "webhook_given_up", body=message)

    assert (given_up["attempts"], given_up["last_status"]) == (1, 410)
    assert json.loads(body)["job_id"] == job_id


@pytest.mark.parametrize("address", ["http://example.com/", "https://127.0.0.1/", "https://metadata.google.internal/"])
def test_a_request_whose_webhook_goes_where_none_may_go_is_refused(product: Any, address: str) -> None:
    body = {"schema_version": 1, "id": "inside", "model": "digits", "input": {"manifest_uri": "s3://x/y"}}
    body["input"] = {"manifest_uri": f"s3://{product.data}/inputs/default/missing.jsonl"}

    refused = product.http.post("/jobs", json={**body, "notification": {"webhook": {"url": address}}})

    assert (refused.status_code, refused.json()["code"]) == (422, "callback_url_refused")
    assert refused.json()["field"] == "notification.webhook.url"


def test_operators_hear_by_topic_and_event_bus_what_they_subscribed_to(product: Any) -> None:
    sns, events = product.info.client("sns"), product.info.client("events")
    (by_topic, topic_arn), (by_bus, bus_arn) = (_listener(product) for _ in range(2))
    only_default = json.dumps({"tenant": ["default"], "state": ["FAILED"]})
    sns.subscribe(
        TopicArn=product.info.topic, Protocol="sqs", Endpoint=topic_arn, Attributes={"FilterPolicy": only_default}
    )
    pattern = {"source": ["lambent.jobs"], "detail": {"data": {"state": ["FAILED"]}}}
    rule = f"rule-{uuid4().hex[:8]}"
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": bus_arn}])

    job_id = submit(product, on=["FAILED"])
    told = json.loads(wait_for(lambda: _heard(product, by_topic, job_id), what="the topic's message")["Message"])
    event = wait_for(lambda: _heard(product, by_bus, job_id), what="the bus's event")

    assert (told["tenant"], told["type"]) == ("default", "lambent.job.failed")
    assert event["detail"] == told
    assert event["detail-type"] == "Lambent Job State Change"


def test_the_command_exchanges_the_secret_and_both_verify(product: Any, receiver: Receiver, tmp_path: Path) -> None:
    old = secret(product)
    product.info.write(tmp_path)

    result = CliRunner().invoke(app, ["webhooks", "secret", "--rotate", "--state", str(tmp_path)])
    job_id = submit(product, webhook=url(receiver))
    wait_for_webhook(product, job_id, "delivered")

    new = result.stdout.splitlines()[0]
    (request,) = receiver.requests
    assert (result.exit_code, new) == (0, secret(product))
    assert new != old
    for each in (old, new):
        Webhook(each).verify(request.body, request.headers)


def _listener(product: Any) -> tuple[str, str]:
    return listening_queue(product.info, f"listener-{uuid4().hex[:8]}")


def _heard(product: Any, queue: str, job_id: str) -> dict[str, Any] | None:
    for message in product.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        if job_id in message["Body"]:
            return dict(json.loads(message["Body"]))
    return None
