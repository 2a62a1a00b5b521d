"""Data by name: the set that a person added, else a recipe's; its classes are found in the contract by their names."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from lambent.contracts.model import Classification, ModelContract, TensorPreprocessing, TensorSpec
from lambent_toolkit.modelkit.data_source import RecipeData, find_data, renumbered, split_for
from lambent_toolkit.modelkit.errors import DataUnfit, DataUnknown, DataUnusable, RecipeUnfit
from lambent_toolkit.modelkit.recipe import Declaration, LabelledItems, prepare
from lambent_toolkit.modelkit.recipes import RECIPES


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def wine() -> Declaration:
    return prepare(RECIPES["wine"]).declaration


def relabelled(declaration: Declaration, *labels: str) -> ModelContract:
    return msgspec.structs.replace(declaration.contract, postprocessing=Classification(labels=labels))


def test_a_recipe_s_data_has_its_labels_and_its_parts() -> None:
    data = find_data("wine")

    assert isinstance(data, RecipeData)
    assert data.labels == ("class_0", "class_1", "class_2")
    assert [len(data.items(part)) for part in ("train", "validation", "test")] == [106, 27, 45]


def test_unknown_data_is_told_with_the_recipes() -> None:
    with pytest.raises(DataUnknown, match=r"nowhere.*diabetes, digits, language, transfer, wine"):
        find_data("nowhere")


def test_classes_are_matched_by_name_whatever_their_order(wine: Declaration) -> None:
    items = LabelledItems([b"a", b"b", b"c"], np.array([0, 1, 2]), labels=("class_0", "class_1", "class_2"))

    turned = renumbered(items, relabelled(wine, "class_2", "class_0", "class_1"), "wine")

    assert turned.targets.tolist() == [1, 2, 0]


def test_a_model_that_knows_more_classes_takes_the_data(wine: Declaration) -> None:
    items = LabelledItems([b"a"], np.array([0]), labels=("class_0",))

    assert renumbered(items, relabelled(wine, "other", "class_0"), "wine").targets.tolist() == [1]


def test_classes_that_the_model_does_not_know_are_told(wine: Declaration) -> None:
    items = LabelledItems([b"a"], np.array([0]), labels=("corked",))

    with pytest.raises(DataUnfit, match=r"classes that wine does not have: corked.*class_0, class_1, class_2"):
        renumbered(items, wine.contract, "cellar")


def test_data_of_another_kind_of_item_names_the_item(wine: Declaration) -> None:
    scores = TensorSpec(name="scores", datatype="FP32", shape=(-1, 10))
    declaration = Declaration(msgspec.structs.replace(relabelled(wine, *"0123456789"), outputs=(scores,)))

    with pytest.raises(DataUnusable, match="Item 1 of 1167 cannot be prepared for wine"):
        split_for(declaration, "digits")


def test_same_data_by_name_is_the_very_same_split(wine: Declaration) -> None:
    assert split_for(wine, "wine").sha256 == prepare(RECIPES["wine"]).sha256


def test_numbers_are_no_classes(wine: Declaration, monkeypatch: pytest.MonkeyPatch) -> None:
    class Prices:
        name, sha256, labels = "prices", "0", ()

        def items(self, _split: str) -> LabelledItems:
            return LabelledItems([b"{}"], np.array([1.5]))

    monkeypatch.setattr("lambent_toolkit.modelkit.data_source.find_data", lambda *_: Prices())

    with pytest.raises(RecipeUnfit, match="declares classification, the targets are numbers"):
        split_for(wine, "prices")


def test_a_contract_of_tensors_says_what_to_declare(wine: Declaration) -> None:
    raw = msgspec.structs.replace(wine.contract, preprocessing=TensorPreprocessing())

    with pytest.raises(DataUnfit, match="declare in its preprocessing how those become tensors"):
        split_for(Declaration(raw), "wine")
