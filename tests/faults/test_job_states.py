"""A job's state never goes back and always becomes final, whatever order and number its events come in.

AWS Batch's events are told at least once and in any order (EventBridge), some are lost, and two functions and a
schedule work on the same record. Here all of them are played against the services that take them in, on in-memory ports
which keep the promises of the real ones (tests/unit/test_ports.py).
"""

from __future__ import annotations

import copy
import itertools
import random
from dataclasses import replace

import pytest
from chance import SEED

from builders import TENANT, World, picture
from lambent.domain.job_states import OPEN_STATES, JobState
from lambent.services.send_job import JobSender
from lambent.services.sweep import SweepService
from lambent.services.track import BatchStateChange, TrackService
from lambent_toolkit.fakes import FakeJobStore, FakeQueue

BATCH_STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
SHARDS = 3
RUNS = 5_000
_RANK = {state: number for number, state in enumerate(OPEN_STATES)}
STUCK_AFTER_S = 60


def planned_world() -> World:
    """Return a world with a planned GPU job of three shards, of which the first two have their parts."""
    world = World()
    world.publish()
    world.put_items(*[picture(0)] * (2 * SHARDS))
    world.dispatch(lane="gpu")
    for shard in range(SHARDS - 1):
        world.shards().run(TENANT, "job-1", shard)
    return world


@pytest.fixture(scope="module")
def planned() -> World:
    return planned_world()


class Watched:
    """A copy of the planned world, whose job's states are written down after each step."""

    def __init__(self, planned: World) -> None:
        self.world = copy.copy(planned)
        self.world.jobs = FakeJobStore(dict(planned.jobs.jobs), set(planned.jobs.closed), dict(planned.jobs.claims))
        self.world.data = replace(planned.data, objects=dict(planned.data.objects))
        self.world.clock = copy.copy(planned.clock)
        self.world.notifier = copy.deepcopy(planned.notifier)
        self.world.runner = replace(planned.runner, statuses={}, terminated={})
        # Back to before the first shard ran, as far as the record goes: events alone move it.
        self.world.jobs.jobs[(TENANT, "job-1")] = replace(self.job, state=JobState.PLANNED)
        self.tracker = TrackService(jobs=self.world.jobs, finisher=self.world.finisher, clock=self.world.clock)
        self.states = [self.job.state]

    @property
    def job(self):
        return self.world.jobs.get(TENANT, "job-1")

    def tell(self, status: str, *, child: int | None = None) -> None:
        batch_job_id = str(self.job.batch_job_id) + ("" if child is None else f":{child}")
        self.world.clock.advance(0.001)
        self.tracker.apply(BatchStateChange(TENANT, "job-1", batch_job_id, status, is_child=child is not None))
        self.states.append(self.job.state)

    def sweep(self) -> None:
        sender = JobSender(batches=FakeQueue(), calls=self.world.infer_queue, data=self.world.data)
        self.world.clock.advance(STUCK_AFTER_S + 1)
        SweepService(
            jobs=self.world.jobs,
            sender=sender,
            runner=self.world.runner,
            finisher=self.world.finisher,
            clock=self.world.clock,
            stuck_after_s=STUCK_AFTER_S,
        ).sweep(on_error=_fail)
        self.states.append(self.job.state)

    def check_monotone(self) -> None:
        ended = next((number for number, state in enumerate(self.states) if state.is_terminal), len(self.states))
        ranks = [_RANK[state] for state in self.states[:ended]]
        assert ranks == sorted(ranks), self.states
        assert len(set(self.states[ended:])) <= 1, self.states


def _fail(job: object, error: Exception) -> None:
    raise AssertionError(job) from error


def test_all_orders_of_the_seven_states_end_a_job_once_and_never_take_it_back(planned: World) -> None:
    orders = 0
    for order in itertools.permutations(BATCH_STATES):
        watched = Watched(planned)
        for status in order:
            watched.tell(status)
        watched.check_monotone()
        assert (watched.job.state, watched.job.done, watched.job.failed) == (JobState.PARTIAL, 4, 2), order
        assert len(watched.world.notifier.announced) == 1, order
        orders += 1

    assert orders == 5_040


def test_events_tripled_shuffled_and_lost_with_late_workers_end_in_what_the_parts_say(planned: World) -> None:
    """5,000 runs; what AWS Batch itself says of the job is what the sweep asks for in the end."""
    assert play_runs(planned, runs=RUNS, seed=SEED) == RUNS


def play_runs(planned: World, *, runs: int, seed: int) -> int:
    """Play so many runs by chance, and return how many; raises AssertionError with the seed and the run's number."""
    chance = random.Random(seed)
    for run in range(runs):
        watched = Watched(planned)
        _tell_by_chance(watched, chance)
        watched.world.runner.statuses[str(watched.job.batch_job_id)] = "FAILED"
        watched.sweep()

        watched.check_monotone()
        job = watched.job
        assert job.state.is_terminal, (seed, run)
        assert job.done + job.failed == 2 * SHARDS, (seed, run)
        assert job.state is (JobState.SUCCEEDED if job.failed == 0 else JobState.PARTIAL), (seed, run)
        assert not job.is_open, (seed, run)
    return runs


def _tell_by_chance(watched: Watched, chance: random.Random) -> None:
    told = [(status, None) for status in BATCH_STATES] + [
        (status, child) for child in range(SHARDS) for status in BATCH_STATES
    ]
    told = [event for event in told * 3 if chance.random() > 0.1]
    chance.shuffle(told)
    late = chance.randrange(len(told)) if chance.random() < 0.1 else None
    for number, (status, child) in enumerate(told):
        if number == late:
            watched.world.shards().run(TENANT, "job-1", SHARDS - 1)
            watched.states.append(watched.job.state)
        watched.tell(status, child=child)
        if chance.random() < 0.02:
            watched.sweep()
