"""`--set key=value` is converted and checked by the recipe's own types."""

from pathlib import Path

import pytest

from lambent_toolkit.modelkit.errors import SettingInvalid
from lambent_toolkit.modelkit.recipe import HyperParameters, Recipe
from lambent_toolkit.modelkit.recipe_settings import with_settings
from lambent_toolkit.modelkit.recipes import digits, find_recipe


class Settings(HyperParameters, frozen=True, kw_only=True):
    name: str = "x"
    widths: tuple[int, ...] = (8, 4)
    augments: bool = False


RECIPE = Recipe("mine", Settings(), data=lambda _: None, contract=lambda *_: None, model=lambda *_: None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("epochs=3", 3),
        ("test_share=0.5", 0.5),
        ("variant=float16", "float16"),
        ("name=a=b", "a=b"),
        ("name=7", "7"),
        ("widths=[1, 2]", (1, 2)),
        ("augments=true", True),
    ],
)
def test_value_has_the_settings_type(text: str, value: object) -> None:
    changed = with_settings(RECIPE, [text])

    assert getattr(changed.settings, text.partition("=")[0]) == value
    assert RECIPE.settings == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs=ten", "whole number, at least 1, got 'ten'"),
        ("epochs=0", "whole number, at least 1, got '0'"),
        ("epochs=1.5", "whole number, at least 1, got '1.5'"),
        ("seed=-1", "whole number, at least 0"),
        ("test_share=1", "number, more than 0, less than 1, got '1'"),
        ("test_share=nan", "number, more than 0, less than 1, got 'nan'"),
        ("variant=int4", "one of auto, float32, float16, dynamic, int8, int16x8, got 'int4'"),
        ("augments=perhaps", "true or false, got 'perhaps'"),
        ("widths=8", r"tuple\[int, ...\], got '8'"),
    ],
)
def test_value_that_the_type_does_not_allow_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(SettingInvalid, match=f"--set {text.replace('.', '[.]')}: expected {expected}"):
        with_settings(RECIPE, [text])


def test_unknown_setting_is_refused_with_the_known_ones_and_their_types() -> None:
    with pytest.raises(SettingInvalid, match=r"no setting 'epoch'; it has: epochs=20 \(whole number, at least 1\),"):
        with_settings(RECIPE, ["epoch=3"])


def test_setting_without_a_value_is_refused() -> None:
    with pytest.raises(SettingInvalid, match="--set epochs: write it as key=value"):
        with_settings(RECIPE, ["epochs"])


def test_settings_of_a_file_may_name_types_that_the_file_imports(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(Path(digits.__file__).read_text())

    chosen = with_settings(find_recipe(str(file)), ["filters=8"])

    assert chosen.settings.filters == 8
