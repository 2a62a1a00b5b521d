"""Every sample in events/ has the outcome that its name promises, in the real function on the local stack."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import publish_shade

from lambent.contracts.notifications import JobNotification, WebhookTarget
from lambent_toolkit.sandbox.sam_local import SAMPLE_BUCKET
from lambent_toolkit.sandbox.sam_probes import PROBES, fault_of

EVENTS = Path(__file__).parents[3] / "events"


@dataclass(frozen=True)
class Outcome:
    """What must be there before, and what must hold after; ``check`` gets the product and the function's answer.

    The answer of an invocation that fails is its error.
    """

    function: str
    check: Callable[[Any, Any], None]
    before: Callable[[Any], None] = lambda _: None
    is_failure: bool = False


def answers(status: int, **fields: object) -> Callable[[Any, Any], None]:
    """Expect an HTTP answer with these fields in its JSON body."""

    def check(product: Any, answer: Any) -> None:
        body = json.loads(answer["body"])
        assert answer["statusCode"] == status, body
        assert {name: body.get(name) for name in fields} == fields
        if status >= 400:
            assert body["error"] == body["detail"]
            assert {"field", "limit", "got", "retryable", "request_id"} <= set(body)

    return check


def predicts_seven(product: Any, answer: Any) -> None:
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 200
    assert (body["model"], body["predictions"][0]["label"]) == ("digits", "7")
    assert len(body["predictions"][0]["top"]) == 3
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    assert headers["Lambent-Model"] == f"digits@{body['version']}"
    assert "infer;dur=" in headers["Server-Timing"]


def infers_seven(product: Any, answer: Any) -> None:
    body = json.loads(answer["body"])
    (scores,) = body["outputs"]
    assert (body["id"], scores["shape"], scores["datatype"]) == ("event", [1, 10], "FP32")
    assert int(np.argmax(scores["data"])) == 7


def result(stem: str, **fields: object) -> Callable[[Any, Any], None]:
    """Expect an object under results/ with these fields."""

    def check(product: Any, answer: Any) -> None:
        assert answer == {"batchItemFailures": []}
        found = product.wait_for_json(f"results/demo/{stem}")
        assert {name: found.get(name) for name in fields} == fields

    return check


def answers_later(product: Any, answer: Any) -> None:
    accepted = json.loads(answer["body"])
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    assert (answer["statusCode"], headers["Preference-Applied"]) == (202, "respond-async")
    assert product.wait_for_job(accepted["id"])["state"] == "SUCCEEDED"
    folder = f"jobs/demo/{accepted['id']}"
    outcome = json.loads(product.read(f"{folder}/outcome.json"))
    assert json.loads(product.read(outcome["answer"]["body_key"]))["predictions"][0]["label"] == "7"


def grants_upload(product: Any, answer: Any) -> None:
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 201
    assert body["upload"]["fields"]["key"] == f"inbox/demo/digits/{body['id']}/seven.png"
    assert body["then"] == {"method": "GET", "path": f"/uploads/{body['id']}"}


def grants_input(product: Any, answer: Any) -> None:
    assert answer["statusCode"] == 201
    granted = json.loads(answer["body"])
    assert granted["uri"] == f"s3://{product.data}/inputs/demo/{'0' * 32}/items.csv"
    assert granted["upload"]["fields"]["key"] == f"inputs/demo/{'0' * 32}/items.csv"


def accepts_job(product: Any, answer: Any) -> None:
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    assert (answer["statusCode"], headers["Location"]) == (202, "/dev/jobs/event-http")
    assert product.wait_for_job("event-http")["error"]["code"] == "manifest_invalid"


def lists_digits(product: Any, answer: Any) -> None:
    assert answer["statusCode"] == 200
    assert "digits" in json.loads(answer["body"])["models"]


def lists_failed_jobs(product: Any, answer: Any) -> None:
    assert answer["statusCode"] == 200
    assert {job["state"] for job in json.loads(answer["body"])["jobs"]} <= {"FAILED"}


def remembers_block(product: Any, answer: Any) -> None:
    row = product.table.get_item(Key={"pk": "LANE#gpu", "sk": "BLOCKED"})["Item"]
    assert row["reason"].startswith("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY")


def shows_card(product: Any, answer: Any) -> None:
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    assert (answer["statusCode"], headers["Content-Type"]) == (200, "text/markdown; charset=utf-8")
    assert answer["body"].startswith("# carded")


def publish_with_card(product: Any) -> None:
    """Publish a version that has a card, if this stack has none yet."""
    if "carded" not in product.http.get("/models").json()["models"]:
        publish_shade(product.info, name="carded", card="# carded\n")


def counts(product: Any, answer: Any) -> None:
    assert set(answer) == {"looked_at", "finished", "enqueued", "errors", "not_reached", "dead_letters"}


def nothing(product: Any, answer: Any) -> None:
    assert answer is None


def all_handled(product: Any, answer: Any) -> None:
    assert answer == {"batchItemFailures": []}


def comes_back(product: Any, answer: Any) -> None:
    assert answer == {"batchItemFailures": [{"itemIdentifier": "00000000-0000-4000-8000-000000000001"}]}


def job_failed(job_id: str, code: str) -> Callable[[Any, Any], None]:
    def check(product: Any, answer: Any) -> None:
        assert answer == {"batchItemFailures": []}
        job = product.wait_for_job(job_id)
        assert (job["state"], job["error"]["code"]) == ("FAILED", code)

    return check


def dead_letter(code: str, queue: str = "batch_dead_letter") -> Callable[[Any, Any], None]:
    def check(product: Any, answer: Any) -> None:
        assert answer == {"batchItemFailures": []}
        product.wait_for_dead_letter(queue, code)

    return check


def refused(name: str, code: str, queue: str = "upload_dead_letter") -> Callable[[Any, Any], None]:
    """Expect this very sample's message in a dead-letter queue, with this reason."""

    def check(product: Any, answer: Any) -> None:
        assert answer == {"batchItemFailures": []}
        (record,) = of_this_stack(product, json.loads((EVENTS / f"{name}.json").read_text()))["Records"]
        product.wait_for_dead_letter(queue, code, body=record["body"])

    return check


def refused_in_part(name: str, code: str, stem: str) -> Callable[[Any, Any], None]:
    """Expect the same, and the result of the object that is ours."""

    def check(product: Any, answer: Any) -> None:
        refused(name, code)(product, answer)
        assert product.wait_for_json(f"results/demo/{stem}.json")["label"] == "7"

    return check


def fails(product: Any, answer: Any) -> None:
    assert answer["errorType"] == "EventUnknown"
    assert answer["errorMessage"].startswith("This function takes ")


def tells_what_it_is_not(product: Any, answer: Any) -> None:
    answers(500, code="event_unknown")(product, answer)
    assert answer["headers"]["Content-Type"] == "application/json"


def tracked(state: str) -> Callable[[Any, Any], None]:
    def check(product: Any, answer: Any) -> None:
        assert product.job("event-tracked")["state"] == state

    return check


def put(key: str, body: Callable[[Any], bytes]) -> Callable[[Any], None]:
    # The bucket's own notification of this write delivers the same upload once more, which must change nothing.
    return lambda product: product.put(key, body(product))


def forget_result(name: str) -> Callable[[Any], None]:
    """Put a picture that has had its result by the bucket's own notification, and take the result away."""

    def before(product: Any) -> None:
        product.put(f"inbox/demo/digits/{name}", product.seven)
        product.wait_for_json(f"results/demo/digits/{name}.json")
        product.s3.delete_object(Bucket=product.data, Key=f"results/demo/digits/{name}.json")

    return before


def seven(name: str) -> Callable[[Any, Any], None]:
    return result(f"digits/{name}.json", model="digits", label="7")


def put_tensor(product: Any) -> None:
    buffer = BytesIO()
    np.savez(buffer, image=np.zeros((28, 28, 1), dtype=np.float32))
    product.s3.put_object(Bucket=product.data, Key="work/demo/event.npz", Body=buffer.getvalue())


def plan_tracked_job(product: Any) -> None:
    product.plan_gpu_job("event-tracked")


def end_told_job(product: Any) -> None:
    product.end_job("event-told")


def end_job_with_webhook(product: Any) -> None:
    product.end_job("event-webhook", notification=JobNotification(webhook=WebhookTarget(url="http://localhost:1/")))


def waits_for_its_receiver(product: Any, answer: Any) -> None:
    comes_back(product, answer)
    webhook = product.job("event-webhook")["notification"]["webhook"]
    assert (webhook["state"], webhook["last_error"]) == ("retrying", "No connection.")


def shows_secret(*, is_rotated: bool) -> Callable[[Any, Any], None]:
    def check(product: Any, answer: Any) -> None:
        body = json.loads(answer["body"])
        assert answer["statusCode"] == 200
        assert body["secret"].startswith("whsec_")
        assert not is_rotated or body["previous_valid_until"] > body["created_at"]

    return check


OUTCOMES = {
    "predict.png": Outcome("predict", predicts_seven),
    "predict.infer": Outcome("predict", infers_seven),
    "predict.async": Outcome("predict", answers_later),
    "predict.ready": Outcome("predict", answers(200, ready=True, live=True)),
    "predict.metadata": Outcome("predict", answers(200, name="digits", platform="tensorflow_lite")),
    "predict.not_an_image": Outcome("predict", answers(415, code="image_format_unsupported")),
    "predict.truncated_image": Outcome("predict", answers(422, code="image_corrupt")),
    "predict.wrong_content_type": Outcome(
        "predict", answers(415, code="media_type_unsupported", got="application/pdf")
    ),
    "predict.wrong_shape": Outcome(
        "predict", answers(422, code="tensor_shape_mismatch", limit=[-1, 28, 28, 1], got=[1, 8, 8, 1])
    ),
    "predict.not_json": Outcome("predict", answers(400, code="json_invalid")),
    "predict.unknown_model": Outcome("predict", answers(404, code="model_not_found")),
    "predict.http_api": Outcome("predict", tells_what_it_is_not),
    "predict.s3_event": Outcome("predict", fails, is_failure=True),
    "jobs.load_balancer": Outcome("jobs", tells_what_it_is_not),
    "jobs.models": Outcome("jobs", lists_digits),
    "jobs.card": Outcome("jobs", shows_card, before=publish_with_card),
    "jobs.unknown_version": Outcome("jobs", answers(404, code="model_not_found")),
    "jobs.unknown_job": Outcome("jobs", answers(404, code="job_not_found")),
    "jobs.not_json": Outcome("jobs", answers(400, code="json_invalid")),
    "jobs.tenant_in_body": Outcome("jobs", answers(422, code="field_not_allowed")),
    "jobs.foreign_manifest": Outcome("jobs", answers(422, code="callback_url_refused", field="input.manifest_uri")),
    "jobs.unknown_results": Outcome("jobs", answers(404, code="job_not_found")),
    "jobs.unknown_errors": Outcome("jobs", answers(404, code="job_not_found")),
    "jobs.list": Outcome("jobs", lists_failed_jobs),
    "jobs.forged_cursor": Outcome("jobs", answers(400, code="cursor_invalid")),
    "jobs.unknown_result": Outcome("jobs", answers(404, code="job_not_found")),
    "jobs.upload": Outcome("jobs", grants_upload),
    "jobs.input": Outcome("jobs", grants_input),
    "jobs.upload_of_unknown_field": Outcome("jobs", answers(422, code="field_not_allowed", field="result_key")),
    "jobs.unknown_upload": Outcome("jobs", answers(404, code="upload_not_found")),
    "jobs.quote": Outcome("jobs", answers(422, code="manifest_invalid", field="input.manifest_uri")),
    "jobs.submit": Outcome("jobs", accepts_job),
    "jobs.webhook_inside": Outcome("jobs", answers(422, code="callback_url_refused", field="notification.webhook.url")),
    "jobs.webhook_secret": Outcome("jobs", shows_secret(is_rotated=False)),
    "jobs.rotate_webhook_secret": Outcome("jobs", shows_secret(is_rotated=True)),
    "sort.upload": Outcome("sort", seven("event-sorted.png"), before=forget_result("event-sorted.png")),
    "sort.not_json": Outcome("sort", refused("sort.not_json", "event_unknown")),
    "preprocess.upload": Outcome(
        "preprocess",
        result("digits/event sevené.png.json", model="digits", label="7"),
        before=put("inbox/demo/digits/event sevené.png", lambda product: product.seven),
    ),
    "preprocess.not_an_image": Outcome(
        "preprocess",
        result("digits/event-note.png.error.json", code="image_format_unsupported", retryable=False),
        before=put("inbox/demo/digits/event-note.png", lambda _: b"a note"),
    ),
    "preprocess.batch": Outcome(
        "preprocess",
        result("digits/event batch.jsonl.json", model="digits", source="event batch.jsonl"),
        before=put("inbox/demo/digits/event batch.jsonl", lambda _: b'{"id": "a", "uri": "event seven\xc3\xa9.png"}'),
    ),
    "preprocess.gone": Outcome("preprocess", result("digits/event-deleted.png.error.json", code="source_gone")),
    "preprocess.unknown_model": Outcome("preprocess", result("nobody/event.png.error.json", code="model_not_found")),
    "preprocess.test_event": Outcome("preprocess", all_handled),
    "preprocess.sns_test_event": Outcome("preprocess", all_handled),
    "preprocess.sns": Outcome("preprocess", seven("event topicé.png"), before=forget_result("event topicé.png")),
    "preprocess.eventbridge": Outcome(
        "preprocess", seven("event rule+é.png"), before=forget_result("event rule+é.png")
    ),
    "preprocess.eventbridge_sns": Outcome(
        "preprocess", seven("event rule topic é.png"), before=forget_result("event rule topic é.png")
    ),
    "preprocess.other_bucket": Outcome("preprocess", refused("preprocess.other_bucket", "event_foreign")),
    "preprocess.removed": Outcome("preprocess", refused("preprocess.removed", "event_foreign")),
    "preprocess.result_of_ours": Outcome("preprocess", refused("preprocess.result_of_ours", "event_foreign")),
    "preprocess.unknown": Outcome("preprocess", refused("preprocess.unknown", "event_unknown")),
    "preprocess.one_of_two": Outcome(
        "preprocess",
        refused_in_part("preprocess.one_of_two", "event_foreign", "digits/event-good.png"),
        before=forget_result("event-good.png"),
    ),
    "preprocess.s3_event": Outcome("preprocess", fails, is_failure=True),
    "infer.tensor": Outcome("infer", result("digits/event-tensor.png.json", model="digits"), before=put_tensor),
    "infer.tensor_gone": Outcome("infer", result("digits/event-gone.png.error.json", code="source_gone")),
    "infer.malformed": Outcome("infer", refused("infer.malformed", "envelope_invalid", "infer_dead_letter")),
    "infer.call_of_no_job": Outcome("infer", refused("infer.call_of_no_job", "job_not_found", "infer_dead_letter")),
    "infer.s3_event": Outcome("infer", refused("infer.s3_event", "envelope_invalid", "infer_dead_letter")),
    "dispatch.missing_manifest": Outcome("dispatch", job_failed("event-missing", "manifest_invalid")),
    "dispatch.unknown_model": Outcome("dispatch", job_failed("event-unknown", "model_not_found")),
    "dispatch.not_json": Outcome("dispatch", dead_letter("envelope_invalid")),
    "dispatch.no_tenant": Outcome("dispatch", dead_letter("envelope_invalid")),
    "dispatch.binary_tenant": Outcome(
        "dispatch", refused("dispatch.binary_tenant", "envelope_invalid", "batch_dead_letter")
    ),
    "dispatch.number_tenant": Outcome(
        "dispatch", refused("dispatch.number_tenant", "envelope_invalid", "batch_dead_letter")
    ),
    "job_events.child_running": Outcome("job_events", tracked("RUNNING"), before=plan_tracked_job),
    "job_events.array_succeeded": Outcome("job_events", tracked("FAILED"), before=plan_tracked_job),
    "job_events.unknown_job": Outcome("job_events", nothing),
    "job_events.queue_blocked": Outcome("job_events", remembers_block),
    "job_events.foreign": Outcome("job_events", nothing),
    "job_events.s3_event": Outcome("job_events", fails, is_failure=True),
    "notify.no_receiver": Outcome("notify", waits_for_its_receiver, before=end_job_with_webhook),
    "notify.no_webhook": Outcome("notify", all_handled, before=end_told_job),
    "notify.malformed": Outcome("notify", dead_letter("envelope_invalid", "notify_dead_letter")),
    "notify.s3_event": Outcome("notify", refused("notify.s3_event", "envelope_invalid", "notify_dead_letter")),
    "notify.unknown_job": Outcome("notify", dead_letter("envelope_invalid", "notify_dead_letter")),
    "sweep.schedule": Outcome("sweep", counts),
    "sweep.s3_event": Outcome("sweep", fails, is_failure=True),
}


def of_this_stack(product: Any, event: dict[str, Any]) -> dict[str, Any]:
    """Put the stack's data bucket where a sample names `lambent-data`, also inside a body in base64."""
    if event.get("isBase64Encoded"):
        body = b64decode(event["body"]).replace(SAMPLE_BUCKET.encode(), product.data.encode())
        event = {**event, "body": b64encode(body).decode()}
    return dict(json.loads(json.dumps(event).replace(SAMPLE_BUCKET, product.data)))


def names() -> set[str]:
    return {path.name.removesuffix(".json") for path in EVENTS.glob("*.json")}


def test_every_event_has_an_outcome_and_every_function_an_event() -> None:
    functions = {path.name for path in (EVENTS.parent / "functions").iterdir() if (path / "app.py").exists()}

    assert names() == set(OUTCOMES)
    assert {outcome.function for outcome in OUTCOMES.values()} == functions


def test_every_event_stands_in_the_readme() -> None:
    readme = (EVENTS / "README.md").read_text()

    assert {name for name in names() if f"`{name}`" not in readme} == set()


@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_an_event_has_its_outcome(product: Any, name: str) -> None:
    outcome = OUTCOMES[name]
    outcome.before(product)

    invoke = product.fail if outcome.is_failure else product.invoke
    answer = invoke(outcome.function, of_this_stack(product, json.loads((EVENTS / f"{name}.json").read_text())))

    outcome.check(product, answer)


@pytest.mark.parametrize("function", PROBES)
def test_what_is_asked_of_aws_s_own_image_is_answered_here(product: Any, function: str) -> None:
    probe, info = PROBES[function], product.info

    answer = info.client("lambda").invoke(
        FunctionName=info.resources[function], Payload=(EVENTS / probe.event).read_bytes()
    )

    assert fault_of(probe, answer["Payload"].read().decode()) is None
