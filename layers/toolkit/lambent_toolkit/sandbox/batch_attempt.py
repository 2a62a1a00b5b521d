"""One attempt of an AWS Batch job: the worker's real entry point as a process."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lambent_toolkit.sandbox.batch_job import Attempt, Job, now_ms
from lambent_toolkit.sandbox.iam.credentials import Credentials
from lambent_toolkit.sandbox.options import REGION
from lambent_toolkit.sandbox.private_files import private_open
from lambent_toolkit.sandbox.worker_image import WorkerImage

BOOTSTRAP = Path(__file__).with_name("batch_bootstrap.py")
SERVING_LAYERS = "LAMBENT_SERVING_LAYERS"
TIMEOUT_REASON = "Job attempt duration exceeded timeout"
EXIT_REASON = "Essential container in task exited"


@dataclass(frozen=True)
class AttemptHost:
    """What an attempt needs from its stack.

    Parameters
    ----------
    layers   folders of the layers' packages, which the image's RUN lines would install
    """

    endpoint: str
    logs: Path
    scratch_dir: Path
    grace_s: float
    layers: tuple[Path, ...] = ()


class RunningAttempt:
    """A started attempt, which can be told to stop.

    Parameters
    ----------
    job : Job
    attempt : Attempt     filled in as the process runs
    host : AttemptHost
    """

    def __init__(self, job: Job, attempt: Attempt, host: AttemptHost) -> None:
        self._job, self._attempt, self._host = job, attempt, host
        self._process: asyncio.subprocess.Process | None = None
        self._is_started = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None
        self._stop_reason: str | None = None
        self.is_host_lost = False

    @property
    def is_timed_out(self) -> bool:
        """The attempt ran longer than it may."""
        return self._stop_reason == TIMEOUT_REASON

    async def run(self, image: WorkerImage, credentials: Credentials) -> None:
        """Run the container's command to its end and record how it ended."""
        home = self._host.scratch_dir / self._attempt.log_stream.replace("/", "-")
        home.mkdir(parents=True, exist_ok=True)
        timer: asyncio.TimerHandle | None = None
        try:
            self._process = await self._spawn(image, home, credentials)
            self._is_started.set()
            if self._job.timeout_s:
                timer = asyncio.get_running_loop().call_later(self._job.timeout_s, self.stop, TIMEOUT_REASON)
            code = await self._process.wait()
        finally:
            if timer is not None:
                timer.cancel()
            if self._stopping is not None:
                self._stopping.cancel()
            self.kill()
            shutil.rmtree(home, ignore_errors=True)
        # A shell, and so a container, reports a death by signal as 128 + signal.
        self._record(code if code >= 0 else 128 - code)

    def _record(self, exit_code: int) -> None:
        self._attempt.stopped_ms = now_ms()
        self._attempt.status_reason = self._stop_reason or EXIT_REASON
        # A lost host tells nothing about its container.
        self._attempt.exit_code = None if self.is_host_lost else exit_code

    async def _spawn(self, image: WorkerImage, home: Path, credentials: Credentials) -> asyncio.subprocess.Process:
        log = self._host.logs / f"{self._attempt.log_stream}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with private_open(log, "ab") as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-S", "-P", str(BOOTSTRAP), str(os.getpid())),
                *image.command(self._job.command()),
                env=self._environment(image, home, credentials),
                cwd=image.work_dir,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _environment(self, image: WorkerImage, home: Path, credentials: Credentials) -> dict[str, str]:
        job = self._job
        own = {each["name"]: str(each["value"]) for each in job.container.get("environment", [])}
        batch = {
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts)),
            "AWS_BATCH_JQ_NAME": job.queue_arn.rpartition("/")[2],
            "AWS_BATCH_CE_NAME": "local",
        }
        if job.index is not None:
            batch["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONUNBUFFERED": "1",
            **image.recipe.environment,
            SERVING_LAYERS: ":".join(map(str, self._host.layers)),
            **own,
            **batch,
            "WORKER_NEEDS_GPU": "false",  # no attempt gets one here, and all are told so
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **credentials.environment(),
            "AWS_ENDPOINT_URL": self._host.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self, reason: str) -> None:
        """Ask the process to end, as soon as there is one; after the grace time it is killed."""
        if self._stopping is None:
            self._stop_reason = reason
            self._stopping = asyncio.create_task(self._terminate())

    def lose_host(self, reason: str) -> None:
        """End the attempt as the loss of its spot instance does."""
        self.is_host_lost = True
        self.stop(reason)

    async def _terminate(self) -> None:
        await self._is_started.wait()
        if self._process is not None:
            with suppress(ProcessLookupError):  # it ended by itself
                # As Docker does: the first process alone is told, the end is for all.
                self._process.send_signal(signal.SIGTERM)
        await asyncio.sleep(self._host.grace_s)
        self.kill()

    def kill(self) -> None:
        """End the process and everything it started, at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self._process.pid, number)
