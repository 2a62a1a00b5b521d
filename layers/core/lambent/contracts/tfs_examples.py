"""TensorFlow Serving REST, classify and regress requests: examples of features into tensors or raw items."""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec

from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import Array
from lambent.contracts.tensor_json import array_from_nested_lists
from lambent.contracts.tfs import TfsInput, check_rows, fitting, is_raw, raw_items
from lambent.contracts.tfs_json import TfsBody, Value, elements_of, python_value
from lambent.errors import RequestInvalid, TensorNameUnknown

EXAMPLES, CONTEXT = "examples", "context"


def read_examples(body: TfsBody, contract: ModelContract) -> TfsInput:
    """Return the input of a classify or regress request: examples of features, those of ``context`` in each of them.

    A feature is a value or a flat list of values, as in tf.train.Example.

    Raises
    ------
    RequestInvalid       no examples, or a feature that stands in the context too
    TensorNameUnknown, TensorShapeMismatch, TensorDtypeMismatch
    """
    if body.examples is msgspec.UNSET or not (values := elements_of(body.examples, field=EXAMPLES)):
        raise RequestInvalid(f"'{EXAMPLES}' must be a list of at least one example.", field=EXAMPLES)
    check_rows(len(values), contract.limits.max_rows, field=EXAMPLES)
    context = {} if body.context is msgspec.UNSET else _features(body.context, field=CONTEXT)
    examples = [_with_context(value, context, field=f"{EXAMPLES}[{i}]") for i, value in enumerate(values)]
    if is_raw(examples[0], contract):
        return TfsInput(EXAMPLES, items=raw_items(examples, contract, field=EXAMPLES))
    return TfsInput(EXAMPLES, tensors={spec.name: _feature_tensor(examples, spec) for spec in contract.inputs})


def _features(value: Value, *, field: str) -> dict[str, Any]:
    features = python_value(value)
    if not isinstance(features, dict):
        raise RequestInvalid(f"{field} must be an object of features.", field=field)
    return {name: _only_element(feature) for name, feature in features.items()}


def _only_element(feature: Any) -> Any:
    return feature[0] if isinstance(feature, list) and len(feature) == 1 else feature


def _with_context(value: Value, context: dict[str, Any], *, field: str) -> dict[str, Any]:
    features = _features(value, field=field)
    if context.keys() & features.keys():
        raise RequestInvalid(f"A feature of {field} stands in {CONTEXT} too; send it once.", field=field)
    return {**context, **features}


def _feature_tensor(examples: list[dict[str, Any]], spec: TensorSpec) -> Array:
    rows = []
    for index, example in enumerate(examples):
        if spec.name not in example:
            raise TensorNameUnknown(
                f"Each example must hold the feature {spec.name}.", field=f"{EXAMPLES}[{index}]", limit=spec.name
            )
        feature = example[spec.name]
        rows.append(feature if isinstance(feature, list) else [feature])
    field = f"{EXAMPLES}[].{spec.name}"
    array = array_from_nested_lists(rows, datatype=spec.datatype, field=field)
    inner = spec.shape[1:]
    if -1 not in inner and prod(array.shape[1:]) == prod(inner):
        array = array.reshape(len(rows), *inner)
    return fitting(array, spec, field=field)
