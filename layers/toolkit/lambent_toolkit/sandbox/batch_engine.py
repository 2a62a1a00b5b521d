"""AWS Batch's stand-in: takes jobs, runs them in slots, retries them, and tells EventBridge.

Job definitions, queues and compute environments stay in the storage; jobs and their states are here.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from lambent_toolkit.sandbox.aws_calls import AwsCallFailed, AwsCalls
from lambent_toolkit.sandbox.batch_attempt import AttemptHost, RunningAttempt
from lambent_toolkit.sandbox.batch_events import BatchEvents
from lambent_toolkit.sandbox.batch_job import BEFORE_START, Attempt, Job, now_ms
from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.iam.roles import Roles
from lambent_toolkit.sandbox.worker_image import WorkerImage

HOST_LOST = "Host EC2 (instance i-0123456789abcdef0) terminated."
CHILD_FAILED = "Array Child Job failed"
DEPENDENCY_FAILED = "Dependent Job failed"

log = logging.getLogger(__name__)


class BatchEngine:
    """Runs jobs.

    Parameters
    ----------
    aws : AwsCalls                  for the events
    roles : Roles                   for the credentials of attempts
    host : AttemptHost
    slots : int                     attempts that run at once, whatever vCPUs they ask for
    unpack_image : () -> WorkerImage, called at the first attempt
    """

    def __init__(
        self, *, aws: AwsCalls, roles: Roles, host: AttemptHost, slots: int, unpack_image: Callable[[], WorkerImage]
    ) -> None:
        self._roles, self._host, self._unpack_image = roles, host, unpack_image
        self._image: WorkerImage | None = None
        self._image_lock = asyncio.Lock()
        self._slots = asyncio.Semaphore(slots)
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, RunningAttempt] = {}
        self._waiting: dict[str, asyncio.Task[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._events = BatchEvents(aws)
        self._start(self._events.send())

    def submit(self, job: Job, array_size: int | None) -> None:
        """Take a job; `array_size` makes it the parent of as many children."""
        self._jobs[job.job_id] = job
        if array_size is not None:
            job.children = [_child(job, index) for index in range(array_size)]
            self._jobs.update({child.job_id: child for child in job.children})
        self._events.publish(job)
        for child in job.children:
            self._events.publish(child)
        if job.children:
            self._start(self._run_array(job))
            for child in job.children:
                self._start(self._run(child))
        else:
            self._start(self._run(job))

    def find(self, job_id: str) -> Job | None:
        """Return a job by id, or by ARN."""
        return self._jobs.get(job_id.rpartition("job/")[2])

    def jobs(self) -> Iterable[Job]:
        """Iterate over all jobs, children included, the newest last."""
        return self._jobs.values()

    def cancel(self, job: Job, reason: str) -> None:
        """Fail a job that has not started; a started one goes on."""
        for each in [job, *job.children]:
            if each.status in BEFORE_START:
                each.is_cancelled = True
                self._stop(each, reason)

    def terminate(self, job: Job, reason: str) -> None:
        """Fail a job, ending its process if there is one."""
        for each in [job, *job.children]:
            if not each.is_final:
                each.is_terminated = True
                self._stop(each, reason)

    def _stop(self, job: Job, reason: str) -> None:
        job.stop_reason = reason
        if attempt := self._running.get(job.job_id):
            attempt.stop(reason)
        if waiting := self._waiting.get(job.job_id):
            waiting.cancel()

    def lose_host(self, job: Job) -> bool:
        """Take the instance away under a running job, as the spot market does; False if it does not run."""
        attempt = self._running.get(job.job_id)
        if attempt is not None:
            attempt.lose_host(HOST_LOST)
        return attempt is not None

    async def close(self) -> None:
        """Kill every attempt and wait until the processes are gone."""
        tasks = list(self._tasks)
        for attempt in list(self._running.values()):
            attempt.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_array(self, parent: Job) -> None:
        self._move(parent, "PENDING")
        for child in parent.children:
            await child.done.wait()
        parent.started_ms = min((child.started_ms for child in parent.children if child.started_ms), default=None)
        is_good = all(child.status == "SUCCEEDED" for child in parent.children)
        self._finish(parent, None if is_good else parent.stop_reason or CHILD_FAILED)

    async def _run(self, job: Job) -> None:
        self._move(job, "PENDING")
        if not await self._wait_for_dependencies(job):
            self._finish(job, job.stop_reason or DEPENDENCY_FAILED)
            return
        while not job.stop_reason:
            self._move(job, "RUNNABLE")
            if not await self._wait(job, self._slots.acquire()):
                break
            try:
                if not await self._attempt(job):
                    return
            finally:
                self._slots.release()
        self._finish(job, job.stop_reason)

    async def _wait(self, job: Job, what: Coroutine[Any, Any, Any]) -> bool:
        """Wait for something, unless the job is stopped meanwhile; then return False."""
        waiting = self._waiting[job.job_id] = asyncio.create_task(what)
        try:
            await asyncio.wait({waiting})
        finally:
            self._waiting.pop(job.job_id, None)
            if not waiting.done():
                waiting.cancel()
        return not waiting.cancelled()

    async def _wait_for_dependencies(self, job: Job) -> bool:
        """Return False if a job that this one depends on failed, or this one was stopped."""
        for needed in self._dependencies(job):
            if not await self._wait(job, needed.done.wait()) or needed.status == "FAILED":
                return False
        return True

    def _dependencies(self, job: Job) -> Iterable[Job]:
        for entry in job.depends_on:
            needed = self.find(entry.get("jobId", ""))
            if entry.get("type") == "SEQUENTIAL" and job.index:
                yield self._jobs[f"{job.job_id.partition(':')[0]}:{job.index - 1}"]
            elif entry.get("type") == "N_TO_N" and needed is not None and job.index is not None:
                yield needed.children[job.index]
            elif needed is not None:
                yield needed

    async def _attempt(self, job: Job) -> bool:
        """Run one attempt; True asks for another."""
        self._move(job, "STARTING")
        stream = f"batch/{job.name}/{job.job_id.replace(':', '-')}/attempt-{len(job.attempts) + 1}"
        attempt = Attempt(now_ms(), stream)
        job.attempts.append(attempt)
        running = self._running[job.job_id] = RunningAttempt(job, attempt, self._host)
        try:
            image = await self._get_image()
            job.started_ms = attempt.started_ms
            self._move(job, "RUNNING")
            await running.run(image, await self._roles.of_job(job))
        except (AwsCallFailed, BrokenTemplate, OSError) as exc:
            attempt.reason, attempt.status_reason, attempt.stopped_ms = str(exc), "Task failed to start", now_ms()
        finally:
            self._running.pop(job.job_id, None)
        return self._evaluate(job, attempt, running)

    async def _get_image(self) -> WorkerImage:
        async with self._image_lock:
            if self._image is None:
                self._image = await asyncio.to_thread(self._unpack_image)
            return self._image

    def _evaluate(self, job: Job, attempt: Attempt, running: RunningAttempt) -> bool:
        if attempt.exit_code == 0 and not job.stop_reason and not running.is_timed_out:
            self._finish(job, None, attempt.status_reason)
        elif job.stop_reason:
            self._finish(job, job.stop_reason)
        elif running.is_timed_out:
            # A job that its timeout ended is not tried again.
            self._finish(job, attempt.status_reason)
        elif job.retry.should_retry(len(job.attempts), attempt.exit_code, attempt.reason, attempt.status_reason):
            return True
        else:
            self._finish(job, attempt.status_reason)
        return False

    def _finish(self, job: Job, failure: str | None, reason: str | None = None) -> None:
        job.stopped_ms = now_ms()
        job.status_reason = failure or reason
        self._move(job, "FAILED" if failure else "SUCCEEDED")
        job.done.set()

    def _move(self, job: Job, status: str) -> None:
        job.status = status
        self._events.publish(job)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("AWS Batch: %r", error)


def new_job_id() -> str:
    """Return a job id."""
    return str(uuid.uuid4())


def _child(parent: Job, index: int) -> Job:
    return Job(
        job_id=f"{parent.job_id}:{index}",
        name=parent.name,
        queue_arn=parent.queue_arn,
        definition_arn=parent.definition_arn,
        container=parent.container,
        parameters=parent.parameters,
        retry=parent.retry,
        timeout_s=parent.timeout_s,
        depends_on=parent.depends_on,
        tags=parent.tags,
        index=index,
    )
