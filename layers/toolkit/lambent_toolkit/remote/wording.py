"""What AWS Batch says of a job, in words."""

from __future__ import annotations

from typing import Any

from lambent_toolkit.modelkit.errors import ModelkitError, RunCancelled, RunFailed

_STATES = {
    "SUBMITTED": "submitted",
    "PENDING": "waiting for AWS Batch to look at it",
    "RUNNABLE": "waiting for an instance: the lane scales from zero, which takes minutes",
    "STARTING": "an instance pulls the image and starts the container",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
}
FINAL = frozenset({"SUCCEEDED", "FAILED"})
CANCELLED_BY = "Cancelled by `lambent runs cancel`"
_TIMED_OUT = "Job attempt duration exceeded timeout"
_KILLED = 128


def state_in_words(job: dict[str, Any]) -> str:
    """Return a job's state with its attempt, and AWS Batch's reason where there is one."""
    status, attempts = job["status"], job.get("attempts", [])
    told = f"{status}: {_STATES.get(status, status.lower())}"
    ended = [attempt for attempt in attempts if attempt.get("stoppedAt")]
    if status not in FINAL and ended:
        told += f" (attempt {len(ended) + 1}; the last one ended with: {_ending(ended[-1])})"
    elif status == "RUNNABLE" and job.get("statusReason"):
        told += f" ({job['statusReason']})"
    return told


def failure(job: dict[str, Any], *, run_id: str) -> ModelkitError:
    """Return what became of a job that failed without leaving a message of its own."""
    reason = job.get("statusReason") or "AWS Batch gives no reason"
    attempts = job.get("attempts", [])
    if reason.startswith(CANCELLED_BY):
        return RunCancelled(f"Run {run_id}: {reason}.")
    if job.get("isCancelled") or job.get("isTerminated"):
        return RunCancelled(f"Run {run_id} was ended in AWS Batch: {reason}.")
    container = attempts[-1].get("container", {}) if attempts else job.get("container", {})
    if "CannotPull" in (why := container.get("reason", "")):
        return RunFailed(
            f"The worker's image could not be pulled ({why}): push the image of functions/batch_worker, and deploy "
            "with its WorkerImageUri."
        )
    if reason == _TIMED_OUT:
        return RunFailed(
            f"Run {run_id} took longer than an attempt may: deploy with a larger TrainingTimeoutSeconds, or train for "
            "fewer epochs."
        )
    tried = f" after {len(attempts)} attempts" if len(attempts) > 1 else ""
    last = _ending(attempts[-1]) if attempts else reason
    return RunFailed(f"The job of run {run_id} failed{tried}, without a message of its own: {last}.")


def _ending(attempt: dict[str, Any]) -> str:
    container = attempt.get("container", {})
    code, reason = container.get("exitCode"), container.get("reason")
    if reason:
        return str(reason)
    if code is None:
        return str(attempt.get("statusReason", "no reason given"))
    if code > _KILLED:
        return f"killed by signal {code - _KILLED}"
    return f"exit code {code}"
