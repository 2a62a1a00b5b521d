"""A recipe that cannot be trained is told by its own file, line and function, before anything is written."""

from pathlib import Path
from textwrap import dedent

import pytest

from lambent_toolkit.modelkit.errors import DataUnusable, RecipeFailed, RecipeUnfit, RecipeUnknown, SettingInvalid
from lambent_toolkit.modelkit.recipe import prepare
from lambent_toolkit.modelkit.recipes import find_recipe
from lambent_toolkit.modelkit.training_step import run_training

SOUND = """
    import numpy as np
    from lambent_toolkit.modelkit.recipe import Declaration, HyperParameters, LabelledItems
    from lambent_toolkit.modelkit.recipes import wine

    class Settings(HyperParameters, frozen=True, kw_only=True):
        pass

    def data(settings):
        return wine.data(settings)

    def contract(train, settings):
        return wine.contract(train, settings)

    def model(contract, settings):
        raise NotImplementedError
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(*changes: tuple[str, str]) -> str:
        text = dedent(SOUND)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "mine.py"
        path.write_text(text)
        return str(path)

    return write


def test_sound_recipe_is_prepared(write) -> None:
    split = prepare(find_recipe(write()))

    assert (len(split.train), len(split.validation), len(split.test)) == (115, 27, 36)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("import numpy as np", "import nonsense"),
            r"mine\.py, line 2, when the file is run: ModuleNotFoundError",
        ),
        (
            ("def data(settings):", "def data(settings)"),
            r"mine\.py, line 9, when the file is run: SyntaxError",
        ),
        (
            ("class Settings", "1 / 0\nclass Settings"),
            r"mine\.py, line 6, when the file is run: ZeroDivisionError",
        ),
    ],
)
def test_file_that_raises_is_told_by_its_line(write, change: tuple[str, str], told: str) -> None:
    with pytest.raises(RecipeFailed, match=f"^{told}"):
        find_recipe(write(change))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("return wine.data(settings)", "raise KeyError('label')"),
            r"mine\.py, line 10, in data\(\): KeyError: 'l",
        ),
        (("wine.data(settings)", "open('/nowhere/data.csv')"), r"mine\.py, line 10, in data\(\): FileNotFoundError"),
        (("wine.contract(train, settings)", "train['x']"), r"mine\.py, line 13, in contract\(\): TypeError"),
    ],
)
def test_function_that_raises_is_told_by_its_line_and_nothing_is_written(
    write, tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    recipe = find_recipe(write(change))

    with pytest.raises(RecipeFailed, match=f"^{told}"):
        run_training(tmp_path / "model", recipe)

    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("def contract", "def contrast"), r"mine\.py is no recipe: it does not define contract\(\)"),
        (("(HyperParameters, frozen=True, kw_only=True)", ""), "Settings must be a class derived from HyperParameters"),
    ],
)
def test_file_that_is_no_recipe_says_what_it_lacks(write, change: tuple[str, str], told: str) -> None:
    with pytest.raises(RecipeUnknown, match=told):
        find_recipe(write(change))


def nine_items(targets: str) -> str:
    return f"LabelledItems([b'{{}}'] * 9, {targets})"


@pytest.mark.parametrize(
    ("returned", "error", "told"),
    [
        ("[b'1', b'2']", RecipeUnfit, "must return LabelledItems or a DataSet, it returns list"),
        ("LabelledItems([], np.array([], dtype=np.int64))", DataUnusable, "has 0 items: too few for three parts"),
        (nine_items("np.zeros(9, np.int64)"), DataUnusable, "are of one class.*a classifier needs two"),
        (nine_items("np.array([0] * 8 + [1])"), DataUnusable, "Class number 1 has 1 of the 9 items: each"),
        (nine_items("np.repeat([0, 1, 2], 3)"), DataUnusable, "validation part of 2 items cannot hold 3 classes"),
        (
            nine_items("np.zeros(8, np.int64)"),
            RecipeUnfit,
            r"9 items and targets of shape \(8,\): one",
        ),
        (nine_items("np.zeros(9, np.float32)"), RecipeUnfit, "targets of float32: class numbers are int64"),
        (nine_items("np.full(9, np.nan)"), DataUnusable, "are NaN or infinite"),
        ("LabelledItems([b'{}'] * 9, np.arange(9) % 2, {'a': ['x']})", RecipeUnfit, "slice a has 1 values for 9 items"),
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused(
    write, returned: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        prepare(find_recipe(write(("wine.data(settings)", returned))))


def test_shares_that_leave_nothing_to_train_on_are_refused(write) -> None:
    with pytest.raises(SettingInvalid, match=r"validation_share 0\.5 and test_share 0\.5 leave nothing to train on"):
        prepare(find_recipe(write()).having(validation_share=0.5, test_share=0.5))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            (("return wine.contract(train, settings)", "return wine.LABELS"),),
            r"must return Declaration\(contract",
        ),
        (
            (("wine.data(settings)", "LabelledItems(wine.data(settings).items, wine.data(settings).targets + 1)"),),
            "class numbers from 1 to 3, the contract has 3 labels: class numbers go from 0 to 2",
        ),
        (
            (("wine.data(settings)", "LabelledItems(wine.data(settings).items, wine.data(settings).targets * 0.5)"),),
            r"declares classification, the targets are numbers \(float64\)",
        ),
    ],
)
def test_contract_that_contradicts_the_data_is_refused(write, changes: tuple, told: str) -> None:
    with pytest.raises(RecipeUnfit, match=told):
        prepare(find_recipe(write(*changes)))


def test_data_with_a_split_of_its_own_keeps_it(write) -> None:
    own = "Own(wine.data(settings))"
    parts = dedent("""
        class Own:
            def __init__(self, everything):
                self.everything = everything
            def items(self, split):
                first = {"train": 0, "validation": 1, "test": 2}[split]
                return self.everything.take(np.arange(first, 178, 3))

        class Settings""")

    split = prepare(find_recipe(write(("wine.data(settings)", own), ("\nclass Settings", parts))))

    assert (len(split.train), len(split.validation), len(split.test)) == (60, 59, 59)


@pytest.mark.parametrize(
    "change", [("import numpy as np", "raise SystemExit(0)"), ("return wine.data(settings)", "raise SystemExit(0)")]
)
def test_recipe_that_exits_is_told_and_is_no_success(write, change: tuple[str, str]) -> None:
    with pytest.raises(RecipeFailed, match=r"mine\.py, line \d+, .*SystemExit: 0"):
        prepare(find_recipe(write(change)))


@pytest.mark.parametrize(
    ("labels", "is_fit"),
    [
        (("class_0", "class_1", "class_2"), True),
        ((), True),
        (("class_1", "class_0", "class_2"), False),
        (("red", "white", "rose"), False),
    ],
)
def test_contract_whose_labels_are_not_those_that_the_data_counts_by_is_refused(
    write, labels: tuple[str, ...], *, is_fit: bool
) -> None:
    named = f"""found = wine.data(settings)
    return LabelledItems(found.items, found.targets, found.slices, {labels!r})"""
    recipe = find_recipe(write(("return wine.data(settings)", named)))

    if is_fit:
        assert prepare(recipe).contract.postprocessing.labels == ("class_0", "class_1", "class_2")
    else:
        with pytest.raises(RecipeUnfit, match="in this order"):
            prepare(recipe)
