"""TensorFlow Serving requests and answers."""

from __future__ import annotations

import json
from base64 import b64encode

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from builders import contract
from lambent.contracts import tfs, tfs_answers
from lambent.contracts.media import ValuePrediction
from lambent.contracts.model import (
    CategoricalColumn,
    NumericColumn,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.contracts.tfs_examples import read_examples
from lambent.contracts.tfs_json import decode_body
from lambent.errors import (
    ColumnInvalid,
    JsonInvalid,
    JsonTooComplex,
    LambentError,
    RequestInvalid,
    TensorDtypeMismatch,
    TensorNameUnknown,
    TensorShapeMismatch,
)

PICTURE = {"b64": b64encode(b"picture").decode()}
ROW = [[[0.0], [1.0]], [[2.0], [3.0]]]
TEXTS = contract(preprocessing=TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=4, ids_input="image"))
TABLE = contract(
    inputs=(TensorSpec(name="features", datatype="FP32", shape=(-1, 3)),),
    preprocessing=TabularPreprocessing(
        columns=(NumericColumn(name="age"), CategoricalColumn(name="city", vocabulary=("rome", "oslo")))
    ),
)
TWO_INPUTS = contract(
    inputs=(
        TensorSpec(name="ids", datatype="INT64", shape=(-1, 2)),
        TensorSpec(name="weights", datatype="FP32", shape=(-1, 1)),
    ),
    preprocessing=TensorPreprocessing(),
)
NUMBERS = contract(inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 1)),), preprocessing=TensorPreprocessing())


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def predict(of=None, **fields: object) -> tfs.TfsInput:
    return tfs.read_predict(decode_body(body(**fields)), of or contract())


def examples(of=None, **fields: object) -> tfs.TfsInput:
    return read_examples(decode_body(body(**fields)), of or contract())


# ----------------------------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize(
    "fields",
    [
        {"instances": [ROW, ROW]},
        {"instances": [{"image": ROW}, {"image": ROW}]},
        {"inputs": [ROW, ROW]},
        {"inputs": {"image": [ROW, ROW]}},
    ],
)
def test_one_input_comes_in_rows_or_columns_with_its_name_or_without(fields: dict) -> None:
    sent = predict(**fields)

    assert sent.items is None
    assert sent.tensors["image"].dtype == np.float32
    assert sent.tensors["image"].tolist() == [ROW, ROW]


@pytest.mark.parametrize(
    "fields",
    [
        {"instances": [{"ids": [1, 2], "weights": 0.5}, {"ids": [3, 2**60 + 1], "weights": 1}]},
        {"inputs": {"ids": [[1, 2], [3, 2**60 + 1]], "weights": [[0.5], [1]]}},
    ],
)
def test_several_inputs_come_by_name(fields: dict) -> None:
    tensors = predict(TWO_INPUTS, **fields).tensors

    assert tensors["ids"].tolist() == [[1, 2], [3, 2**60 + 1]]
    assert tensors["weights"].tolist() == [[0.5], [1]]


def test_scalars_stand_for_rows_of_one_number() -> None:
    assert predict(NUMBERS, instances=[1.0, 2, 5.0]).tensors["x"].tolist() == [[1], [2], [5]]


@given(array=arrays.arrays(np.float32, arrays.array_shapes(min_dims=1, max_dims=5, max_side=4)))
def test_every_nesting_of_numbers_becomes_its_array_nan_and_infinity_too(array: np.ndarray) -> None:
    spec = TensorSpec(name="x", datatype="FP32", shape=(-1,) * array.ndim)
    of = contract(inputs=(spec,), preprocessing=TensorPreprocessing())

    read = predict(of, instances=array.tolist(), text='NaN in a "string"').tensors["x"]

    np.testing.assert_array_equal(read, array)


def test_the_tokens_in_strings_and_keys_stay_text() -> None:
    sent = tfs.read_predict(decode_body(b'{"instances": ["NaN", "-Infinity \\" NaN"], "x": NaN}'), TEXTS)

    assert sent.items == ["NaN", '-Infinity " NaN']


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", JsonInvalid),
        (b'{"instances": [1],}', JsonInvalid),
        (b'{"instances": [NaN, nan]}', JsonInvalid),
        (b'{"instances": [-NaN]}', JsonInvalid),
        (b'{"instances": [1NaN]}', JsonInvalid),
        (b'{"instances": [NaN.5]}', JsonInvalid),
        (b'{"instances": [Infinitye5]}', JsonInvalid),
        (b'{"instances": [NaNNaN]}', JsonInvalid),
        (b'{NaN: 1, "instances": [NaN]}', JsonInvalid),
        (b'{"instances": [NaN], "instances": [1]}', JsonInvalid),
        (b'{"instances": [NaN]} x', JsonInvalid),
        (b'{"instances": [+Infinity]}', JsonInvalid),
        (b'{"instances": [NaN, "' + b'\\"' * 1_000_000, JsonInvalid),
        (b"[1]", RequestInvalid),
        (b'{"instances": [NaN], "signature_name": 1}', RequestInvalid),
        (b'{"instances": ' + b"[" * 100 + b"NaN" + b"]" * 100 + b"}", JsonTooComplex),
    ],
)
def test_what_is_not_json_but_for_the_tokens_is_refused(raw: bytes, error: type[LambentError]) -> None:
    with pytest.raises(error):
        decode_body(raw)


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({}, RequestInvalid, "instances"),
        ({"instances": [ROW], "inputs": [ROW]}, RequestInvalid, "instances"),
        ({"instances": []}, RequestInvalid, "instances"),
        ({"instances": 1.0}, RequestInvalid, "instances"),
        ({"instances": [[ROW]]}, TensorShapeMismatch, "instances"),
        ({"instances": [ROW, ROW[:1]]}, TensorShapeMismatch, "instances"),
        ({"instances": [[[["a"], [1]], [[1], [1]]]]}, TensorDtypeMismatch, "instances"),
        ({"instances": [[[[None], [1]], [[1], [1]]]]}, TensorDtypeMismatch, "instances"),
        ({"instances": [{"picture": ROW}]}, TensorNameUnknown, "instances[0]"),
        ({"instances": [{"image": ROW}, {}]}, TensorNameUnknown, "instances[1]"),
        ({"instances": [{"image": ROW}, ROW]}, RequestInvalid, "instances[1]"),
        ({"inputs": 1.0}, RequestInvalid, "inputs"),
        ({"inputs": {"picture": ROW}}, TensorNameUnknown, "inputs"),
        ({"inputs": {"image": 1}}, RequestInvalid, "inputs.image"),
        ({"inputs": []}, TensorShapeMismatch, "inputs"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_where_they_stand(
    fields: dict, error: type[LambentError], field: str
) -> None:
    with pytest.raises(error) as refusal:
        predict(**fields)

    assert refusal.value.field == field


def test_several_inputs_need_names() -> None:
    for fields in ({"instances": [[1, 2]]}, {"inputs": [[1, 2]]}):
        with pytest.raises(RequestInvalid, match="object"):
            predict(TWO_INPUTS, **fields)


# --------------------------------------------------------------------------------------------------------- raw items


@pytest.mark.parametrize(
    "fields",
    [
        {"instances": [PICTURE, PICTURE]},
        {"instances": [{"image": PICTURE}, {"image": PICTURE}]},
        {"inputs": [PICTURE, PICTURE]},
        {"inputs": {"image": [PICTURE, PICTURE]}},
    ],
)
def test_pictures_come_as_base64(fields: dict) -> None:
    assert predict(**fields).items == [b"picture", b"picture"]


def test_padding_of_base64_is_optional() -> None:
    assert predict(instances=[{"b64": PICTURE["b64"].rstrip("=")}]).items == [b"picture"]


@pytest.mark.parametrize("fields", [{"instances": ["hi", PICTURE]}, {"inputs": {"text": ["hi", PICTURE]}}])
def test_texts_come_as_strings_or_base64(fields: dict) -> None:
    assert predict(TEXTS, **fields).items == ["hi", b"picture"]


@pytest.mark.parametrize(
    "fields",
    [
        {"instances": [{"age": 3, "city": "oslo"}, {"age": 4.5, "city": "rome"}]},
        {"inputs": {"age": [3, 4.5], "city": ["oslo", "rome"]}},
    ],
)
def test_table_rows_come_as_objects_or_columns(fields: dict) -> None:
    assert predict(TABLE, **fields).items == [{"age": 3, "city": "oslo"}, {"age": 4.5, "city": "rome"}]


def test_a_table_model_takes_its_tensor_too() -> None:
    for row in ([1, 0, 1], {"features": [1, 0, 1]}):
        assert predict(TABLE, instances=[row]).tensors["features"].tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    ("of", "fields", "error"),
    [
        (contract(), {"instances": ["picture"]}, TensorDtypeMismatch),
        (contract(), {"instances": [{"b64": "no base64!"}]}, TensorDtypeMismatch),
        (contract(), {"instances": [{"b64": 1}]}, TensorDtypeMismatch),
        (contract(), {"instances": [PICTURE, 1]}, TensorDtypeMismatch),
        (contract(), {"instances": [PICTURE] * 9}, TensorShapeMismatch),
        (TEXTS, {"instances": ["hi", {"text": None}]}, TensorDtypeMismatch),
        (TABLE, {"instances": [{"age": 3}, 1]}, TensorDtypeMismatch),
        (TABLE, {"inputs": {"age": [3, 4.5], "city": ["oslo"]}}, ColumnInvalid),
        (TABLE, {"inputs": {"age": [], "city": []}}, ColumnInvalid),
        (NUMBERS, {"instances": ["picture"]}, TensorDtypeMismatch),
        (NUMBERS, {"inputs": ["picture"]}, TensorDtypeMismatch),
    ],
)
def test_raw_items_that_do_not_fit_are_refused(of, fields: dict, error: type[LambentError]) -> None:
    with pytest.raises(error) as refusal:
        predict(of, **fields)

    assert refusal.value.field.startswith(("instances", "inputs"))


# ---------------------------------------------------------------------------------------------- classify and regress


def test_examples_hold_features_of_one_value_or_a_list() -> None:
    sent = examples(NUMBERS, examples=[{"x": 1.0}, {"x": [2.0]}])

    assert sent.tensors["x"].tolist() == [[1], [2]]


def test_a_feature_is_flat_and_gets_the_inputs_shape() -> None:
    assert examples(examples=[{"image": [0, 1, 2, 3]}]).tensors["image"].tolist() == [ROW]


def test_the_context_is_part_of_every_example() -> None:
    sent = examples(TABLE, context={"city": "oslo"}, examples=[{"age": 3}, {"age": [4]}])

    assert sent.items == [{"city": "oslo", "age": 3}, {"city": "oslo", "age": 4}]


def test_examples_are_raw_items_too() -> None:
    assert examples(examples=[{"image": PICTURE}]).items == [b"picture"]


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({}, RequestInvalid, "examples"),
        ({"examples": []}, RequestInvalid, "examples"),
        ({"examples": {}}, RequestInvalid, "examples"),
        ({"examples": [1]}, RequestInvalid, "examples[0]"),
        ({"examples": [{"x": 1}], "context": []}, RequestInvalid, "context"),
        ({"examples": [{"y": 2}, {"x": 1}], "context": {"x": 1}}, RequestInvalid, "examples[1]"),
        ({"examples": [{"x": 1}, {"y": 1}]}, TensorNameUnknown, "examples[1]"),
        ({"examples": [{"x": [1, 2]}]}, TensorShapeMismatch, "examples[].x"),
        ({"examples": [{"x": "a"}]}, TensorDtypeMismatch, "examples[].x"),
        ({"examples": [{"x": 1}] * 9}, TensorShapeMismatch, "examples"),
    ],
)
def test_examples_that_do_not_fit_are_refused(fields: dict, error: type[LambentError], field: str) -> None:
    with pytest.raises(error) as refusal:
        examples(NUMBERS, **fields)

    assert refusal.value.field == field


@pytest.mark.parametrize(("name", "method"), [(None, "predict"), ("serving_default", "regress"),
                                              ("tensorflow/serving/regress", "regress")])  # fmt: skip
def test_the_signature_is_the_default_one_or_the_methods(name: str | None, method: str) -> None:
    tfs.check_signature(name, method=method)


def test_another_signature_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(RequestInvalid) as refusal:
        tfs.check_signature("tensorflow/serving/regress", method="predict")

    assert refusal.value.field == "signature_name"
    assert "serving_default" in refusal.value.limit


# ----------------------------------------------------------------------------------------------------------- answers


def test_one_output_is_bare_several_are_objects() -> None:
    a, b = np.array([[0.25, 1]], np.float32), np.array([7], np.int64)

    assert tfs_answers.encode_rows({"a": a}) == b'{"predictions":[[0.25,1.0]]}'
    assert tfs_answers.encode_rows({"a": a, "b": b}) == b'{"predictions":[{"a":[0.25,1.0],"b":7}]}'
    assert tfs_answers.encode_columns({"a": a}) == b'{"outputs":[[0.25,1.0]]}'
    assert tfs_answers.encode_columns({"a": a, "b": b}) == b'{"outputs":{"a":[[0.25,1.0]],"b":[7]}}'


def test_outputs_of_different_numbers_of_rows_are_no_list_of_rows_but_columns() -> None:
    outputs = {"a": np.ones((2, 1), np.float32), "b": np.ones((3, 1), np.float32)}

    with pytest.raises(RequestInvalid, match="column format") as refusal:
        tfs_answers.encode_rows(outputs)

    assert refusal.value.got == {"a": 2, "b": 3}
    assert tfs_answers.encode_columns(outputs) == b'{"outputs":{"a":[[1.0],[1.0]],"b":[[1.0],[1.0],[1.0]]}}'


def test_numbers_that_json_does_not_know_are_bare_tokens() -> None:
    array = np.array([[np.nan, 1, np.inf, -np.inf]], np.float32)

    assert tfs_answers.encode_rows({"null": array}) == b'{"predictions":[[NaN,1.0,Infinity,-Infinity]]}'
    assert tfs_answers.encode_columns({"null": array[:, 0], "b": array[:, 3]}) == (
        b'{"outputs":{"null":[NaN],"b":[-Infinity]}}'
    )
    assert tfs_answers.encode_rows({"a": array[:, 0], "b": array[:, 2]}) == b'{"predictions":[{"a":NaN,"b":Infinity}]}'


@given(
    array=st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint64, np.bool_]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=4, max_side=4))
    )
)
def test_every_output_reads_back_with_every_bit(array: np.ndarray) -> None:
    for encode, key in ((tfs_answers.encode_rows, "predictions"), (tfs_answers.encode_columns, "outputs")):
        back = np.array(json.loads(encode({"x": array}))[key], array.dtype)

        np.testing.assert_array_equal(back, array)


def test_classes_and_values_are_results() -> None:
    rows = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)

    classes = json.loads(tfs_answers.encode_classes(rows, ("a", "b")))

    assert classes == {"results": [[["b", 0.75], ["a", 0.25]], [["a", 0.5], ["b", 0.5]]]}
    assert tfs_answers.encode_classes(rows[:0], ("a", "b")) == b'{"results":[]}'
    assert json.loads(tfs_answers.encode_values([ValuePrediction(3.5, None)])) == {"results": [3.5]}


def test_metadata_is_nested_as_tensorflow_serving_has_it() -> None:
    told = tfs_answers.metadata(contract(), 7)

    assert told["model_spec"] == {"name": "shade", "signature_name": "", "version": "7"}
    signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["image"]["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in signature["inputs"]["image"]["tensor_shape"]["dim"]] == ["-1", "2", "2", "1"]
    assert signature["method_name"] == "tensorflow/serving/predict"


def test_every_datatype_of_a_contract_has_tensorflows_name() -> None:
    from lambent.contracts.tensor import DTYPE_BY_DATATYPE

    assert tfs_answers.DATA_TYPE_BY_DATATYPE.keys() == DTYPE_BY_DATATYPE.keys()
    assert msgspec.json.encode(tfs_answers.version_status(7, failure=None)) == (
        b'{"version":"7","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}'
    )
