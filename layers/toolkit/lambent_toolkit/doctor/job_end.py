"""The end of a job that a check has started."""

from __future__ import annotations

from typing import Any

from lambent_toolkit.doctor.answers import as_json, is_well, told
from lambent_toolkit.doctor.findings import Finding, failed
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.jobs.client import TERMINAL

NOTHING_CAME = "see queue-sources, dead-letters and `lambent logs`"


def why_not_done(patient: Patient, job_id: str, *, wait_s: float) -> Finding | None:
    """Wait for a job's end; return what to tell if it did not succeed."""

    def ended() -> dict[str, Any] | None:
        answer = patient.http.get(f"/jobs/{job_id}")
        job = as_json(answer) if is_well(answer) else {"state": told(answer)}
        seen.append(job["state"])
        return dict(job) if job["state"] in TERMINAL else None

    seen: list[str] = []
    job = patient.wait_for(ended, wait_s=wait_s)
    if job is None:
        mend = f"lambent jobs show {job_id} says what it waits for; {NOTHING_CAME}"
        return failed(f"job {job_id} did not end within {wait_s:g} s, last: {seen[-1]}", mend=mend)
    if job["state"] != "SUCCEEDED":
        return failed(
            f"job {job_id} ended {job['state']}", mend=f"lambent jobs errors {job_id}; lambent jobs show {job_id}"
        )
    return None
