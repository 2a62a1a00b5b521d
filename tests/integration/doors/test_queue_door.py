"""Door 3: the batch queue, on both lanes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lambent.contracts.lines import decode_lines
from programs import ROOT

TENANT = "queue"


def body(product: Any, job_id: str, manifest: str, **changes: object) -> str:
    request = {"schema_version": 1, "id": job_id, "model": "digits", "input": {"manifest_uri": manifest}, **changes}
    return json.dumps(request)


def lines(product: Any, job_id: str) -> list[dict[str, Any]]:
    parts = sorted(key for key in product.keys(f"jobs/{TENANT}/{job_id}/part-"))
    return [line for key in parts for line in decode_lines(product.read(key))]


def test_a_gpu_batch_is_an_array_job_of_the_worker_with_results_in_item_order(product: Any) -> None:
    pictures = product.pictures[:230]
    manifest = product.put_batch(TENANT, "gpu", [png for png, _ in pictures])
    model = product.publish_as("arrayed")

    product.send_batch(body(product, "gpu", manifest, model=model, lane="gpu"), tenant=TENANT)
    job = product.wait_for_job("gpu", TENANT)

    results = lines(product, "gpu")
    right = sum(line["label"] == label for line, (_, label) in zip(results, pictures, strict=True))
    assert (job["state"], job["total"], job["done"], job["failed"], job["lane"]) == ("SUCCEEDED", 230, 230, 0, "gpu")
    assert len(job["shards"]) == 3
    assert [line["id"] for line in results] == [f"i{index:04d}" for index in range(230)]
    assert right / len(pictures) > 0.9
    children = product.info.client("batch").list_jobs(
        arrayJobId=product.batch_job_id("gpu", TENANT), jobStatus="SUCCEEDED"
    )["jobSummaryList"]
    assert len(children) == 3


def test_a_schedule_s_message_is_a_batch_of_its_tenant(product: Any) -> None:
    """What EventBridge Scheduler would send by the target that the functions' README shows."""
    shown = re.search(
        r"## A batch every night.*?```json\n(.*?)```", (ROOT / "functions/README.md").read_text(), re.DOTALL
    )
    assert shown is not None
    sent = json.loads(shown[1])["Input"]
    uri = json.loads(sent["MessageBody"])["input"]["uri"]
    manifest = product.put_batch(TENANT, "nightly", [product.seven])
    told = sent["MessageBody"].replace(uri, manifest).replace("<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3")
    attributes = json.loads(json.dumps(sent["MessageAttributes"]).replace("acme", TENANT))

    product.sqs.send_message(
        **sent | {"QueueUrl": product.info.queues["batch"], "MessageBody": told, "MessageAttributes": attributes}
    )
    job = product.wait_for_job("nightly-d32c5kddcf5bb8c3", TENANT)

    assert (job["state"], job["done"]) == ("SUCCEEDED", 1)
    assert uri == "s3://lambent-data/inputs/acme/today.jsonl"


def test_both_lanes_agree_on_nearly_every_label(product: Any) -> None:
    manifest = product.put_batch(TENANT, "both", [png for png, _ in product.pictures[:40]])

    for lane in ("cpu", "gpu"):
        product.send_batch(body(product, f"both-{lane}", manifest, lane=lane), tenant=TENANT)
    for lane in ("cpu", "gpu"):
        assert product.wait_for_job(f"both-{lane}", TENANT)["state"] == "SUCCEEDED"

    cpu, gpu = ([line["label"] for line in lines(product, f"both-{lane}")] for lane in ("cpu", "gpu"))
    assert sum(left == right for left, right in zip(cpu, gpu, strict=True)) >= 38


def test_bad_items_make_a_batch_partial_and_are_named_with_their_lines(product: Any) -> None:
    manifest = product.put_batch(TENANT, "partial", [product.seven, b"not a picture", product.seven])

    product.send_batch(body(product, "partial", manifest, lane="cpu"), tenant=TENANT)
    job = product.wait_for_job("partial", TENANT)

    errors = decode_lines(product.read(f"jobs/{TENANT}/partial/errors.jsonl"))
    assert (job["state"], job["done"], job["failed"]) == ("PARTIAL", 2, 1)
    assert [(line["id"], line["line"], line["code"]) for line in errors] == [("i0001", 2, "image_format_unsupported")]


def test_the_same_message_twice_is_one_job(product: Any) -> None:
    manifest = product.put_batch(TENANT, "twice", [product.seven])
    message = body(product, "twice", manifest, lane="cpu")

    product.send_batch(message, tenant=TENANT)
    product.send_batch(message, tenant=TENANT)
    product.wait_for_job("twice", TENANT)

    assert len(lines(product, "twice")) == 1


@pytest.mark.parametrize(
    ("job_id", "changes", "manifest", "code"),
    [
        ("no-model", {"model": "nobody"}, "inputs/queue/x.jsonl", "model_not_found"),
        ("no-manifest", {}, "inputs/queue/none.jsonl", "manifest_invalid"),
        ("empty-manifest", {}, "inputs/queue/empty.jsonl", "manifest_invalid"),
        ("foreign-manifest", {}, "inputs/other/x.jsonl", "callback_url_refused"),
        ("foreign-item", {}, "inputs/queue/foreign.jsonl", "manifest_invalid"),
    ],
)
def test_a_batch_that_cannot_run_is_a_failed_job_with_a_coded_reason(
    product: Any, job_id: str, changes: dict[str, str], manifest: str, code: str
) -> None:
    product.put("inputs/queue/empty.jsonl", b"\n")
    product.put("inputs/other/x.jsonl", b"")
    foreign = {"id": "a", "uri": f"s3://{product.data}/inputs/other/secret.png"}
    product.put("inputs/queue/foreign.jsonl", json.dumps(foreign).encode())

    product.send_batch(body(product, job_id, f"s3://{product.data}/{manifest}", **changes), tenant=TENANT)
    job = product.wait_for_job(job_id, TENANT)

    assert (job["state"], job["error"]["code"]) == ("FAILED", code)
    assert not re.search(r"s3://|secret|arn:|Traceback", json.dumps(job))


@pytest.mark.parametrize(
    ("message", "tenant"), [("this is not JSON", TENANT), ('{"schema_version": 1}', TENANT), ("{}", None)]
)
def test_a_message_that_is_no_request_goes_to_the_dead_letter_queue_with_its_reason(
    product: Any, message: str, tenant: str | None
) -> None:
    product.send_batch(message, tenant=tenant)

    assert product.wait_for_dead_letter("batch_dead_letter", "envelope_invalid", body=message) == message
