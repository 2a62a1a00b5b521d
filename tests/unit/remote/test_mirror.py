"""Checkpoints and logs in S3 follow the folder, and bring it back elsewhere."""

from __future__ import annotations

from pathlib import Path

from lambent_toolkit.fakes import FakeObjectStore
from lambent_toolkit.remote.mirror import Mirror

PREFIX = "training/default/run/state/"


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_another_machine_gets_what_was_last_saved(tmp_path: Path) -> None:
    store, one, two = FakeObjectStore(), tmp_path / "one", tmp_path / "two"
    mirror = Mirror(store, PREFIX, one)
    put(one, "checkpoints/epoch-00001.npz", "first")
    put(one, "logs/train/events", "1")
    put(one, "model.keras", "is no state")
    mirror.save()
    put(one, "checkpoints/epoch-00002.npz", "second")
    put(one, "logs/train/events", "1 2")
    (one / "checkpoints/epoch-00001.npz").unlink()
    mirror.save()

    Mirror(store, PREFIX, two).restore()

    found = {path.relative_to(two).as_posix(): path.read_text() for path in two.rglob("*") if path.is_file()}
    assert found == {"checkpoints/epoch-00002.npz": "second", "logs/train/events": "1 2"}


def test_only_what_has_changed_is_sent_and_the_new_is_there_before_the_old_goes(tmp_path: Path) -> None:
    store = FakeObjectStore()
    mirror = Mirror(store, PREFIX, tmp_path)
    put(tmp_path, "checkpoints/epoch-00001.npz", "best")
    put(tmp_path, "checkpoints/epoch-00002.npz", "second")
    mirror.save()
    calls: list[tuple[str, str]] = []
    store.before_call = lambda operation, key: calls.append((operation, key.removeprefix(PREFIX)))
    put(tmp_path, "checkpoints/epoch-00003.npz", "third")
    (tmp_path / "checkpoints/epoch-00002.npz").unlink()

    mirror.save()

    assert calls == [("write", "checkpoints/epoch-00003.npz"), ("delete", "checkpoints/epoch-00002.npz")]
