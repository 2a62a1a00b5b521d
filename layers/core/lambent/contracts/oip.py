"""Open Inference Protocol v2, requests: JSON, the binary extension, and both mixed.

https://github.com/kserve/open-inference-protocol, and for binary tensors and classification
https://github.com/triton-inference-server/server/tree/main/docs/protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from lambent.contracts.decoding import decode_checked
from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.strict_json import check_json
from lambent.contracts.tensor import Array, array_from_numbers
from lambent.contracts.tensor_binary import array_from_bytes
from lambent.contracts.tensor_json import array_from_json_text
from lambent.errors import RequestInvalid, TensorDtypeMismatch, TensorNameUnknown, TensorShapeMismatch

BINARY_DATA_SIZE = "binary_data_size"
BYTES = "BYTES"
_WHAT = "request body"
_MAX_LENGTH_DIGITS = 9
_MAX_BYTES = 2**31
# No body that this door takes holds more elements; a larger product of dimensions is a mistake or an attack.
_MAX_ELEMENTS = 2**31
Dimension = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class _Tensor(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    shape: list[Dimension]
    parameters: dict[str, Any] = {}


class FloatTensor(_Tensor, frozen=True, kw_only=True):
    """An input of flat reals."""

    datatype: Literal["FP32", "FP64"]
    data: list[float]


class IntegerTensor(_Tensor, frozen=True, kw_only=True):
    """An input of flat integers."""

    datatype: Literal["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"]
    data: list[int]


class AnyTensor(_Tensor, frozen=True, kw_only=True):
    """An input of any form; ``data`` is its JSON text, empty if the tensor is binary."""

    datatype: str
    data: msgspec.Raw = msgspec.Raw()


InputTensor = FloatTensor | IntegerTensor | AnyTensor
T = TypeVar("T")


class RequestedOutput(msgspec.Struct, frozen=True):
    """One output asked for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, Generic[T], frozen=True):
    """Body of POST …/infer. Unknown fields are ignored, as the protocol lets clients extend it."""

    inputs: list[T]
    id: str | None = None
    outputs: list[RequestedOutput] | None = None
    parameters: dict[str, Any] = {}


# Flat numbers are parsed in the same pass as the envelope; what fits neither is read again, tensor by tensor.
_TYPED = (msgspec.json.Decoder(InferRequest[FloatTensor]), msgspec.json.Decoder(InferRequest[IntegerTensor]))


@dataclass(frozen=True)
class InferCall:
    """A decoded request.

    Parameters
    ----------
    request
    chunks    per input the bytes of its binary tensor, None for one in JSON
    """

    request: InferRequest[Any]
    chunks: list[memoryview | None]


def decode_infer(body: bytes, header_length: str | None = None) -> InferCall:
    """Decode an infer request.

    Parameters
    ----------
    body            JSON, then the binary tensors one after the other
    header_length   Inference-Header-Content-Length: how many bytes of the body are JSON; None for all

    Raises
    ------
    JsonInvalid, JsonTooComplex
    RequestInvalid   fields are missing or of another type, or the header's length and the tensors' sizes do not add up
    """
    length = _json_length(header_length, len(body))
    text = check_json(body if length == len(body) else body[:length], what=_WHAT)
    if header_length is None:
        typed = _decode_typed(text)
        if typed is not None:
            return InferCall(typed, [None] * len(typed.inputs))
    request = decode_checked(text, InferRequest[AnyTensor], what=_WHAT)
    return InferCall(request, _chunks(request.inputs, memoryview(body)[length:]))


def _decode_typed(body: bytes) -> InferRequest[Any] | None:
    for decoder in _TYPED:
        try:
            return decoder.decode(body)
        except msgspec.DecodeError:
            continue
    return None


def _json_length(header_length: str | None, body_length: int) -> int:
    if header_length is None:
        return body_length
    is_number = header_length.isascii() and header_length.isdigit() and len(header_length) <= _MAX_LENGTH_DIGITS
    if not is_number or int(header_length) > body_length:
        raise RequestInvalid(
            f"Inference-Header-Content-Length is the number of JSON bytes at the start of the body, at most "
            f"{body_length} here (counted after decompression).",
            field="Inference-Header-Content-Length",
            limit=body_length,
            got=int(header_length) if is_number else None,
        )
    return int(header_length)


def _chunks(inputs: list[AnyTensor], rest: memoryview) -> list[memoryview | None]:
    """Cut the binary part into the tensors that announce a size, in their order."""
    chunks: list[memoryview | None] = []
    start = 0
    for position, tensor in enumerate(inputs):
        size = _binary_size(tensor, field=f"inputs[{position}]")
        chunks.append(None if size is None else rest[start : start + size])
        start += size or 0
    if start != len(rest):
        raise RequestInvalid(
            f"The inputs' {BINARY_DATA_SIZE} add up to {start} bytes, but {len(rest)} bytes follow the JSON. "
            "Set Inference-Header-Content-Length to the length of the JSON and each size to that of its tensor.",
            field="inputs",
            limit=start,
            got=len(rest),
        )
    return chunks


def _binary_size(tensor: AnyTensor, *, field: str) -> int | None:
    size = tensor.parameters.get(BINARY_DATA_SIZE)
    has_data = bool(bytes(memoryview(tensor.data)[:1]))
    if (size is not None) == has_data:
        raise RequestInvalid(
            f"{field} needs either data or parameters.{BINARY_DATA_SIZE}, and not both; "
            "shared memory regions are not supported.",
            field=field,
        )
    if size is not None and (type(size) is not int or not 0 <= size <= _MAX_BYTES):
        raise RequestInvalid(
            f"{BINARY_DATA_SIZE} of {field} is a whole number from 0 to {_MAX_BYTES}.",
            field=f"{field}.parameters.{BINARY_DATA_SIZE}",
            limit=_MAX_BYTES,
        )
    return size


def read_inputs(call: InferCall, contract: ModelContract) -> dict[str, Array]:
    """Check the request's tensors against the contract and return them as arrays by name.

    Raises
    ------
    TensorNameUnknown, TensorShapeMismatch, TensorDtypeMismatch   each naming the field, what was expected and got
    """
    specs = {spec.name: spec for spec in contract.inputs}
    inputs = call.request.inputs
    sent = [tensor.name for tensor in inputs]
    if sorted(sent) != sorted(specs):
        raise TensorNameUnknown(
            f"This model takes the inputs {sorted(specs)}; send each exactly once.", field="inputs", limit=sorted(specs)
        )
    return {
        tensor.name: _read_input(tensor, call.chunks[position], specs[tensor.name], field=f"inputs[{position}]")
        for position, tensor in enumerate(inputs)
    }


def _read_input(tensor: InputTensor, chunk: memoryview | None, spec: TensorSpec, *, field: str) -> Array:
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
    return _numbers(tensor, chunk, tuple(tensor.shape), field=field)


def _numbers(tensor: InputTensor, chunk: memoryview | None, shape: tuple[int, ...], *, field: str) -> Array:
    if chunk is not None:
        return array_from_bytes(chunk, datatype=tensor.datatype, shape=shape, field=field)
    if not isinstance(tensor, AnyTensor):
        return array_from_numbers(tensor.data, datatype=tensor.datatype, shape=shape, field=f"{field}.data")
    if tensor.datatype == "FP16":
        raise TensorDtypeMismatch(
            f"{field} is FP16, which has no JSON form; send it as a binary tensor.", field=f"{field}.data", limit="FP16"
        )
    return array_from_json_text(bytes(tensor.data), datatype=tensor.datatype, shape=shape, field=f"{field}.data")


def _fits(shape: list[int], declared: tuple[int, ...]) -> bool:
    return (
        len(shape) == len(declared)
        and all(got >= 1 and want in (-1, got) for got, want in zip(shape, declared, strict=True))
        and prod(shape) <= _MAX_ELEMENTS
    )
