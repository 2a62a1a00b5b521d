"""Dead letters on a running stack: the sweep tells their owners, and the operator sends them back."""

from __future__ import annotations

import json
from typing import Any

from lambent_toolkit.dead_letters import DeadLetterDesk, Found, Moved, Wanted
from lambent_toolkit.dead_letters.errors import LetterUnknown
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


OURS = Wanted(queue="upload", tenant="dead")


def listed(desk: DeadLetterDesk, ids: list[str]) -> dict[str, Found] | None:
    """List the letters, or None: the schedule's own sweep holds some of them."""
    found = {each.letter.message_id: each for each in desk.list(OURS)}
    return found if found.keys() >= set(ids) else None


def sent_back(desk: DeadLetterDesk, letter: str) -> Moved | None:
    """Redrive one letter, or None: the schedule's own sweep holds it."""
    try:
        return desk.redrive(Wanted(ids=(letter,)))
    except LetterUnknown:
        return None


def test_a_dead_upload_has_a_failure_until_a_redrive_brings_its_result(product: Any) -> None:
    names = [f"n{number:02d}.png" for number in range(12)]
    ids = [bury_upload(product, name) for name in names]
    desk, moved = DeadLetterDesk(product.info), []

    def are_back() -> bool:
        # Letters that the schedule's own sweep held are left over by a redrive of their queue.
        if desk.list(OURS):
            moved.append(desk.redrive(Wanted(queue="upload")).count)
        return all(each == [".json"] for each in outcomes(product, names))

    # The schedule's own sweep may be at it at this moment.
    wait_for(
        lambda: product.invoke("sweep", {}) and all(each == [".error.json"] for each in outcomes(product, names)),
        what="a failure of each",
    )
    told = wait_for(lambda: listed(desk, ids), what="the letters")
    one = wait_for(lambda: sent_back(desk, ids[0]), what="a redrive of one")
    wait_for(are_back, what="a result of each")

    assert {told[each].record.became for each in ids} == {"failed"}
    assert json.loads(product.read(f"results/{PREFIX}/n00.png.json"))["label"] == "7"
    assert one.count == 1
    assert sum(moved) >= 11
