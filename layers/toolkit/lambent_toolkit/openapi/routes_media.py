"""What a person calls: a picture, a text or rows in, labels out."""

from __future__ import annotations

from collections.abc import Iterator

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.error_answers import LATER_ERRORS, MODEL_ERRORS
from lambent_toolkit.openapi.other_answers import OTHER_ANSWERS
from lambent_toolkit.openapi.parameters import CALL_KEY, DATA_PLANE_HEADERS, DATA_PLANE_PARAMETERS, json_answer
from lambent_toolkit.openapi.route import Route, with_versions
from lambent_toolkit.openapi.schema_parts import ref

TAG = {
    "name": "Prediction",
    "description": "A photo, a sentence or a table row in, labels out: no tensors, the model's contract says how to "
    "make them.",
}
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
    picture = {"schema": {"description": "The file's bytes."}}
    content = {"image/png": picture, "image/jpeg": picture, "image/webp": picture}
    return Route(
        operation_id="predict",
        method="post",
        path="/models/{model}/predict",
        tag=TAG["name"],
        summary="Predict",
        description="The label `live` chooses the version, unless the path does.",
        parameters=("top_k", *DATA_PLANE_PARAMETERS),
        body={"required": True, "content": content},
        answers={
            200: json_answer("Labels and scores.", ref("MediaAnswer"), _ANSWER, *DATA_PLANE_HEADERS),
            **OTHER_ANSWERS,
        },
        errors=(*MODEL_ERRORS, *_PREDICT_ERRORS, *LATER_ERRORS),
        samples=_samples(),
    )


def _samples() -> list[dict[str, str]]:
    path, picture = f"/models/{samples.MODEL}/predict?top_k=2", samples.png_base64()
    later = ("Prefer: respond-async", f"Idempotency-Key: {CALL_KEY}")
    return [
        {**samples.curl_file(path, picture, "image/png", is_base64=True), "label": "curl: a picture"},
        {**samples.curl_file(path, picture, "image/png", *later, is_base64=True), "label": "curl: answered later"},
    ]


_PREDICT_ERRORS = (
    errors.RequestInvalid,
    errors.ContentCodingInvalid,
    errors.MediaTypeUnsupported,
    errors.NotAcceptable,
    errors.SourceEmpty,
    errors.ImageFormatUnsupported,
    errors.ImageCorrupt,
    errors.ImageTooLargeDecoded,
)
