"""Which files of a batch can be read by now."""

from __future__ import annotations

import re
from functools import cached_property

from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.parts import part_content_type, part_file
from lambent.domain.job import Job, JobKind, ShardProgress
from lambent.domain.names import errors_file, job_key
from lambent.errors import ResultNotFound
from lambent.ports import JobStore, ObjectStore
from lambent.services.show_job import find_job, output_of

_SHARD = re.compile(r"-(\d{5})\.")


class JobFiles:
    """The files of one batch, as its ledger tells them.

    What a stopped or expired shard has left is not in the ledger: for a job that has ended without all its shards, the
    objects themselves are listed, 1,000 a call.
    """

    def __init__(self, job: Job, data: ObjectStore) -> None:
        self.job = job
        self._data = data

    @cached_property
    def output(self) -> OutputOptions:
        """How the results are written."""
        return output_of(self.job) or OutputOptions()

    @property
    def is_gzip(self) -> bool:
        """Whether parts are compressed lines."""
        return self.output.compression == "gzip"

    @property
    def content_type(self) -> str:
        """The media type of a part."""
        return part_content_type(self.output)

    @cached_property
    def progress(self) -> dict[int, ShardProgress]:
        """Finished shards by their number."""
        return {shard.shard: shard for shard in self.job.progress if shard.is_finished}

    @cached_property
    def shards_with_part(self) -> list[int]:
        """Shards whose results can be read, in rising order."""
        return sorted(self.progress) if self._is_ledger_complete else self._listed("part-")

    @cached_property
    def shards_with_errors(self) -> list[int]:
        """Shards of which some items failed, in rising order."""
        if self._is_ledger_complete:
            return sorted(number for number, shard in self.progress.items() if shard.failed)
        return self._listed("errors-")

    def next_part(self, shard: int) -> int | None:
        """Return the shard whose results are next in order from ``shard`` on; None if they are not there (yet)."""
        if self.job.state.is_terminal:
            return next((each for each in self.shards_with_part if each >= shard), None)
        return shard if shard in self.progress else None

    def part_key(self, shard: int) -> str:
        """Return the key of a shard's results."""
        return self._key(part_file(shard, self.output))

    def errors_key(self, shard: int) -> str:
        """Return the key of a shard's errors."""
        return self._key(errors_file(shard))

    @property
    def _is_ledger_complete(self) -> bool:
        return not self.job.state.is_terminal or self.job.shards is None or len(self.progress) == self.job.shards

    def _listed(self, beginning: str) -> list[int]:
        keys = (entry.key for entry in self._data.listing(self._key(beginning)))
        return [int(found[1]) for key in keys if (found := _SHARD.search(key.rpartition("/")[2]))]

    def _key(self, name: str) -> str:
        return job_key(self.job.tenant, self.job.job_id, name)


def find_batch(jobs: JobStore, tenant: str, job_id: str) -> Job:
    """Return a batch; raises JobNotFound, and ResultNotFound for a call, which has one answer only."""
    job = find_job(jobs, tenant, job_id)
    if job.kind is JobKind.CALL:
        raise ResultNotFound("A call has one answer: GET /jobs/{id}/result gives it.", field="id")
    return job
