"""What a version of a data set consists of, as its files hold it."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal, TypeVar

import msgspec

from lambent_toolkit.modelkit.errors import DataSetDamaged
from lambent_toolkit.modelkit.splitting import Part

MANIFEST_FILE = "manifest.jsonl"
RECORD_FILE = "dataset.json"
ITEMS_FILE = "items.jsonl"
CHECKS_FILE = "checks.json"
REPORT_FILE = "report.html"

Kind = Literal["image", "text", "tabular"]
T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of the manifest.

    Parameters
    ----------
    id             path below the source, or ``line-17`` of the table it came from
    sha256         of the raw item: the file, the text in UTF-8, the row as a JSON object
    split          None: the item is in no part, ``left_out`` says why
    path           below the source's address, of an item that is a file of its own
    label          class name; None for regression
    target         finite; None for classification
    slices         column name → value
    duplicate_of   id of the first item with the same sha256
    left_out       why it is in no part
    """

    id: str
    sha256: str
    size_bytes: int
    split: Part | None
    path: str | None = None
    label: str | None = None
    target: float | None = None
    slices: dict[str, str] = {}
    duplicate_of: str | None = None
    left_out: str | None = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Items of every part, and those that are in none."""

    train: int
    validation: int
    test: int
    left_out: int = 0

    @property
    def total(self) -> int:
        """Items in any part."""
        return self.train + self.validation + self.test


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """dataset.json.

    Parameters
    ----------
    version            from 1; the newest is what the bare name means
    labels             class names in the order of their numbers; empty for regression
    source             folder, file or ``s3://`` address, without a slash at its end
    has_own_split      whether the source says which part an item is in
    validation_share   of all items, as asked for; as ``test_share`` and ``seed`` it is without effect on parts that
                       the source has itself
    manifest_sha256    identity of the version
    items_sha256       of items.jsonl; None where items stay in the source
    created_at         UTC, ISO 8601
    """

    schema_version: Literal[1] = 1
    name: str
    version: int
    kind: Kind
    labels: tuple[str, ...]
    source: str
    has_own_split: bool
    seed: int
    validation_share: float
    test_share: float
    counts: Counts
    slices: tuple[str, ...] = ()
    manifest_sha256: str
    items_sha256: str | None = None
    created_at: str

    @property
    def full_name(self) -> str:
        """Name with version, as ``flowers@2``."""
        return f"{self.name}@{self.version}"


def encode_manifest(entries: Iterable[Entry]) -> bytes:
    """Return manifest.jsonl: the same entries give the same bytes."""
    encoder = msgspec.json.Encoder(order="deterministic")
    return b"".join(encoder.encode(entry) + b"\n" for entry in entries)


def decode_manifest(body: bytes, *, where: str) -> tuple[Entry, ...]:
    """Return the entries of a manifest; raises DataSetDamaged, which tells ``where`` it lies."""
    return tuple(decode_stored(line, Entry, where=where) for line in body.splitlines())


def decode_stored(body: bytes, type_: type[T], *, where: str) -> T:
    """Return what one of our own files holds; raises DataSetDamaged, which tells ``where`` it lies."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.DecodeError as exc:
        raise DataSetDamaged(
            f"{where} is not as `lambent data add` wrote it ({exc}): restore it, or add the data again."
        ) from exc


def digest(body: bytes) -> str:
    """Return sha256, hexadecimal."""
    return sha256(body).hexdigest()
