"""Follow a job: its states in words and its log, line by line, until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from lambent.errors import Unavailable
from lambent_toolkit.modelkit.errors import RunFailed
from lambent_toolkit.remote.lane import Lane, LogLines
from lambent_toolkit.remote.wording import FINAL, state_in_words

LOOK_EVERY_S = 1.0
# A laptop that slept, or a network that was away for a while, is no end of the job.
PATIENT_LOOKS = 60
# CloudWatch shows a line some seconds after it was written: so often is looked for more once the job has ended.
LAST_LOOKS = 3


class Listener(Protocol):
    """Is told what happens to a job."""

    def state(self, told: str) -> None:
        """Take a state in words."""
        ...

    def line(self, text: str) -> None:
        """Take a line of the job's log."""
        ...


@dataclass
class Follower:
    """Tells a job's states and log lines once each.

    Parameters
    ----------
    lane
    listener
    wait       (seconds) → None
    """

    lane: Lane
    listener: Listener
    wait: Callable[[float], None] = time.sleep
    _told: str = ""
    _tokens: dict[str, str | None] = field(default_factory=dict)

    def follow(self, batch_job_id: str) -> dict[str, Any]:
        """Return AWS Batch's last description of the job, once it has ended.

        Raises
        ------
        RunFailed     AWS Batch has forgotten it, as it does a week after a job's end
        Unavailable   AWS has not answered many times in a row; the job goes on
        """
        unanswered = 0
        while True:
            try:
                job = self._look(batch_job_id)
            except Unavailable:
                unanswered += 1
                if unanswered == PATIENT_LOOKS:
                    raise
                self.wait(LOOK_EVERY_S)
                continue
            unanswered = 0
            if job["status"] in FINAL:
                return job

    def _look(self, batch_job_id: str) -> dict[str, Any]:
        """Tell what is new, and return AWS Batch's description."""
        job = self.lane.describe([batch_job_id]).get(batch_job_id)
        if job is None:
            raise RunFailed(f"AWS Batch knows no job {batch_job_id} any more, and it left no result.")
        if job["status"] in FINAL:
            self._tell_the_rest(job)
            self._tell_state(job)
        else:
            self._tell_state(job)
            if not self._tell_lines(job):
                self.wait(LOOK_EVERY_S)
        return job

    def _tell_state(self, job: dict[str, Any]) -> None:
        told = state_in_words(job)
        if told != self._told:
            self._told = told
            self.listener.state(told)

    def _tell_lines(self, job: dict[str, Any]) -> bool:
        found = False
        for stream in _streams(job):
            read: LogLines = self.lane.read_log(stream, self._tokens.get(stream))
            self._tokens[stream] = read.token
            for line in read.lines:
                found = True
                self.listener.line(line)
        return found

    def _tell_the_rest(self, job: dict[str, Any]) -> None:
        silent = 0
        while silent < LAST_LOOKS:
            if self._tell_lines(job):
                silent = 0
                continue
            silent += 1
            if silent < LAST_LOOKS:
                self.wait(LOOK_EVERY_S)


def _streams(job: dict[str, Any]) -> Iterator[str]:
    """Yield the log streams of all attempts, in their order, each once."""
    containers = [attempt.get("container", {}) for attempt in job.get("attempts", [])]
    names = [each.get("logStreamName") for each in (*containers, job.get("container", {}))]
    yield from dict.fromkeys(name for name in names if name)
