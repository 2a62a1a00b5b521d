"""Door 2: S3 uploads."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest


def test_uploads_get_results_whatever_their_legal_name(product: Any) -> None:
    names = ["a.png", "with space.png", "plus+percent%.png", "sub/folder/ü.png", "q?#&=.png", "trailing.", "x" * 200]
    pictures = dict(zip(names, product.pictures, strict=False))

    for name, (png, _) in pictures.items():
        product.put(f"inbox/names/digits/{name}", png)
    results = {name: product.wait_for_json(f"results/names/digits/{name}.json") for name in names}

    assert [results[name]["label"] for name in names] == product.told[: len(names)]
    assert all(result["model"] == "digits" and result["version"] == "1" for result in results.values())


@pytest.mark.parametrize(
    ("model", "name", "body", "code"),
    [
        ("nobody", "a.png", b"x", "model_not_found"),
        ("digits", "text.png", b"not a picture", "image_format_unsupported"),
        ("digits", "empty.png", b"", "source_empty"),
    ],
)
def test_a_bad_upload_gets_an_error_object_and_its_message_is_acknowledged(
    product: Any, model: str, name: str, body: bytes, code: str
) -> None:
    product.put(f"inbox/bad/{model}/{name}", body)

    error = product.wait_for_json(f"results/bad/{model}/{name}.error.json")

    assert (error["code"], error["source"], error["retryable"]) == (code, name, False)
    assert error["error"] == error["detail"]
    assert product.keys(f"results/bad/{model}/{name}") == [f"results/bad/{model}/{name}.error.json"]


def test_results_and_working_objects_start_nothing(product: Any) -> None:
    product.put("inbox/loop/digits/a.png", product.seven)
    product.wait_for_json("results/loop/digits/a.png.json")

    product.put("results/loop/digits/starts-nothing.png", product.seven)
    product.put("inbox/loop/digits/c.png", product.seven)
    product.wait_for_json("results/loop/digits/c.png.json")

    # Wherever it might be; names of other tests, some of which are by chance, do not hold this one.
    assert not [key for key in product.keys("results/") if "starts-nothing.png." in key]


@pytest.mark.parametrize("way", ["SNS", "EventBridge", "EventBridge and SNS"])
def test_an_event_that_came_by_a_topic_or_a_rule_is_an_upload(product: Any, way: str) -> None:
    name = f"{way} +ü.png"
    key, result = f"inbox/ways/digits/{name}", f"results/ways/digits/{name}.json"
    product.put(key, product.seven)
    product.wait_for_json(result)  # by the bucket's own notification
    product.s3.delete_object(Bucket=product.data, Key=result)

    send(product, told_by(way, product.data, key))

    assert product.wait_for_json(result)["label"] == "7"


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("event_unknown", {"Records": [{"eventSource": "aws:kinesis"}]}),
        ("event_unknown", {"mark": "nothing of S3"}),
        ("event_foreign", {"Records": [{"eventName": "ObjectRemoved:Delete"}]}),
    ],
)
def test_an_event_that_is_no_upload_is_a_dead_letter_with_its_reason_at_once(
    product: Any, code: str, change: dict[str, Any]
) -> None:
    event = s3_event(product.data, "inbox/ways/digits/none.png")
    records = [event["Records"][0] | each for each in change.get("Records", [])]
    body = json.dumps({"Records": records} if records else change)

    send(product, body)

    assert product.wait_for_dead_letter("upload_dead_letter", code, body=body) == body
    assert not product.keys("results/ways/digits/none.png")


def send(product: Any, body: str) -> None:
    product.sqs.send_message(QueueUrl=product.info.queues["upload"], MessageBody=body)


def s3_event(bucket: str, key: str) -> dict[str, Any]:
    entity = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity}]}


def told_by(way: str, bucket: str, key: str) -> str:
    """Return the message by which an upload is told, in the form that it has on the way."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    ruled = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    event = ruled if way.startswith("EventBridge") else s3_event(bucket, key)
    return json.dumps({"Type": "Notification", "Message": json.dumps(event)} if way.endswith("SNS") else event)
