"""A model card tells what is known, and says so where nothing is."""

from __future__ import annotations

import pytest

from builders import contract
from lambent.contracts.model import RawOutputs, Regression, TensorPreprocessing
from lambent_toolkit.modelkit.card import Figure, model_card

HEADINGS = ["What it is", "Intended use", "Figures", "Data", "Limits", "How to call it"]


def headings(card: str) -> list[str]:
    return [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]


def test_a_card_of_what_was_not_evaluated_says_so_and_has_all_headings() -> None:
    card = model_card(contract())

    assert headings(card) == HEADINGS
    assert "Not evaluated" in card
    assert "Its maker has not said" in card
    assert "No data set is recorded" in card


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            ["model.tflite", "model.keras"],
            "on the CPU lane from its model.tflite, and on the GPU lane from its model.keras.",
        ),
        (["model.tflite"], "on no GPU lane: it has no model.keras."),
        (["model.keras"], "on the CPU lane once `lambent quantize` has made its model.tflite"),
    ],
)
def test_a_card_says_on_which_lanes_the_version_runs(files: list[str], told: str) -> None:
    assert told in model_card(contract(), files=files)
    assert "lane" not in model_card(contract())


def test_what_is_known_stands_in_its_place() -> None:
    card = model_card(
        contract(),
        figures=[Figure("accuracy", "97.8 %", "95.1 to 99.4 %")],
        quantization=[Figure("agreement with float", "99.2 %")],
        data={"digest": "sha256:abc"},
        provenance={"recipe": "shade"},
        description="Tells dark pictures from bright ones.",
    )

    assert headings(card) == [*HEADINGS[:4], "Quantization", *HEADINGS[4:], "Provenance"]
    assert "| accuracy | 97.8 % | 95.1 to 99.4 % |" in card
    assert "| agreement with float | 99.2 % |  |" in card
    assert "- digest: sha256:abc" in card
    assert "Not evaluated" not in card


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "a picture (JPEG, PNG, WebP), made 2 x 2 grey"),
        ({}, "'Content-Type: image/png' --data-binary @picture.png"),
        ({"preprocessing": TensorPreprocessing()}, "/v2/models/shade/infer"),
        ({"postprocessing": RawOutputs()}, "its outputs as they are: scores"),
        ({"postprocessing": Regression(unit="EUR")}, "a number in EUR"),
    ],
)
def test_what_goes_in_and_out_is_the_contracts(changes: dict[str, object], told: str) -> None:
    assert told in model_card(contract(**changes))


def test_a_file_for_a_fixed_batch_is_told_among_the_limits() -> None:
    assert "its file takes 4 row(s) a call" in model_card(contract(rows_per_call=4))
    assert "a call" not in model_card(contract())
