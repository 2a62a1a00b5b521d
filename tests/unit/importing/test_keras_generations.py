"""Files of Keras 2: told by the version that they name, and read where all that differs says nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.importing.keras_2_config import as_keras_3
from lambent_toolkit.modelkit.importing.keras_generations import is_hdf5_of_keras_2, keras_generation, upgrade_hdf5
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

    upgrade_hdf5(old, new)

    assert keras_generation(recognise(old)) == "2.15.0"
    with h5py.File(new) as file:
        assert list(file["model_weights/d/kernel"]) == [1.0, 2.0]
        assert "groups" not in str(file.attrs["model_config"])


@pytest.mark.parametrize(("version", "is_made_anew"), [(b"2.15.0", True), (None, True), (b"3.15.1", False)])
def test_only_what_keras_3_did_not_write_is_made_anew(
    tmp_path: Path, version: bytes | None, is_made_anew: bool
) -> None:
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"] = b"{}"
        if version:
            file.attrs["keras_version"] = version

    assert is_hdf5_of_keras_2(tmp_path / "model.h5") == is_made_anew


@pytest.mark.parametrize("argument", ["activation", "recurrent_activation"])
def test_a_function_that_is_another_one_in_keras_3_is_refused_by_its_layer(argument: str) -> None:
    layer = {"class_name": "GRU", "config": {"name": "memory", argument: "hard_sigmoid"}}

    with pytest.raises(ForeignModelRefused, match="memory computes Keras 2's hard_sigmoid"):
        as_keras_3({"class_name": "Sequential", "config": {"layers": [layer]}})


@pytest.mark.parametrize(
    "wrapper",
    [
        {"class_name": "Bidirectional", "config": {"layer": {"class_name": "LSTM", "config": {"units": 4}}}},
        {"class_name": "RNN", "config": {"cell": {"class_name": "StackedRNNCells", "config": {"cells": []}}}},
    ],
)
def test_a_layer_within_another_is_told_by_its_module_which_keras_3_looks_it_up_in(wrapper: dict[str, Any]) -> None:
    made = as_keras_3(wrapper)

    [(name, inner)] = made["config"].items()
    assert inner == {**wrapper["config"][name], "module": "keras.layers", "registered_name": None}


def test_a_layer_of_its_makers_own_within_another_is_told_as_it_was() -> None:
    own = {"class_name": "TimeDistributed", "config": {"layer": {"class_name": "Mine", "config": {"units": 4}}}}

    assert as_keras_3(own) == own
