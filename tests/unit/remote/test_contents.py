"""A bundle holds what the recipe reads, at places where the recipe finds it, and nothing of what it does not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from lambent_toolkit.modelkit.datasets import DataSet
from lambent_toolkit.modelkit.errors import (
    DataSetUnknown,
    DataUnfit,
    DataUnknown,
    ItemChanged,
    RecipeFailed,
    StepMissing,
)
from lambent_toolkit.modelkit.named_models import NamedVersion
from lambent_toolkit.modelkit.recipes import RECIPES, find_recipe
from lambent_toolkit.modelkit.splitting import PARTS
from lambent_toolkit.remote.bundle import HERE, Contents, Order, VersionOrder, unpack
from lambent_toolkit.remote.contents import evaluation_order, training_order, version_order
from lambent_toolkit.remote.job import ordered_recipe
from lambent_toolkit.remote.tools import tools
from made_data import add, colours, write_digits, write_lines

STORE = Path(".lambent/data")
RECIPE = """
    from pathlib import Path
    from lambent_toolkit.modelkit.datasets import DataSet
    from lambent_toolkit.modelkit.recipe import HyperParameters
    from lambent_toolkit.modelkit.recipes.digits import contract, model

    class Settings(HyperParameters, frozen=True, kw_only=True):
        words: str = ""
        note: str = "some text"

    def data(settings):
        return DataSet.open("digits")

    def sources(settings):
        return [Path(settings.words), Path(__file__).with_name("beside.txt")] if settings.words else []
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def write_recipe(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(RECIPE))
    path.with_name("beside.txt").write_text("beside")
    return str(path)


def sent(tmp_path: Path, recipe: Any, **options: Any) -> tuple[Order, Path]:
    """Return the order and the folder that the job works in."""
    contents = Contents()
    order = training_order(recipe, contents, **options)
    contents.write(tmp_path / "bundle.zip", order)
    assert unpack(tmp_path / "bundle.zip", tmp_path / "there") == order
    return order, tmp_path / "there" / HERE


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_built_in_recipe_goes_by_its_name_with_all_settings_and_no_files(tmp_path: Path) -> None:
    order, there = sent(tmp_path, RECIPES["wine"].having(epochs=3, seed=11))

    assert order.recipe is not None
    assert (order.recipe.name, order.recipe.settings["epochs"], order.recipe.settings["seed"]) == ("wine", 3, 11)
    assert order.tools == tools()
    assert tools().keys() == {"lambent", "tensorflow", "keras", "numpy"}
    assert files(there) == set()


@pytest.mark.parametrize("place", ["mine.py", "recipes/mine.py", "../elsewhere/mine.py"])
def test_recipe_of_ones_own_runs_there_and_records_call_it_as_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    add("digits", write_digits(tmp_path / "digits", each=12), STORE)
    (tmp_path / "here/words.txt").write_text("words")
    path = Path(write_recipe(Path(place))).resolve()
    recipe = find_recipe(str(path)).having(words="words.txt")
    order, there = sent(tmp_path, recipe)
    expected, digests = DataSet.open("digits"), recipe.source_digests()
    assert set(digests) == {"words.txt", "beside.txt"}
    shown = {part: expected.items(part).items for part in PARTS}

    # Another machine: nothing of this one is there.
    (tmp_path / "here").rename(tmp_path / "gone")
    (tmp_path / "digits").rename(tmp_path / "digits-gone")
    monkeypatch.chdir(there)
    moved = ordered_recipe(order.recipe)

    assert moved.recorded_name == recipe.recorded_name == str(path)
    assert moved.recorded_settings == recipe.recorded_settings
    assert moved.settings.words == str(there / "words.txt")
    assert moved.source_digests() == digests
    data = moved.data(moved.settings)
    assert data.name == "digits@1"
    assert {part: data.items(part).items for part in PARTS} == shown


def test_table_is_sent_as_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add("colours", write_lines(tmp_path / "colours.jsonl", colours()), STORE)
    contents = Contents()
    opened = DataSet.open("colours")
    recipe = RECIPES["transfer"]
    monkeypatch.setattr("lambent_toolkit.modelkit.recipes.transfer._backbone_path", lambda _settings: Path("b.keras"))
    Path("b.keras").write_bytes(b"network")

    training_order(recipe.having(backbone="b.keras", data="colours"), contents)

    contents.write(tmp_path / "bundle.zip", Order(task="train", tools={}))
    unpack(tmp_path / "bundle.zip", tmp_path / "there")
    there = DataSet.open("colours", store=tmp_path / "there" / HERE / STORE)
    assert there.items("test").items == opened.items("test").items
    assert not (tmp_path / "there" / HERE / ".lambent/items").exists()


def test_backbone_goes_with_its_contract_and_settings_name_it_there(tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/net.keras").write_bytes(b"network")
    (tmp_path / "nets/contract.json").write_bytes(b"{}")
    recipe = RECIPES["transfer"].having(backbone=str(tmp_path / "nets/net.keras"), data="digits")

    order, there = sent(tmp_path, recipe)

    assert order.recipe is not None
    assert order.recipe.placed == {"backbone": "sources/nets/net.keras"}
    assert files(there) == {"sources/nets/net.keras", "sources/nets/contract.json"}
    assert order.recipe.origin_settings == {"backbone": str(tmp_path / "nets/net.keras")}


def test_data_that_the_job_may_read_itself_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add("digits", write_digits(tmp_path / "digits", each=12), STORE)
    record = STORE / "digits/1/dataset.json"
    address = "s3://lambent-data/inputs/default/digits"
    record.write_text(record.read_text().replace(str(tmp_path / "digits"), address))
    recipe = find_recipe(write_recipe(Path("mine.py")))

    _, there = sent(tmp_path, recipe, near=("s3://lambent-data/inputs/",))

    assert files(there) == {"mine.py", f"{STORE}/digits/1/dataset.json", f"{STORE}/digits/1/manifest.jsonl"}
    assert DataSet.open("digits", store=there / STORE).record.source == address


def test_missing_data_is_told_before_anything_is_sent() -> None:
    recipe = find_recipe(write_recipe(Path("mine.py")))

    with pytest.raises(DataSetUnknown, match="There is no data set 'digits'"):
        training_order(recipe, Contents())


def test_item_that_changed_since_it_was_added_is_told_and_not_sent(tmp_path: Path) -> None:
    add("digits", write_digits(tmp_path / "digits", each=12), STORE)
    (tmp_path / "digits/0/000.png").write_bytes(b"another picture")

    with pytest.raises(ItemChanged, match=r"0/000\.png, an item of digits@1, has changed"):
        training_order(find_recipe(write_recipe(Path("mine.py"))), Contents())


def test_recipe_that_fails_here_is_told_by_its_line() -> None:
    path = Path(write_recipe(Path("mine.py")))
    path.write_text(path.read_text().replace('return DataSet.open("digits")', "return 1 / 0"))

    with pytest.raises(RecipeFailed, match=r"mine\.py, line \d+, in data\(\): ZeroDivisionError"):
        training_order(find_recipe(str(path)), Contents())


def test_folder_is_sent_without_checkpoints_and_logs(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for name in ("model.tflite", "import.json", "variants/float32.tflite", "logs/train/events", "checkpoints/e.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    contents = Contents()

    order = evaluation_order(folder, contents, data="digits")
    contents.write(tmp_path / "bundle.zip", order)
    unpack(tmp_path / "bundle.zip", tmp_path / "there")

    assert (order.task, order.recipe, order.model, order.data) == ("evaluate", None, "model", "digits")
    assert files(tmp_path / "there" / HERE / "model") == {"model.tflite", "import.json", "variants/float32.tflite"}


def test_published_version_is_sent_with_its_files_and_the_data_it_is_measured_on(tmp_path: Path) -> None:
    add("digits", write_digits(tmp_path / "digits", each=12), STORE)
    contents = Contents()

    order = version_order(NamedVersion("shade@1", {"model.tflite": b"network"}, "ab12", "digits"), contents)
    contents.write(tmp_path / "bundle.zip", order)
    unpack(tmp_path / "bundle.zip", tmp_path / "there")

    there = tmp_path / "there" / HERE
    assert (order.recipe, order.data) == (None, "digits")
    assert order.version == VersionOrder(name="shade@1", manifest_sha256="ab12")
    assert (there / "model/model.tflite").read_bytes() == b"network"
    assert DataSet.open("digits", store=there / STORE).name == "digits@1"


def test_folder_without_a_model_and_unknown_data_are_told(tmp_path: Path) -> None:
    with pytest.raises(StepMissing, match=r"There is no training\.json"):
        evaluation_order(tmp_path, Contents(), data=None)
    (tmp_path / "import.json").write_text("{}")
    with pytest.raises(DataUnknown, match="There is no data set 'nothing'"):
        evaluation_order(tmp_path, Contents(), data="nothing")


def test_a_file_of_tensors_is_measured_here_and_sent_to_no_job() -> None:
    version = NamedVersion("two-sided@1", {}, "0" * 64, "data.npz")

    with pytest.raises(DataUnfit, match="without --remote"):
        version_order(version, Contents())
