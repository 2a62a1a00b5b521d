"""Raw items over a tensor protocol: one BYTES input, ``image`` or ``text``, instead of the model's tensors."""

from __future__ import annotations

from collections.abc import Sequence

import pybase64

from lambent.contracts.model import ImagePreprocessing, ModelContract, TextPreprocessing
from lambent.contracts.oip import BYTES, AnyTensor, InferCall
from lambent.contracts.tensor_binary import byte_strings
from lambent.contracts.tensor_json import strings_from_json_text
from lambent.errors import TensorDtypeMismatch, TensorNameUnknown, TensorShapeMismatch

IMAGE = "image"
TEXT = "text"
_FIELD = "inputs[0]"


def raw_input_name(contract: ModelContract) -> str | None:
    """Return the name of the BYTES input that a model takes instead of its tensors, or None if it takes none."""
    if isinstance(contract.preprocessing, ImagePreprocessing):
        return IMAGE
    return TEXT if isinstance(contract.preprocessing, TextPreprocessing) else None


def read_raw_items(call: InferCall, contract: ModelContract) -> Sequence[bytes | str] | None:
    """Return the pictures or texts of a request that sends some, None for a request of tensors.

    Pictures in JSON are base64 strings, as JSON strings cannot hold their bytes; texts are strings. In a binary tensor
    both are their bytes.

    Raises
    ------
    TensorNameUnknown     a BYTES input of a model that takes none, or of another name
    TensorShapeMismatch   neither [n] nor [n, 1], or more items than the contract allows
    TensorDtypeMismatch   not strings, or pictures that are not base64
    """
    inputs = call.request.inputs
    if len(inputs) != 1 or inputs[0].datatype != BYTES:
        return None
    tensor: AnyTensor = inputs[0]
    name = raw_input_name(contract)
    if tensor.name != name:
        names = [spec.name for spec in contract.inputs]
        raw = f", or one BYTES input {name!r}" if name else "; none of them is BYTES"
        raise TensorNameUnknown(f"This model takes the inputs {names}{raw}.", field=f"{_FIELD}.name", limit=names)
    count = _count(tensor.shape, contract.limits.max_rows)
    if call.chunks[0] is not None:
        return byte_strings(call.chunks[0], count=count, field=_FIELD)
    strings = strings_from_json_text(bytes(tensor.data), shape=(count,), field=f"{_FIELD}.data")
    return [_picture(each, row) for row, each in enumerate(strings)] if name == IMAGE else strings


def _count(shape: list[int], max_rows: int) -> int:
    if not shape or shape[0] < 1 or shape[1:] not in ([], [1]):
        raise TensorShapeMismatch(
            f"{_FIELD} must have shape [n] or [n, 1], one element an item.",
            field=f"{_FIELD}.shape",
            limit=[-1],
            got=shape[:16],
        )
    if shape[0] > max_rows:
        raise TensorShapeMismatch(
            f"A request may hold {max_rows} rows; split it or use the batch door.",
            field=f"{_FIELD}.shape",
            limit=max_rows,
            got=shape[0],
        )
    return shape[0]


def _picture(text: str, row: int) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError as exc:
        raise TensorDtypeMismatch(
            f"{_FIELD}.data[{row}] is not base64; in JSON a picture is a base64 string, or send a binary tensor.",
            field=f"{_FIELD}.data[{row}]",
        ) from exc
