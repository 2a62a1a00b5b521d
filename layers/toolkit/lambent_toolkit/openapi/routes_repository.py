"""Triton's extensions of the Open Inference Protocol: configuration, statistics, model repository."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.error_answers import MODEL_ERRORS
from lambent_toolkit.openapi.parameters import json_answer, json_content
from lambent_toolkit.openapi.route import Route, with_versions
from lambent_toolkit.openapi.routes_oip import TAG, read_route
from lambent_toolkit.openapi.schema_parts import ref

_MODEL = "/v2/models/{model}"
_NEVER = {"count": 0, "ns": 0}
_ONCE = {"count": 1, "ns": 812_000}
_STATISTICS = {
    "model_stats": [
        {
            "name": samples.MODEL,
            "version": "1",
            "last_inference": 1_795_470_158_914,
            "inference_count": 1,
            "execution_count": 1,
            "inference_stats": {
                "success": _ONCE,
                "fail": _NEVER,
                "queue": {"count": 1, "ns": 0},
                "compute_input": {"count": 1, "ns": 310_000},
                "compute_infer": {"count": 1, "ns": 420_000},
                "compute_output": {"count": 1, "ns": 82_000},
                "cache_hit": _NEVER,
                "cache_miss": _NEVER,
            },
            "batch_stats": [
                {
                    "batch_size": 1,
                    "compute_input": {"count": 1, "ns": 310_000},
                    "compute_infer": {"count": 1, "ns": 420_000},
                    "compute_output": {"count": 1, "ns": 82_000},
                }
            ],
            "memory_usage": [],
        }
    ]
}
_CONFIGURATION = {
    "name": samples.MODEL,
    "platform": "tensorflow_lite",
    "backend": "tensorflow_lite",
    "max_batch_size": 1024,
    "input": [{"name": "image", "data_type": "TYPE_FP32", "dims": [28, 28, 1]}],
    "output": [{"name": "scores", "data_type": "TYPE_FP32", "dims": [10]}],
}
_BODY_ERRORS = (errors.JsonInvalid, errors.JsonTooComplex, errors.RequestInvalid)


def routes() -> Iterator[Route]:
    """Yield the extensions' routes."""
    configuration = read_route(
        "model_configuration",
        f"{_MODEL}/config",
        "Configuration of a model, in Triton's words",
        "ModelConfiguration",
        _CONFIGURATION,
        errors=MODEL_ERRORS,
    )
    yield from with_versions(configuration, after="{model}", kinds=("versionOrLabel",))
    yield from _statistics()
    yield _index()
    yield _change("load", "Serve a model again", "Nothing changes unless its live version loads.")
    yield _change("unload", "Stop serving a model", "Its versions and labels stay; calls answer as for an unknown one.")


def _statistics() -> Iterator[Route]:
    here = "Counts and durations since this execution environment started, and of it alone."
    summary = "Statistics of all models"
    yield read_route("statistics", "/v2/models/stats", summary, "Statistics", _STATISTICS, description=here)
    of_model = read_route(
        "model_statistics",
        f"{_MODEL}/stats",
        "Statistics of a model",
        "Statistics",
        _STATISTICS,
        description=here,
        errors=(errors.NameInvalid, errors.ModelNotFound),
    )
    yield from with_versions(of_model, after="{model}", kinds=("versionOrLabel",))


def _index() -> Route:
    path = "/v2/repository/index"
    example = [{"name": samples.MODEL, "version": "1", "state": "READY", "reason": "", "labels": {"live": 100.0}}]
    return Route(
        operation_id="repository_index",
        method="post",
        path=path,
        tag=TAG["name"],
        summary="Every version with its state",
        body={"content": json_content(ref("IndexRequest"), ready_only={"ready": True})},
        answers={200: json_answer("The versions.", ref("RepositoryIndex"), example)},
        errors=_BODY_ERRORS,
        samples=[samples.curl_json("post", path, {"ready": True})],
    )


def _change(verb: str, summary: str, description: str) -> Route:
    path = f"/v2/repository/models/{{model}}/{verb}"
    body: dict[str, Any] = {"content": json_content(ref("RepositoryRequest"), plain={})}
    return Route(
        operation_id=f"{verb}_model",
        method="post",
        path=path,
        tag=TAG["name"],
        summary=summary,
        description=f"{description} Needs the scope `operator`.",
        body=body,
        answers={200: json_answer("Done.", ref("Empty"), {})},
        errors=(*_BODY_ERRORS, errors.FieldNotAllowed, *(MODEL_ERRORS if verb == "load" else _UNLOAD_ERRORS)),
        samples=[samples.curl_json("post", path.replace("{model}", samples.MODEL))],
    )


_UNLOAD_ERRORS = (errors.NameInvalid, errors.ModelNotFound)
