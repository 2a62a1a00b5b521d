"""Marks of items in memory that outlives the process which made them: its parent reads them."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence

import msgspec

from lambent.domain.suspicion import InFlight, Suspicion

_PREPARING, _PREPARED, _COMPUTING, _DONE, _ALONE, _SURVIVED = range(1, 7)
_PULSE = struct.Struct("<Q")
_DECODER = msgspec.json.Decoder(Suspicion)


class SharedMarks:
    """A byte an item after a count of all marks; made before the fork of whoever marks.

    No file: writing to one that is mapped ends the process where the disk is full.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("marks")
        self._known = os.memfd_create("known")
        self._map: mmap.mmap | None = None

    def open(self, items: int, known: Suspicion) -> None:
        """Begin anew; see ports.ItemMarks."""
        os.ftruncate(self._file, 0)
        # Before the first mark, since nobody asks for it where nothing is marked: it is whole then.
        os.ftruncate(self._known, 0)
        os.pwrite(self._known, msgspec.json.encode(known), 0)
        os.ftruncate(self._file, _PULSE.size + items)
        self._map = mmap.mmap(self._file, _PULSE.size + items)

    def preparing(self, position: int) -> None:
        """Mark an item that is fetched and decoded."""
        self._mark(position, _PREPARING)

    def prepared(self, position: int) -> None:
        """Mark an item that only waits for its batch."""
        self._mark(position, _PREPARED)

    def computing(self, positions: Sequence[int]) -> None:
        """Mark a batch that the model is given."""
        for position in positions:
            self._mark(position, _COMPUTING)

    def done(self, positions: Sequence[int]) -> None:
        """Mark a batch that has its lines."""
        for position in positions:
            self._mark(position, _DONE)

    def alone(self, position: int) -> None:
        """Mark a suspect that is tried alone."""
        self._mark(position, _ALONE)

    def survived(self, position: int) -> None:
        """Mark a suspect that did not end the process."""
        self._mark(position, _SURVIVED)

    def found(self) -> InFlight:
        """Return what is marked; a batch before what was prepared meanwhile."""
        marked = os.pread(self._file, os.fstat(self._file).st_size, 0)[_PULSE.size :]
        by_mark: dict[int, list[int]] = {mark: [] for mark in (_PREPARING, _COMPUTING, _ALONE, _SURVIVED)}
        for position, mark in enumerate(marked):
            if mark in by_mark:
                by_mark[mark].append(position)
        return InFlight(
            alone=next(iter(by_mark[_ALONE]), None),
            together=by_mark[_COMPUTING] + by_mark[_PREPARING],
            survived=by_mark[_SURVIVED],
        )

    def known(self) -> Suspicion:
        """Return what the process knew that has marked something."""
        return _DECODER.decode(os.pread(self._known, os.fstat(self._known).st_size, 0))

    def clear(self) -> None:
        """Forget all marks, before the next process is started."""
        os.ftruncate(self._file, 0)

    def pulse(self) -> int:
        """Return a number that every mark changes; 0 before the first."""
        told = os.pread(self._file, _PULSE.size, 0)
        return int(_PULSE.unpack(told)[0]) if len(told) == _PULSE.size else 0

    def _mark(self, position: int, mark: int) -> None:
        if self._map is None:
            return
        self._map[_PULSE.size + position] = mark
        # Two threads may count one mark: enough for whoever asks only whether anything moves.
        _PULSE.pack_into(self._map, 0, _PULSE.unpack_from(self._map)[0] + 1)
