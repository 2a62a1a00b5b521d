"""Models of every kind at every door: each answer is Keras's, but for the rounding of the file that serves."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from trained import FOREIGN_WARNINGS

from door_answers import DOORS, TENSOR_DOORS, Doors
from door_models import door_models
from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S

pytestmark = [FOREIGN_WARNINGS]
# Of numbers between 0 and 1, or a few at most; doors for people round to six digits.
FLOAT32, INT8 = 2e-6, 0.1
# What callers get of it is scaled by 50.
SCALED = 1e-3


@pytest.fixture(scope="module")
def differences(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, float]]]:
    """Return the largest difference from Keras, by model and door."""
    models = list(door_models(tmp_path_factory.mktemp("doors")))
    with httpx.Client(base_url=stack.info.url, headers={"x-api-key": stack.info.api_key}, timeout=PATIENCE_S) as http:
        doors = {model.contract.name: Doors(stack.info, http, model) for model in models}
        yield {name: each.differences() for name, each in doors.items()}


def test_every_door_that_takes_a_model_was_asked(differences: dict[str, dict[str, float]]) -> None:
    for name, found in differences.items():
        assert set(found) == set(TENSOR_DOORS if "tensors" in name else DOORS), name


def test_no_answer_differs_from_keras_by_more_than_its_file_s_rounding(
    differences: dict[str, dict[str, float]],
) -> None:
    tolerances = {name: INT8 if name.endswith("int8") else FLOAT32 for name in differences}
    people = {"door-rows-number": SCALED}

    over = {
        (name, door): difference
        for name, found in differences.items()
        for door, difference in found.items()
        if difference > (tolerances[name] if door in TENSOR_DOORS else people.get(name, tolerances[name]))
    }

    assert over == {}
    # Else the same file would have answered for both forms.
    assert all(min(found.values()) > FLOAT32 for name, found in differences.items() if name.endswith("int8"))


def test_all_doors_give_the_same_rounding_of_a_quantized_file(differences: dict[str, dict[str, float]]) -> None:
    for name in ("door-pictures-int8", "door-rows-int8", "door-tensors-int8"):
        assert max(differences[name].values()) - min(differences[name].values()) <= FLOAT32, differences[name]
