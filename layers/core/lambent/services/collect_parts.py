"""What a job's shards have left behind, gathered with bounded memory however many they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from lambent.contracts.jobs import Plan
from lambent.contracts.lines import CONTENT_TYPE
from lambent.contracts.parts import decode_part, part_file
from lambent.domain.job import ShardProgress
from lambent.domain.names import errors_file, job_key
from lambent.errors import SourceGone
from lambent.ports import Clock, JobStore, ObjectStore
from lambent.services.shard_part import WrittenPart
from lambent.services.unfinished_shard import end_unfinished

ERRORS_FILE = "errors.jsonl"
# One request to the store takes some 20 ms of waiting, and a job may have 10,000 parts.
_AT_ONCE = 16
# Of whole parts as they are stored; lines in memory are several times as large, and SweepFunction has 512 MiB.
_BYTES_AT_ONCE = 24 << 20


@dataclass(frozen=True)
class Collected:
    """A job's outcome by shard; a shard without a part is not in it."""

    shards: tuple[ShardProgress, ...]

    @property
    def done(self) -> int:
        """Items with a result."""
        return sum(shard.done for shard in self.shards)

    @property
    def failed(self) -> int:
        """Items with a recorded failure."""
        return sum(shard.failed for shard in self.shards)


class PartCollector:
    """Reads the outcome from the ledger where a shard has reported its part, and from the part itself where not.

    A shard reports what stands in its part, which is written once: whoever collects, finds the same.
    """

    def __init__(self, *, data: ObjectStore, jobs: JobStore, clock: Clock) -> None:
        self._data = data
        self._jobs = jobs
        self._clock = clock

    def collect(self, plan: Plan, progress: Iterable[ShardProgress], *, missing: dict[str, Any] | None) -> Collected:
        """Return what there is, and write errors.jsonl.

        Parameters
        ----------
        progress   the ledger's rows
        missing    fields of the error that items of a shard without a part get, where no checkpoint has their result
                   and nothing else is known of them, so that a late worker cannot add a part; None to leave such
                   shards without one

        Raises
        ------
        Unavailable
        """
        known = {shard.shard: shard for shard in progress}
        unfinished = [index for index in range(plan.shards) if not (index in known and known[index].is_finished)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            sizes = list(threads.map(lambda index: self._part_bytes(plan, index), unfinished))
            settled: list[ShardProgress | None] = []
            for group in _groups(unfinished, sizes):
                settled += threads.map(lambda index: self._settle(plan, index, known.get(index), missing), group)
        known |= {shard.shard: shard for shard in settled if shard is not None}
        collected = Collected(tuple(known[index] for index in sorted(known) if known[index].is_finished))
        self._write_errors(plan, [shard.shard for shard in collected.shards if shard.failed])
        return collected

    def _part_bytes(self, plan: Plan, shard: int) -> int:
        head = self._data.head(job_key(plan.tenant, plan.job_id, part_file(shard, plan.output)))
        return 0 if head is None else head.size_bytes

    def _settle(
        self, plan: Plan, shard: int, known: ShardProgress | None, missing: dict[str, Any] | None
    ) -> ShardProgress | None:
        key = job_key(plan.tenant, plan.job_id, part_file(shard, plan.output))
        try:
            part = self._data.read(key).body
        except SourceGone:
            if missing is None:
                return None
            written = end_unfinished(self._data, plan, shard, missing)
        else:
            failed = sum("error" in line for line in decode_part(part, plan.output))
            written = WrittenPart(plan.items_of(shard) - failed, failed, len(part), sha256(part).hexdigest())
        progress = ShardProgress(
            shard,
            written.done,
            written.failed,
            is_finished=True,
            updated_at=self._clock.now(),
            busy_s=known.busy_s if known is not None else 0.0,
            part_bytes=written.size_bytes,
            part_sha256=written.sha256,
        )
        self._jobs.record_shard(plan.tenant, plan.job_id, progress, expires_at_s=plan.expires_at_s)
        return progress

    def _write_errors(self, plan: Plan, shards: list[int]) -> None:
        with cast("BinaryIO", TemporaryFile()) as file:
            for body in self._errors_of(plan, shards):
                file.write(body)
            file.seek(0)
            self._data.upload(job_key(plan.tenant, plan.job_id, ERRORS_FILE), file, content_type=CONTENT_TYPE)

    def _errors_of(self, plan: Plan, shards: list[int]) -> Iterator[bytes]:
        keys = [job_key(plan.tenant, plan.job_id, errors_file(shard)) for shard in shards]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            # A few at a time, or all bodies would be in memory at once.
            for start in range(0, len(keys), _AT_ONCE):
                yield from threads.map(lambda key: self._data.read(key).body, keys[start : start + _AT_ONCE])


def _groups(shards: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield shards so that the parts of a group fit into memory together; one alone is a group however large it is."""
    group: list[int] = []
    left = _BYTES_AT_ONCE
    for shard, size in zip(shards, sizes, strict=True):
        if group and size > left:
            yield group
            group, left = [], _BYTES_AT_ONCE
        group.append(shard)
        left -= size
    if group:
        yield group
