"""Jobs, the registry, and this document itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.error_answers import LATER_ERRORS, MODEL_ERRORS
from lambent_toolkit.openapi.other_answers import BATCH_JOB, STORED
from lambent_toolkit.openapi.parameters import CALL_ID, headers, json_answer, json_content
from lambent_toolkit.openapi.quote_example import QUOTE
from lambent_toolkit.openapi.route import Route
from lambent_toolkit.openapi.routes_job_reads import JOBS, job_reads
from lambent_toolkit.openapi.routes_oip import INFER_ERRORS
from lambent_toolkit.openapi.schema_parts import ref

REGISTRY = {"name": "Models", "description": "What there is to call."}
DOCUMENT = {"name": "Document", "description": "This document; both routes answer without an API key."}
_REQUEST = {
    "schema_version": 1,
    "id": "docs-1",
    "model": samples.MODEL,
    "input": {"manifest_uri": f"s3://{samples.BUCKET}/inputs/default/items.jsonl"},
}
_INLINE = {
    "schema_version": 1,
    "id": "docs-2",
    "model": "words",
    "input": {"items": [{"id": "a", "text": "good day"}, {"id": "b", "text": "bad day"}]},
    "output": {"format": "parquet"},
}
_SUBMIT = """\
Name the job by `id` or by `Idempotency-Key`. `input` is exactly one of:

- `uri`, of at most 256 MiB (a zip: 20 GiB). What it is, its ending or `format` says:
  - **jsonl**: an item a line, `{"id": …}` and one of `"uri"`, `"text"`, `"row": {…}`, `"image": {"b64": …}`. A `uri`
    may be relative to the manifest's folder.
  - **csv** (RFC 4180, UTF-8, with a header) or **parquet**: an item a row. For a model of table rows, the row is the
    model's columns; for one of texts, the text in the column `text` or in the only column; for one of pictures, the
    address in the column `uri`. Ids are in the column that `id_column` names, or in one called `id`; without either a
    row's number is its id. Cells are data: what a spreadsheet would take for a formula goes to the model as it is.
  - **zip**: of pictures or other single items, stored or deflated, 100,000 at most; a member's name is its id. Nothing
    is extracted. Encrypted members, links, archives, names that lead out of the archive, members that overlap or
    unpack to more than 100 times their size refuse the whole.
- `manifest_uri`: the same as `uri` with `format: jsonl`.
- `prefix`: every object under an address that ends in `/`; the rest of its key is its id.
- `items`: up to 1,000 items themselves, as in a JSONL line.
- `failed_of`: what has no result in an earlier job of the same model, which has ended.

All addresses lie in the stack's data bucket, under `inputs/{tenant}/` or `inbox/{tenant}/`. A job has 1,000,000 items
at most, of different ids. An input that breaks a rule fails the job as a whole, with up to 20 of its faults by line,
row or entry and how many there are; an item that cannot be read or decoded has an error in its place, and the others
have results. With `etag`, an object that was overwritten since fails the job with `source_changed`.

A file put under `inbox/{tenant}/{model}/` whose name ends in .jsonl, .csv, .parquet or .zip is submitted so by itself.

`output.format` `parquet` writes parts of columns that are the fields of JSON lines; fields that a line lacks are null.
"""
_CARD = {"version": "1", "markdown": "# digits\n\n## What it is\n\n…\n", "error": None}
_VERSION = {
    "name": samples.MODEL,
    "version": "1",
    "state": "active",
    "labels": ["live"],
    "published": {"at": "2026-11-23T21:00:00.000Z", "by": "", "why": ""},
    "retired": None,
    "signed_by": "0123456789ab",
    "manifest_sha256": "0" * 64,
    "files": [{"name": "model.tflite", "size_bytes": 59_216, "sha256": "0" * 64}],
    "card": _CARD,
}
_CARD_ALONE = "`Accept: text/markdown` answers the model card alone, verified."
_CARD_ERRORS = (
    errors.NameInvalid,
    errors.ModelNotFound,
    errors.CardNotFound,
    errors.NotAcceptable,
    errors.ModelIntegrityFailed,
    errors.ModelSignatureInvalid,
    errors.ModelFormatRefused,
)


def routes() -> Iterator[Route]:
    """Yield the routes of jobs, registry and document."""
    yield _submit()
    yield from job_reads()
    yield _result()
    yield from _registry()
    yield from _document()


def _submit() -> Route:
    accepted = json_answer("Accepted; the same request again answers the same job.", ref("JobView"), BATCH_JOB)
    return Route(
        operation_id="submit_job",
        method="post",
        path="/jobs",
        tag=JOBS["name"],
        summary="Submit a batch",
        description=_SUBMIT,
        parameters=("dryRun", "IdempotencyKey"),
        body={"required": True, "content": json_content(ref("BatchSubmission"), batch=_REQUEST, inline=_INLINE)},
        answers={
            200: json_answer("With `dry_run`: what the batch would take on each lane.", ref("Quote"), QUOTE),
            202: {**accepted, "headers": headers("Location")},
        },
        errors=(
            errors.JsonInvalid,
            errors.JsonTooComplex,
            errors.RequestInvalid,
            errors.FieldNotAllowed,
            errors.MediaTypeUnsupported,
            errors.NameInvalid,
            errors.ModelNotFound,
            errors.JobIdReused,
            errors.UrlRefused,
            errors.ManifestInvalid,
            errors.OutputNotJson,
            errors.LaneUnavailable,
            errors.DeadlineExceeded,
            *LATER_ERRORS,
        ),
        samples=[samples.curl_json("post", "/jobs", _REQUEST)],
    )


def _result() -> Route:
    answer: dict[str, Any] = {
        "description": "The answer as the door would have given it, of the same content type.",
        "headers": headers("Lambent-Model", "Lambent-Canary"),
        "content": {
            "application/json": {"schema": {"description": "As the call's route answers."}},
            "application/octet-stream": {"schema": {"description": "Binary tensors, as the call's route answers."}},
        },
    }
    return Route(
        operation_id="job_result",
        method="get",
        path="/jobs/{id}/result",
        parts={"id": "callId"},
        tag=JOBS["name"],
        summary="Answer of a call that was accepted for later",
        description="A call that failed answers its own error here.",
        answers={200: answer, 303: STORED},
        errors=(
            errors.JobNotFound,
            errors.ResultNotFound,
            errors.InProgress,
            errors.ProcessingGaveUp,
            *MODEL_ERRORS,
            *INFER_ERRORS,
        ),
        samples=[samples.curl_json("get", f"/jobs/{CALL_ID}/result")],
    )


def _registry() -> Iterator[Route]:
    yield Route(
        operation_id="list_models",
        method="get",
        path="/models",
        tag=REGISTRY["name"],
        summary="Names of all models",
        description="A page at a time: as long as there is a `next_cursor`, ask again with it as `cursor`.",
        parameters=("limit", "cursor"),
        answers={200: json_answer("The names.", ref("ModelPage"), {"models": [samples.MODEL]})},
        errors=(errors.CursorInvalid,),
        samples=[samples.curl_json("get", "/models")],
    )
    described = {
        "name": samples.MODEL,
        "versions": ["1", "2"],
        "labels": {"live": "1"},
        "canaries": {"live": {"version": "2", "weight_percent": 10.0}},
        "retired": [],
        "card": _CARD,
    }
    yield Route(
        operation_id="describe_model",
        method="get",
        path="/models/{model}",
        tag=REGISTRY["name"],
        summary="Versions and labels of a model, and the card of its live version",
        description=f"{_CARD_ALONE} What is wrong with the live version's files is in the card's `error` otherwise.",
        answers={200: _with_card(json_answer("The model.", ref("ModelDescription"), described))},
        errors=_CARD_ERRORS,
        samples=[samples.curl_json("get", f"/models/{samples.MODEL}")],
    )
    yield Route(
        operation_id="describe_version",
        method="get",
        path="/models/{model}/versions/{version}",
        tag=REGISTRY["name"],
        summary="One version: its model card, its files, who published it",
        description=f"{_CARD_ALONE} A retired version is shown until its files are removed.",
        answers={200: _with_card(json_answer("The version.", ref("VersionView"), _VERSION))},
        errors=_CARD_ERRORS,
        samples=[
            {
                "lang": "Shell",
                "label": "curl",
                "source": f'curl -s "$URL/models/{samples.MODEL}/versions/1" -H "x-api-key: $KEY" '
                "-H 'Accept: text/markdown'",
            }
        ],
    )


def _with_card(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that is also given as Markdown."""
    card = {"schema": {"type": "string"}, "examples": {"card": {"value": _CARD["markdown"]}}}
    return {**answer, "content": {**answer["content"], "text/markdown": card}}


def _document() -> Iterator[Route]:
    yield _file("openapi", "/openapi.json", "The API as OpenAPI 3.1", "application/json", {"type": "object"})
    yield _file("docs", "/docs", "The API as a page", "text/html", {"type": "string"})


def _file(operation_id: str, path: str, summary: str, media_type: str, schema: dict[str, Any]) -> Route:
    answer = {
        "description": summary,
        "headers": headers("Content-Encoding"),
        "content": {media_type: {"schema": schema}},
    }
    return Route(
        operation_id=operation_id,
        method="get",
        path=path,
        tag=DOCUMENT["name"],
        summary=summary,
        answers={200: answer},
        samples=[{"lang": "Shell", "label": "curl", "source": f'curl -s "$URL{path}"'}],
        is_open=True,
    )
