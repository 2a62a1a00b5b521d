"""The container that AWS Batch starts: one shard of one job on Keras.

The container's first process only watches over the one that computes: an item that ends it is tried alone in the next
one, fails alone with ``processing_crashed`` where it ends that one too, and the shard goes on.

Exit codes, which the job definition's retry strategy reads:
0 the shard has its part, or its job was cancelled; 75 something was temporarily unavailable, or the host goes away and
the shard has a checkpoint, retry; 65 the version or plan is broken, do not. Items that fail are in the part and no
reason to fail. A host or an image without what the job was promised, the GPU or the Keras backend, is 65 too, and every
item of the shard says so. What dies with no item in hand ends the container with its own status: 1, or 128 and the
signal.
"""

import argparse
import json
import logging
import os
import sys
from functools import partial
from time import monotonic

from lambent.adapters.shared_marks import SharedMarks
from lambent.adapters.tenant_s3 import acting_for
from lambent.domain.names import check_name
from lambent.domain.suspicion import Suspicion
from lambent.errors import LambentError, SourceGone
from lambent.runtime.settings import WorkerSettings, load_settings
from lambent.runtime.stop_signal import StopSignal
from lambent.runtime.worker_supervisor import Leave, WorkerSupervisor
from lambent.services.shard_care import Precaution

EXIT_DONE = 0
EXIT_BROKEN = 65
EXIT_TEMPORARY = 75
# `lambent train --remote` and `evaluate --remote`: people's own code, kept from what this process is told.
TRAINING_PROGRAM = "lambent_toolkit.remote.keeper"
TELL_EVERY_S = 5.0

log = logging.getLogger("lambent.worker")


def main() -> int:
    """Run the shard that AWS Batch's environment and the command name, or become another program of the image."""
    if sys.argv[1:2] in (["train"], ["evaluate"]):
        os.execv(sys.executable, [sys.executable, "-m", TRAINING_PROGRAM, *sys.argv[1:]])  # noqa: S606 - no shell needed
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    arguments, settings = parse_arguments(), load_settings(WorkerSettings)
    supervisor = WorkerSupervisor(
        partial(work, settings, arguments), exit_temporary=EXIT_TEMPORARY, stall_s=settings.worker_stall_s, say=say
    )
    return supervisor.run()


def work(
    settings: WorkerSettings, arguments: argparse.Namespace, marks: SharedMarks, known: Suspicion | None, leave: Leave
) -> int:
    """Compute, in the process that an item may end; return the exit code."""
    stop = StopSignal(exit_code=EXIT_TEMPORARY, leave=leave)
    # A process before may have died with its container.
    precaution = Precaution(marks, known, is_kept=settings.aws_batch_job_attempt > 1)
    shard = settings.aws_batch_job_array_index
    say("started", job_id=arguments.job_id, shard=shard, backend=settings.keras_backend)
    try:
        with acting_for(check_name(arguments.tenant, what="tenant")):
            return run(settings, arguments, stop, precaution)
    except LambentError as error:
        say("failed", job_id=arguments.job_id, shard=shard, code=error.code, detail=error.detail)
        return EXIT_BROKEN if error.is_final else EXIT_TEMPORARY
    finally:
        logging.shutdown()


def run(settings: WorkerSettings, arguments: argparse.Namespace, stop: StopSignal, precaution: Precaution) -> int:
    """Run one shard; what no other attempt would mend, a broken version or image, is recorded for every item of it."""
    # Keras takes seconds to import: a wrong setting is reported before.
    from lambent.runtime.wiring import check_worker, worker_shards

    tenant, job_id, shard = arguments.tenant, arguments.job_id, settings.aws_batch_job_array_index
    shards = worker_shards(settings)
    try:
        # Before anything is downloaded: a host that is not what was promised costs the same every second.
        check_worker(settings)
        shards.run(tenant, job_id, shard, on_progress=Progress(shard), should_stop=stop.is_set, precaution=precaution)
    except SourceGone:
        raise
    except LambentError as error:
        if error.is_final:
            shards.fail(tenant, job_id, shard, error)
        raise
    say("done", job_id=job_id, shard=shard)
    return EXIT_DONE


class Progress:
    """Logs how many items are done, at most every `TELL_EVERY_S` seconds."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._told_s = 0.0

    def __call__(self, done: int) -> None:
        """Log it if it is time to."""
        if monotonic() - self._told_s >= TELL_EVERY_S:
            self._told_s = monotonic()
            say("progress", shard=self._shard, done=done)


def parse_arguments() -> argparse.Namespace:
    """Read the command that the job definition builds from the job's parameters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--job-id", required=True)
    return parser.parse_args()


def say(event: str, **fields: object) -> None:
    """Log one JSON line."""
    log.info(json.dumps({"message": event, **fields}))


if __name__ == "__main__":
    sys.exit(main())
