"""Open Inference Protocol v2, JSON form (https://github.com/kserve/open-inference-protocol)."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lambent.contracts.decoding import decode_json
from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import DATATYPE_BY_DTYPE, Array, array_from_json, array_to_json
from lambent.errors import TensorDtypeMismatch, TensorNameUnknown, TensorShapeMismatch


class InferInput(msgspec.Struct, frozen=True):
    """One input tensor as sent."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = {}


class RequestedOutput(msgspec.Struct, frozen=True):
    """One output asked for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, frozen=True):
    """Body of POST …/infer. Unknown fields are ignored, as the protocol lets clients extend it."""

    inputs: list[InferInput]
    id: str | None = None
    outputs: list[RequestedOutput] | None = None
    parameters: dict[str, Any] = {}


def decode_infer(body: bytes) -> InferRequest:
    """Decode an infer request; raises JsonInvalid, RequestInvalid."""
    return decode_json(body, InferRequest, what="request body")


def read_inputs(request: InferRequest, contract: ModelContract) -> dict[str, Array]:
    """Check the request's tensors against the contract and return them as arrays by name.

    Raises
    ------
    TensorNameUnknown, TensorShapeMismatch, TensorDtypeMismatch   each naming the field, what was expected and got
    """
    specs = {spec.name: spec for spec in contract.inputs}
    sent = [tensor.name for tensor in request.inputs]
    if sorted(sent) != sorted(specs):
        raise TensorNameUnknown(
            f"This model takes the inputs {sorted(specs)}; send each exactly once.", field="inputs", limit=sorted(specs)
        )
    return {
        tensor.name: _read_input(tensor, specs[tensor.name], field=f"inputs[{position}]")
        for position, tensor in enumerate(request.inputs)
    }


def _read_input(tensor: InferInput, spec: TensorSpec, *, field: str) -> Array:
    if tensor.datatype != spec.datatype:
        raise TensorDtypeMismatch(
            f"{field} must be {spec.datatype}.",
            field=f"{field}.datatype",
            limit=spec.datatype,
            got=tensor.datatype[:16],
        )
    if not _fits(tensor.shape, spec.shape):
        raise TensorShapeMismatch(
            f"{field} must have shape {list(spec.shape)} (-1 is free), got {tensor.shape[:16]}.",
            field=f"{field}.shape",
            limit=list(spec.shape),
            got=tensor.shape[:16],
        )
    return array_from_json(tensor.data, datatype=tensor.datatype, shape=tuple(tensor.shape), field=field)


def _fits(shape: list[int], declared: tuple[int, ...]) -> bool:
    return len(shape) == len(declared) and all(
        got >= 1 and want in (-1, got) for got, want in zip(shape, declared, strict=True)
    )


def wanted_outputs(request: InferRequest, contract: ModelContract) -> list[str]:
    """Return the names of the outputs to answer with: those asked for, or all; raises TensorNameUnknown."""
    names = [spec.name for spec in contract.outputs]
    if request.outputs is None:
        return names
    for position, output in enumerate(request.outputs):
        if output.name not in names:
            raise TensorNameUnknown(
                f"This model has the outputs {names}.", field=f"outputs[{position}].name", limit=names
            )
    return [output.name for output in request.outputs]


def encode_answer(*, model: str, version: int, request_id: str, outputs: dict[str, Array]) -> bytes:
    """Encode the answer; output data is flat and row-major."""
    body = {
        "model_name": model,
        "model_version": str(version),
        "id": request_id,
        "outputs": [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": DATATYPE_BY_DTYPE[array.dtype],
                "data": array_to_json(array),
            }
            for name, array in outputs.items()
        ],
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def metadata(contract: ModelContract, *, versions: list[int], platform: str) -> dict[str, Any]:
    """Return the model metadata object."""

    def tensors(specs: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
        return [{"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)} for spec in specs]

    return {
        "name": contract.name,
        "versions": [str(version) for version in versions],
        "platform": platform,
        "inputs": tensors(contract.inputs),
        "outputs": tensors(contract.outputs),
    }
