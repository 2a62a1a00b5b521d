"""A bundle: all that a job needs beside the image, in one zip file that is named by its digest.

The same contents give the same bytes: names are sorted, and no file has a time of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import msgspec

from lambent_toolkit.modelkit.errors import BundleTooLarge, RunUnreadable
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks
from lambent_toolkit.remote.records import Task, decode, encode

# S3 takes at most 5 GB in one piece, and the job's disk holds bundle and contents.
MAX_BUNDLE_BYTES = 4 << 30
ORDER_FILE = "order.json"
# Everything else lies in this folder, as it lies below the working directory of who asked.
HERE = "here"
# What a worker's disk would gain from compressing pictures and models is not worth its time.
_COMPRESSED = frozenset({".json", ".jsonl", ".py", ".csv", ".txt", ".html", ".md"})
_SAME_TIME = (1980, 1, 1, 0, 0, 0)
_PIECE_BYTES = 1 << 20


class RecipeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The recipe of a job.

    Parameters
    ----------
    name              of a built-in one; of a file of one's own its path in the bundle
    settings          all of them
    placed            setting → path in the bundle of the file that it names
    origin_name       what records are to call the recipe
    origin_settings   what records are to call the files of ``placed``
    """

    name: str
    settings: dict[str, Any]
    placed: dict[str, str] = {}
    origin_name: str
    origin_settings: dict[str, str] = {}


class VersionOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A published version: ``MODEL@VERSION``, and its manifest's sha256."""

    name: str
    manifest_sha256: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """order.json: what the job is to do.

    Parameters
    ----------
    recipe    None for an imported model, and for a published version
    model     path in the bundle of the folder to evaluate
    version   that the folder's files are, if they are not of a working folder
    data      name of the data to evaluate on, if not the recipe's
    tools     versions that the outcome depends on, as on the machine of who asked
    """

    schema_version: Literal[1] = 1
    task: Task
    recipe: RecipeOrder | None = None
    model: str | None = None
    version: VersionOrder | None = None
    data: str | None = None
    tools: dict[str, str]


@dataclass
class Contents:
    """What goes into a bundle, by its path there: files of this machine, and bytes that were made for it.

    Raises, while it is filled, BundleTooLarge.
    """

    max_bytes: int = MAX_BUNDLE_BYTES
    _files: dict[str, Path | bytes] = field(default_factory=dict)
    _size_bytes: int = 0

    def add(self, path: str, content: Path | bytes) -> None:
        """Add a file, once."""
        name = f"{HERE}/{PurePosixPath(path)}"
        if name in self._files:
            return
        self._size_bytes += len(content) if isinstance(content, bytes) else content.stat().st_size
        if self._size_bytes > self.max_bytes:
            raise BundleTooLarge(
                f"The job would need more than {self.max_bytes / 1e9:.1f} GB of files, the most that are sent. Put the "
                "data under inputs/ of the stack's data bucket and add it from there: lambent data add NAME s3://…"
            )
        self._files[name] = content

    def write(self, target: Path, order: Order) -> str:
        """Write the bundle, and return its sha256; raises FolderNotWritable."""
        with telling_of_full_disks(target.parent):
            with ZipFile(target, "w") as archive:
                _write(archive, ORDER_FILE, encode(order))
                for name, content in sorted(self._files.items()):
                    _write(archive, name, content)
            return _digest(target)


def _write(archive: ZipFile, name: str, content: Path | bytes) -> None:
    info = ZipInfo(name, _SAME_TIME)
    info.compress_type = ZIP_DEFLATED if PurePosixPath(name).suffix in _COMPRESSED else ZIP_STORED
    info.external_attr = 0o600 << 16
    if isinstance(content, bytes):
        archive.writestr(info, content)
        return
    with content.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, _PIECE_BYTES)


def _digest(path: Path) -> str:
    hashed = sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            hashed.update(piece)
    return hashed.hexdigest()


def unpack(path: Path, folder: Path, *, max_bytes: int = 2 * MAX_BUNDLE_BYTES) -> Order:
    """Unpack a bundle whose digest has been compared, and return the order; its files lie in ``folder / HERE``.

    Raises
    ------
    RunUnreadable       it is no bundle, or it unpacks to more than ``max_bytes``
    FolderNotWritable   the disk is full
    """
    try:
        with ZipFile(path) as archive, telling_of_full_disks(folder):
            _check_names(archive.infolist(), max_bytes)
            order = decode(archive.read(ORDER_FILE), Order, where="The bundle's order.json")
            archive.extractall(folder)
    except (BadZipFile, KeyError) as exc:
        raise RunUnreadable(f"The bundle is none ({exc}).") from exc
    (folder / HERE).mkdir(exist_ok=True)
    return order


def _check_names(entries: Iterable[ZipInfo], max_bytes: int) -> None:
    left = max_bytes
    for entry in entries:
        path = PurePosixPath(entry.filename)
        left -= entry.file_size
        if path.is_absolute() or ".." in path.parts or left < 0:
            raise RunUnreadable(f"The bundle is none: {entry.filename} leads out of it, or it is too large.")
