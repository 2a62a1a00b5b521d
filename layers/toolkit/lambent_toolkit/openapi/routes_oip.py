"""Open Inference Protocol v2: health, metadata, inference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambent import __version__, errors
from lambent.contracts.oip_metadata import EXTENSIONS
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.error_answers import MODEL_ERRORS, SLOW_ERRORS
from lambent_toolkit.openapi.other_answers import OTHER_ANSWERS
from lambent_toolkit.openapi.parameters import DATA_PLANE_HEADERS, DATA_PLANE_PARAMETERS, headers, json_answer
from lambent_toolkit.openapi.route import Route, with_versions
from lambent_toolkit.openapi.schema_parts import ref

TAG = {
    "name": "Open Inference Protocol",
    "description": "Version 2, with Triton's binary tensors, classification, repository and statistics: for "
    "`tritonclient[http]`, KServe's `InferenceRESTClient` and whatever else speaks it. A version in a path may be a "
    "number or a label; without one the label `live` decides.",
}
_NAME = TAG["name"]
_MODEL = "/v2/models/{model}"
_INFER = f"/v2/models/{samples.MODEL}/infer"
_ANSWER = {
    "model_name": samples.MODEL,
    "model_version": "1",
    "id": "42",
    "outputs": [{"name": "scores", "datatype": "BYTES", "shape": [1, 1], "data": ["0.992188:7:7"]}],
}
_TRITON = f'''import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

client = InferenceServerClient(url="host:443/stage", ssl=True)
image = InferInput("image", [1, 28, 28, 1], "FP32")
image.set_data_from_numpy(np.zeros((1, 28, 28, 1), np.float32))
result = client.infer("{samples.MODEL}", [image], headers={{"x-api-key": key}})
print(result.as_numpy("scores"))'''
_DESCRIPTION = """Tensors in, tensors out.

- **JSON:** `data` is row-major, nested or flat. Pictures and texts may come as they are, instead of the model's
  tensors: one `BYTES` input named `image` (base64 in JSON) or `text`.
- **Binary tensors:** the JSON, then the tensors' bytes (little-endian, row-major), in the order of the inputs that have
  `parameters.binary_data_size`; `Inference-Header-Content-Length` tells the length of the JSON. JSON and binary tensors
  mix. Ask for binary outputs by `parameters.binary_data` of an output or `binary_data_output` of the request.
- **Classes:** `parameters.classification: k` of an output answers its k best as `value:index:label`.
- **Scores** are the output of the model's file, as numbers and as classes alike. The calibrated ones, which
  `POST /models/{model}/predict`, uploads and batches give, follow from them by `activation` and `temperature` in
  `parameters.scores` of the model's metadata; with both `none` and 1 they are the same.
- `FP16`, NaN and infinity have no JSON form; ask for such outputs in binary."""


def routes() -> Iterator[Route]:
    """Yield the protocol's routes."""
    yield from _server_routes()
    yield from with_versions(_metadata(), after="{model}", kinds=("versionOrLabel",))
    yield from with_versions(_model_ready(), after="{model}", kinds=("versionOrLabel",))
    yield from with_versions(_infer(), after="{model}", kinds=("versionOrLabel",))


def read_route(operation_id: str, path: str, summary: str, schema: str, example: Any, **more: Any) -> Route:
    """Return a GET of the protocol that answers JSON."""
    return Route(
        operation_id=operation_id,
        method="get",
        path=path,
        tag=_NAME,
        summary=summary,
        answers={200: json_answer("What was asked for.", ref(schema), example)},
        samples=[samples.curl_json("get", path.replace("{model}", samples.MODEL))],
        **more,
    )


def _server_routes() -> Iterator[Route]:
    server = {"name": "lambent", "version": __version__, "extensions": list(EXTENSIONS)}
    yield read_route("server_metadata", "/v2", "Name, version and extensions of the server", "ServerMetadata", server)
    yield read_route("server_live", "/v2/health/live", "Whether the function runs", "ServerLive", {"live": True})
    ready = {"ready": True, "live": True}
    yield read_route("server_ready", "/v2/health/ready", "Whether the registry can be read", "ServerReady", ready)
    yield read_route("protocol_models", "/v2/models", "Names of all models", "ModelList", {"models": [samples.MODEL]})


def _metadata() -> Route:
    example = {
        "name": samples.MODEL,
        "versions": ["1"],
        "platform": "tensorflow_lite",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 28, 28, 1]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 10]}],
        "parameters": {
            "raw_inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
            "scores": {
                "output": "scores",
                "activation": "none",
                "temperature": 0.79,
                "here": "the output as the model's file gives it, also as classes",
                "calibrated_at": "/models/{model}/predict, uploads and batches",
            },
        },
    }
    summary = "Inputs and outputs of a model"
    return read_route("model_metadata", _MODEL, summary, "ModelMetadata", example, errors=MODEL_ERRORS)


def _model_ready() -> Route:
    example = {"name": samples.MODEL, "ready": True}
    summary = "Load a model if need be and say that it is ready"
    return read_route("model_ready", f"{_MODEL}/ready", summary, "ModelReady", example, errors=MODEL_ERRORS)


def _infer() -> Route:
    picture = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [samples.png_base64()]}
    classes = [{"name": "scores", "parameters": {"classification": 1}}]
    examples = {
        "picture": {"id": "42", "inputs": [picture], "outputs": classes},
        "tensor": {
            "inputs": [{"name": "image", "shape": [1, 28, 28, 1], "datatype": "FP32", "data": samples.pixels()}]
        },
    }
    content = {
        "application/json": {
            "schema": ref("InferRequest"),
            "examples": {name: {"value": value} for name, value in examples.items()},
        },
        "application/octet-stream": {"schema": {"description": "JSON, then binary tensors."}},
    }
    return Route(
        operation_id="infer",
        method="post",
        path=f"{_MODEL}/infer",
        tag=_NAME,
        summary="Infer",
        description=_DESCRIPTION,
        parameters=("InferenceHeaderContentLength", *DATA_PLANE_PARAMETERS),
        body={"required": True, "content": content},
        answers={200: _infer_answer(), **OTHER_ANSWERS},
        errors=(*MODEL_ERRORS, *INFER_ERRORS, *SLOW_ERRORS),
        samples=[
            *samples.curl_examples("post", _INFER, examples),
            {"lang": "Python", "label": "tritonclient", "source": _TRITON},
        ],
    )


def _infer_answer() -> dict[str, Any]:
    answer = json_answer("The outputs; in binary if asked for.", ref("InferAnswer"), _ANSWER, *DATA_PLANE_HEADERS)
    answer["content"]["application/octet-stream"] = {
        "schema": {"description": "JSON, then binary tensors; Inference-Header-Content-Length tells where they begin."}
    }
    length = {**headers("Inference-Header-Content-Length")["Inference-Header-Content-Length"]}
    return {**answer, "headers": {**answer["headers"], "Inference-Header-Content-Length": length}}


INFER_ERRORS = (
    errors.JsonInvalid,
    errors.JsonTooComplex,
    errors.RequestInvalid,
    errors.ContentCodingInvalid,
    errors.MediaTypeUnsupported,
    errors.TensorNameUnknown,
    errors.TensorShapeMismatch,
    errors.TensorDtypeMismatch,
    errors.OutputNotJson,
    errors.ImageFormatUnsupported,
    errors.ImageCorrupt,
    errors.ImageTooLargeDecoded,
    errors.SourceEmpty,
    errors.TextInvalid,
    errors.ColumnInvalid,
    errors.ProcessingCrashed,
)
