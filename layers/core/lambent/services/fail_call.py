"""The failure of a call for later whose message nobody could bring to an end."""

from __future__ import annotations

import msgspec

from lambent.contracts.calls import CallOutcome
from lambent.contracts.decoding import decode_json
from lambent.domain.dead_letters import Became
from lambent.domain.job import Job
from lambent.domain.names import CALL_OUTCOME_FILE, job_key
from lambent.errors import LambentError
from lambent.ports import ObjectStore
from lambent.services.finish_job import JobFinisher


class CallFailer:
    """Ends calls that have not ended: with the answer that was written before, else with the failure."""

    def __init__(self, *, data: ObjectStore, finisher: JobFinisher) -> None:
        self._data = data
        self._finisher = finisher

    def fail(self, job: Job, error: LambentError) -> Became:
        """End an open call; raises Unavailable."""
        key = job_key(job.tenant, job.job_id, CALL_OUTCOME_FILE)
        failure = CallOutcome(error=error.to_dict(), model=job.model, version=job.version)
        is_first = self._data.write_once(key, msgspec.json.encode(failure), content_type="application/json")
        outcome = failure if is_first else decode_json(self._data.read(key).body, CallOutcome, what="outcome")
        self._finisher.end_call(job, error=outcome.error)
        return Became.FAILED if is_first else Became.SETTLED
