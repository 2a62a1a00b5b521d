"""Names of layers that TensorFlow does not take are replaced in the file, and in nothing else."""

import json
import re
from io import BytesIO
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_files import DENSE, keras_archive, layer, sequential
from lambent_toolkit.modelkit.importing.layer_names import scope_name, with_scope_names

TAKEN = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", re.ASCII)  # of TensorFlow 2.21, framework/ops.py


@given(st.text(min_size=1, max_size=30))
def test_every_name_becomes_one_that_tensorflow_takes_and_stays_so(name: str) -> None:
    found = scope_name(name)

    assert TAKEN.fullmatch(found)
    assert scope_name(found) == found


@pytest.mark.parametrize("name", ["dense", "conv2d_1", "block.1", "Top-5"])
def test_names_that_are_taken_are_left_alone(name: str) -> None:
    assert scope_name(name) == name


def renamed(config: object) -> dict[str, object]:
    archive = with_scope_names(keras_archive(BytesIO(), config).getvalue())
    with ZipFile(BytesIO(archive)) as read:
        return json.loads(read.read("config.json"))


def test_a_name_is_replaced_wherever_it_is_referred_to_and_stays_unlike_the_others() -> None:
    odd = {**layer("Dense", name="a b"), "inbound_nodes": [["c d", 0, 0]]}
    config = sequential(odd, layer("Dense", name="a_b"), layer("Dense", name="c d", activation="relu"))

    layers = renamed({**config, "input_layers": {"a b": ["a b", 0, 0]}})

    names = [each["config"]["name"] for each in layers["config"]["layers"]]
    assert names == ["a_b_", "a_b", "c_d"]
    assert layers["input_layers"] == {"a_b_": ["a_b_", 0, 0]}
    assert layers["config"]["layers"][0]["inbound_nodes"] == [["c_d", 0, 0]]


def test_a_file_whose_names_are_taken_stays_as_it_is_byte_for_byte() -> None:
    archive = keras_archive(BytesIO(), sequential(DENSE)).getvalue()

    assert with_scope_names(archive) == archive
