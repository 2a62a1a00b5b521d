"""TensorFlow Serving REST, answers: predictions by row or column, classes, values, status and metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from lambent.contracts.media import ValuePrediction
from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import Array
from lambent.contracts.tfs import SIGNATURE
from lambent.errors import RequestInvalid

DATA_TYPE_BY_DATATYPE = {
    "BOOL": "DT_BOOL",
    "UINT8": "DT_UINT8",
    "UINT16": "DT_UINT16",
    "UINT32": "DT_UINT32",
    "UINT64": "DT_UINT64",
    "INT8": "DT_INT8",
    "INT16": "DT_INT16",
    "INT32": "DT_INT32",
    "INT64": "DT_INT64",
    "FP16": "DT_HALF",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
}
_NULL = re.compile(b"null")


def encode_rows(outputs: Mapping[str, Array]) -> bytes:
    """Return ``{"predictions": […]}``: bare values for one output, an object a row for several.

    Raises RequestInvalid for outputs of different numbers of rows, which a model may have that takes tensors.
    NaN and infinities are written as the bare tokens ``NaN``, ``Infinity`` and ``-Infinity``.
    """
    if len(outputs) == 1:
        return b'{"predictions":%b}' % _numbers(next(iter(outputs.values())))
    counts = {name: len(array) for name, array in outputs.items()}
    if len(set(counts.values())) > 1:
        raise RequestInvalid(
            f"The outputs have different numbers of rows, {counts}, so the answer cannot be a list of rows; send the "
            "request in column format, as 'inputs'.",
            field="instances",
            got=counts,
        )
    rows = zip(*outputs.values(), strict=True)
    return b'{"predictions":[%b]}' % b",".join(_object(dict(zip(outputs, row, strict=True))) for row in rows)


def encode_columns(outputs: Mapping[str, Array]) -> bytes:
    """Return ``{"outputs": …}``: a bare tensor for one output, an object of tensors for several."""
    if len(outputs) == 1:
        return b'{"outputs":%b}' % _numbers(next(iter(outputs.values())))
    return b'{"outputs":%b}' % _object(outputs)


def _object(values: Mapping[str, Array]) -> bytes:
    return b"{%b}" % b",".join(b"%b:%b" % (orjson.dumps(name), _numbers(value)) for name, value in values.items())


def _numbers(values: Array) -> bytes:
    array = np.ascontiguousarray(values).reshape(np.shape(values))
    # orjson writes 0-d arrays only as the scalars that they hold.
    text = orjson.dumps(array if array.ndim else array[()], option=orjson.OPT_SERIALIZE_NUMPY)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return text
    tokens = iter([_token(value) for value in array[~np.isfinite(array)].tolist()])
    return _NULL.sub(lambda _: next(tokens), text)


def _token(value: float) -> bytes:
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return b"NaN"
    return b"Infinity" if value > 0 else b"-Infinity"


def encode_classes(rows: Array, labels: Sequence[str]) -> bytes:
    """Return ``{"results": [[[label, score], …], …]}``: all labels, best first, with the numbers of :predict.

    Parameters
    ----------
    rows : ndarray   shape (rows, labels)
    """
    # Stable, so that equal ones keep the order of the labels.
    order = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")
    lists = [
        b"[%b]" % b",".join(b"[%b,%b]" % (orjson.dumps(labels[index]), _numbers(row[index])) for index in best)
        for row, best in zip(rows, order.tolist(), strict=True)
    ]
    return b'{"results":[%b]}' % b",".join(lists)


def encode_values(predictions: Sequence[ValuePrediction]) -> bytes:
    """Return ``{"results": [value, …]}``."""
    return orjson.dumps({"results": [one.value for one in predictions]})


def version_status(version: int, *, failure: str | None) -> dict[str, Any]:
    """Return one version's entry of ``model_version_status``; ``failure`` says why it cannot be served, if so."""
    status = {"error_code": "OK" if failure is None else "FAILED_PRECONDITION", "error_message": failure or ""}
    return {"version": str(version), "state": "AVAILABLE" if failure is None else "END", "status": status}


def metadata(contract: ModelContract, version: int) -> dict[str, Any]:
    """Return a version's metadata: one signature with the model's tensors."""
    signature = {
        "inputs": {spec.name: _tensor_info(spec) for spec in contract.inputs},
        "outputs": {spec.name: _tensor_info(spec) for spec in contract.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": contract.name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }


def _tensor_info(spec: TensorSpec) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in spec.shape]
    return {
        "dtype": DATA_TYPE_BY_DATATYPE[spec.datatype],
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": f"{spec.name}:0",
    }
