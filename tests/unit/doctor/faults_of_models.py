"""Faults of models and round trips, one or more for each check."""

from __future__ import annotations

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from lambent.domain.model import ModelRef
from lambent_toolkit.doctor.trial import HEADER_LENGTH
from unit.doctor.http_door import FORM_HOST, error
from unit.doctor.seeding import FAILED, SKIPPED, WARNING, always, answer, fault
from unit.doctor.well_stack import WellStack, public_parameter


# --------------------------------------------------------------------------------------------------------------- models
@fault(
    "models-published",
    "no model is published yet",
    WARNING,
    **dict.fromkeys(
        (
            *("labels_lead_somewhere", "versions_verified", "versions_signed", "canary_sticky", "first_answer"),
            *("location_leads_back", "binary_answers", "http_round_trip", "oip_round_trip", "answer_later"),
            *("upload_round_trip", "form_round_trip", "queue_round_trip", "gpu_round_trip"),
        ),
        SKIPPED,
    ),
)
def nothing_is_published(stack: WellStack) -> None:
    table = stack.moto("dynamodb")
    for row in table.scan(TableName=stack.table)["Items"]:
        table.delete_item(TableName=stack.table, Key={name: row[name] for name in ("pk", "sk")})


@fault("labels-lead-somewhere", "shade@beta → 3", versions_verified=FAILED)
def label_leads_nowhere(stack: WellStack) -> None:
    table, model = stack.moto("dynamodb"), {"S": "MODEL#shade"}
    row = table.get_item(TableName=stack.table, Key={"pk": model, "sk": {"S": "LABEL#live"}})["Item"]
    beta = {name: value for name, value in row.items() if "canary" not in name} | {"sk": {"S": "LABEL#beta"}}
    table.put_item(TableName=stack.table, Item={**beta, "version": {"N": "3"}})


@fault("versions-verified", "shade@2: model.keras does not have the sha256")
def file_was_changed(stack: WellStack) -> None:
    ref = ModelRef("shade", 2)
    models = stack.buckets["models"]
    body = stack.moto("s3").get_object(Bucket=models, Key=ref.key("model.keras"))["Body"].read()
    stack.moto("s3").put_object(Bucket=models, Key=ref.key("model.keras"), Body=body[::-1])


@fault("versions-signed", "shade@1")
def another_key_is_pinned(stack: WellStack) -> None:
    stack.public_keys = public_parameter(ec.generate_private_key(ec.SECP256R1()))


@fault("canary-sticky", "a key of shade@2 was answered by shade@1")
def functions_do_not_know_of_the_canary(stack: WellStack) -> None:
    answered = httpx.Response(200, headers={"Lambent-Model": "shade@1"})
    answer(stack, "POST", "/versions/live/infer", always(answered))


# ---------------------------------------------------------------------------------------------------------------- doors
def predicted(stack: WellStack, pattern: str, *, method: str = "POST") -> None:
    """Let answers for people tell the other label; the first answer's check looks at no label."""
    other = {"predictions": [{"label": "bright", "score": 1.0}]}

    def act(request: httpx.Request) -> httpx.Response:
        if request.headers.get("prefer"):
            return stack.door._api(request)
        return httpx.Response(200, json=other)

    answer(stack, method, pattern, act)


@fault("http-round-trip", "it answers bright with 1.0, recorded is dark")
def model_computes_otherwise(stack: WellStack) -> None:
    predicted(stack, "/models/shade/versions/1/predict")


@fault("oip-round-trip", "output scores differs from the recorded one by up to")
def tensors_come_out_otherwise(stack: WellStack) -> None:
    outputs = {"outputs": [{"name": "scores", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 0.5]}]}

    def act(request: httpx.Request) -> httpx.Response:
        return stack.door._api(request) if HEADER_LENGTH in request.headers else httpx.Response(200, json=outputs)

    answer(stack, "POST", "/infer$", act)


@fault("answer-later", "it answers bright with 1.0")
def later_answers_are_others(stack: WellStack) -> None:
    predicted(stack, "/jobs/call-1/result", method="GET")


@fault("answer-later", "did not end within 1 s, last: HTTP 404 job_not_found")
def nobody_answers_later(stack: WellStack) -> None:
    answer(stack, "GET", "/jobs/call-1$", always(error(404, "job_not_found")))


@fault("upload-round-trip", "had no result within 1 s", form_round_trip=FAILED)
def nobody_reads_the_inbox(stack: WellStack) -> None:
    stack.deaf = frozenset({"upload"})


@fault("upload-round-trip", "its outcome is image_undecodable")
def uploads_are_refused(stack: WellStack) -> None:
    refused = {"code": "image_undecodable", "detail": "no picture"}
    stack.watched["s3"]._then = lambda request: (
        stack._write(request["Key"].replace("inbox/", "results/") + ".error.json", refused),
        stack._taken("upload"),
    )


@fault("form-round-trip", "a redirect to shop-data.s3.us-east-1.amazonaws.com", input_form=FAILED)
def form_leads_to_another_region(stack: WellStack) -> None:
    moved = httpx.Response(307, headers={"Location": "https://shop-data.s3.us-east-1.amazonaws.com/?X-Amz-Signature=x"})
    answer(stack, "POST", FORM_HOST, always(moved))


@fault("form-round-trip", "is not reached", input_form=FAILED)
def form_leads_to_no_host(stack: WellStack) -> None:
    def act(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Name or service not known", request=request)

    answer(stack, "POST", FORM_HOST, act)


@fault("input-form", "POST /inputs: HTTP 403 forbidden_action")
def key_may_not_send_inputs(stack: WellStack) -> None:
    answer(stack, "POST", "/inputs$", always(error(403, "forbidden_action")))


@fault("input-form", "the form was taken, and the object is not there")
def inputs_are_lost(stack: WellStack) -> None:
    def act(request: httpx.Request) -> httpx.Response:
        return httpx.Response(204) if b"inputs/default" in request.read() else stack.door._form(request)

    answer(stack, "POST", FORM_HOST, act)


@fault("queue-round-trip", "did not end within 1 s")
def nobody_plans_jobs(stack: WellStack) -> None:
    stack.deaf = frozenset({"cpu"})


@fault("gpu-round-trip", "did not end within 2 s")
def no_instance_is_found(stack: WellStack) -> None:
    stack.deaf = frozenset({"gpu"})


@fault("gpu-round-trip", "ended FAILED", queue_round_trip=FAILED)
def jobs_fail(stack: WellStack) -> None:
    answer(stack, "GET", "/jobs/doctor-", always(httpx.Response(200, json={"state": "FAILED"})))


@fault("webhook-secret", "holds no secret")
def secret_is_empty(stack: WellStack) -> None:
    answer(stack, "GET", "/webhooks/secret", always(httpx.Response(200, json={"secret": None})))
