"""Data sets from end to end: read, split, checked, written, and read again as recipes do."""

from __future__ import annotations

import re
import shutil
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from lambent.contracts.model import Limits
from lambent_toolkit.modelkit.datasets import DataSet
from lambent_toolkit.modelkit.datasets.adding import Added
from lambent_toolkit.modelkit.datasets.checks import findings
from lambent_toolkit.modelkit.errors import DataUnusable, ItemChanged, ItemsUnreadable
from lambent_toolkit.modelkit.recipe import SplitData
from lambent_toolkit.modelkit.splitting import PARTS
from made_data import add, colours, digits_of, write_digits, write_lines, write_wines


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_digits(tmp_path / "digits", classes="0123", each=12)


def parts_of(added: Added, store: Path) -> dict[str, str | None]:
    return {entry.id: entry.split for entry in DataSet.open(added.stored.record.name, store=store).entries}


def told(added: Added) -> str:
    return " ".join(f"{each.tone}: {each.text}" for each in findings(added.checks))


def test_pictures_stay_where_they_are_and_come_back_with_their_classes(folder: Path, store: Path) -> None:
    added = add("digits", folder, store)

    data = DataSet.open("digits", store=store)

    assert isinstance(data, SplitData)
    assert (data.name, data.kind, data.labels) == ("digits@1", "image", ("0", "1", "2", "3"))
    assert data.sha256 == added.stored.record.manifest_sha256
    found = {part: data.items(part) for part in PARTS}
    assert [len(found[part]) for part in PARTS] == [30, 8, 10]
    for items in found.values():
        assert items.targets.dtype == np.int64
        for item, target in zip(items.items, items.targets, strict=True):
            assert item in digits_of(str(target), 12)
    assert not (added.stored.folder / "items.jsonl").exists()


def test_manifest_has_a_line_for_each_item(folder: Path, store: Path) -> None:
    added = add("digits", folder, store)

    lines = (added.stored.folder / "manifest.jsonl").read_bytes().splitlines()

    first = msgspec.json.decode(lines[0])
    assert len(lines) == 48
    assert first.keys() == {"id", "sha256", "size_bytes", "split", "path", "label"}
    assert (first["path"], first["label"], first["size_bytes"]) == ("0/000.png", "0", len(digits_of("0", 1)[0]))


def test_same_data_and_seed_give_the_same_manifest_anywhere(folder: Path, store: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)

    here = add("digits", folder, store).stored.record
    there = add("digits", moved, store).stored.record

    assert here.manifest_sha256 == there.manifest_sha256
    # The same items at another place: a version of its own, or the old place would be read for ever.
    assert (here.version, there.version) == (1, 2)


@pytest.mark.parametrize("how", ["changed", "gone", "larger"])
def test_picture_that_is_not_what_was_added_is_refused_by_name(folder: Path, store: Path, how: str) -> None:
    added = add("digits", folder, store)
    victim = next(item for item, part in parts_of(added, store).items() if part == "train")
    body = (folder / victim).read_bytes()
    if how == "gone":
        (folder / victim).unlink()
    else:
        (folder / victim).write_bytes(body + b"x" if how == "larger" else body[:-1] + b"x")

    data = DataSet.open("digits", store=store)

    with pytest.raises(ItemChanged, match=re.escape(victim)):
        data.items("train")
    assert len(data.items("test")) == 10


def test_copies_lie_in_one_part_and_are_told(folder: Path, store: Path) -> None:
    for number in range(6):
        shutil.copy(folder / "0" / f"{number:03}.png", folder / "0" / f"copy-{number}.png")

    added = add("digits", folder, store)

    parts = parts_of(added, store)
    assert all(parts[f"0/{number:03}.png"] == parts[f"0/copy-{number}.png"] for number in range(6))
    assert "6 copies of other items" in told(added)
    entries = DataSet.open("digits", store=store).entries
    assert {entry.id: entry.duplicate_of for entry in entries if entry.duplicate_of} == {
        f"0/copy-{number}.png": f"0/{number:03}.png" for number in range(6)
    }


def test_content_with_two_labels_is_a_conflict_and_in_one_part(folder: Path, store: Path) -> None:
    shutil.copy(folder / "0" / "003.png", folder / "2" / "wrong.png")

    added = add("digits", folder, store)

    parts = parts_of(added, store)
    assert parts["0/003.png"] == parts["2/wrong.png"]
    assert "bad: 1 content with several labels" in told(added)
    assert [(each.ids, each.labels) for each in added.checks.conflicts] == [(("0/003.png", "2/wrong.png"), ("0", "2"))]


def test_copies_across_a_split_of_its_own_leave_the_training_part(tmp_path: Path, store: Path) -> None:
    write_digits(tmp_path / "d" / "train", each=10)
    for part in ("validation", "test"):
        for label in "01":
            (tmp_path / "d" / part / label).mkdir(parents=True)
            for number, picture in enumerate(digits_of(label, 20)[10 if part == "test" else 15 :][:5]):
                (tmp_path / "d" / part / label / f"{number}.png").write_bytes(picture)
    shutil.copy(tmp_path / "d/train/0/000.png", tmp_path / "d/test/0/leaked.png")
    shutil.copy(tmp_path / "d/validation/1/1.png", tmp_path / "d/train/1/leaked.png")

    added = add("digits", tmp_path / "d", store)

    parts = parts_of(added, store)
    assert (parts["train/0/000.png"], parts["test/0/leaked.png"]) == (None, "test")
    assert (parts["train/1/leaked.png"], parts["validation/1/1.png"]) == (None, "validation")
    assert all(part == item.split("/")[0] for item, part in parts.items() if part)
    assert "2 copies across the parts" in told(added)
    assert [(each.id, each.kept) for each in added.checks.leaks] == [
        ("train/0/000.png", "test/0/leaked.png"),
        ("train/1/leaked.png", "validation/1/1.png"),
    ]
    assert added.stored.record.counts.left_out == 2


def test_near_duplicates_in_two_parts_are_told_and_can_be_kept_in_one(folder: Path, store: Path) -> None:
    for path in sorted(folder.rglob("*.png")):
        buffer = BytesIO()
        Image.open(path).resize((56, 56), Image.Resampling.BICUBIC).save(buffer, "PNG")
        path.with_name(f"large-{path.name}").write_bytes(buffer.getvalue())

    told_of = add("digits", folder, store)
    together = add("digits", folder, store, near="together")

    assert told_of.checks.near_leaks >= 5
    assert "of near duplicates in different parts" in told(told_of)
    assert together.checks.near_leaks == 0
    assert together.checks.near_count == told_of.checks.near_count
    assert add("digits-2", folder, store, near="ignore").checks.near_count == 0


def test_unreadable_items_are_told_by_name_with_servings_words_and_nothing_is_added(folder: Path, store: Path) -> None:
    (folder / "0" / "notes.txt").write_text("these are noughts")
    (folder / "1" / "empty.png").touch()
    (folder / "2" / "cut.png").write_bytes(digits_of("2", 1)[0][:-40])
    Image.new("L", (400, 400)).save(folder / "3" / "large.png")
    (folder / "stray.png").write_bytes(digits_of("2", 1)[0])

    with pytest.raises(ItemsUnreadable) as refused:
        add("digits", folder, store, limits=Limits(max_pixels=100_000))

    lines = str(refused.value).splitlines()
    assert lines[0].startswith("5 of 53 items of")
    assert [line.strip().split(":")[0] for line in lines[1:-1]] == [
        "stray.png",
        "0/notes.txt",
        "1/empty.png",
        "2/cut.png",
        "3/large.png",
    ]
    assert "looks like text; send a JPEG, PNG or WebP image. (image_format_unsupported)" in lines[2]
    assert "--skip-unreadable" in lines[-1]
    assert not store.exists()


def test_unreadable_items_can_be_left_out_and_are_recorded(folder: Path, store: Path) -> None:
    (folder / "0" / "notes.txt").write_text("these are noughts")

    added = add("digits", folder, store, skip=True)

    assert [(each.where, each.code) for each in added.checks.problems] == [("0/notes.txt", "image_format_unsupported")]
    assert "0/notes.txt" not in parts_of(added, store)
    assert "1 unreadable item, left out" in told(added)


def test_at_most_twenty_unreadable_items_are_named(folder: Path, store: Path) -> None:
    for number in range(23):
        (folder / "0" / f"x{number:02}.png").write_text("not a picture")

    with pytest.raises(ItemsUnreadable) as refused:
        add("digits", folder, store)

    assert str(refused.value).count("image_format_unsupported") == 20
    assert "… and 3 more" in str(refused.value)


def test_wines_come_back_as_rows_and_numbers(tmp_path: Path, store: Path) -> None:
    added = add("wine", write_wines(tmp_path / "wine.csv"), store)
    (tmp_path / "wine.csv").unlink()

    data = DataSet.open("wine", store=store)

    items = data.items("train")
    assert data.labels == ("class_0", "class_1", "class_2")
    assert sum(len(data.items(part)) for part in PARTS) == 178
    row = msgspec.json.decode(items.items[0])
    assert len(row) == 13
    assert all(isinstance(value, float) for value in row.values())
    assert [each.name for each in added.checks.columns] == list(row)


def test_targets_of_a_regression_come_back_as_numbers(tmp_path: Path, store: Path) -> None:
    source = write_wines(tmp_path / "wine.csv")

    added = add("alcohol", source, store, target="alcohol", leave_out=("label",), slices=("label",))

    data = DataSet.open("alcohol", store=store)
    items = data.items("test")
    assert (data.labels, items.labels) == ((), ())
    assert items.targets.dtype == np.float64
    assert items.targets.min() > 11
    assert "label" not in msgspec.json.decode(items.items[0])
    assert set(items.slices["label"]) == {"class_0", "class_1", "class_2"}
    assert [each.split for each in added.checks.targets] == list(PARTS)


def test_texts_come_back_as_they_were(tmp_path: Path, store: Path) -> None:
    rows = [*colours(), {"text": 'ünï "quoted"\n\u2028line\t', "label": "red"}]

    add("colours", write_lines(tmp_path / "t.jsonl", rows), store)

    data = DataSet.open("colours", store=store)
    texts = {item.decode(): target for part in PARTS for item, target in zip(*_pair(data, part), strict=True)}
    assert texts == {row["text"]: ("blue", "red").index(row["label"]) for row in rows}


def _pair(data: DataSet, part):
    items = data.items(part)
    return items.items, items.targets


def test_texts_that_serving_refuses_are_unreadable(tmp_path: Path, store: Path) -> None:
    rows = [*colours(), {"text": " \n", "label": "red"}, {"text": "a\x00b", "label": "red"}]

    with pytest.raises(ItemsUnreadable, match=r"line 21: The text is empty.*\n.*line 22: .*U\+0000"):
        add("colours", write_lines(tmp_path / "t.jsonl", rows), store)


def test_texts_that_differ_in_case_and_punctuation_only_are_near_duplicates(tmp_path: Path, store: Path) -> None:
    rows = [*colours(), {"text": "RED, 3!", "label": "red"}]

    added = add("colours", write_lines(tmp_path / "t.jsonl", rows), store)

    assert [(each.first, each.second) for each in added.checks.near] == [("line-4", "line-21")]


def test_pictures_of_a_table_are_read_from_its_folder(tmp_path: Path, store: Path) -> None:
    write_digits(tmp_path, each=8)
    rows = [
        {"image": f"{label}/{n:03}.png", "label": f"digit {label}", "hand": "l"} for label in "01" for n in range(8)
    ]

    add("digits", write_lines(tmp_path / "t.jsonl", rows), store, image="image", slices=("hand",))

    data = DataSet.open("digits", store=store)
    assert (data.kind, data.labels) == ("image", ("digit 0", "digit 1"))
    assert data.items("train").items[0] in digits_of("0", 8)
    assert set(data.items("test").slices["hand"]) == {"l"}


def test_texts_may_be_files_in_folders(tmp_path: Path, store: Path) -> None:
    for row in colours(6):
        (tmp_path / "t" / row["label"]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / row["label"] / f"{row['text']}.txt").write_text(row["text"])

    add("colours", tmp_path / "t", store, kind="text")

    assert {item.split()[0] for item in DataSet.open("colours", store=store).items("train").items} == {b"red", b"blue"}


def test_labels_that_are_whole_numbers_are_in_their_order(tmp_path: Path, store: Path) -> None:
    rows = [{"text": f"{label} {place}", "label": str(label)} for label in (9, 10, 2) for place in range(5)]

    add("numbers", write_lines(tmp_path / "t.jsonl", rows), store)

    assert DataSet.open("numbers", store=store).labels == ("2", "9", "10")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "holds no rows"),
        ([{"text": f"a {n}", "label": "red"} for n in range(9)], r"All 9 items of .* are of one class \(red\)"),
        ([*colours(), {"text": "x", "label": "odd"}, {"text": "y", "label": "odd"}], r"Too small: odd \(2\)"),
        ([*colours(), *[{"text": "same", "label": "odd"}] * 9], r"Too small: odd \(1\)"),
        (colours(2), r"Too small: blue \(2\), red \(2\)"),
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused_with_names(tmp_path: Path, store: Path, rows, said) -> None:
    with pytest.raises(DataUnusable, match=said):
        add("colours", write_lines(tmp_path / "t.jsonl", rows), store)

    assert not store.exists()


def test_planted_wrong_labels_are_the_first_suspects(tmp_path: Path, store: Path) -> None:
    planted = {3, 40, 77, 120, 150}

    def flip(number: int, row: dict) -> None:
        if number in planted:
            row["label"] = {"class_0": "class_2", "class_1": "class_0", "class_2": "class_1"}[row["label"]]

    added = add("wine", write_wines(tmp_path / "wine.csv", change=flip), store)

    suspects = {int(each.id.removeprefix("line-")) - 2 for each in added.checks.suspects.listed[: len(planted)]}
    assert len(suspects & planted) >= 4
    assert "labels look wrong to a simple model" in told(added)


def test_column_that_tells_the_label_is_told(tmp_path: Path, store: Path) -> None:
    def leak(_number: int, row: dict) -> None:
        row["hue"] = {"class_0": 1, "class_1": 2, "class_2": 3}[row["label"]]

    added = add("wine", write_wines(tmp_path / "wine.csv", change=leak), store)

    assert "bad: Columns that tell the label by themselves: hue." in told(added)


def test_small_and_unbalanced_classes_are_told(tmp_path: Path, store: Path) -> None:
    rows = [
        {"text": f"{label} {place}", "label": label} for label, size in (("a", 120), ("b", 10)) for place in range(size)
    ]

    added = add("texts", write_lines(tmp_path / "t.jsonl", rows), store)

    assert added.checks.imbalance == 12
    assert "The largest class has 12 times the items" in told(added)
    assert "Fewer than 20 training items: b." in told(added)
    assert "Fewer than 10 test items" in told(added)


def test_class_that_training_never_sees_is_told(tmp_path: Path, store: Path) -> None:
    rows = [
        {**row, "split": part} for part in PARTS for row in [{**r, "text": f"{part} {r['text']}"} for r in colours()]
    ]
    rows += [{"text": f"new {n}", "label": "new", "split": "test"} for n in range(3)]

    added = add("texts", write_lines(tmp_path / "t.jsonl", rows), store)

    assert "bad: Not in the train part, so that it cannot be learned: new." in told(added)


def test_class_names_that_may_mean_the_same_are_told(tmp_path: Path, store: Path) -> None:
    rows = [{"text": f"{label} {n}", "label": label} for label in ("Red wine", "red_wine", "blue") for n in range(9)]

    added = add("texts", write_lines(tmp_path / "t.jsonl", rows), store)

    assert "Names that may mean one class: Red wine / red_wine." in told(added)


def test_keeping_near_duplicates_together_says_that_it_leaves_a_split_of_its_own_alone(
    tmp_path: Path, store: Path
) -> None:
    rows = [{**row, "text": f"{part} {row['text']}", "split": part} for part in PARTS for row in colours()]

    added = add("texts", write_lines(tmp_path / "t.jsonl", rows), store, near="together")

    assert "Near duplicates stay in the parts that the source has them in" in added.checks.notes[-1]
    assert all(parts_of(added, store)[f"line-{n + 1}"] == row["split"] for n, row in enumerate(rows))


def test_excerpts_of_rows_hold_no_control_characters(tmp_path: Path, store: Path) -> None:
    rows = [{"word": f"{n % 2}\x1b[2J", "n": n, "label": "ab"[n % 2 if n else 1]} for n in range(60)]

    added = add("rows", write_lines(tmp_path / "t.jsonl", rows), store)

    assert added.checks.suspects.listed[0].excerpt == "word 0·[2J, n 0"


def test_report_is_one_file_with_plots_pictures_and_escaped_names(folder: Path, store: Path) -> None:
    (folder / "<b>&amp;").mkdir()
    for number, picture in enumerate(digits_of("5", 12)):
        (folder / "<b>&amp;" / f"{number}.png").write_bytes(picture)
    shutil.copy(folder / "0" / "003.png", folder / "2" / "wrong.png")

    page = (add("digits", folder, store).stored.folder / "report.html").read_text()

    assert "data:image/webp;base64," in page
    assert "data:image/svg+xml;base64," in page
    assert "0/003.png, 2/wrong.png" in page
    assert "&lt;b&gt;&amp;amp;" in page
    assert "<b>&amp;" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
