"""Checkpoints of a shard: lines that are finished, kept in the store until the part is written.

Beside each other under ``checkpoints/{shard}/``:

start.json               the size of its batches, written once, before the first checkpoint
halved-{from}.json       a smaller size that counts from a line on, since the memory did not do for a larger one
{from}-{to}.jsonl        the lines from one to before another, after a header that says what they are

A checkpoint counts only if its header's digest is that of its lines, and if it follows the one that its attempt had
made before: lines of two attempts at once never mix. What is torn, cut off or does not follow is computed again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec.structs import replace

from lambent.contracts.jobs import Plan
from lambent.contracts.lines import CONTENT_TYPE
from lambent.domain.names import checkpoints_prefix
from lambent.errors import SourceGone, Unavailable
from lambent.ports import ObjectStore
from lambent.services.result_lines import ResultLines

_NAME = re.compile(r"(\d{9})-(\d{9})\.jsonl")
_HALVED = re.compile(r"halved-(\d{9})\.json")
_START = "start.json"
_JSON = "application/json"


class _Size(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: Literal[1] = 1
    batch_size: int


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """First line of a checkpoint.

    positions   which items the lines are of, where they do not stand in the items' order
    after       the ``sha256`` of the checkpoint before, empty for the first one
    sha256      of this header, itself empty in it, and the lines
    """

    schema_version: Literal[1] = 1
    done: int
    failed: int
    after: str
    positions: list[int] | None
    sha256: str = ""


_SIZE = msgspec.json.Decoder(_Size)
_HEADER = msgspec.json.Decoder(_Header)


def _digest(header: _Header, body: bytes) -> str:
    """Return the sha256 of lines and of the header that says what they are."""
    return sha256(msgspec.json.encode(replace(header, sha256="")) + body).hexdigest()


@dataclass(frozen=True)
class BatchSizes:
    """How many items a batch has.

    Parameters
    ----------
    start      of the first batch
    halvings   pairs of (line, size): how many from that line on, rising
    """

    start: int
    halvings: tuple[tuple[int, int], ...] = ()

    def rows(self, line: int) -> int:
        """Return how many rows the model gets in a batch that begins after so many lines."""
        return [self.start, *(size for start, size in self.halvings if start <= line)][-1]

    def items(self, line: int) -> int:
        """Return how many items that batch has: it never reaches over a halving, so it may be smaller."""
        following = [start for start, _ in self.halvings if start > line]
        return min([self.rows(line), *(start - line for start in following)])

    def halved(self, line: int) -> BatchSizes:
        """Return the sizes with one half as large from a line on."""
        before = [step for step in self.halvings if step[0] < line]
        return BatchSizes(self.start, (*before, (line, max(1, self.rows(line) // 2))))


class Checkpoints:
    """The checkpoints of one shard, as one attempt finds them and adds to them.

    ``sizes`` are those of its batches: what `resume` has found, or what the attempt sets where it has found none.
    """

    def __init__(self, data: ObjectStore, plan: Plan, shard: int) -> None:
        self._data = data
        self._prefix = checkpoints_prefix(plan.tenant, plan.job_id, shard)
        self._is_ordered = plan.output.order == "item"
        self._names: set[str] = set()
        self._recorded: int | None = None
        self._last = _Saved()
        self._positions: list[int] = []
        self.sizes = BatchSizes(1)

    @property
    def unsaved(self) -> int:
        """How many lines are in no checkpoint yet."""
        return len(self._positions)

    def resume(self, lines: ResultLines, is_done: bytearray) -> bool:
        """As `take_over`; what nobody can go on from is deleted."""
        is_recorded = self.take_over(lines, is_done)
        if not is_recorded:
            self.clear()
        return is_recorded

    def take_over(self, lines: ResultLines, is_done: bytearray) -> bool:
        """Take over what earlier attempts have finished; return whether one has recorded the sizes of its batches.

        Parameters
        ----------
        lines     gets their lines
        is_done   one byte an item of the shard, set to 1 for those that have a line
        """
        names = (found.key.removeprefix(self._prefix) for found in self._data.listing(self._prefix))
        self._names = {name for name in names if name == _START or _NAME.fullmatch(name) or _HALVED.fullmatch(name)}
        self._recorded = self._read_size(_START) if _START in self._names else None
        if self._recorded is None:
            return False
        halved = sorted((int(match[1]), name) for name in self._names if (match := _HALVED.fullmatch(name)))
        sizes = [(line, size) for line, name in halved if (size := self._read_size(name)) is not None]
        self.sizes = BatchSizes(self._recorded, tuple(sizes))
        while self._take_next(lines, is_done):
            pass
        return True

    def note(self, positions: list[int]) -> None:
        """Remember which items the lines are of that were just added."""
        self._positions += positions

    def save(self, lines: ResultLines) -> None:
        """Write the lines that are in no checkpoint yet.

        Raises
        ------
        Unavailable   the store failed; or another attempt runs the shard with batches of another size, which counts
        """
        if not self.unsaved:
            return
        self._record_start()
        last, body = self._last, lines.since(self._last.size_bytes)
        header = _Header(
            done=lines.done - last.done,
            failed=lines.failed - last.failed,
            after=last.sha256,
            positions=None if self._is_ordered else self._positions,
        )
        header = replace(header, sha256=_digest(header, body))
        self._write(f"{len(last):09d}-{len(lines):09d}.jsonl", msgspec.json.encode(header) + b"\n" + body)
        self._go_on(lines, header)

    def halve(self, line: int) -> None:
        """Make batches half as large from a line on, and record it before any such is computed; raises Unavailable."""
        self._record_start()
        self.sizes = self.sizes.halved(line)
        body = msgspec.json.encode(_Size(batch_size=self.sizes.rows(line)))
        self._write(f"halved-{line:09d}.json", body)

    def clear(self) -> None:
        """Delete what this attempt has found and written; what a killed one leaves behind, the lifecycle takes."""
        for name in sorted(self._names):
            self._data.delete(self._prefix + name)
        self._names.clear()

    def _record_start(self) -> None:
        if self._recorded is None:
            body = msgspec.json.encode(_Size(batch_size=self.sizes.start))
            is_first = self._data.write_once(self._prefix + _START, body, content_type=_JSON)
            self._recorded = self.sizes.start if is_first else self._read_size(_START)
            self._names.add(_START)
        if self._recorded != self.sizes.start:
            raise Unavailable("Another attempt runs this shard with batches of another size; the shard is run again.")

    def _read_size(self, name: str) -> int | None:
        try:
            return _SIZE.decode(self._data.read(self._prefix + name).body).batch_size
        except (SourceGone, msgspec.DecodeError):
            return None

    def _take_next(self, lines: ResultLines, is_done: bytearray) -> bool:
        """Take over the longest good checkpoint that follows the last one; return whether there is one."""
        begun = f"{len(self._last):09d}-"
        names = sorted((name for name in self._names if name.startswith(begun) and _NAME.fullmatch(name)), reverse=True)
        return any(self._take(name, lines, is_done) for name in names)

    def _take(self, name: str, lines: ResultLines, is_done: bytearray) -> bool:
        start, stop = (int(number) for number in _NAME.fullmatch(name).groups())  # type: ignore[union-attr]
        try:
            head, _, body = self._data.read(self._prefix + name).body.partition(b"\n")
            header = _HEADER.decode(head)
        except (SourceGone, msgspec.DecodeError):
            return False
        positions = list(range(start, stop)) if header.positions is None else header.positions
        if header.sha256 != _digest(header, body) or header.after != self._last.sha256:
            return False
        lines.add_encoded(body, done=header.done, failed=header.failed)
        for position in positions:
            is_done[position] = 1
        self._go_on(lines, header)
        return True

    def _go_on(self, lines: ResultLines, header: _Header) -> None:
        self._last = _Saved(lines.done, lines.failed, lines.size_bytes, header.sha256)
        self._positions = []

    def _write(self, name: str, body: bytes) -> None:
        self._data.write(self._prefix + name, body, content_type=_JSON if name.endswith("json") else CONTENT_TYPE)
        self._names.add(name)


@dataclass(frozen=True)
class _Saved:
    """What is in checkpoints: counts and bytes of lines, and the digest of the last checkpoint."""

    done: int = 0
    failed: int = 0
    size_bytes: int = 0
    sha256: str = ""

    def __len__(self) -> int:
        return self.done + self.failed
