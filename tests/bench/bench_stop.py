"""Seconds from SIGTERM to the end of a batch worker in the middle of its shard, of which five are promised."""

from __future__ import annotations

import signal
import statistics
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "integration")]

from worker_place import Place, worker_place  # noqa: E402

from patience import wait_for  # noqa: E402

RUNS = 5
ITEMS = 800


def stop_once(place: Place, job_id: str) -> float:
    """Start a worker, tell it to stop when it has a checkpoint, and return the seconds that it takes."""
    place.plan(job_id, items=ITEMS)
    worker = place.start(job_id)
    wait_for(lambda: place.checkpoints(job_id) or worker.poll() is not None, what="a checkpoint")
    start_s = time.perf_counter()
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    return time.perf_counter() - start_s


def main() -> None:
    """Stop workers, one after the other."""
    with worker_place() as place:
        taken_s = [stop_once(place, f"stopped-{number}") for number in range(RUNS)]
    median_s, most_s = statistics.median(taken_s), max(taken_s)
    print(f"SIGTERM to the worker's end, {RUNS} runs: median {median_s:.2f} s, most {most_s:.2f} s")


if __name__ == "__main__":
    main()
