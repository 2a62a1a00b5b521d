"""The recipe's data: real digits as PNG files, one preprocessing path, a test part that training never sees."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lambent_toolkit.modelkit.errors import RecipeUnknown
from lambent_toolkit.modelkit.recipe import HyperParameters, LabelledItems, Split, held_out, prepare
from lambent_toolkit.modelkit.recipes import RECIPES, digits, find_recipe


@pytest.fixture(scope="module")
def everything() -> LabelledItems:
    return digits.data(digits.Settings())


@pytest.fixture(scope="module")
def split() -> Split:
    return prepare(RECIPES["digits"])


def test_data_set_is_1797_grey_png_files_of_28_by_28(everything: LabelledItems) -> None:
    pictures = [Image.open(BytesIO(picture)) for picture in everything.items]

    assert len(everything) == 1797
    assert {(picture.format, picture.mode, picture.size) for picture in pictures} == {("PNG", "L", (28, 28))}


def test_full_ink_is_white_and_paper_is_black() -> None:
    half_inked = np.zeros((8, 8))
    half_inked[:, 4:] = 16

    pixels = np.asarray(Image.open(BytesIO(digits.digit_png(half_inked))))

    assert pixels[:, 0].max() == 0
    assert pixels[:, -1].min() == 255


def test_tensors_are_what_the_contract_declares(split: Split) -> None:
    tensors = split.test.tensors["image"]

    assert tensors.dtype == np.float32
    assert tensors.shape[1:] == digits.CONTRACT.inputs[0].shape[1:]
    assert (tensors.min(), tensors.max()) == (0.0, 1.0)


def test_every_class_is_held_out_by_its_share(split: Split) -> None:
    counts = np.bincount(split.test.targets, minlength=10)

    assert counts.sum() == 360
    assert counts.min() >= 34
    assert counts.max() <= 38


def test_held_out_pictures_are_the_ones_that_the_split_holds_out(split: Split) -> None:
    data = held_out(RECIPES["digits"])

    assert data.items == split.test.items
    assert np.array_equal(data.targets, split.test.targets)


def test_same_seed_gives_the_same_split_and_digest(split: Split) -> None:
    again = prepare(RECIPES["digits"])

    assert again.sha256 == split.sha256
    assert np.array_equal(again.train.tensors["image"], split.train.tensors["image"])


def test_contract_labels_are_the_ten_digits() -> None:
    assert digits.CONTRACT.postprocessing.labels == tuple("0123456789")


def test_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeUnknown, match="there are: diabetes, digits, language, transfer, wine,"):
        find_recipe("cats")


def test_a_python_file_with_a_recipe_is_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from lambent_toolkit.modelkit.recipes.digits import contract, data, model")

    recipe = find_recipe(str(path))

    assert (recipe.name, recipe.path) == ("mine", str(path))
    assert recipe.settings == HyperParameters()


def test_a_python_file_without_a_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def data(settings): ...")

    with pytest.raises(RecipeUnknown, match=r"mine\.py is no recipe: it does not define contract\(\) and model\(\)"):
        find_recipe(str(path))
