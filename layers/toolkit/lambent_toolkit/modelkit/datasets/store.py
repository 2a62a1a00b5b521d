"""The folder that data sets lie in: a version appears whole or not at all, and never changes."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from lambent.domain.names import NAME_RULE, is_name
from lambent_toolkit.modelkit.datasets.manifest import (
    ITEMS_FILE,
    MANIFEST_FILE,
    RECORD_FILE,
    Entry,
    Record,
    decode_manifest,
    decode_stored,
    digest,
)
from lambent_toolkit.modelkit.errors import DataSetDamaged, DataSetUnknown
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks, write_together

DATA_DIR = Path(".lambent/data")
_DRAFT_PREFIX = ".draft-"
_VERSION = re.compile("[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True)
class Stored:
    """A version in the store."""

    folder: Path
    record: Record


class DataStore:
    """Data sets in a folder, a folder each with a folder for each version.

    Parameters
    ----------
    folder   need not exist before something is added
    """

    def __init__(self, folder: Path = DATA_DIR) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all data sets, sorted."""
        if not self._folder.is_dir():
            return []
        return sorted(each.name for each in self._folder.iterdir() if is_name(each.name) and self.versions(each.name))

    def versions(self, name: str) -> list[int]:
        """Return a data set's version numbers, the oldest first; none of an unknown one."""
        folder = self._folder / name
        if not (is_name(name) and folder.is_dir()):
            return []
        return [number for number in _numbers(folder) if (folder / str(number) / RECORD_FILE).is_file()]

    def find(self, reference: str) -> Stored:
        """Return the version that ``NAME`` (the newest) or ``NAME@2`` means.

        Raises
        ------
        DataSetUnknown   there is none
        DataSetDamaged   its record is not what was written
        """
        name, _, number = reference.partition("@")
        versions = self.versions(name)
        if not versions:
            known = ", ".join(self.names()) or "none"
            raise DataSetUnknown(
                f"There is no data set {name!r} in {self._folder}; there are: {known}. Add it: lambent data add {name} "
                "SOURCE"
            )
        if number and number not in map(str, versions):
            has = ", ".join(map(str, versions))
            raise DataSetUnknown(f"Data set {name} has no version {number!r}; it has: {has}.")
        return self._load(name, int(number) if number else versions[-1])

    def entries(self, stored: Stored) -> tuple[Entry, ...]:
        """Return a version's manifest; raises DataSetDamaged unless it has the digest of its record."""
        return decode_manifest(
            _verified(stored.folder / MANIFEST_FILE, stored.record.manifest_sha256),
            where=str(stored.folder / MANIFEST_FILE),
        )

    def rows(self, stored: Stored) -> list[bytes]:
        """Return the lines of a version's items.jsonl; raises DataSetDamaged unless it has the digest of its record."""
        return _verified(stored.folder / ITEMS_FILE, stored.record.items_sha256 or "").splitlines()

    def publish(
        self, name: str, make: Callable[[int, Stored | None], Mapping[str, bytes] | None]
    ) -> tuple[Stored, bool]:
        """Add a version; several commands at once take turns.

        Parameters
        ----------
        make   (number of the new version, the newest one so far) → its files by name, or None if the newest one is the
               same already

        Returns
        -------
        tuple   the new version and True, or the newest one so far and False

        Raises
        ------
        FolderNotWritable   the disk is full, or the folder may not be written: nothing was added
        """
        with self._alone():
            versions = self.versions(name)
            newest = self._load(name, versions[-1]) if versions else None
            # Also after a folder that is none of ours, or has lost its record: nothing is written over.
            number = max(_numbers(self._folder / name), default=0) + 1
            files = make(number, newest)
            if files is None and newest is not None:
                return newest, False
            self._appear(name, number, files or {})
            return self._load(name, number), True

    def _appear(self, name: str, number: int, files: Mapping[str, bytes]) -> None:
        with telling_of_full_disks(self._folder):
            draft = Path(mkdtemp(prefix=_DRAFT_PREFIX, dir=self._folder))
        is_new_name = not (self._folder / name).exists()
        try:
            write_together(draft, files)
            with telling_of_full_disks(self._folder):
                draft.chmod(self._folder.stat().st_mode)  # a temporary folder is its owner's alone
                (self._folder / name).mkdir(exist_ok=True)
                draft.rename(self._folder / name / str(number))
                _sync(self._folder / name)
                _sync(self._folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            if is_new_name and not self.versions(name):
                shutil.rmtree(self._folder / name, ignore_errors=True)
            raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other command adds; what a killed one left behind is removed."""
        with telling_of_full_disks(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # The kernel lets go of the lock when its process ends, however that ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left in self._folder.glob(f"{_DRAFT_PREFIX}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            os.close(descriptor)

    def _load(self, name: str, number: int) -> Stored:
        folder = self._folder / name / str(number)
        body = (folder / RECORD_FILE).read_bytes()
        return Stored(folder, decode_stored(body, Record, where=str(folder / RECORD_FILE)))


def check_data_name(name: str) -> str:
    """Return ``name`` if a data set may be called so; raises DataSetUnknown."""
    if not is_name(name):
        raise DataSetUnknown(f"A data set cannot be called {name!r}: use {NAME_RULE}.")
    return name


def _verified(path: Path, sha256: str) -> bytes:
    try:
        body = path.read_bytes()
    except OSError as exc:
        raise DataSetDamaged(f"{path} cannot be read: {exc.strerror}.") from exc
    if digest(body) != sha256:
        raise DataSetDamaged(f"{path} is not what was written: restore it, or add the data again as a new version.")
    return body


def _numbers(folder: Path) -> list[int]:
    """Return the whole numbers that folders in ``folder`` are called, sorted."""
    if not folder.is_dir():
        return []
    return sorted(int(each.name) for each in folder.iterdir() if _VERSION.fullmatch(each.name))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
