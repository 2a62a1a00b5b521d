"""A file that a step leaves is whole or not there, whatever stops the step."""

import errno
import os
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from lambent_toolkit.modelkit.errors import FolderNotWritable
from lambent_toolkit.modelkit.whole_files import write_together, write_whole

OLD = {"model": b"old model", "record": b"old record"}
NEW = {"record": b"new record", "model": b"new model"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, body in OLD.items():
        (tmp_path / name).write_bytes(body)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_written_and_nothing_else_stays(folder: Path) -> None:
    write_together(folder, NEW, last="record")

    assert contents(folder) == NEW


def test_folder_is_made_if_need_be(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "file", b"body")

    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"body"


def test_full_disk_is_told_and_every_file_is_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []

    def full_at_the_second(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == len(NEW):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_at_the_second)

    with pytest.raises(FolderNotWritable, match=r"Cannot write in .*: No space left on device.*make room"):
        write_together(folder, NEW, last="record")

    assert contents(folder) == OLD


def test_ctrl_c_in_the_middle_of_a_write_leaves_the_old_file_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)

    with pytest.raises(KeyboardInterrupt):
        write_whole(folder / "model", b"new model")

    assert contents(folder) == OLD


def test_stop_between_two_renames_leaves_no_record_that_says_complete(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def stop_after_the_model(draft: Path, target: Path) -> Path:
        if target.name == "record":
            raise KeyboardInterrupt
        return replace(draft, target)

    monkeypatch.setattr(Path, "replace", stop_after_the_model)

    with pytest.raises(KeyboardInterrupt):
        write_together(folder, NEW, last="record")

    assert contents(folder) == {"model": b"new model"}


def test_file_has_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")

    write_whole(tmp_path / "file", b"")

    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_files_of_two_commands_in_one_folder_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def slowly(draft: Path, target: Path) -> Path:
        sleep(0.02)
        return replace(draft, target)

    monkeypatch.setattr(Path, "replace", slowly)
    # Each in another order: taking turns file by file, they would leave one file of either.
    commands = [
        Thread(target=write_together, args=(tmp_path, {"a": b"first", "b": b"first"})),
        Thread(target=write_together, args=(tmp_path, {"b": b"second", "a": b"second"})),
    ]
    for command in commands:
        command.start()
    for command in commands:
        command.join()

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
