"""Uploads: files too large for the door, by a form that any browser or client can send."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.parameters import UPLOAD_ID, json_answer, json_content
from lambent_toolkit.openapi.route import Route
from lambent_toolkit.openapi.schema_parts import ref

TAG = {
    "name": "Uploads",
    "description": "For files larger than a request may be: ask for a grant, send the form that it holds, look for the "
    "result.",
}
_PYTHON = f"""import hashlib
import httpx

picture = open("picture.png", "rb").read()
with httpx.Client(base_url=url, headers={{"x-api-key": key}}) as lambent:
    wanted = {{"model": "{samples.MODEL}", "content_type": "image/png", "sha256": hashlib.sha256(picture).hexdigest()}}
    grant = lambent.post("/uploads", json=wanted).json()
    form = grant["upload"]
    httpx.post(form["url"], data=form["fields"], files={{form["file_field"]: picture}}).raise_for_status()
    print(lambent.get(grant["then"]["path"]).json())"""


def routes() -> Iterator[Route]:
    """Yield the routes of uploads."""
    yield _grant()
    yield _show()
    yield _grant_input()


def _grant() -> Route:
    wanted = {
        "model": samples.MODEL,
        "content_type": "image/png",
        "sha256": sha256(samples.png()).hexdigest(),
        "size_bytes": len(samples.png()),
        "name": "seven.png",
    }
    granted = {
        "id": UPLOAD_ID,
        "model": samples.MODEL,
        "expires_at": "2026-11-23T21:15:00Z",
        "upload": {
            "method": "POST",
            "url": f"https://{samples.BUCKET}.s3.amazonaws.com/",
            "fields": {"key": f"inbox/default/{samples.MODEL}/{UPLOAD_ID}/seven.png", "policy": "…"},
            "file_field": "file",
        },
        "then": {"method": "GET", "path": f"/uploads/{UPLOAD_ID}"},
    }
    return Route(
        operation_id="grant_upload",
        method="post",
        path="/uploads",
        tag=TAG["name"],
        summary="Get leave to upload one file",
        description="The grant holds a form: send its fields as they are, then the file. It is good for 15 minutes and "
        "for exactly the bytes whose `sha256` you name.",
        parameters=("RequestKey",),
        body={"required": True, "content": json_content(ref("UploadRequest"), picture=wanted)},
        answers={201: json_answer("Granted.", ref("GrantView"), granted, "Location")},
        errors=_GRANT_ERRORS,
        samples=[
            samples.curl_json("post", "/uploads", wanted),
            {"lang": "Python", "label": "httpx, all three steps", "source": _PYTHON},
        ],
    )


def _show() -> Route:
    pending: dict[str, Any] = {
        "id": UPLOAD_ID,
        "state": "pending",
        "model": samples.MODEL,
        "created_at": "2026-11-23T21:00:00Z",
        "expires_at": "2026-11-23T21:15:00Z",
        "result": None,
        "error": None,
    }
    return Route(
        operation_id="show_upload",
        method="get",
        path="/uploads/{id}",
        parts={"id": "uploadId"},
        tag=TAG["name"],
        summary="What became of an upload",
        description="Another tenant's id answers exactly as one that does not exist. An upload under whose name "
        "nothing lies 20 minutes after it was granted is `failed` with the code `source_gone`: nothing was sent, or it "
        "was sent under another name.",
        answers={200: json_answer("The upload.", ref("UploadView"), pending)},
        errors=(errors.UploadNotFound,),
        samples=[samples.curl_json("get", f"/uploads/{UPLOAD_ID}")],
    )


def _grant_input() -> Route:
    manifest = b'{"id": "a", "text": "good day"}\n'
    digest = sha256(manifest).hexdigest()
    wanted = {
        "content_type": "application/x-ndjson",
        "sha256": digest,
        "size_bytes": len(manifest),
        "name": "items.jsonl",
    }
    uri = f"s3://{samples.BUCKET}/inputs/default/{digest[:32]}/items.jsonl"
    granted = {
        "uri": uri,
        "expires_at": "2026-11-23T21:15:00Z",
        "upload": {
            "method": "POST",
            "url": f"https://{samples.BUCKET}.s3.amazonaws.com/",
            "fields": {"key": uri.removeprefix(f"s3://{samples.BUCKET}/"), "policy": "…"},
            "file_field": "file",
        },
        "then": {"method": "POST", "path": "/jobs", "body": {"input": {"uri": uri}}},
    }
    return Route(
        operation_id="grant_input",
        method="post",
        path="/inputs",
        tag=TAG["name"],
        summary="Get leave to upload a batch's input",
        description="As for one file to predict, but for a batch to read: a manifest, a table or a zip of pictures, up "
        "to 5 GB. Name the answer's `uri` in `POST /jobs` once the form is sent. The same content under the same name "
        "has the same address.",
        body={"required": True, "content": json_content(ref("InputRequest"), manifest=wanted)},
        answers={201: json_answer("Granted.", ref("InputGrantView"), granted)},
        errors=(
            errors.JsonInvalid,
            errors.JsonTooComplex,
            errors.RequestInvalid,
            errors.FieldNotAllowed,
            errors.MediaTypeUnsupported,
        ),
        samples=[samples.curl_json("post", "/inputs", wanted)],
    )


_GRANT_ERRORS = (
    errors.JsonInvalid,
    errors.JsonTooComplex,
    errors.RequestInvalid,
    errors.FieldNotAllowed,
    errors.MediaTypeUnsupported,
    errors.NameInvalid,
    errors.ModelNotFound,
    errors.ModelNotReady,
    errors.UploadKeyInvalid,
)
