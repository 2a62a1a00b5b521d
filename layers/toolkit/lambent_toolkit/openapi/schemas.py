"""What bodies look like: from the contracts where these are msgspec structs, by hand for other people's protocols."""

from __future__ import annotations

import json
from inspect import cleandoc
from typing import Any, get_args

import msgspec

from lambent.contracts.answers import AnswerReference
from lambent.contracts.batch_request import BatchSubmission, PriorityRequest
from lambent.contracts.job_views import ErrorPage, JobPage, JobView, ResultPage
from lambent.contracts.media import ClassPrediction, Usage, ValuePrediction
from lambent.contracts.media_requests import ImageRequest, RowsRequest, TextRequest
from lambent.contracts.model import Datatype
from lambent.contracts.notifications import JobEvent, WebhookSecretView
from lambent.contracts.oip_metadata import IndexRequest, RepositoryRequest
from lambent.contracts.quotes import Quote
from lambent.contracts.uploads import GrantView, InputGrantView, InputRequest, UploadRequest, UploadView
from lambent.contracts.versions import CardView, VersionView
from lambent_toolkit.openapi import schemas_oip, schemas_tfs
from lambent_toolkit.openapi.error_answers import error_examples
from lambent_toolkit.openapi.schema_parts import COUNT, REFERENCE, STRING, array_of, loose, ref, strict

_STRUCTS = (
    AnswerReference,
    BatchSubmission,
    CardView,
    ClassPrediction,
    ErrorPage,
    GrantView,
    ImageRequest,
    IndexRequest,
    InputGrantView,
    InputRequest,
    JobEvent,
    JobPage,
    JobView,
    PriorityRequest,
    Quote,
    RepositoryRequest,
    ResultPage,
    RowsRequest,
    TextRequest,
    UploadRequest,
    UploadView,
    Usage,
    ValuePrediction,
    VersionView,
    WebhookSecretView,
)


def schemas() -> dict[str, Any]:
    """Return components.schemas."""
    _, generated = msgspec.json.schema_components(_STRUCTS, ref_template=REFERENCE)
    return {
        **_json_schema(generated),
        **_OWN,
        **_MEDIA,
        **schemas_oip.SCHEMAS,
        **schemas_tfs.SCHEMAS,
        "Problem": _problem(),
    }


def _json_schema(generated: dict[str, Any]) -> dict[str, Any]:
    # Python's end of text is \Z, JSON Schema's is $.
    schemas: dict[str, Any] = json.loads(json.dumps(generated).replace(r"\\Z", "$"))
    for schema in schemas.values():
        # Docstrings are reStructuredText, descriptions CommonMark.
        schema["description"] = cleandoc(schema["description"]).replace("``", "`")
    return schemas


def _problem() -> dict[str, Any]:
    codes = sorted(example["value"]["code"] for example in error_examples().values())
    anything = {"description": "A JSON value, or null."}
    return loose(
        {
            "error": {**STRING, "description": "The detail again, where inference protocol clients read it."},
            "code": {**STRING, "enum": codes, "description": "What is wrong; stable, for programs."},
            "title": {**STRING, "description": "The code in words."},
            "detail": {**STRING, "description": "What, where, which limit, what came, how to mend it."},
            "field": {"type": ["string", "null"], "description": "Where in the request."},
            "limit": {**anything, "description": "What is allowed."},
            "got": {**anything, "description": "What came."},
            "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
            "type": {**STRING, "format": "uri", "description": "`urn:lambent:error:` and the code (RFC 9457)."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "request_id": {**STRING, "description": "Names the request in the logs."},
            "errors": array_of({"type": "object"}, maxItems=20, description="Further findings of the same kind."),
            "upload": {"type": "object", "description": "Too large: the upload to make instead, and a grant for it."},
        },
        optional=("errors", "upload"),
        description="Every error, at every door (RFC 9457, and `error` for inference protocol clients).",
    )


_OWN: dict[str, Any] = {
    "ModelList": strict({"models": array_of(STRING, description="Names, sorted.")}),
    "ModelPage": strict(
        {
            "models": array_of(STRING, description="Names, sorted."),
            "next_cursor": {**STRING, "description": "Left out on the last page."},
        },
        optional=("next_cursor",),
    ),
    "ModelDescription": strict(
        {
            "name": STRING,
            "versions": array_of(STRING, description="Numbers in rising order."),
            "labels": {
                "type": "object",
                "additionalProperties": STRING,
                "description": "Label to version; `live` is what callers get who name neither.",
            },
            "canaries": {
                "type": "object",
                "additionalProperties": strict(
                    {"version": STRING, "weight_percent": {"type": "number", "minimum": 0.01, "maximum": 99.99}}
                ),
                "description": "Label to the version that is on trial there, with its part of the label's requests.",
            },
            "retired": array_of(STRING, description="Versions that no label may point to any more."),
            "card": {
                "anyOf": [ref("CardView"), {"type": "null"}],
                "description": "Of the version behind `live`; null if no version is.",
            },
        }
    ),
}
# An answer's union of structs without tags, and arrays, which msgspec writes but does not describe.
_MEDIA: dict[str, Any] = {
    "MediaAnswer": strict(
        {
            "model": STRING,
            "version": STRING,
            "predictions": array_of(
                {"anyOf": [ref("ClassPrediction"), ref("ValuePrediction"), ref("TensorsPrediction")]},
                description="One for each item sent, all of one kind.",
            ),
            "usage": ref("Usage"),
        }
    ),
    "TensorsPrediction": strict(
        {"outputs": array_of(ref("NamedTensor"), description="All outputs, in the contract's order.")},
        description="The outputs of one item as they are, of a model whose contract declares neither labels nor a "
        "number: an embedding, a mask, boxes.",
    ),
    "NamedTensor": strict(
        {
            "name": STRING,
            "datatype": {**STRING, "enum": list(get_args(Datatype))},
            "shape": array_of(COUNT, description="The item's own, without the batch."),
            "data": array_of(
                {"anyOf": [{"type": "number"}, {"type": "boolean"}]}, description="All numbers, flat and row-major."
            ),
        },
        description="One output of one item, as the Open Inference Protocol has it.",
    ),
}
