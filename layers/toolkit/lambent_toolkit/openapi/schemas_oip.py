"""Bodies of the Open Inference Protocol and of Triton's extensions to it."""

from __future__ import annotations

from typing import Any

from lambent.contracts.tensor import DATATYPE_BY_DTYPE
from lambent_toolkit.openapi.schema_parts import COUNT, STRING, array_of, loose, ref, strict

_DATATYPES = ["BOOL", "BYTES", "FP16", *sorted({*DATATYPE_BY_DTYPE.values()} - {"BOOL", "BYTES", "FP16"})]
_PARAMETERS = {"type": "object", "description": "Of the protocol's extensions; unknown ones are ignored."}
_TENSOR = {
    "name": STRING,
    "shape": array_of({"type": "integer"}, description="Sizes of the dimensions, slowest first."),
    "datatype": {**STRING, "enum": _DATATYPES},
}
_DATA = {"type": "array", "items": {}, "description": "Row-major; nested or flat in requests, flat in answers."}
_SPEC = loose({**_TENSOR, "shape": array_of({"type": "integer", "minimum": -1}, description="-1 is any size.")})
_COMPUTE_STEPS = ("compute_input", "compute_infer", "compute_output")
_INFERENCE_STEPS = ("success", "fail", "queue", *_COMPUTE_STEPS, "cache_hit", "cache_miss")
SCHEMAS: dict[str, Any] = {
    "ServerLive": strict({"live": {"type": "boolean"}}),
    "ServerReady": strict({"ready": {"type": "boolean"}, "live": {"type": "boolean"}}),
    "ModelReady": strict({"name": STRING, "ready": {"type": "boolean"}}),
    "ServerMetadata": strict({"name": STRING, "version": STRING, "extensions": array_of(STRING)}),
    "ModelMetadata": strict(
        {
            "name": STRING,
            "versions": array_of(STRING),
            "platform": STRING,
            "inputs": array_of(ref("TensorSpec")),
            "outputs": array_of(ref("TensorSpec")),
            "parameters": {
                **_PARAMETERS,
                "description": "`raw_inputs`: what the model takes instead of its tensors. `min_shapes`: the smallest "
                "shape of each input with free dimensions that is answered; shorter ones are 422. `scores`: the output "
                "that has labels, which these routes give as the model's file does, and the `activation` and "
                "`temperature` that the other doors apply to it.",
            },
        },
        optional=("parameters",),
    ),
    "TensorSpec": _SPEC,
    "ModelConfiguration": strict(
        {
            "name": STRING,
            "platform": STRING,
            "backend": STRING,
            "max_batch_size": {**COUNT, "description": "0: the model takes no batches."},
            "input": array_of(ref("TensorConfiguration")),
            "output": array_of(ref("TensorConfiguration")),
        }
    ),
    "TensorConfiguration": strict(
        {
            "name": STRING,
            "data_type": {**STRING, "enum": [f"TYPE_{datatype}" for datatype in _DATATYPES]},
            "dims": array_of({"type": "integer", "minimum": -1}, description="Without the batch dimension."),
        }
    ),
    "Statistics": strict({"model_stats": array_of(ref("ModelStatistics"))}),
    "ModelStatistics": strict(
        {
            "name": STRING,
            "version": STRING,
            "last_inference": {**COUNT, "description": "Milliseconds since 1970; 0 for never."},
            "inference_count": {**COUNT, "description": "Rows."},
            "execution_count": {**COUNT, "description": "Calls."},
            "inference_stats": strict(dict.fromkeys(_INFERENCE_STEPS, ref("StepDuration"))),
            "batch_stats": array_of(
                strict({"batch_size": COUNT, **dict.fromkeys(_COMPUTE_STEPS, ref("StepDuration"))})
            ),
            "memory_usage": array_of({"type": "object"}),
        }
    ),
    "StepDuration": strict({"count": COUNT, "ns": {**COUNT, "description": "Nanoseconds in all."}}),
    "RepositoryIndex": array_of(
        strict(
            {
                "name": STRING,
                "version": STRING,
                "state": {**STRING, "enum": ["READY", "UNAVAILABLE"]},
                "reason": {**STRING, "description": "Why it is not ready."},
                "labels": {
                    "type": "object",
                    "additionalProperties": {"type": "number", "minimum": 0.01, "maximum": 100},
                    "description": "Labels that lead here, each with the percent of its requests that this version "
                    "answers; left out without one.",
                },
            },
            optional=("labels",),
        )
    ),
    "Empty": strict({}),
    "InferRequest": loose(
        {
            "id": {**STRING, "description": "Comes back in the answer."},
            "parameters": _PARAMETERS,
            "inputs": array_of(ref("InferInput"), description="Each of the model's inputs, once."),
            "outputs": array_of(ref("RequestedOutput"), description="Those wanted; all if left out."),
        },
        optional=("id", "parameters", "outputs"),
        description="Unknown fields are ignored, as the protocol lets clients extend it.",
    ),
    "InferInput": loose(
        {**_TENSOR, "parameters": _PARAMETERS, "data": _DATA},
        optional=("parameters", "data"),
        description="`data`, or `parameters.binary_data_size` and the tensor's bytes behind the JSON.",
    ),
    "RequestedOutput": loose(
        {
            "name": STRING,
            "parameters": {
                **_PARAMETERS,
                "description": "`binary_data: true` asks for bytes, `classification: k` for the k best classes with "
                "the output's own numbers.",
            },
        },
        optional=("parameters",),
    ),
    "InferAnswer": loose(
        {
            "model_name": STRING,
            "model_version": STRING,
            "id": {**STRING, "description": "The request's, or one made up."},
            "outputs": array_of(ref("InferOutput")),
        }
    ),
    "InferOutput": loose({**_TENSOR, "parameters": _PARAMETERS, "data": _DATA}, optional=("parameters", "data")),
}
