"""The store: a version is whole or not there, never changes, and no two commands spoil each other's."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from lambent_toolkit.modelkit.datasets import DataSet, adding
from lambent_toolkit.modelkit.datasets.grouping import Shares
from lambent_toolkit.modelkit.datasets.store import DataStore
from lambent_toolkit.modelkit.errors import DataSetDamaged, DataSetUnknown, FolderNotWritable
from made_data import add, colours, write_lines


@pytest.fixture(autouse=True)
def _plain_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is on the page is tested elsewhere; here it is one of the files, and drawing it takes most of the time.
    monkeypatch.setattr(adding, "report_page", lambda record, *_: f"<h1>{record.full_name}</h1>")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "colours.jsonl", colours())


def everything(store: Path) -> list[str]:
    return sorted(str(path.relative_to(store)) for path in store.rglob("*")) if store.exists() else []


def test_version_has_its_files_with_the_usual_rights(lines: Path, store: Path) -> None:
    stored = add("colours", lines, store).stored

    assert {path.name for path in stored.folder.iterdir()} == {
        "manifest.jsonl",
        "dataset.json",
        "items.jsonl",
        "checks.json",
        "report.html",
    }
    assert stored.folder == store / "colours" / "1"
    assert stored.folder.stat().st_mode == store.stat().st_mode


def test_same_content_again_is_no_new_version(lines: Path, store: Path) -> None:
    first = add("colours", lines, store)

    again = add("colours", lines, store)

    assert (first.is_new, again.is_new) == (True, False)
    assert again.stored == first.stored
    assert again.checks == first.checks
    assert DataStore(store).versions("colours") == [1]


def test_other_content_and_another_split_are_new_versions_and_the_old_ones_stay(lines: Path, store: Path) -> None:
    add("colours", lines, store)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    write_lines(lines, [*colours(), {"text": "green 1", "label": "red"}])
    add("colours", lines, store)
    add("colours", lines, store, shares=Shares(0.15, 0.2, 8))

    assert DataStore(store).versions("colours") == [1, 2, 3]
    assert {path: path.read_bytes() for path in before} == before
    assert DataSet.open("colours", store=store).name == "colours@3"
    assert len(DataSet.open("colours@1", store=store).entries) == 20
    assert len(DataSet.open("colours@2", store=store).entries) == 21


def test_commands_at_the_same_time_make_one_version_each_or_agree(tmp_path: Path, store: Path) -> None:
    same = write_lines(tmp_path / "same.jsonl", colours())
    others = [write_lines(tmp_path / f"{size}.jsonl", colours(size)) for size in (11, 12, 13)]
    start = Barrier(5)

    def command(source: Path) -> tuple[int, bool]:
        start.wait()
        added = add("colours", source, store)
        return added.stored.record.version, added.is_new

    with ThreadPoolExecutor(5) as pool:
        done = list(pool.map(command, [same, *others, tmp_path / "same.jsonl"]))

    new = sorted(version for version, is_new in done if is_new)
    assert new == list(range(1, len(new) + 1))
    assert len(new) >= 4
    for version in new:
        assert len(DataSet.open(f"colours@{version}", store=store).entries) >= 20
    assert [name for name in everything(store) if "draft" in name] == []


@pytest.mark.parametrize("at", [0, 4, 6])
def test_full_disk_at_any_write_is_told_and_leaves_the_store_as_it_was(
    lines: Path, store: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    synced = []

    def full(_descriptor: int) -> None:
        synced.append(1)
        if len(synced) > at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    if at < 5:
        with pytest.raises(FolderNotWritable, match="No space left on device"):
            add("colours", lines, store)

        assert everything(store) == []
        assert DataStore(store).names() == []
    else:
        # The five files are on the disk and the version is there: a folder that cannot be synced is told all the same.
        with pytest.raises(FolderNotWritable):
            add("colours", lines, store)
        assert DataSet.open("colours", store=store).items("train").items


def test_ctrl_c_while_files_are_written_leaves_nothing(lines: Path, store: Path, monkeypatch) -> None:
    def stopped(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stopped)

    with pytest.raises(KeyboardInterrupt):
        add("colours", lines, store)

    assert everything(store) == []


def test_report_that_cannot_be_made_leaves_nothing(lines: Path, store: Path, monkeypatch) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(adding, "report_page", broken)

    with pytest.raises(ZeroDivisionError):
        add("colours", lines, store)

    assert everything(store) == []


def test_what_a_killed_command_left_is_no_data_set_and_goes_with_the_next_add(lines: Path, store: Path) -> None:
    left = store / ".draft-killed"
    left.mkdir(parents=True)
    (left / "manifest.jsonl").write_text("half")
    (store / "empty").mkdir()

    assert DataStore(store).names() == []
    add("colours", lines, store)

    assert not left.exists()
    assert DataStore(store).names() == ["colours"]


def test_folder_that_is_no_version_is_neither_read_nor_written_over(lines: Path, store: Path) -> None:
    (store / "colours" / "1").mkdir(parents=True)
    (store / "colours" / "1" / "mine").write_text("mine")
    (store / "colours" / "notes").mkdir()

    assert add("colours", lines, store).stored.record.version == 2

    assert (store / "colours" / "1" / "mine").read_text() == "mine"
    assert DataStore(store).versions("colours") == [2]


@pytest.mark.parametrize("name", ["manifest.jsonl", "items.jsonl", "dataset.json"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_damaged_files_are_told_before_anything_is_learned_from_them(
    lines: Path, store: Path, name: str, how: str
) -> None:
    path = add("colours", lines, store).stored.folder / name
    if how == "gone" and name != "dataset.json":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-7])

    with pytest.raises(DataSetDamaged, match=name):
        DataSet.open("colours", store=store).items("train")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nix", "no data set 'nix' in .*; there are: colours"),
        ("colours@2", "no version '2'; it has: 1"),
        ("colours@x", "no version 'x'"),
        ("colours@01", "no version '01'"),
        ("../colours", "no data set '../colours'"),
    ],
)
def test_unknown_data_sets_are_told_with_those_that_there_are(
    lines: Path, store: Path, reference: str, said: str
) -> None:
    add("colours", lines, store)

    with pytest.raises(DataSetUnknown, match=said):
        DataSet.open(reference, store=store)


def test_names_that_are_no_folder_names_are_refused(lines: Path, store: Path) -> None:
    with pytest.raises(DataSetUnknown, match="cannot be called"):
        add("../up", lines, store)
