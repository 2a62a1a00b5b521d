"""TensorFlow Serving's REST API, and KServe's version 1 on the same paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lambent import errors
from lambent.errors import LambentError
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.error_answers import MODEL_ERRORS, SLOW_ERRORS
from lambent_toolkit.openapi.other_answers import OTHER_ANSWERS
from lambent_toolkit.openapi.parameters import (
    DATA_PLANE_HEADERS,
    DATA_PLANE_PARAMETERS,
    json_answer,
    json_content,
)
from lambent_toolkit.openapi.route import Route, with_versions
from lambent_toolkit.openapi.schema_parts import ref

TAG = {
    "name": "TensorFlow Serving",
    "description": "The calls of its REST guide, and KServe's version 1. Bare `NaN` and `Infinity` are taken and "
    "given; no content type is asked for.",
}
_MODEL = "/v1/models/{model}"
_STATUS = {
    "name": samples.MODEL,
    "ready": True,
    "model_version_status": [
        {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ],
}
_METADATA = {
    "model_spec": {"name": samples.MODEL, "signature_name": "", "version": "1"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {
                        "image": {
                            "dtype": "DT_FLOAT",
                            "tensor_shape": {
                                "dim": [{"size": size, "name": ""} for size in ("-1", "28", "28", "1")],
                                "unknown_rank": False,
                            },
                            "name": "image:0",
                        }
                    },
                    "outputs": {
                        "scores": {
                            "dtype": "DT_FLOAT",
                            "tensor_shape": {
                                "dim": [{"size": size, "name": ""} for size in ("-1", "10")],
                                "unknown_rank": False,
                            },
                            "name": "scores:0",
                        }
                    },
                    "method_name": "tensorflow/serving/predict",
                }
            }
        }
    },
}
_SCORES = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.99609375, 0.0, 0.0]
_PREDICT = """Rows or columns in, the same out.

- `instances`: a list of rows, each a value of the one input or `{name: value}` of all; answered by `predictions`.
- `inputs`: the whole tensor, or `{name: tensor}`; answered by `outputs`.
- Bytes are `{"b64": "…"}`: a picture may come as its file, a text as a string, a table row as `{column: value}`.
- Numbers are those of the model's file; `POST /models/{model}/predict` gives calibrated scores."""


def routes() -> Iterator[Route]:
    """Yield the protocol's routes."""
    alive = {"status": "alive"}
    yield _read("kserve_live", "/", "KServe version 1: whether the service runs", schema="KserveLive", example=alive)
    names = {"models": [samples.MODEL]}
    yield _read("kserve_models", "/v1/models", "Names of all models", schema="ModelList", example=names)
    status = _read(
        "model_status",
        _MODEL,
        "Which versions are available",
        schema="ModelStatus",
        example=_STATUS,
        refusals=MODEL_ERRORS,
    )
    signature = _read(
        "signature",
        f"{_MODEL}/metadata",
        "Inputs and outputs as a signature",
        schema="SignatureMetadata",
        example=_METADATA,
        refusals=MODEL_ERRORS,
    )
    for route in (status, signature, _predict(), _classify(), _regress()):
        yield from with_versions(route, after="{model}")


def _read(
    operation_id: str,
    path: str,
    summary: str,
    *,
    schema: str,
    example: Any,
    refusals: Sequence[type[LambentError]] = (),
) -> Route:
    return Route(
        operation_id=operation_id,
        method="get",
        path=path,
        tag=TAG["name"],
        summary=summary,
        answers={200: json_answer("What was asked for.", ref(schema), example)},
        errors=refusals,
        samples=[samples.curl_json("get", path.replace("{model}", samples.MODEL))],
    )


def _predict() -> Route:
    examples = {
        "picture": {"instances": [{"b64": samples.png_base64()}]},
        "rows": {"instances": [samples.nested_pixels()]},
        "columns": {"inputs": {"image": [samples.nested_pixels()]}},
    }
    return _call(
        "predict",
        "Rows or columns in, the same out",
        _PREDICT,
        body=json_content(ref("PredictRequest"), **examples),
        answer=json_answer("As was asked.", ref("PredictAnswer"), {"predictions": [_SCORES]}, *DATA_PLANE_HEADERS),
        pasted=samples.curl_examples("post", f"/v1/models/{samples.MODEL}:predict", examples),
    )


def _classify() -> Route:
    examples = {"picture": {"examples": [{"image": {"b64": samples.png_base64()}}]}}
    classes = {"results": [[["7", 0.996094], ["9", 0.003906]]]}
    return _call(
        "classify",
        "Examples in, labels and scores out",
        "For models with labels; each result lists all of them, best first, with the numbers of `:predict`: neither "
        "calibrated nor held to the contract's threshold, which `POST /models/{model}/predict` does.",
        body=json_content(ref("ExamplesRequest"), **examples),
        answer=json_answer("A list for each example.", ref("Classes"), classes, *DATA_PLANE_HEADERS),
        pasted=samples.curl_examples("post", f"/v1/models/{samples.MODEL}:classify", examples),
    )


def _regress() -> Route:
    source = samples.compact({"examples": [{"rooms": 3, "area": 71.5}]})
    return _call(
        "regress",
        "Examples in, values out",
        "For models of one number; `rooms` and `area` below stand for the columns of such a model.",
        body=json_content(ref("ExamplesRequest")),
        answer=json_answer("A value for each example.", ref("Values"), {"results": [284.5]}, *DATA_PLANE_HEADERS),
        pasted=[{"lang": "JSON", "label": "Body", "source": source}],
    )


def _call(
    verb: str,
    summary: str,
    description: str,
    *,
    body: dict[str, Any],
    answer: dict[str, Any],
    pasted: list[dict[str, str]],
) -> Route:
    return Route(
        operation_id=f"tfs_{verb}",
        method="post",
        path=f"{_MODEL}:{verb}",
        tag=TAG["name"],
        summary=summary,
        description=description,
        parameters=DATA_PLANE_PARAMETERS,
        body={"required": True, "content": body},
        answers={200: answer, **OTHER_ANSWERS},
        errors=(*MODEL_ERRORS, *_CALL_ERRORS, *SLOW_ERRORS),
        samples=pasted,
    )


_CALL_ERRORS = (
    errors.JsonInvalid,
    errors.JsonTooComplex,
    errors.RequestInvalid,
    errors.RequestMalformed,
    errors.ContentCodingInvalid,
    errors.MediaTypeUnsupported,
    errors.TensorNameUnknown,
    errors.TensorShapeMismatch,
    errors.TensorDtypeMismatch,
    errors.ColumnInvalid,
    errors.TextInvalid,
    errors.ImageFormatUnsupported,
    errors.ImageCorrupt,
    errors.ImageTooLargeDecoded,
    errors.SourceEmpty,
    errors.ProcessingCrashed,
)
