"""Bring a run's result to this machine: every file verified, all of them or none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from lambent.domain.model import KERAS_GOLDEN_FILE, REPORT_FILE
from lambent.errors import SourceGone
from lambent.ports import ObjectStore
from lambent_toolkit.modelkit.errors import FolderOccupied, ResultDamaged
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks, write_together
from lambent_toolkit.remote.records import Outcome, ResultFile, RunKeys


def check_free(out: Path) -> None:
    """Raise FolderOccupied if there is something in the folder for an artifact."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise FolderOccupied(
            f"{out} is not empty, and a job's artifact takes a folder of its own: name another one by --out, or "
            "remove it."
        )


def fetch_folder(store: ObjectStore, keys: RunKeys, outcome: Outcome, out: Path) -> None:
    """Make ``out`` of a run's result; it appears whole or not at all.

    Raises
    ------
    FolderOccupied      it is not empty
    ResultDamaged       a file is missing, or is not what the job wrote
    FolderNotWritable   the disk is full, or the place may not be written
    """
    check_free(out)
    with telling_of_full_disks(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, expected in outcome.files.items():
            with telling_of_full_disks(out):
                path = draft / _checked(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                _download(store, keys.results + name, path, expected)
        with telling_of_full_disks(out):
            draft.chmod(out.parent.stat().st_mode)  # a temporary folder is its owner's alone
            draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def fetch_report(store: ObjectStore, keys: RunKeys, outcome: Outcome, folder: Path) -> None:
    """Put what an evaluation left into the folder of the model, as the step does here; raises as `fetch_folder`."""
    with telling_of_full_disks(folder):
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(mkdtemp(prefix=".report-", dir=folder))
    try:
        files: Mapping[str, bytes] = {
            name: _body(store, keys.results + name, place / _checked(name), expected)
            for name, expected in outcome.files.items()
        }
    finally:
        shutil.rmtree(place, ignore_errors=True)
    # As the step itself: a SavedModel that was imported anew has no Keras lane any more.
    write_together(folder, files, last=REPORT_FILE, stale={KERAS_GOLDEN_FILE} - files.keys())


def _body(store: ObjectStore, key: str, path: Path, expected: ResultFile) -> bytes:
    with telling_of_full_disks(path.parent):
        _download(store, key, path, expected)
        return path.read_bytes()


def _download(store: ObjectStore, key: str, path: Path, expected: ResultFile) -> None:
    try:
        with path.open("wb") as file:
            found = store.download(key, file, max_bytes=expected.size_bytes)
    except SourceGone as exc:
        raise ResultDamaged(f"{path.name} of the result is not there any more: run the job again.") from exc
    if found.sha256 != expected.sha256:
        raise ResultDamaged(
            f"{path.name} came with the sha256 {found.sha256[:12]}…, the job wrote {expected.sha256[:12]}…: nothing "
            "was kept."
        )


def _checked(name: str) -> str:
    """Return a path below the folder; the job runs a recipe's own code, which could have written another."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ResultDamaged(f"The result names a file {name!r}, which lies outside of its folder.")
    return name
