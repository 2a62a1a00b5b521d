"""A tensor that no contract has a datatype for is refused for what it is, with the way on."""

from __future__ import annotations

import pytest

from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.importing.signature import datatype_of


@pytest.mark.parametrize(
    ("dtype", "is_output", "told"),
    [
        ("string", False, "the bytes of pictures.*preprocessing text or image"),
        ("string", True, "names of classes.*--labels"),
        ("complex64", False, "holds complex64.*cast it to float32"),
        ("bfloat16", True, "holds bfloat16.*cast it to float32"),
    ],
)
def test_what_no_contract_has_a_word_for_is_told_by_what_it_is(dtype: str, told: str, *, is_output: bool) -> None:
    with pytest.raises(ForeignModelRefused, match=told):
        datatype_of(dtype, "x", is_output=is_output)


def test_numbers_have_their_word() -> None:
    assert datatype_of("float32", "x") == "FP32"
    assert datatype_of("int64", "x", is_output=True) == "INT64"
