"""Files that are whole or not there: a killed run, a full disk and Ctrl-C leave nothing half-written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from lambent_toolkit.modelkit.errors import FolderNotWritable

DRAFT_SUFFIX = ".draft"


def write_whole(path: Path, body: bytes) -> None:
    """Write one file: a draft beside it, synced to disk, then renamed.

    Raises
    ------
    FolderNotWritable   the disk is full, or the folder may not be written; what ``path`` held is still there
    """
    write_together(path.parent, {path.name: body})


def write_together(
    folder: Path, files: Mapping[str, bytes], *, last: str | None = None, stale: Iterable[str] = ()
) -> None:
    """Write several files of one step, none before all are on the disk; of two at once, one writes all of its own last.

    Parameters
    ----------
    folder   created if need be
    files    by name, or by a path of one folder and a name
    last     name of the file that says that the step is complete: the old one is removed before the others change,
             the new one appears after them
    stale    names of files that were made of what is replaced: removed before anything changes

    Raises
    ------
    FolderNotWritable   the disk is full, or the folder may not be written; all files are as they were
    """
    drafts: dict[str, Path] = {}
    try:
        with telling_of_full_disks(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, body in files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                drafts[name] = _draft(folder / name, body)
            with _taking_turns(folder):
                for name in (*stale, *([last] if last else [])):
                    (folder / name).unlink(missing_ok=True)
                for name in sorted(drafts, key=lambda name: name == last):
                    drafts[name].replace(folder / name)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


@contextmanager
def telling_of_full_disks(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into FolderNotWritable."""
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise FolderNotWritable(
            f"Cannot write in {folder}: {reason}. The files of the step before are as they were; make room or name "
            "another folder, then run the same command again."
        ) from exc


@contextmanager
def _taking_turns(folder: Path) -> Iterator[None]:
    """Keep the files of two commands in one folder from mixing; the lock goes with a process that is killed."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _draft(path: Path, body: bytes) -> Path:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", suffix=DRAFT_SUFFIX, delete=False) as file:
        try:
            file.write(body)
            file.flush()
            # Without it a power cut can leave the new name with none of the new bytes.
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    # A temporary file is its owner's alone; what a command leaves has the usual rights.
    Path(file.name).chmod(0o666 & ~_umask())
    return Path(file.name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
