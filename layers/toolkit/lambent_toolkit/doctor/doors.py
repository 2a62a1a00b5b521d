"""Round trips: an item whose answer is recorded goes through each door, and the answers are compared."""

from __future__ import annotations

import json
from hashlib import sha256
from secrets import token_hex
from typing import Any

import httpx
import numpy as np

from lambent.domain.model import ModelRef
from lambent_toolkit.doctor.answers import as_json, is_well, told
from lambent_toolkit.doctor.findings import Finding, failed, ok, skipped
from lambent_toolkit.doctor.job_end import NOTHING_CAME, why_not_done
from lambent_toolkit.doctor.objects import DataObjects
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import a_gpu_lane, a_model, an_answer_for_people, check
from lambent_toolkit.stacks.errors import telling_aws_errors

GROUP = "doors"
_FORM_TAKEN = frozenset({200, 201, 204})  # what S3 says to a form, by its success_action_status
_KERNELS = (
    "another build of the interpreter computes otherwise: build and deploy with the same parameters, lambent deploy"
)


@check(
    "http-round-trip",
    group=GROUP,
    needs=(an_answer_for_people,),
    asks="Does an item by HTTP get the answer that it got where the model was made?",
)
def _http(patient: Patient) -> Finding:
    trial = patient.trial
    body, media_type = trial.media_body()
    path = f"/models/{trial.ref.name}/versions/{trial.ref.version}/predict"
    answer = patient.http.post(path, content=body, headers={"Content-Type": media_type})
    if not is_well(answer):
        return failed(f"POST {path}: {told(answer)}", mend="see `lambent logs predict --since 10m`")
    if wrong := trial.why_wrong_prediction(as_json(answer)["predictions"][0]):
        return failed(f"{trial.ref} by HTTP: {wrong}", mend=_KERNELS)
    return ok(f"{trial.ref} answers as recorded")


@check(
    "oip-round-trip",
    group=GROUP,
    needs=(a_model,),
    asks="Do tensors by the Open Inference Protocol get the recorded outputs?",
)
def _oip(patient: Patient) -> Finding:
    trial = patient.trial
    path = f"/v2/models/{trial.ref.name}/versions/{trial.ref.version}/infer"
    answer = patient.http.post(path, json=trial.oip_json())
    if not is_well(answer):
        return failed(f"POST {path}: {told(answer)}", mend="see `lambent logs predict --since 10m`")
    outputs = {each["name"]: np.array(each["data"], dtype=float) for each in as_json(answer)["outputs"]}
    if wrong := trial.why_wrong_outputs(outputs):
        return failed(f"{trial.ref}: {wrong}", mend=_KERNELS)
    return ok(f"{trial.ref} gives the recorded outputs")


@check(
    "answer-later",
    group=GROUP,
    needs=(an_answer_for_people,),
    asks="Is a call that is answered later (Prefer: respond-async) answered as one at once?",
)
def _answer_later(patient: Patient) -> Finding:
    trial = patient.trial
    body, media_type = trial.media_body()
    path = f"/models/{trial.ref.name}/versions/{trial.ref.version}/predict"
    headers = {"Content-Type": media_type, "Prefer": "respond-async"}
    accepted = patient.http.post(path, content=body, headers=headers)
    if not is_well(accepted, 202):
        return failed(f"POST {path} with Prefer: respond-async: {told(accepted)}", mend="see `lambent logs predict`")
    call_id = as_json(accepted)["id"]
    if found := why_not_done(patient, call_id, wait_s=patient.wait_s):
        return found
    answer = patient.http.get(f"/jobs/{call_id}/result")
    if not is_well(answer):
        return failed(f"GET /jobs/…/result: {told(answer)}", mend="see `lambent logs jobs --since 10m`")
    if wrong := trial.why_wrong_prediction(as_json(answer)["predictions"][0]):
        return failed(f"{trial.ref}, answered later: {wrong}", mend=_KERNELS)
    return ok(f"{trial.ref} answers as recorded")


@check(
    "upload-round-trip",
    group=GROUP,
    needs=(an_answer_for_people,),
    asks="Does a file that is put into the inbox get a result beside it?",
)
def _upload(patient: Patient) -> Finding:
    trial, objects = patient.trial, DataObjects(patient)
    stem = f"{patient.tenant}/{trial.ref.name}/doctor-{token_hex(6)}-{trial.upload_name}"
    objects.put(f"inbox/{stem}", trial.item, content_type=trial.media_type)
    body = patient.wait_for(lambda: objects.first(f"results/{stem}.json", f"results/{stem}.error.json"))
    left = objects.remove(f"inbox/{stem}", f"results/{stem}.json", f"results/{stem}.error.json")
    if body is None:
        return failed(f"inbox/{stem} had no result within {patient.wait_s:g} s", mend=f"{NOTHING_CAME}, upload-trigger")
    return _judged(patient, json.loads(body), left=left)


@check(
    "form-round-trip",
    group=GROUP,
    needs=(an_answer_for_people,),
    asks="Does a file by a granted form (POST /uploads) reach the bucket, and get a result?",
)
def _form(patient: Patient) -> Finding:
    trial = patient.trial
    wanted = {
        "model": trial.ref.name,
        "version": str(trial.ref.version),
        "content_type": trial.media_type,
        "sha256": sha256(trial.item).hexdigest(),
        "size_bytes": len(trial.item),
        "name": trial.upload_name,
    }
    granted = patient.http.post("/uploads", json=wanted)
    if not is_well(granted, 201):
        return failed(f"POST /uploads: {told(granted)}", mend="see `lambent logs jobs --since 10m`")
    grant = as_json(granted)
    if refused := _send_form(patient, grant["upload"], trial.item):
        return refused

    def ended() -> dict[str, Any] | None:
        answer = patient.http.get(f"/uploads/{grant['id']}")
        shown = as_json(answer) if is_well(answer) else {"state": "pending"}
        return dict(shown) if shown["state"] != "pending" else None

    shown = patient.wait_for(ended)
    if shown is None:
        return failed(f"an upload had no result within {patient.wait_s:g} s", mend=f"{NOTHING_CAME}, upload-trigger")
    key = grant["upload"]["fields"]["key"]
    left = DataObjects(patient).remove(key, f"results/{key.removeprefix('inbox/')}.json")
    return _judged(patient, shown["result"] or shown["error"], left=left)


@check("input-form", group=GROUP, asks="Does a batch's input by a granted form (POST /inputs) reach the bucket?")
def _input_form(patient: Patient) -> Finding:
    body = f"lambent doctor {token_hex(6)}\n".encode()
    wanted = {
        "name": "doctor.txt",
        "content_type": "text/plain",
        "sha256": sha256(body).hexdigest(),
        "size_bytes": len(body),
    }
    granted = patient.http.post("/inputs", json=wanted)
    if not is_well(granted, 201):
        return failed(f"POST /inputs: {told(granted)}", mend="see `lambent logs jobs --since 10m`")
    grant = as_json(granted)
    if refused := _send_form(patient, grant["upload"], body):
        return refused
    objects, key = DataObjects(patient), grant["upload"]["fields"]["key"]
    found = objects.first(key)
    left = objects.remove(key)
    if found != body:
        return failed("the form was taken, and the object is not there", mend="somebody deletes from the data bucket")
    return ok(f"{len(body)} bytes arrived{left}")


def _send_form(patient: Patient, form: dict[str, Any], body: bytes) -> Finding | None:
    """Send a form as a browser does, without a key; return why S3 did not take it."""
    files = {form["file_field"]: ("item", body)}
    try:
        answer = patient.stranger.post(form["url"], data=form["fields"], files=files)
    except httpx.HTTPError as exc:
        host = httpx.URL(form["url"]).host
        return failed(f"the form's host {host} is not reached: {exc!r}", mend="does a proxy or a firewall stop it?")
    if answer.status_code in _FORM_TAKEN:
        return None
    mend = "a redirect: the form must name the Region's own host; 403: the role may not write there; lambent deploy"
    return failed(f"the form of the upload: {told(answer)}", mend=mend)


@check(
    "queue-round-trip",
    group=GROUP,
    needs=(an_answer_for_people,),
    asks="Does a batch of one item, sent to the queue, end well on the CPU lane?",
)
def _queue(patient: Patient) -> Finding:
    return _batch(patient, "cpu", wait_s=patient.wait_s)


@check(
    "gpu-round-trip",
    group=GROUP,
    needs=(a_gpu_lane, an_answer_for_people),
    asks="Does a batch of one item end well on the GPU lane? (--gpu: minutes, and a few cents)",
)
def _gpu(patient: Patient) -> Finding:
    if not patient.is_gpu:
        return skipped("it would start an instance; say --gpu for it")
    return _batch(patient, "gpu", wait_s=patient.gpu_wait_s)


def _batch(patient: Patient, lane: str, *, wait_s: float) -> Finding:
    trial, job_id = patient.trial, f"doctor-{token_hex(6)}"
    request = {
        "schema_version": 1,
        "id": job_id,
        "model": trial.ref.name,
        "version": str(trial.ref.version),
        "lane": lane,
        "input": {"items": [trial.batch_item("first")]},
    }
    with telling_aws_errors():
        patient.client("sqs").send_message(
            QueueUrl=patient.stack.queues["batch"],
            MessageBody=json.dumps(request),
            MessageGroupId=patient.tenant,
            MessageAttributes={"tenant": {"DataType": "String", "StringValue": patient.tenant}},
        )
    if found := why_not_done(patient, job_id, wait_s=wait_s):
        return found
    key = f"jobs/{patient.tenant}/{job_id}/manifest.json"
    if DataObjects(patient).first(key) is None:
        return failed(f"the job ended, and {key} is not there", mend="see `lambent logs infer --since 10m`")
    return ok("one item, SUCCEEDED")


def _judged(patient: Patient, outcome: dict[str, Any], *, left: str) -> Finding:
    if "code" in outcome:
        return failed(
            f"its outcome is {outcome['code']}: {outcome['detail']}", mend="see `lambent logs preprocess infer`"
        )
    # While a label has a canary, an upload may get the other version.
    ref = ModelRef(outcome["model"], int(outcome["version"]))
    if wrong := patient.trial_of(ref).why_wrong_prediction(outcome):
        return failed(f"{ref} by upload: {wrong}", mend=_KERNELS)
    return ok(f"{ref} answers as recorded{left}")


@check("webhook-secret", group=GROUP, asks="Is there a secret that signs this tenant's webhooks?")
def _webhook_secret(patient: Patient) -> Finding:
    answer = patient.http.get("/webhooks/secret")
    if not is_well(answer):
        return failed(f"GET /webhooks/secret: {told(answer)}", mend="see `lambent logs jobs --since 10m`")
    if not str(as_json(answer).get("secret", "")).startswith("whsec_"):
        return failed("the answer holds no secret", mend="lambent webhooks secret --rotate")
    return ok("there is one")
