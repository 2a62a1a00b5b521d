"""What a person calls: a picture, a text or rows in, labels out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.error_answers import MODEL_ERRORS, SLOW_ERRORS
from lambent_toolkit.openapi.other_answers import OTHER_ANSWERS
from lambent_toolkit.openapi.parameters import CALL_KEY, DATA_PLANE_HEADERS, DATA_PLANE_PARAMETERS, json_answer
from lambent_toolkit.openapi.route import Route, with_versions
from lambent_toolkit.openapi.schema_parts import ref

TAG = {
    "name": "Prediction",
    "description": "A photo, a sentence or a table row in, labels out: no tensors, the model's contract says how to "
    "make them.",
}
_DESCRIPTION = """One item or several, in the form that suits you; what a model takes, its contract says.

| model of | takes |
|---|---|
| pictures | JPEG, PNG or WebP as they are; several as `multipart/form-data`; JSON with `image` or `images` |
| texts | `text/plain`; JSON with `text` or `texts` |
| table rows | `text/csv`; JSON with `rows` |

A model of labels answers with them, a regression with a number; a model whose contract declares neither (an embedding,
a mask, boxes) with its outputs as named tensors. An answer that is too large for the door lies at the address that a
303 names.

The label `live` chooses the version, unless the path does. `Accept: text/csv` asks for a table.

Scores are calibrated: the model's output at the temperature of its contract, as for uploads and in batches. `/v1` and
`/v2` give the output itself."""
_ANSWER = {
    "model": samples.MODEL,
    "version": "1",
    "predictions": [
        {"label": "7", "score": 0.992188, "top": [{"label": "7", "score": 0.992188}, {"label": "9", "score": 0.003906}]}
    ],
    "usage": {"items": 1, "input_bytes": 539},
}


def routes() -> Iterator[Route]:
    """Yield the media routes."""
    yield from with_versions(_predict(), after="{model}")


def _predict() -> Route:
    answer = json_answer("Labels and scores, numbers, or outputs.", ref("MediaAnswer"), _ANSWER, *DATA_PLANE_HEADERS)
    answer["content"]["text/csv"] = {
        "schema": {"type": "string", "description": "If asked for in `Accept`: a line for each item, and a header."}
    }
    return Route(
        operation_id="predict",
        method="post",
        path="/models/{model}/predict",
        tag=TAG["name"],
        summary="Predict",
        description=_DESCRIPTION,
        parameters=("top_k", *DATA_PLANE_PARAMETERS),
        body={"required": True, "content": _content()},
        answers={200: answer, **OTHER_ANSWERS},
        errors=(*MODEL_ERRORS, *_PREDICT_ERRORS, *SLOW_ERRORS),
        samples=_samples(),
    )


def _content() -> dict[str, Any]:
    file = {"schema": {"description": "The picture's bytes."}}
    files = {
        "type": "object",
        "description": "Several pictures, a part each.",
        "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }
    forms = [ref("ImageRequest"), ref("TextRequest"), ref("RowsRequest")]
    examples = {name: {"value": body} for name, body in _bodies().items()}
    return {
        "image/png": file,
        "image/jpeg": file,
        "image/webp": file,
        "multipart/form-data": {"schema": files},
        "application/json": {
            "schema": {"description": "As the model takes pictures, texts or rows.", "anyOf": forms},
            "examples": examples,
        },
        "text/plain": {"schema": {"type": "string", "description": "One text, in UTF-8."}},
        "text/csv": {"schema": {"type": "string", "description": "Rows, after a line that names the columns."}},
    }


def _bodies() -> dict[str, Any]:
    picture = {"b64": samples.png_base64()}
    return {"a picture in JSON": {"image": picture}, "two pictures in JSON": {"images": [picture, picture]}}


def _samples() -> list[dict[str, str]]:
    path, picture = f"/models/{samples.MODEL}/predict?top_k=2", samples.png_base64()
    later = ("Prefer: respond-async", f"Idempotency-Key: {CALL_KEY}")
    send = partial(samples.curl_file, path, picture, "image/png", is_base64=True)
    return [
        {**send(), "label": "curl: a picture"},
        {**send("Accept: text/csv"), "label": "curl: a table for an answer"},
        {**send(*later), "label": "curl: answered later"},
        *samples.curl_examples("post", path, _bodies()),
    ]


_PREDICT_ERRORS = (
    errors.JsonInvalid,
    errors.JsonTooComplex,
    errors.RequestInvalid,
    errors.RequestMalformed,
    errors.FieldNotAllowed,
    errors.ColumnInvalid,
    errors.TextInvalid,
    errors.ContentCodingInvalid,
    errors.MediaTypeUnsupported,
    errors.NotAcceptable,
    errors.OutputNotJson,
    errors.SourceEmpty,
    errors.ImageFormatUnsupported,
    errors.ImageCorrupt,
    errors.ImageTooLargeDecoded,
    errors.ProcessingCrashed,
)
