"""Step 9: one bad input at each door, and the coded answer it gets."""

from __future__ import annotations

import json
from typing import Any

from rich.markup import escape
from rich.table import Table

from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.demo.batch import batch_request, send_request
from lambent_toolkit.demo.stage import DemoFailed, Stage

_NOT_AN_IMAGE = b"Dear model, I am a text file.\n"
_LIMIT_S = 120


def refuse(stage: Stage) -> None:
    """Step 9: every door says what was wrong, with a code."""
    table = plain_table("door", "bad input", "answer", "code")
    found = [_http(stage, table), _upload(stage, table), _queue(stage, table), _foreign(stage, table)]
    stage.show(table)
    for detail in dict.fromkeys(error["detail"] for error in found):
        stage.say(f"[dim]{escape(detail)}[/]")
    stage.proven("each got its coded answer; nothing was retried in vain")


def _http(stage: Stage, table: Table) -> dict[str, Any]:
    headers = {"content-type": "image/png"}
    answer = stage.http.post(f"/models/{stage.model_name}/predict", content=_NOT_AN_IMAGE, headers=headers)
    error: dict[str, Any] = answer.json()
    _expect(error.get("code"), "image_format_unsupported")
    _expect(answer.status_code, 415)
    table.add_row("HTTP", "a text file as image/png", "status 415", error["code"])
    return error


def _upload(stage: Stage, table: Table) -> dict[str, Any]:
    name = "letter.png"
    stage.put(f"inbox/{stage.tenant}/{stage.model_name}/{name}", _NOT_AN_IMAGE)
    key = f"results/{stage.tenant}/{stage.model_name}/{name}.error.json"
    error: dict[str, Any] = json.loads(stage.wait_for(lambda: stage.get(key), what=key, limit_s=_LIMIT_S))
    _expect(error.get("code"), "image_format_unsupported")
    table.add_row("upload", "a text file as letter.png", f"results/…/{name}.error.json", error["code"])
    return error


def _queue(stage: Stage, table: Table) -> dict[str, Any]:
    body = f"this is not JSON, says {stage.run}"
    send_request(stage, body)
    message = stage.wait_for(lambda: _dead_letter(stage, body), what="the dead letter", limit_s=_LIMIT_S)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    _expect(attributes.get("reason_code"), "envelope_invalid")
    table.add_row("queue", "a message that is not JSON", "dead-letter queue, with reason", "envelope_invalid")
    return {"detail": attributes["reason"]}


def _foreign(stage: Stage, table: Table) -> dict[str, Any]:
    job_id = f"{stage.run}-foreign"
    uri = f"s3://{stage.stack.buckets['data']}/inputs/somebody-else/manifest.jsonl"
    send_request(stage, batch_request(stage, job_id, uri, lane="auto"))
    job = stage.wait_for(lambda: _failed_job(stage, job_id), what="the failed job", limit_s=_LIMIT_S)
    error: dict[str, Any] = job["error"]
    _expect(error.get("code"), "callback_url_refused")
    table.add_row("queue", "another tenant's manifest", "job FAILED", error["code"])
    return error


def _dead_letter(stage: Stage, body: str) -> dict[str, Any] | None:
    """Take this message off the dead-letter queue, and leave others there."""
    queue_url = stage.stack.queues["batch_dead_letter"]
    answer = stage.sqs.receive_message(
        QueueUrl=queue_url,
        MessageAttributeNames=["All"],
        MaxNumberOfMessages=10,
        WaitTimeSeconds=1,
        VisibilityTimeout=1,
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    found = next((each for each in messages if each["Body"] == body), None)
    if found is not None:
        stage.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=found["ReceiptHandle"])
    return found


def _failed_job(stage: Stage, job_id: str) -> dict[str, Any] | None:
    answer = stage.http.get(f"/jobs/{job_id}")
    job: dict[str, Any] = answer.json()
    return job if answer.is_success and job["state"] == "FAILED" else None


def _expect(got: object, wanted: object) -> None:
    if got != wanted:
        raise DemoFailed(f"expected {wanted}, got {got}")
