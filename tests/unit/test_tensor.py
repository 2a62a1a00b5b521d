"""Wire tensors."""

import numpy as np
import pytest

from lambent.contracts.tensor import DTYPE_BY_DATATYPE, array_from_json, array_to_json
from lambent.errors import TensorDtypeMismatch, TensorShapeMismatch


def read(data: object, datatype: str = "FP32", shape: tuple[int, ...] = (2, 2)) -> np.ndarray:
    return array_from_json(data, datatype=datatype, shape=shape, field="inputs[0]")


def test_nested_and_flat_data_give_the_same_array() -> None:
    nested = read([[1, 2], [3, 4]])

    flat = read([1, 2, 3, 4])

    assert nested.dtype == np.float32
    np.testing.assert_array_equal(nested, flat)
    np.testing.assert_array_equal(flat, [[1, 2], [3, 4]])


@pytest.mark.parametrize("datatype", sorted(DTYPE_BY_DATATYPE))
def test_every_datatype_survives_the_way_to_json_and_back(datatype: str) -> None:
    original = np.array([[0, 1], [1, 0]], dtype=DTYPE_BY_DATATYPE[datatype])

    back = read(array_to_json(original).tolist(), datatype)

    assert back.dtype == original.dtype
    np.testing.assert_array_equal(back, original)


def test_wrong_element_count_says_how_many_were_expected_and_got() -> None:
    with pytest.raises(TensorShapeMismatch) as refusal:
        read([1, 2, 3])

    assert (refusal.value.limit, refusal.value.got) == (4, 3)
    assert refusal.value.field == "inputs[0].data"


@pytest.mark.parametrize("data", [[[1, 2], [3]], [[1], 2]])
def test_ragged_data_is_refused(data: object) -> None:
    with pytest.raises(TensorShapeMismatch, match="ragged"):
        read(data)


@pytest.mark.parametrize("data", [["a", "b", "c", "d"], [None, 1, 2, 3], [{}, 1, 2, 3]])
def test_what_is_no_number_is_refused(data: object) -> None:
    with pytest.raises(TensorDtypeMismatch, match="numbers only"):
        read(data)


def test_fractions_are_not_cut_to_integers() -> None:
    with pytest.raises(TensorDtypeMismatch, match="fractions"):
        read([1.5, 2, 3, 4], "INT32")


@pytest.mark.parametrize(("datatype", "value"), [("UINT8", 256), ("UINT8", -1), ("INT8", 128), ("INT64", 2.0**63)])
def test_values_outside_an_integer_type_are_refused(datatype: str, value: float) -> None:
    with pytest.raises(TensorDtypeMismatch, match="outside"):
        read([value, 0, 0, 0], datatype)


@pytest.mark.parametrize("shape", [(0, 2), (-1, 4)])
def test_zero_and_negative_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TensorShapeMismatch):
        read([], shape=shape)


def test_unknown_datatype_lists_the_known_ones() -> None:
    with pytest.raises(TensorDtypeMismatch) as refusal:
        read([1, 2, 3, 4], "FLOAT")

    assert "FP32" in refusal.value.limit


@pytest.mark.parametrize("value", [1e300, -1e39])
def test_numbers_beyond_float32_do_not_become_infinite(value: float) -> None:
    with pytest.raises(TensorDtypeMismatch, match="outside FP32"):
        read([value, 0, 0, 0])
