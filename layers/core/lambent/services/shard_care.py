"""What an attempt of a shard knows of processes that died with it, and what it leaves for the one after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from lambent.contracts.jobs import Plan
from lambent.domain.names import checkpoints_prefix
from lambent.domain.suspicion import LOST, InFlight, Suspicion
from lambent.errors import ProcessingCrashed, SourceGone
from lambent.ports import ItemMarks, ObjectStore

_JSON = "application/json"
_RECORD = "in-flight.json"


class NoMarks:
    """Marks that nobody reads."""

    def open(self, items: int, known: Suspicion) -> None:
        """Do nothing, as all but the last."""

    def preparing(self, position: int) -> None:
        """Do nothing."""

    def prepared(self, position: int) -> None:
        """Do nothing."""

    def computing(self, positions: Sequence[int]) -> None:
        """Do nothing."""

    def done(self, positions: Sequence[int]) -> None:
        """Do nothing."""

    def alone(self, position: int) -> None:
        """Do nothing."""

    def survived(self, position: int) -> None:
        """Do nothing."""

    def found(self) -> InFlight:
        """Return that nothing is marked."""
        return InFlight()


@dataclass(frozen=True)
class Precaution:
    """What whoever starts an attempt knows of those before.

    Parameters
    ----------
    marks       where the attempt marks what it is at
    known       what deaths in the same host have shown, None before the first
    is_kept     whether an attempt before may have died with its host: then the store is told, too, before each batch
    """

    marks: ItemMarks = field(default_factory=NoMarks)
    known: Suspicion | None = None
    is_kept: bool = False


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """in-flight.json: what was known, and what was in flight when it was written."""

    schema_version: Literal[1] = 1
    suspicion: Suspicion
    in_flight: InFlight = InFlight()
    is_stopped: bool = False


_DECODER = msgspec.json.Decoder(_Record)


class ShardCare:
    """The care of one attempt. All methods but those that only mark raise Unavailable."""

    def __init__(self, data: ObjectStore, plan: Plan, shard: int, precaution: Precaution) -> None:
        self._data = data
        self._prefix = checkpoints_prefix(plan.tenant, plan.job_id, shard)
        self._items = plan.items_of(shard)
        self._is_first = precaution.known is None
        self._is_kept = precaution.is_kept
        self._is_written = False
        self.marks = precaution.marks
        self.suspicion = precaution.known or Suspicion()
        self.condemned = 0

    def begin(self) -> None:
        """Learn what the attempt before has left; after one that was stopped in order the store is told no more."""
        left = self._read() if self._is_kept and self._is_first else None
        if left is not None:
            self.suspicion = left.suspicion.after(left.in_flight, LOST)
            self._write(_Record(suspicion=self.suspicion))
            self._is_kept = not left.is_stopped
        self.marks.open(self._items, self.suspicion)

    def learn(self, *, has_died: bool) -> None:
        """Learn as `begin` does, without telling anybody; what the last attempt was at counts only if it has died."""
        left = self._read()
        if left is not None:
            self.suspicion = left.suspicion.after(left.in_flight, LOST) if has_died else left.suspicion

    def error_of(self, position: int) -> ProcessingCrashed | None:
        """Return the error of an item that is guilty."""
        end = self.suspicion.guilty.get(position)
        return None if end is None else _crashed(end)

    def condemn(self, position: int, end: str) -> ProcessingCrashed:
        """Remember that an item ended the process that it was tried in; return its error."""
        guilty = {**self.suspicion.guilty, position: end}
        self.suspicion = msgspec.structs.replace(self.suspicion, guilty=guilty)
        self.condemned += 1
        self._keep(InFlight())
        return _crashed(end)

    def try_alone(self, position: int) -> None:
        """Tell that a suspect is tried alone from now on."""
        self.marks.alone(position)
        self._keep(InFlight(alone=position))

    def clear(self, position: int) -> None:
        """Tell that a suspect has survived."""
        self.marks.survived(position)
        cleared = sorted({*self.suspicion.cleared, position})
        others = [each for each in self.suspicion.suspects if each != position]
        self.suspicion = msgspec.structs.replace(self.suspicion, cleared=cleared, suspects=others)

    def begin_batch(self, positions: Sequence[int]) -> None:
        """Tell that a batch is computed from now on."""
        self.marks.computing(positions)
        found = self.marks.found() if self._is_kept else InFlight()
        others = [each for each in found.together if each not in positions]
        self._keep(InFlight(together=[*positions, *others]))

    def halved(self) -> None:
        """Tell that batches are smaller from now on."""
        self.suspicion = self.suspicion.without_halving()

    def stop(self) -> None:
        """Leave word that the attempt was stopped in order: no item is to blame."""
        self._write(_Record(suspicion=self.suspicion, is_stopped=True))

    def forget(self) -> None:
        """Delete what was left for attempts that are not needed any more."""
        if self._is_written:
            self._data.delete(self._prefix + _RECORD)

    def _keep(self, in_flight: InFlight) -> None:
        if self._is_kept:
            self._write(_Record(suspicion=self.suspicion, in_flight=in_flight))

    def _write(self, record: _Record) -> None:
        self._data.write(self._prefix + _RECORD, msgspec.json.encode(record), content_type=_JSON)
        self._is_written = True

    def _read(self) -> _Record | None:
        try:
            return _DECODER.decode(self._data.read(self._prefix + _RECORD).body)
        except (SourceGone, msgspec.DecodeError):
            return None


def _crashed(end: str) -> ProcessingCrashed:
    return ProcessingCrashed(
        f"The process that worked on this input {end}. It is not tried again: change the input, or use a version of "
        "the model that survives it.",
        got=end,
    )
