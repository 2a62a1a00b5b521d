"""Bodies of TensorFlow Serving's REST API."""

from __future__ import annotations

from typing import Any

from lambent_toolkit.openapi.schema_parts import STRING, array_of, loose, ref, strict

_SIGNATURE_NAME = {**STRING, "description": "`serving_default`, or left out."}
_ANYTHING: dict[str, Any] = {"description": 'A number, string, boolean, `{"b64": …}`, or lists of these.'}
SCHEMAS: dict[str, Any] = {
    "KserveLive": strict({"status": {**STRING, "enum": ["alive"]}}),
    "ModelStatus": strict(
        {
            "name": STRING,
            "ready": {"type": "boolean", "description": "For KServe's client."},
            "model_version_status": array_of(
                strict(
                    {
                        "version": STRING,
                        "state": {**STRING, "enum": ["AVAILABLE", "END", "LOADING", "START", "UNLOADING"]},
                        "status": strict({"error_code": STRING, "error_message": STRING}),
                    }
                )
            ),
        }
    ),
    "SignatureMetadata": strict(
        {
            "model_spec": strict({"name": STRING, "signature_name": STRING, "version": STRING}),
            "metadata": strict(
                {
                    "signature_def": strict(
                        {"signature_def": {"type": "object", "additionalProperties": ref("Signature")}}
                    )
                }
            ),
        }
    ),
    "Signature": strict(
        {
            "inputs": {"type": "object", "additionalProperties": ref("SignatureTensor")},
            "outputs": {"type": "object", "additionalProperties": ref("SignatureTensor")},
            "method_name": STRING,
        }
    ),
    "SignatureTensor": strict(
        {
            "dtype": {**STRING, "pattern": "^DT_[A-Z0-9]+$"},
            "tensor_shape": strict(
                {
                    "dim": array_of(strict({"size": {**STRING, "pattern": "^-?[0-9]+$"}, "name": STRING})),
                    "unknown_rank": {"type": "boolean"},
                }
            ),
            "name": STRING,
        }
    ),
    "PredictRequest": loose(
        {
            "signature_name": _SIGNATURE_NAME,
            "instances": array_of(_ANYTHING, description="Rows."),
            "inputs": {**_ANYTHING, "description": "The tensor of the one input, or `{name: tensor}` of all."},
        },
        optional=("signature_name", "instances", "inputs"),
        description="`instances` or `inputs`, never both.",
    ),
    "PredictAnswer": strict(
        {
            "predictions": array_of(_ANYTHING, description="Rows: values, or `{name: value}` of several outputs."),
            "outputs": {**_ANYTHING, "description": "The tensor of one output, or `{name: tensor}` of several."},
        },
        optional=("predictions", "outputs"),
        description="`predictions` for `instances`, `outputs` for `inputs`.",
    ),
    "ExamplesRequest": loose(
        {
            "signature_name": _SIGNATURE_NAME,
            "examples": array_of({"type": "object"}, description="`{feature: value}` each."),
            "context": {"type": "object", "description": "Features that all examples share."},
        },
        optional=("signature_name", "context"),
    ),
    "Classes": strict(
        {
            "results": array_of(
                array_of(array_of({"type": ["string", "number"]}, minItems=2, maxItems=2)),
                description="For each example its labels with scores, best first.",
            )
        }
    ),
    "Values": strict({"results": array_of({"type": "number"})}),
}
