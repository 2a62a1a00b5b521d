"""Open Inference Protocol v2, answers: outputs in JSON, as binary tensors or as best classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from lambent.contracts.model import Classification, ModelContract
from lambent.contracts.oip import BINARY_DATA_SIZE, BYTES, InferRequest, RequestedOutput
from lambent.contracts.tensor import DATATYPE_BY_DTYPE, Array, array_to_json
from lambent.contracts.tensor_binary import array_to_bytes, join_byte_strings
from lambent.errors import OutputNotJson, RequestInvalid, TensorNameUnknown

_BINARY_DATA = "binary_data"
_BINARY_DATA_OUTPUT = "binary_data_output"
_CLASSIFICATION = "classification"


@dataclass(frozen=True)
class OutputChoice:
    """One output to answer with; ``top_k`` above 0 asks for its best classes instead of its numbers."""

    name: str
    is_binary: bool
    top_k: int = 0


@dataclass(frozen=True)
class EncodedAnswer:
    """The body of an answer; ``json_length`` is the length of its JSON if binary tensors follow, else None."""

    body: bytes
    json_length: int | None


def choose_outputs(request: InferRequest[Any], contract: ModelContract) -> list[OutputChoice]:
    """Return what to answer with: the outputs asked for in their order, or all.

    Raises
    ------
    TensorNameUnknown   an output that the model does not have
    RequestInvalid      a parameter of the wrong type, or an output asked for twice
    """
    names = [spec.name for spec in contract.outputs]
    is_binary = _flag(request.parameters, _BINARY_DATA_OUTPUT, False, field="parameters")
    if not request.outputs:
        return [OutputChoice(name, is_binary) for name in names]
    _check_once(request.outputs, names)
    return [
        _choose(output, names, is_binary, field=f"outputs[{position}]")
        for position, output in enumerate(request.outputs)
    ]


def _check_once(outputs: list[RequestedOutput], names: list[str]) -> None:
    # A name takes 20 bytes of the request, its tensor may take megabytes of the answer.
    asked = [output.name for output in outputs]
    if len(set(asked)) != len(asked):
        raise RequestInvalid(
            f"An output is asked for twice; name each of {names} once at most, or leave outputs out to get all.",
            field="outputs",
            limit=names,
        )


def _choose(output: RequestedOutput, names: list[str], is_binary: bool, *, field: str) -> OutputChoice:
    if output.name not in names:
        raise TensorNameUnknown(f"This model has the outputs {names}.", field=f"{field}.name", limit=names)
    where = f"{field}.parameters"
    top_k = output.parameters.get(_CLASSIFICATION, 0)
    if type(top_k) is not int or top_k < 0:
        raise RequestInvalid(
            f"{_CLASSIFICATION} of {field} is how many of the best classes to answer, a whole number from 1.",
            field=f"{where}.{_CLASSIFICATION}",
        )
    return OutputChoice(output.name, _flag(output.parameters, _BINARY_DATA, is_binary, field=where), top_k)


def _flag(parameters: dict[str, Any], name: str, default: bool, *, field: str) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestInvalid(f"{name} is true or false.", field=f"{field}.{name}")
    return value


def encode_answer(
    contract: ModelContract, *, version: int, request_id: str, outputs: dict[str, Array], choices: list[OutputChoice]
) -> EncodedAnswer:
    """Encode the answer; numbers are flat and row-major.

    Raises
    ------
    OutputNotJson   an output that JSON cannot hold, NaN, infinity or FP16, and that was not asked for as binary
    """
    chunks: list[bytes] = []
    tensors = [_encode_output(outputs[choice.name], choice, contract, chunks) for choice in choices]
    body = {"model_name": contract.name, "model_version": str(version), "id": request_id, "outputs": tensors}
    header = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    if not chunks:
        return EncodedAnswer(header, None)
    return EncodedAnswer(b"".join([header, *chunks]), len(header))


def _encode_output(array: Array, choice: OutputChoice, contract: ModelContract, chunks: list[bytes]) -> dict[str, Any]:
    if choice.top_k:
        classes = best_classes(array, choice.top_k, _labels(contract, choice.name))
        tensor = {"name": choice.name, "datatype": BYTES, "shape": [len(classes), len(classes[0]) if classes else 0]}
        strings = [each for row in classes for each in row]
        if not choice.is_binary:
            return {**tensor, "data": strings}
        chunks.append(join_byte_strings([each.encode() for each in strings]))
    else:
        tensor = {"name": choice.name, "datatype": DATATYPE_BY_DTYPE[array.dtype], "shape": array.shape}
        if not choice.is_binary:
            _check_json(array, choice.name)
            return {**tensor, "data": array_to_json(array)}
        chunks.append(array_to_bytes(array))
    return {**tensor, "parameters": {BINARY_DATA_SIZE: len(chunks[-1])}}


def _check_json(array: Array, name: str) -> None:
    reason = None
    if array.dtype == np.float16:
        reason = "is FP16, which has no JSON form"
    elif array.dtype.kind == "f" and not np.isfinite(array).all():
        reason = f"holds {int(np.count_nonzero(~np.isfinite(array)))} numbers that are NaN or infinite"
    if reason:
        raise OutputNotJson(
            f"Output {name} {reason}; ask for it as a binary tensor: parameters.{_BINARY_DATA}: true.",
            field=f"outputs.{name}",
        )


def best_classes(array: Array, top_k: int, labels: tuple[str, ...]) -> list[list[str]]:
    """Return each row's best elements as ``value:index`` or ``value:index:label``, best first.

    Parameters
    ----------
    array : ndarray   shape (rows, …); a row's elements are its classes, their values the output's own numbers
    top_k : int       at least 1; at most as many as there are classes are answered
    labels            names by index; not told unless a row has one element for each
    """
    values = np.atleast_1d(array)
    rows = values.reshape(len(values), -1) if values.size else values.reshape(0, 1)
    labels = labels if rows.shape[1] == len(labels) else ()
    # Stable, so that equal values keep the order of their index.
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :top_k]
    return [[_class(row[index], int(index), labels) for index in best] for row, best in zip(rows, order, strict=True)]


def _class(value: Any, index: int, labels: tuple[str, ...]) -> str:
    number = f"{value:.6f}" if isinstance(value, np.floating) else str(int(value))
    return f"{number}:{index}:{labels[index]}" if index < len(labels) else f"{number}:{index}"


def _labels(contract: ModelContract, output: str) -> tuple[str, ...]:
    spec = contract.postprocessing
    if isinstance(spec, Classification) and output == (spec.output or contract.outputs[0].name):
        return spec.labels
    return ()
