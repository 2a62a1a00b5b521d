"""A job that several end at once, in every order of their store calls that a few switches make.

There is one end, and the record, manifest.json and every announcement tell the same of it. Who may meet: a client that
cancels, AWS Batch's events, the deadline, the last shard, a batch message that comes again, the sweep; for calls the
answer, the sweep and a client. All pairs of them; triples by chance.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from chance import SEED

from builders import TENANT, World, picture, request
from interleaving import Actor, Schedule, SerialPool, Stepping, all_schedules
from lambent.contracts.messages import InferMessage, ShardMessage
from lambent.domain.call import Call, Operation
from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.model import ModelChoice
from lambent.errors import LambentError
from lambent.services import collect_parts
from lambent.services.answer_call import CallService
from lambent.services.answer_later import AnswerLaterService
from lambent.services.cancel_job import CancelJobService
from lambent.services.predict import PredictService
from lambent.services.run_call import RunCallService
from lambent.services.send_job import JobSender
from lambent.services.sweep import SweepService
from lambent.services.track import BatchStateChange, TrackService
from lambent_toolkit.fakes import FakeJobStore, FakeQueue

STUCK_AFTER_S = 60
SHARDS = 3
TRIPLES = 60


class Ending:
    """A copy of a world with one open job, whose ports are steps of a schedule."""

    def __init__(self, world: World, schedule: Schedule) -> None:
        self.raw = copy.copy(world)
        self.raw.jobs = FakeJobStore(dict(world.jobs.jobs), set(world.jobs.closed), dict(world.jobs.claims))
        self.raw.data = replace(world.data, objects=dict(world.data.objects))
        self.raw.clock = copy.copy(world.clock)
        self.raw.notifier = copy.deepcopy(world.notifier)
        self.raw.runner = replace(world.runner, statuses=dict(world.runner.statuses), terminated={})
        self.raw.infer_queue, self.batches = FakeQueue(), FakeQueue()
        self.world = copy.copy(self.raw)
        self.world.jobs = Stepping(self.raw.jobs, schedule)
        self.world.data = Stepping(self.raw.data, schedule)
        self.states: list[JobState] = []
        schedule.on_step = lambda: self.states.append(self.job.state)

    @property
    def job(self) -> Job:
        (found,) = self.raw.jobs.jobs
        job = self.raw.jobs.get(*found)
        assert job is not None
        return job

    def cancel(self) -> None:
        sender = JobSender(batches=self.batches, calls=self.raw.infer_queue, data=self.raw.data)
        cancel = CancelJobService(jobs=self.world.jobs, sender=sender, runner=self.raw.runner, clock=self.raw.clock)
        try:
            cancel.cancel(TENANT, self.job.job_id)
        except LambentError:
            return  # it had ended
        if self.batches.sent:
            self.redeliver()

    def redeliver(self) -> None:
        """Dispatch the batch's message, which comes as often as it likes."""
        self.world.dispatcher().dispatch(TENANT, self.job.request)

    def tell(self, status: str) -> None:
        tracker = TrackService(jobs=self.world.jobs, finisher=self.world.finisher, clock=self.raw.clock)
        tracker.apply(BatchStateChange(TENANT, "job-1", str(self.job.batch_job_id), status, is_child=False))

    def expire(self) -> None:
        job = self.world.jobs.get(TENANT, "job-1")
        if not job.state.is_terminal:
            self.world.finisher.expire(job)

    def run_last_shard(self) -> None:
        self.world.shards().run(TENANT, "job-1", SHARDS - 1)
        self.world.advancer.after_shard(TENANT, "job-1", slot=0)

    def answer(self, world: World | None = None) -> None:
        world = world or self.world
        calls = CallService(PredictService(self.raw.resolver(0.0), self.raw.models()))
        RunCallService(
            data=world.data,
            jobs=world.jobs,
            calls=calls,
            finisher=world.finisher,
            clock=self.raw.clock,
        ).run(TENANT, self.job.job_id)

    def sweep(self, world: World | None = None) -> None:
        world = world or self.world
        self.raw.clock.advance(STUCK_AFTER_S * 16)
        SweepService(
            jobs=world.jobs,
            sender=JobSender(batches=self.batches, calls=self.raw.infer_queue, data=self.raw.data),
            runner=self.raw.runner,
            finisher=world.finisher,
            clock=self.raw.clock,
            stuck_after_s=STUCK_AFTER_S,
        ).sweep(on_error=_fail)

    def finish(self) -> None:
        """Deliver all that waits, and let the sweep do what was left."""
        for _ in range(SHARDS):
            for body, _ in [*_taken(self.batches)]:
                self.raw.dispatcher().dispatch(TENANT, body.decode())
            while self.raw.infer_queue.sent:
                body, _ = self.raw.infer_queue.sent.pop(0)
                self._work(msgspec.json.decode(body, type=InferMessage))
            self.sweep(self.raw)

    def _work(self, message: object) -> None:
        if isinstance(message, ShardMessage):
            self.raw.shards().run(TENANT, message.job_id, message.shard)
            self.raw.advancer.after_shard(TENANT, message.job_id, slot=message.slot)
        else:
            self.answer(self.raw)

    def check(self, trace: list[str]) -> None:
        """Hold all that tells of the end against each other."""
        job, first = self.job, next((state for state in self.states if state.is_terminal), self.job.state)
        after = list(itertools.dropwhile(lambda state: not state.is_terminal, self.states))
        assert job.state.is_terminal, trace
        assert {*after, job.state} == {first}, trace
        assert not job.is_open, trace
        told = {(notice["id"], notice["data"]["state"]) for _, notice in self.raw.notifier.announced}
        assert {state for _, state in told} == {job.state.value}, trace
        assert len(told) == 1, trace
        if (manifest := self.manifest()) is not None:
            recorded = (job.state.value, job.final_done, job.final_failed, job.receipt)
            assert tuple(manifest[name] for name in ("state", "done", "failed", "receipt")) == recorded, trace
            assert sum(part["items"] for part in manifest["parts"]) == job.done + job.failed, trace
            if job.state is not JobState.CANCELLED:
                assert job.done + job.failed == manifest["total"], trace

    def manifest(self) -> dict | None:
        body = self.raw.data.objects.get(f"jobs/{TENANT}/job-1/manifest.json")
        return None if body is None else json.loads(body)


def _taken(queue: FakeQueue) -> list:
    taken, queue.sent = queue.sent, []
    return taken


def _fail(job: object, error: Exception) -> None:
    raise AssertionError(job) from error


@pytest.fixture(autouse=True)
def _serial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_parts, "ThreadPoolExecutor", SerialPool)


def with_items() -> World:
    world = World()
    world.publish()
    world.put_items(*[picture(0)] * (2 * SHARDS))
    return world


@pytest.fixture(scope="module")
def on_gpu() -> World:
    """Return a world with a running GPU job of three shards, of which the first two have their parts."""
    world = with_items()
    world.dispatch(lane="gpu")
    for shard in range(SHARDS - 1):
        world.shards().run(TENANT, "job-1", shard)
    world.runner.statuses[str(world.jobs.get(TENANT, "job-1").batch_job_id)] = "FAILED"
    return world


@pytest.fixture(scope="module")
def on_cpu() -> World:
    """Return the same on the CPU lane, whose last shard was sent."""
    world = with_items()
    world.dispatch(lane="cpu")
    for shard in range(SHARDS - 1):
        world.shards().run(TENANT, "job-1", shard)
    return world


@pytest.fixture(scope="module")
def unplanned() -> World:
    """Return a world with a job that was accepted and not planned."""
    world = with_items()
    world.submitter.submit(TENANT, request(lane="cpu"))
    return world


@pytest.fixture(scope="module")
def called() -> World:
    """Return a world with a stored call that waits."""
    world = World()
    world.publish()
    AnswerLaterService(
        data=world.data,
        jobs=world.jobs,
        queue=world.infer_queue,
        resolver=world.resolver(0.0),
        files=world.files,
        clock=world.clock,
        retention_days=30,
    ).accept(
        TENANT,
        Call(Operation.MEDIA_PREDICT, ModelChoice("shade"), picture(255), {"content-type": "image/png"}, {}),
        idempotency_key=None,
    )
    return world


GPU: dict[str, Callable[[Ending], None]] = {
    "succeeded": lambda ending: ending.tell("SUCCEEDED"),
    "failed": lambda ending: ending.tell("FAILED"),
    "cancel": Ending.cancel,
    "deadline": Ending.expire,
    "last shard": Ending.run_last_shard,
    "message": Ending.redeliver,
    "sweep": Ending.sweep,
}
CPU = {name: GPU[name] for name in ("cancel", "deadline", "last shard", "message", "sweep")}
UNPLANNED = {name: GPU[name] for name in ("cancel", "message", "sweep")}
CALLED: dict[str, Callable[[Ending], None]] = {
    "answer": Ending.answer,
    "cancel": Ending.cancel,
    "sweep": Ending.sweep,
}


def pairs(actors: dict[str, Callable[[Ending], None]]) -> list[tuple[str, str]]:
    """Return all pairs, each with itself, too: whatever comes may come twice."""
    return list(itertools.combinations_with_replacement(actors, 2))


def play(world: World, deeds: list[Callable[[Ending], None]], schedule: Schedule) -> Ending:
    ending = Ending(world, schedule)
    actors: list[Actor] = [lambda deed=deed: deed(ending) for deed in deeds]
    schedule.run(actors)
    return ending


def play_all(world: World, deeds: list[Callable[[Ending], None]], *, most_switches: int) -> None:
    for schedule in all_schedules(most_switches=most_switches):
        ending = play(world, deeds, schedule)
        ending.finish()
        ending.check(schedule.trace)


@pytest.mark.parametrize(("one", "other"), pairs(GPU))
def test_whoever_meets_on_the_gpu_lane_record_and_manifest_tell_one_end(on_gpu: World, one: str, other: str) -> None:
    play_all(on_gpu, [GPU[one], GPU[other]], most_switches=2)


@pytest.mark.parametrize(("one", "other"), pairs(CPU))
def test_whoever_meets_on_the_cpu_lane_record_and_manifest_tell_one_end(on_cpu: World, one: str, other: str) -> None:
    play_all(on_cpu, [CPU[one], CPU[other]], most_switches=2)


@pytest.mark.parametrize(("one", "other"), pairs(UNPLANNED))
def test_whoever_meets_before_a_job_is_planned_it_has_one_end(unplanned: World, one: str, other: str) -> None:
    play_all(unplanned, [UNPLANNED[one], UNPLANNED[other]], most_switches=2)


@pytest.mark.parametrize(("one", "other"), pairs(CALLED))
def test_whoever_meets_at_a_call_it_has_one_end(called: World, one: str, other: str) -> None:
    play_all(called, [CALLED[one], CALLED[other]], most_switches=2)


def test_three_who_meet_by_chance_leave_one_end(on_gpu: World) -> None:
    chance = random.Random(SEED)
    for run in range(TRIPLES):
        deeds = [GPU[name] for name in chance.sample(list(GPU), 3)]
        schedule = Schedule(lambda _, waiting: chance.choice(waiting))
        ending = play(on_gpu, deeds, schedule)
        ending.finish()
        ending.check([f"{SEED}/{run}", *schedule.trace])
