"""A data set as recipes and evaluation read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from lambent.errors import InvalidInput, SourceGone
from lambent_toolkit.modelkit.datasets.manifest import Entry, Kind, Record, digest
from lambent_toolkit.modelkit.datasets.origins import Origin, in_order, open_origin
from lambent_toolkit.modelkit.datasets.store import DATA_DIR, DataStore, Stored
from lambent_toolkit.modelkit.errors import DataSetDamaged, ItemChanged
from lambent_toolkit.modelkit.recipe import LabelledItems
from lambent_toolkit.modelkit.splitting import Part

_noted: ContextVar[list[DataSet] | None] = ContextVar("opened data sets", default=None)


@contextmanager
def noting_opened() -> Iterator[list[DataSet]]:
    """Yield a list that gets the data sets that the block opens, each version once."""
    opened: list[DataSet] = []
    before = _noted.set(opened)
    try:
        yield opened
    finally:
        _noted.reset(before)


@dataclass(frozen=True)
class DataSet:
    """One version of a data set, split and immutable; a recipe's ``data()`` may return it.

    Parameters
    ----------
    entries   every item, also those in no part
    """

    stored: Stored
    store: DataStore
    entries: tuple[Entry, ...]
    s3: Any = None

    @classmethod
    def open(cls, name: str, *, store: Path = DATA_DIR, s3: Any = None) -> Self:
        """Return the data set ``name``: its newest version, or that of ``NAME@2``.

        Parameters
        ----------
        store   folder of data sets
        s3      boto3 client for items in S3; one of the SDK's own settings (AWS_PROFILE, AWS_ENDPOINT_URL, …) unless
                given

        Raises
        ------
        DataSetUnknown   there is none
        DataSetDamaged   a file of it is not what was written
        """
        files = DataStore(store)
        stored = files.find(name)
        opened = cls(stored, files, files.entries(stored), s3)
        noted = _noted.get()
        if noted is not None and opened.name not in [each.name for each in noted]:
            noted.append(opened)
        return opened

    @property
    def record(self) -> Record:
        """What it was made from and how."""
        return self.stored.record

    @property
    def name(self) -> str:
        """Name with version, as ``flowers@2``."""
        return self.record.full_name

    @property
    def sha256(self) -> str:
        """Digest of the manifest: of every item, label and part."""
        return self.record.manifest_sha256

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of their numbers; empty for regression."""
        return self.record.labels

    @property
    def kind(self) -> Kind:
        """What an item is."""
        return self.record.kind

    def items(self, split: Part) -> LabelledItems:
        """Return the items of one part, in the manifest's order, all in memory.

        Raises
        ------
        ItemChanged         an item is gone from the source, or is not what was added
        DataSetDamaged      the copies of a table's rows are not what was written
        SourceUnavailable   S3 did not answer
        """
        chosen = [place for place, entry in enumerate(self.entries) if entry.split == split]
        entries = [self.entries[place] for place in chosen]
        return LabelledItems(
            self._stored_items(chosen) if self.record.items_sha256 else list(self._source_items(entries)),
            self._targets(entries),
            {column: [entry.slices[column] for entry in entries] for column in self.record.slices},
            self.labels,
        )

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file that an item of any part is; none where they are rows of a table.

        Raises
        ------
        ItemChanged, SourceUnavailable   as `items`
        """
        by_path = {entry.path: entry for entry in self.entries if entry.split and entry.path}
        return zip(by_path, self._source_items(list(by_path.values())), strict=True)

    def _stored_items(self, places: Sequence[int]) -> list[bytes]:
        rows = self.store.rows(self.stored)
        if len(rows) != len(self.entries):
            raise DataSetDamaged(
                f"{self.name} has {len(self.entries)} items in its manifest and {len(rows)} in its items."
            )
        if self.kind == "text":
            return [msgspec.json.decode(rows[place], type=str).encode() for place in places]
        return [rows[place] for place in places]

    def _source_items(self, entries: Sequence[Entry]) -> Iterator[bytes]:
        origin = open_origin(self.record.source, self.s3)
        return in_order(lambda entry: self._read(origin, entry), entries, workers=origin.workers)

    def _read(self, origin: Origin, entry: Entry) -> bytes:
        where = f"{origin.address}/{entry.path}"
        mend = f"Restore it, or add the data again: lambent data add {self.record.name} …"
        try:
            body = origin.read(entry.path or "", max_bytes=entry.size_bytes)
        except SourceGone as exc:
            raise ItemChanged(f"{where}, an item of {self.name}, is gone. {exc.detail} {mend}") from exc
        except InvalidInput as exc:
            raise ItemChanged(f"{where}, an item of {self.name}, has changed: it is larger now. {mend}") from exc
        if digest(body) != entry.sha256:
            raise ItemChanged(f"{where}, an item of {self.name}, has changed: its sha256 is another one. {mend}")
        return body

    def _targets(self, entries: Sequence[Entry]) -> Any:
        if not self.labels:
            return np.array([entry.target for entry in entries], dtype=np.float64)
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers[entry.label or ""] for entry in entries], dtype=np.int64)
