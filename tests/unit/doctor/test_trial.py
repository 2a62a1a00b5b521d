"""An item with its recorded answer, for each kind of model: as requests, and as what answers are held to."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from builders import contract, golden_vectors, tell_shade
from lambent.contracts.model import (
    CategoricalColumn,
    Classification,
    ModelContract,
    NumericColumn,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
)
from lambent.domain.model import ModelRef
from lambent_toolkit.doctor.trial import Trial

WIDTH = (TensorSpec(name="row", datatype="FP32", shape=(-1, 3)),)
COLUMNS = (NumericColumn(name="age", mean=40.0), CategoricalColumn(name="colour", vocabulary=("red", "green")))


def trial(declared: ModelContract, answer: Any = tell_shade) -> Trial:
    return Trial(ModelRef("shade", 1), declared, golden_vectors(declared, answer))


def rows() -> Trial:
    declared = contract(
        inputs=WIDTH,
        preprocessing=TabularPreprocessing(columns=COLUMNS),
        outputs=(TensorSpec(name="price", datatype="FP32", shape=(-1, 1)),),
        postprocessing=Regression(scale=100.0, unit="EUR"),
    )
    return trial(declared, lambda tensors: {"price": tensors["row"][:, :1] + np.float32(0.5)})


def test_a_picture_is_sent_as_what_it_is() -> None:
    shade = trial(contract())

    assert shade.media_body() == (shade.golden.raw[0], "image/png")
    assert shade.upload_name == "item.png"
    assert list(shade.batch_item("a")["image"]) == ["b64"]


def test_a_row_is_a_table_by_http_and_an_object_elsewhere() -> None:
    table, media_type = rows().media_body()

    assert (table, media_type) == (b"age,colour\r\n40.0,red\r\n", "text/csv")
    assert rows().batch_item("a") == {"id": "a", "row": {"age": 40.0, "colour": "red"}}
    assert (rows().media_type, rows().upload_name) == ("application/json", "item.json")


@pytest.mark.parametrize(
    ("got", "words"),
    [
        ({"label": "dark", "score": 1.0}, ""),
        ({"label": "dark", "score": 0.995}, ""),
        ({"label": "dark", "score": 0.9}, "it answers dark with 0.9, recorded is dark with 1.0"),
        ({"label": "bright", "score": 0.0}, "it answers bright with 0.0, recorded is dark with 1.0"),
        ({"label": None, "score": None}, "it answers None with None, recorded is dark with 1.0"),
        ({"label": "grey", "score": 1.0}, "it answers grey with 1.0, recorded is dark with 1.0"),
    ],
)
def test_a_label_is_held_to_the_recorded_scores(got: dict[str, Any], words: str) -> None:
    assert trial(contract()).why_wrong_prediction(got) == words


def test_either_of_two_labels_with_the_same_score_is_right() -> None:
    even = trial(contract(), lambda _: {"scores": np.full((2, 2), 0.5, np.float32)})

    assert even.why_wrong_prediction({"label": "dark", "score": 0.5}) == ""
    assert even.why_wrong_prediction({"label": "bright", "score": 0.5}) == ""


def test_no_label_is_right_where_none_reaches_the_threshold() -> None:
    spec = Classification(labels=("dark", "bright"), threshold=1.0)
    unsure = trial(contract(postprocessing=spec), lambda _: {"scores": np.full((2, 2), 0.5, np.float32)})

    assert unsure.why_wrong_prediction({"label": None, "score": None}) == ""
    assert unsure.why_wrong_prediction({"label": "dark", "score": 0.5})


@pytest.mark.parametrize(("value", "is_right"), [(50.0, True), (50.9, True), (52.0, False), (float("nan"), False)])
def test_a_number_is_held_to_the_recorded_one_in_its_own_unit(value: float, is_right: bool) -> None:
    assert (rows().why_wrong_prediction({"value": value}) == "") is is_right


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([1.0, 0.0], ""),
        ([0.8, 0.2], "output scores differs from the recorded one by up to 0.200000"),
        ([float("nan"), 0.0], "output scores differs from the recorded one by up to nan"),
        ([1.0], "output scores has 1 numbers, recorded are 2"),
    ],
)
def test_tensors_are_held_to_the_recorded_ones(scores: list[float], words: str) -> None:
    assert trial(contract()).why_wrong_outputs({"scores": np.array(scores)}) == words
    assert trial(contract()).why_wrong_outputs({}) == "output scores has 0 numbers, recorded are 2"


def test_all_rows_go_in_one_call_where_rows_cannot_be_told_apart() -> None:
    fixed = contract(
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(2, 2, 2, 1)),),
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )

    (sent,) = trial(fixed).oip_json()["inputs"]
    (one,) = trial(contract()).oip_json()["inputs"]

    assert (sent["shape"], one["shape"]) == ([2, 2, 2, 1], [1, 2, 2, 1])
    assert not trial(fixed).is_answered
    assert trial(contract()).is_answered


def test_a_binary_request_tells_its_parts_and_asks_for_bytes() -> None:
    body, header_bytes = trial(contract()).oip_binary()

    header = json.loads(body[:header_bytes])
    assert (
        header["inputs"][0]["parameters"] == {"binary_data_size": 16} == {"binary_data_size": len(body) - header_bytes}
    )
    assert header["parameters"] == {"binary_data_output": True}


def test_a_binary_answer_that_is_cut_off_is_no_answer() -> None:
    told = {"name": "scores", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    header = json.dumps({"outputs": [told]}).encode()

    whole = trial(contract()).binary_outputs(header + np.array([1, 0], "<f4").tobytes(), len(header))

    assert whole["scores"].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="scores has 7 bytes of 8"):
        trial(contract()).binary_outputs(header + bytes(7), len(header))
