"""Open Inference Protocol v2: what a server and a model tell about themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.contracts.decoding import decode_json
from lambent.contracts.model import Classification, ModelContract, TensorSpec
from lambent.contracts.oip import BYTES
from lambent.contracts.oip_raw import raw_input_name
from lambent.errors import FieldNotAllowed

# By Triton's names: https://github.com/triton-inference-server/server/tree/main/docs/protocol
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")
_UNLOAD_PARAMETERS = frozenset({"unload_dependents"})


class IndexRequest(msgspec.Struct, frozen=True):
    """Body of POST /v2/repository/index."""

    ready: bool = False


class RepositoryRequest(msgspec.Struct, frozen=True):
    """Body of POST /v2/repository/models/{model}/load and /unload."""

    parameters: dict[str, Any] = {}


def decode_index_request(body: bytes) -> IndexRequest:
    """Decode the body, which may be empty; raises JsonInvalid, RequestInvalid."""
    return decode_json(body or b"{}", IndexRequest, what="request body")


def check_load_request(body: bytes) -> None:
    """Check the body, which may be empty.

    Raises
    ------
    JsonInvalid, RequestInvalid
    FieldNotAllowed   a configuration or files: versions are published, never sent with a request
    """
    _check_parameters(body, frozenset())


def check_unload_request(body: bytes) -> None:
    """Check the body, which may be empty; raises as `check_load_request` does."""
    _check_parameters(body, _UNLOAD_PARAMETERS)


def _check_parameters(body: bytes, allowed: frozenset[str]) -> None:
    request = decode_json(body or b"{}", RepositoryRequest, what="request body")
    if request.parameters.keys() - allowed:
        raise FieldNotAllowed(
            "A model is loaded as it was published; publish a version instead of sending its configuration or files.",
            field="parameters",
            limit=sorted(allowed),
        )


def configuration(contract: ModelContract, *, platform: str) -> dict[str, Any]:
    """Return the model configuration object with the fields that a model of ours has.

    ``dims`` leave out the batch dimension, as ``max_batch_size`` above 0 says; it is 0 if a tensor has none.
    """
    specs = (*contract.inputs, *contract.outputs)
    has_batch = all(spec.shape[:1] == (-1,) for spec in specs)

    def tensors(side: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
        return [
            {"name": spec.name, "data_type": f"TYPE_{spec.datatype}", "dims": list(spec.shape[has_batch:])}
            for spec in side
        ]

    return {
        "name": contract.name,
        "platform": platform,
        "backend": platform,
        "max_batch_size": contract.limits.max_rows if has_batch else 0,
        "input": tensors(contract.inputs),
        "output": tensors(contract.outputs),
    }


def metadata(contract: ModelContract, *, versions: list[int], platform: str) -> dict[str, Any]:
    """Return the model metadata object.

    ``parameters`` tells what else the model takes than its tensors, how small inputs of free dimensions may be, and
    what other doors make of an output with labels: the activation of the output divided by the temperature or, without
    an activation, its probabilities to the power of 1 / temperature, normalized to one.
    """

    def tensors(specs: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
        return [{"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)} for spec in specs]

    body: dict[str, Any] = {
        "name": contract.name,
        "versions": [str(version) for version in versions],
        "platform": platform,
        "inputs": tensors(contract.inputs),
        "outputs": tensors(contract.outputs),
    }
    raw, spec = raw_input_name(contract), contract.postprocessing
    told: dict[str, Any] = {}
    if raw is not None:
        told["raw_inputs"] = [{"name": raw, "datatype": BYTES, "shape": [-1]}]
    if smallest := {each.name: list(each.min_shape) for each in contract.inputs if each.min_shape is not None}:
        told["min_shapes"] = smallest
    if isinstance(spec, Classification):
        told["scores"] = {
            "output": spec.output or contract.outputs[0].name,
            "activation": spec.activation,
            "temperature": spec.temperature,
            "here": "the output as the model's file gives it, also as classes",
            "calibrated_at": "/models/{model}/predict, uploads and batches",
        }
    return {**body, "parameters": told} if told else body
