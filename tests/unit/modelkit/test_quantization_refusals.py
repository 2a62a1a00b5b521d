"""What `lambent quantize` refuses before it makes anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders import contract
from lambent_toolkit.modelkit.errors import ModelNotFinite, QuantizedAlready, ValidationMissing
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.quantization_step import run_quantization
from lambent_toolkit.modelkit.recipe import Declaration, Prepared, Split
from lambent_toolkit.modelkit.variant_measurement import Judge


def part(items: int) -> Prepared:
    return Prepared([b""] * items, np.zeros(items, np.int64), {"image": np.zeros((items, 2, 2, 1), np.float32)})


def split_of(validation_items: int) -> Split:
    return Split(Declaration(contract()), part(20), part(validation_items), part(20), "a" * 64)


def test_an_imported_tflite_file_is_served_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(QuantizedAlready, match=r"is a \.tflite file already.*`lambent evaluate`"):
        run_quantization(MadeModel(tmp_path, split_of(20), None))


@pytest.mark.parametrize("items", [0, 9])
def test_too_few_validation_items_are_refused_with_the_number_needed(tmp_path: Path, items: int) -> None:
    made = MadeModel(tmp_path, split_of(items), KerasFloat(b"never opened"))

    with pytest.raises(ValidationMissing, match=f"has {items} items, at least 10 are needed"):
        run_quantization(made)


def test_float_answers_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ModelNotFinite, match="NaN or infinity to validation items"):
        Judge(contract(), part(20), {"scores": np.full((20, 2), np.inf)})
