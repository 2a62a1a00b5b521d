"""Dead letters on a running stack: the sweep tells their owners, and the operator sends them back."""

from __future__ import annotations

import json
from typing import Any

from lambent_toolkit.dead_letters import DeadLetterDesk, Wanted
from patience import wait_for

PREFIX = "dead/digits"


def bury_upload(product: Any, name: str) -> str:
    """Upload a picture whose result is lost, and leave its event without a reason in the dead-letter queue."""
    key = f"inbox/{PREFIX}/{name}"
    product.put(key, product.seven)
    product.wait_for_json(f"results/{PREFIX}/{name}.json")
    product.s3.delete_object(Bucket=product.data, Key=f"results/{PREFIX}/{name}.json")
    etag = product.s3.head_object(Bucket=product.data, Key=key)["ETag"].strip('"')
    record = {
        "eventSource": "aws:s3", "eventVersion": "2.1", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": product.data}, "object": {"key": key, "eTag": etag}},
    }  # fmt: skip
    sent = product.sqs.send_message(
        QueueUrl=product.info.queues["upload_dead_letter"], MessageBody=json.dumps({"Records": [record]})
    )
    return str(sent["MessageId"])


def outcomes(product: Any, names: list[str]) -> list[list[str]]:
    """Return the endings of the objects that tell what became of uploads."""
    keys = product.keys(f"results/{PREFIX}/")
    return [sorted(key.partition(f"/{name}")[2] for key in keys if f"/{name}." in key) for name in names]


def test_a_dead_upload_has_a_failure_until_a_redrive_brings_its_result(product: Any) -> None:
    names = [f"n{number:02d}.png" for number in range(12)]
    ids = [bury_upload(product, name) for name in names]
    desk = DeadLetterDesk(product.info)

    # The schedule's own sweep may be at it at this moment.
    wait_for(
        lambda: product.invoke("sweep", {}) and all(each == [".error.json"] for each in outcomes(product, names)),
        what="a failure of each",
    )
    told = {each.letter.message_id: each for each in desk.list(Wanted(queue="upload", tenant="dead"))}
    one = desk.redrive(Wanted(ids=(ids[0],)))
    moved = desk.redrive(Wanted(queue="upload"))
    wait_for(lambda: all(each == [".json"] for each in outcomes(product, names)), what="a result of each")

    assert told.keys() >= set(ids)
    assert {told[each].record.became for each in ids} == {"failed"}
    assert json.loads(product.read(f"results/{PREFIX}/n00.png.json"))["label"] == "7"
    assert one.count == 1
    assert moved.count >= 11
