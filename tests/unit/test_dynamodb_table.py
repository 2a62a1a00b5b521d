"""DynamoTable turns rows into DynamoDB's attributes and back, as boto3's Table does."""

from __future__ import annotations

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from lambent.adapters.dynamodb_table import from_attribute, to_attribute

INTEGERS = st.integers(min_value=-(10**37), max_value=10**37)
PLAIN = st.none() | st.booleans() | INTEGERS | st.text()
SETS = st.sets(st.text(), min_size=1, max_size=3)
VALUES = PLAIN | SETS | st.lists(PLAIN | SETS, max_size=3)


@given(VALUES)
def test_values_are_written_and_read_as_boto3_does(value: object) -> None:
    attribute = to_attribute(value)

    assert from_attribute(attribute) == value
    assert TypeDeserializer().deserialize(attribute) == value  # what we write, boto3 reads
    assert from_attribute(TypeSerializer().serialize(value)) == value  # and the other way round


@given(PLAIN)
def test_a_truth_value_is_never_taken_for_a_number(value: object) -> None:
    assert to_attribute(value) == TypeSerializer().serialize(value)


@pytest.mark.parametrize("value", [0.5, b"x", {"a": 1}])
def test_what_rows_never_hold_is_not_written_silently(value: object) -> None:
    with pytest.raises(TypeError, match="rows of the table hold no"):
        to_attribute(value)


def test_what_rows_never_hold_is_not_read_silently() -> None:
    with pytest.raises(TypeError, match="rows of the table hold no M attributes"):
        from_attribute({"M": {}})
