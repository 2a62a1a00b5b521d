"""manifest.json: what a batch has in the end, for those who read its files and not its record.

The record decides how a job ends, in one conditional write. The manifest is there before, so that whoever sees an ended
job finds it; and before a job is closed the manifest is made to tell what the record tells, whoever else has written.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lambent.contracts.jobs import Plan
from lambent.contracts.parts import part_file
from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState
from lambent.domain.names import job_key
from lambent.errors import SourceGone, Unavailable
from lambent.ports import JobStore, ObjectStore
from lambent.services.collect_parts import Collected, PartCollector
from lambent.services.read_plan import read_plan
from lambent.services.receipt import ReceiptService

MANIFEST_FILE = "manifest.json"
_JSON = "application/json"
# Each try that fails was overtaken by another who ends the job.
_TRIES = 8


class ManifestWriter:
    """Writes manifests; safe to call any number of times and from several places at once."""

    def __init__(
        self, *, data: ObjectStore, jobs: JobStore, receipts: ReceiptService, collector: PartCollector
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._receipts = receipts
        self._collector = collector

    def propose(self, job: Job, plan: Plan, collected: Collected, state: JobState) -> dict[str, Any] | None:
        """Write the manifest of an end that is not decided yet, unless there is one; return the receipt in it.

        Raises
        ------
        Unavailable
        """
        content = self._content(job, plan, collected, state)
        self._data.write_once(_key(job), orjson.dumps(content), content_type=_JSON)
        receipt: dict[str, Any] | None = content["receipt"]
        return receipt

    def agree(self, job: Job) -> Job:
        """Make the manifest of an ended batch tell the end that its record tells.

        A cancelled job's record knows no counts yet: they are those of the first manifest that says so.

        Parameters
        ----------
        job   ended, with its shards' progress

        Returns
        -------
        Job   the record, with counts and receipt

        Raises
        ------
        Unavailable
        """
        if job.kind is JobKind.CALL or (job.final_done is None and job.state is not JobState.CANCELLED):
            return job
        try:
            plan = read_plan(self._data, job.tenant, job.job_id)
        except SourceGone:
            return job  # it ended before it was planned
        told = self._agreed(job, plan)
        if job.final_done is not None:
            return job
        fields = {"final_done": told["done"], "final_failed": told["failed"], "receipt": told["receipt"]}
        self._jobs.transition(job.tenant, job.job_id, job.state, allowed=[job.state], at=job.updated_at, **fields)
        return self._jobs.get(job.tenant, job.job_id) or job

    def _agreed(self, job: Job, plan: Plan) -> dict[str, Any]:
        for _ in range(_TRIES):
            etag, told = self._read(job)
            if _is_of(told, job):
                return told
            collected = self._collector.collect(plan, job.progress, missing=None)
            content = self._content(job, plan, collected, job.state)
            if self._data.write_if(_key(job), orjson.dumps(content), etag=etag, content_type=_JSON) is not None:
                return content
        raise Unavailable("Others write the manifest of this job at this moment; try again.")

    def _read(self, job: Job) -> tuple[str | None, dict[str, Any]]:
        try:
            found = self._data.read(_key(job))
        except SourceGone:
            return None, {}
        return found.etag, orjson.loads(found.body)

    def _content(self, job: Job, plan: Plan, collected: Collected, state: JobState) -> dict[str, Any]:
        is_decided = job.final_done is not None
        receipt = (
            job.receipt if is_decided else msgspec.to_builtins(self._receipts.receipt(job, plan, collected.shards))
        )
        return {
            "schema_version": 2,
            "job_id": job.job_id,
            "state": state.value,
            "model": plan.model,
            "version": plan.version,
            "lane": plan.lane,
            "total": plan.total,
            "done": job.final_done if is_decided else collected.done,
            "failed": job.final_failed if is_decided else collected.failed,
            "output": {"format": plan.output.format, "compression": plan.output.compression},
            "parts": [
                {
                    "file": part_file(shard.shard, plan.output),
                    "items": shard.done + shard.failed,
                    "failed": shard.failed,
                    "size_bytes": shard.part_bytes,
                    "sha256": shard.part_sha256,
                }
                for shard in collected.shards
            ],
            "receipt": receipt,
        }


def _key(job: Job) -> str:
    return job_key(job.tenant, job.job_id, MANIFEST_FILE)


def _is_of(told: dict[str, Any], job: Job) -> bool:
    """Return whether a manifest tells the end that a record tells."""
    if told.get("state") != job.state.value:
        return False
    recorded = (job.final_done, job.final_failed, job.receipt)
    return job.final_done is None or (told["done"], told["failed"], told["receipt"]) == recorded
