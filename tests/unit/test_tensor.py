"""Numbers to arrays."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lambent.contracts.tensor import DTYPE_BY_DATATYPE, array_from_json, array_to_json
from lambent.contracts.tensor_binary import array_from_bytes, array_to_bytes, byte_strings, join_byte_strings
from lambent.contracts.tensor_json import array_from_json_text, strings_from_json_text
from lambent.errors import InvalidInput, RequestInvalid, TensorDtypeMismatch, TensorShapeMismatch

DATATYPES = sorted(DTYPE_BY_DATATYPE)
JSON_DATATYPES = sorted(set(DATATYPES) - {"FP16"})
READERS = {
    "lists": lambda text, **how: array_from_json(json.loads(text), **how),
    "text": lambda text, **how: array_from_json_text(text.encode(), **how),
}
SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, max_side=4)


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest):
    """Both ways of reading, which must never differ."""

    def read(data: object, datatype: str = "FP32", shape: tuple[int, ...] = (2, 2)) -> np.ndarray:
        text = data if isinstance(data, str) else json.dumps(data)
        return READERS[request.param](text, datatype=datatype, shape=shape, field="inputs[0].data")

    return read


def some_array(data: st.DataObject, datatype: str) -> np.ndarray:
    dtype = DTYPE_BY_DATATYPE[datatype]
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    return data.draw(arrays.arrays(dtype, SHAPES, elements=arrays.from_dtype(dtype, **finite)))


@pytest.mark.parametrize("datatype", JSON_DATATYPES)
@given(data=st.data(), is_nested=st.booleans(), indent=st.sampled_from([None, 1]))
def test_every_datatype_survives_the_way_through_json(
    datatype: str, data: st.DataObject, is_nested: bool, indent: int | None
) -> None:
    original = some_array(data, datatype)
    text = json.dumps((original if is_nested else original.ravel()).tolist(), indent=indent).encode()

    back = array_from_json_text(text, datatype=datatype, shape=original.shape, field="x")

    assert back.dtype == original.dtype
    np.testing.assert_array_equal(back, original)


@pytest.mark.parametrize("datatype", DATATYPES)
@given(data=st.data(), offset=st.integers(0, 8))
def test_every_datatype_survives_the_way_through_bytes(datatype: str, data: st.DataObject, offset: int) -> None:
    original = some_array(data, datatype)
    body = memoryview(bytes(offset) + array_to_bytes(original))[offset:]

    back = array_from_bytes(body, datatype=datatype, shape=original.shape, field="x")

    assert back.dtype == original.dtype
    np.testing.assert_array_equal(back, original)


# Anything that JSON can hold, leaning towards numbers and regular nesting.
SCALARS = st.one_of(
    st.integers(-3, 300), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(),
    st.text(max_size=3), st.sampled_from(["[", "],", ","]),
)  # fmt: skip
VALUES = st.recursive(st.lists(SCALARS, max_size=4), lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@given(values=VALUES, datatype=st.sampled_from(JSON_DATATYPES), shape=SHAPES)
@example(values=[[1, 2], [3]], datatype="FP32", shape=(2, 2))
@example(values=[["1,2"], ["3"]], datatype="FP32", shape=(2, 1))
@example(values=[[1.0, 2**63]], datatype="UINT64", shape=(1, 2))
@example(values=[2**53 + 1, 0.5], datatype="FP64", shape=(2,))
def test_the_fast_way_and_the_exact_way_always_agree(values: list, datatype: str, shape: tuple[int, ...]) -> None:
    outcomes = []
    for read in READERS.values():
        try:
            array = read(json.dumps(values), datatype=datatype, shape=shape, field="x")
            outcomes.append((array.dtype, array.shape, array.tobytes()))
        except InvalidInput as exc:
            outcomes.append(exc.to_dict())

    assert outcomes[0] == outcomes[1]


@given(data=st.data(), shape=SHAPES)
def test_reals_are_what_numpy_makes_of_the_same_lists(data: st.DataObject, shape: tuple[int, ...]) -> None:
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70).map(float)
    values = data.draw(arrays.arrays(np.float64, shape, elements=numbers)).tolist()

    read = array_from_json_text(json.dumps(values).encode(), datatype="FP32", shape=shape, field="x")

    np.testing.assert_array_equal(read, np.asarray(values, np.float32))


def test_nested_and_flat_data_give_the_same_array(reader) -> None:
    nested = reader([[1, 2], [3, 4]])

    flat = reader([1, 2, 3, 4])

    assert nested.dtype == np.float32
    np.testing.assert_array_equal(nested, flat)
    np.testing.assert_array_equal(flat, [[1, 2], [3, 4]])


@pytest.mark.parametrize("data", [[[1, 2, 3, 4]], [[[1, 2]], [[3, 4]]], [[1], [2], [3], [4]]])
def test_another_regular_nesting_is_read_row_major_as_other_servers_do(reader, data: list) -> None:
    np.testing.assert_array_equal(reader(data), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("INT64", 2**63 - 1), ("INT64", -(2**63)), ("INT64", 2**53 + 1), ("UINT64", 2**64 - 1), ("FP64", 2**53 + 2)],
)
def test_integers_are_not_rounded_on_the_way(reader, datatype: str, value: int) -> None:
    for other in (0, 1.0):  # a real beside it takes the exact way
        assert int(reader([value, other], datatype, (2,))[0]) == value


def test_wrong_element_count_says_how_many_were_expected_and_got(reader) -> None:
    with pytest.raises(TensorShapeMismatch) as refusal:
        reader([1, 2, 3])

    assert (refusal.value.limit, refusal.value.got) == (4, 3)
    assert refusal.value.field == "inputs[0].data"


@pytest.mark.parametrize("data", [[[1, 2], [3]], [[1], 2], [1, [2]], [[[1], [2]], [[3], []]], [[1, 2], "34"]])
def test_ragged_data_is_refused(reader, data: object) -> None:
    with pytest.raises(TensorShapeMismatch, match="ragged"):
        reader(data)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (["a", "b", "c", "d"], "strings"),
        (["1", "2", "3", "4"], "strings"),
        ([None, 1, 2, 3], "null"),
        ([{}, 1, 2, 3], "objects"),
        ([True, 1, 2, 3], "booleans"),
        ([[True, None], ["a", 3]], "booleans, null, strings"),
    ],
)
@pytest.mark.parametrize("datatype", ["FP32", "INT8"])
def test_what_is_no_number_is_refused_by_its_kind(reader, datatype: str, data: object, found: str) -> None:
    with pytest.raises(TensorDtypeMismatch, match=f"numbers only.* {found}\\."):
        reader(data, datatype)


def test_booleans_are_true_false_one_and_zero(reader) -> None:
    np.testing.assert_array_equal(reader([True, 0, 1, False], "BOOL"), [[True, False], [True, False]])


@pytest.mark.parametrize(
    ("data", "message"), [([2, 0, 0, 0], "outside"), ([0.0, 1, 0, 0], "numbers"), (["true"] * 4, "strings")]
)
def test_other_values_are_no_booleans(reader, data: list, message: str) -> None:
    with pytest.raises(TensorDtypeMismatch, match=message):
        reader(data, "BOOL")


def test_whole_reals_are_integers_and_fractions_are_not_cut(reader) -> None:
    np.testing.assert_array_equal(reader("[1.0, 2e0, 3, 4]", "INT32"), [[1, 2], [3, 4]])
    with pytest.raises(TensorDtypeMismatch, match="fractions"):
        reader([1.5, 2, 3, 4], "INT32")


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("UINT8", 256), ("UINT8", -1), ("INT8", 128), ("INT64", 2.0**63), ("UINT64", 2**64), ("INT32", 10**40)],
)
def test_values_outside_an_integer_type_are_refused(reader, datatype: str, value: float) -> None:
    with pytest.raises(TensorDtypeMismatch, match="outside") as refusal:
        reader([value, 0, 0, 0], datatype)

    info = np.iinfo(DTYPE_BY_DATATYPE[datatype])
    assert refusal.value.limit == [info.min, info.max]


@pytest.mark.parametrize("value", [1e300, -1e39, 10**200])
def test_numbers_beyond_float32_do_not_become_infinite(reader, value: float) -> None:
    with pytest.raises(TensorDtypeMismatch, match="outside FP32"):
        reader([value, 0, 0, 0])


@pytest.mark.parametrize("shape", [(0, 2), (-1, 4)])
def test_zero_and_negative_dimensions_are_refused(reader, shape: tuple[int, ...]) -> None:
    with pytest.raises(TensorShapeMismatch):
        reader([], shape=shape)


def test_unknown_datatype_lists_the_known_ones(reader) -> None:
    with pytest.raises(TensorDtypeMismatch) as refusal:
        reader([1, 2, 3, 4], "FLOAT")

    assert "FP32" in refusal.value.limit


@pytest.mark.parametrize("text", [b'"1234"', b"1", b"{}", b"null"])
def test_data_that_is_no_list_is_refused(text: bytes) -> None:
    with pytest.raises(RequestInvalid, match="list"):
        array_from_json_text(text, datatype="FP32", shape=(1,), field="x")


@pytest.mark.parametrize("data", [[7], [[7]]])
def test_a_scalar_is_one_element(reader, data: list) -> None:
    assert reader(data, shape=()) == 7


def test_a_shape_far_beyond_the_text_is_refused_without_being_built() -> None:
    with pytest.raises(TensorShapeMismatch):
        array_from_json_text(b"[[1]]", datatype="FP32", shape=(10**9, 10**9), field="x")


def test_arrays_are_flat_and_contiguous_for_json() -> None:
    flat = array_to_json(np.arange(6).reshape(2, 3).T)

    assert flat.tolist() == [0, 3, 1, 4, 2, 5]
    assert flat.flags.c_contiguous


@pytest.mark.parametrize("size", [0, 15, 17])
def test_bytes_that_do_not_fill_the_shape_say_how_many_it_takes(size: int) -> None:
    with pytest.raises(TensorDtypeMismatch) as refusal:
        array_from_bytes(memoryview(bytes(size)), datatype="FP32", shape=(2, 2), field="x")

    assert (refusal.value.limit, refusal.value.got) == (16, size)


def test_bytes_are_not_copied() -> None:
    body = bytearray(8)
    array = array_from_bytes(memoryview(body), datatype="INT32", shape=(2,), field="x")

    body[0] = 7

    assert array.tolist() == [7, 0]


def test_bool_bytes_are_zero_or_one() -> None:
    with pytest.raises(TensorDtypeMismatch) as refusal:
        array_from_bytes(memoryview(b"\x00\x01\x02"), datatype="BOOL", shape=(3,), field="x")

    assert refusal.value.got == 2


@pytest.mark.parametrize(("count", "got"), [(3, 2), (1, "more")])
def test_another_number_of_byte_strings_than_declared_is_refused(count: int, got: object) -> None:
    with pytest.raises(TensorShapeMismatch, match=f"declares {count} elements, but its bytes hold {got}") as refusal:
        byte_strings(memoryview(join_byte_strings([b"a", b"b"])), count=count, field="x")

    assert (refusal.value.limit, refusal.value.got) == (count, got)


def test_byte_strings_are_not_read_far_beyond_their_number() -> None:
    six_million_empty = memoryview(bytes(24_000_000))

    tracemalloc.start()
    with pytest.raises(TensorShapeMismatch):
        byte_strings(six_million_empty, count=8, field="x")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1_000_000


@given(strings=st.lists(st.binary(max_size=20), max_size=5))
def test_byte_strings_survive_their_own_form(strings: list[bytes]) -> None:
    body = memoryview(join_byte_strings(strings))

    assert byte_strings(body, count=len(strings), field="x") == strings


@pytest.mark.parametrize("body", [b"\x05\x00\x00\x00abc", b"\x01\x00", b"\xff\xff\xff\xff", b"\x01\x00\x00\x00a\x00"])
def test_cut_off_byte_strings_are_refused(body: bytes) -> None:
    with pytest.raises(TensorShapeMismatch, match="cut off"):
        byte_strings(memoryview(body), count=1, field="x")


def test_strings_may_be_nested_and_are_counted() -> None:
    assert strings_from_json_text(b'[["a"],["\\u00e9]"]]', shape=(2, 1), field="x") == ["a", "é]"]
    with pytest.raises(TensorShapeMismatch):
        strings_from_json_text(b'["a"]', shape=(2,), field="x")
    with pytest.raises(TensorDtypeMismatch):
        strings_from_json_text(b"[1]", shape=(1,), field="x")
