"""TensorFlow Serving REST, predict requests: rows and columns into tensors or raw items.

https://www.tensorflow.org/tfx/serving/api_rest, and where it is silent the server's parser, util/json_tensor.cc.
A raw item is what a model with preprocessing takes instead of its tensors: ``{"b64": …}`` of a picture, a string, a
table row as an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lambent.contracts.model import ModelContract, TabularPreprocessing, TensorSpec
from lambent.contracts.oip_raw import IMAGE, raw_input_name
from lambent.contracts.tensor import Array
from lambent.contracts.tensor_json import array_from_nested_lists, array_from_nested_text
from lambent.contracts.tfs_json import (
    TfsBody,
    Value,
    bytes_or_text,
    elements_of,
    fields_of,
    is_bytes,
    kind_of,
    kind_of_first,
    python_value,
)
from lambent.errors import ColumnInvalid, RequestInvalid, TensorDtypeMismatch, TensorNameUnknown, TensorShapeMismatch

SIGNATURE = "serving_default"
INSTANCES, INPUTS = "instances", "inputs"
RawValue = bytes | str | Mapping[str, Any]


@dataclass(frozen=True)
class TfsInput:
    """What a request brings: the model's tensors by name, or raw items; ``field`` is where they stand."""

    field: str
    tensors: dict[str, Array] | None = None
    items: list[RawValue] | None = None


def check_signature(name: str | None, *, method: str) -> None:
    """Raise RequestInvalid unless the signature is the default one, or the method's own by its full name."""
    known = (SIGNATURE, f"tensorflow/serving/{method}")
    if name is not None and name not in known:
        raise RequestInvalid(
            f"This model has one signature: {SIGNATURE}. Leave signature_name out.",
            field="signature_name",
            limit=list(known),
        )


def read_predict(body: TfsBody, contract: ModelContract) -> TfsInput:
    """Return the input of a predict request, in row format (``instances``) or column format (``inputs``).

    Raises
    ------
    RequestInvalid       neither or both formats, or a value of another kind
    TensorNameUnknown, TensorShapeMismatch, TensorDtypeMismatch, ColumnInvalid
    """
    if (body.instances is msgspec.UNSET) == (body.inputs is msgspec.UNSET):
        raise RequestInvalid(
            f"Send either '{INSTANCES}' (a list of rows) or '{INPUTS}' (a column an input), and not both.",
            field=INSTANCES,
        )
    if body.inputs is msgspec.UNSET:
        return _read_rows(body.instances, contract)
    return _read_columns(body.inputs, contract)


def _read_rows(value: Value, contract: ModelContract) -> TfsInput:
    if kind_of(value) is not list or kind_of_first(value) is None:
        raise RequestInvalid(f"{INSTANCES} must be a list of at least one row.", field=INSTANCES)
    if len(contract.inputs) == 1 and kind_of_first(value) not in {dict, str}:
        (spec,) = contract.inputs
        return TfsInput(INSTANCES, tensors={spec.name: _array(value, spec, field=INSTANCES)})
    rows = elements_of(value, field=INSTANCES)
    if is_raw(rows[0], contract):
        return TfsInput(INSTANCES, items=raw_items(rows, contract, field=INSTANCES))
    return TfsInput(INSTANCES, tensors=_tensors_of_rows(rows, contract))


def _tensors_of_rows(rows: list[Value], contract: ModelContract) -> dict[str, Array]:
    names = sorted(spec.name for spec in contract.inputs)
    objects = [fields_of(row, field=f"{INSTANCES}[{index}]") for index, row in enumerate(rows)]
    for index, each in enumerate(objects):
        if sorted(each) != names:
            raise TensorNameUnknown(
                f"Each row must hold the inputs {names}, no more and no fewer.",
                field=f"{INSTANCES}[{index}]",
                limit=names,
            )
    return {
        spec.name: _array(_joined([each[spec.name] for each in objects]), spec, field=f"{INSTANCES}[].{spec.name}")
        for spec in contract.inputs
    }


def _joined(values: list[Value]) -> Value:
    if all(isinstance(value, msgspec.Raw) for value in values):
        return msgspec.Raw(b"[%b]" % b",".join(map(bytes, values)))
    return values


def _read_columns(value: Value, contract: ModelContract) -> TfsInput:
    if kind_of(value) is dict and not is_bytes(value):
        return _read_named_columns(fields_of(value, field=INPUTS), contract)
    if _holds_items(value):
        return TfsInput(INPUTS, items=raw_items(elements_of(value, field=INPUTS), contract, field=INPUTS))
    if len(contract.inputs) > 1:
        names = [spec.name for spec in contract.inputs]
        raise RequestInvalid(f"{INPUTS} must be an object of the inputs {names}.", field=INPUTS, limit=names)
    (spec,) = contract.inputs
    return TfsInput(INPUTS, tensors={spec.name: _array(value, spec, field=INPUTS)})


def _read_named_columns(columns: dict[str, Value], contract: ModelContract) -> TfsInput:
    names = sorted(spec.name for spec in contract.inputs)
    raw = raw_input_name(contract)
    if raw is not None and list(columns) == [raw] and _holds_items(columns[raw]):
        field = f"{INPUTS}.{raw}"
        return TfsInput(field, items=raw_items(elements_of(columns[raw], field=field), contract, field=field))
    if sorted(columns) == names:
        return TfsInput(
            INPUTS,
            tensors={s.name: _array(columns[s.name], s, field=f"{INPUTS}.{s.name}") for s in contract.inputs},
        )
    if isinstance(contract.preprocessing, TabularPreprocessing):
        return TfsInput(INPUTS, items=_rows_of_columns(columns, contract.limits.max_rows))
    raise TensorNameUnknown(f"This model takes the inputs {names}; send each exactly once.", field=INPUTS, limit=names)


def _holds_items(value: Value) -> bool:
    """Return whether a value is a list of strings or objects, as raw items are, and tensors of numbers are not."""
    return kind_of(value) is list and kind_of_first(value) in {dict, str}


def _rows_of_columns(columns: dict[str, Value], max_rows: int) -> list[RawValue]:
    lists = {name: elements_of(python_value(value), field=INPUTS) for name, value in columns.items()}
    lengths = {len(values) for values in lists.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise ColumnInvalid("All columns must hold the same number of values, at least one.", field=INPUTS)
    check_rows(lengths.pop(), max_rows, field=INPUTS)
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def is_raw(value: Value, contract: ModelContract) -> bool:
    """Return whether a value stands for a raw item rather than for the model's tensors."""
    if kind_of(value) is str:
        return True
    if kind_of(value) is not dict:
        return False
    fields = fields_of(value, field=INSTANCES)
    if isinstance(contract.preprocessing, TabularPreprocessing):
        return set(fields) != {spec.name for spec in contract.inputs}
    raw = raw_input_name(contract)
    if is_bytes(value):
        return True
    return raw is not None and list(fields) == [raw] and (kind_of(fields[raw]) is str or is_bytes(fields[raw]))


def raw_items(values: list[Value], contract: ModelContract, *, field: str) -> list[RawValue]:
    """Return the items that preprocessing is to take; raises TensorDtypeMismatch, TensorShapeMismatch."""
    check_rows(len(values), contract.limits.max_rows, field=field)
    return [_raw_item(value, contract, field=f"{field}[{index}]") for index, value in enumerate(values)]


def _raw_item(value: Value, contract: ModelContract, *, field: str) -> RawValue:
    if isinstance(contract.preprocessing, TabularPreprocessing):
        row: dict[str, Any] = python_value(value)
        if not isinstance(row, dict):
            raise TensorDtypeMismatch(f"{field} must be an object of column and value.", field=field)
        return row
    raw = raw_input_name(contract)
    if raw is None:
        names = [spec.name for spec in contract.inputs]
        raise TensorDtypeMismatch(f"{field} must hold numbers: this model takes the inputs {names}.", field=field)
    if kind_of(value) is dict and not is_bytes(value):
        value = fields_of(value, field=field).get(raw)
    item = bytes_or_text(value, field=field)
    if raw == IMAGE and isinstance(item, str):
        raise TensorDtypeMismatch(f'{field} must be a picture: {{"b64": "base64 of the file"}}.', field=field)
    return item


def check_rows(rows: int, max_rows: int, *, field: str) -> None:
    """Raise TensorShapeMismatch for more rows than the contract allows."""
    if rows > max_rows:
        raise TensorShapeMismatch(
            f"A request may hold {max_rows} rows; split it or use the batch door.",
            field=field,
            limit=max_rows,
            got=rows,
        )


def _array(value: Value, spec: TensorSpec, *, field: str) -> Array:
    """Return the tensor of nested numbers; scalars may stand for rows of one number."""
    if kind_of(value) is not list:
        raise RequestInvalid(f"{field} must be a list of rows of numbers.", field=field)
    if isinstance(value, msgspec.Raw):
        array = array_from_nested_text(bytes(value), datatype=spec.datatype, field=field)
    else:
        array = array_from_nested_lists(value, datatype=spec.datatype, field=field)
    if array.ndim == 1 and spec.shape[1:] == (1,):
        array = array.reshape(-1, 1)
    return fitting(array, spec, field=field)


def fitting(array: Array, spec: TensorSpec, *, field: str) -> Array:
    """Return the array if its shape is one that the contract allows; raises TensorShapeMismatch."""
    fits = array.ndim == len(spec.shape) and all(
        want in (-1, got) for got, want in zip(array.shape, spec.shape, strict=True)
    )
    if not fits:
        raise TensorShapeMismatch(
            f"{field} must have shape {list(spec.shape)} (-1 is free), got {list(array.shape)}.",
            field=field,
            limit=list(spec.shape),
            got=list(array.shape),
        )
    return array
