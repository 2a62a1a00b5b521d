"""Files of Keras 2: told by the version that they name, and read where all that differs says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest

from lambent_toolkit.modelkit.importing.keras_generations import as_keras_3, keras_generation, upgrade
from lambent_toolkit.modelkit.importing.kinds import recognise

DEPTHWISE = {"class_name": "DepthwiseConv2D", "config": {"name": "d", "groups": 1, "strides": [2, 2]}}


def test_arguments_that_say_nothing_are_dropped_at_any_depth() -> None:
    lstm = {"class_name": "LSTM", "config": {"units": 4, "time_major": False}}
    both = {"class_name": "Bidirectional", "config": {"layer": lstm}}

    changed = as_keras_3({"class_name": "Sequential", "config": {"layers": [DEPTHWISE, both]}})

    depthwise, bidirectional = changed["config"]["layers"]
    assert depthwise["config"] == {"name": "d", "strides": [2, 2]}
    assert bidirectional["config"]["layer"]["config"] == {"units": 4}


@pytest.mark.parametrize(
    "layer",
    [
        {"class_name": "LSTM", "config": {"time_major": True}},
        {"class_name": "DepthwiseConv2D", "config": {"groups": 2}},
        {"class_name": "Conv2D", "config": {"groups": 1}},
        {"class_name": "Mine", "config": {"other": 1}},
    ],
)
def test_arguments_that_say_something_stay(layer: dict[str, object]) -> None:
    assert as_keras_3(layer) == layer


def test_a_copy_has_the_new_configuration_and_the_old_weights(tmp_path: Path) -> None:
    old, new = tmp_path / "old.h5", tmp_path / "new.h5"
    with h5py.File(old, "w") as file:
        file["model_weights/d/kernel"] = [1.0, 2.0]
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [DEPTHWISE]}).encode()

    upgrade(old, new)

    assert keras_generation(recognise(old)) == "2.15.0"
    with h5py.File(new) as file:
        assert list(file["model_weights/d/kernel"]) == [1.0, 2.0]
        assert "groups" not in str(file.attrs["model_config"])
