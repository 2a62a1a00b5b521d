"""What a job took and cost, and what it leaves for the next plan."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from job_steps import JOB, job, ready, run_cpu

from builders import TENANT, World
from lambent.domain.job import ShardProgress
from lambent.domain.job_states import JobState
from lambent.domain.model import ModelRef
from lambent.domain.receipts import LEAST_OBSERVED_S, shown_rate
from lambent.services.read_plan import read_plan
from lambent.services.receipt import ReceiptService
from lambent.services.show_job import view

REF = ModelRef("shade", 1)


def shards(*busy_s: float, items: int = 10, failed: int = 0, is_finished: bool = True) -> list[ShardProgress]:
    return [
        ShardProgress(number, items - failed, failed, is_finished, "2026-11-27T00:00:00.000Z", each)
        for number, each in enumerate(busy_s)
    ]


def ran(*, lane: str = "cpu", busy_s: float = 40.0) -> World:
    """Return the world of a job of five items in three shards that all worked so long."""
    world = ready()
    world.dispatch(lane=lane)
    plan = read_plan(world.data, TENANT, "job-1")
    world.clock.advance(30)
    for shard in range(plan.shards):
        world.shards().run(TENANT, "job-1", shard)
    found = job(world)
    world.jobs.jobs[TENANT, "job-1"] = replace(
        found, progress=tuple(replace(shard, busy_s=busy_s) for shard in found.progress)
    )
    world.finisher.finish(job(world))
    return world


def test_a_cpu_job_s_receipt_counts_what_its_shards_worked() -> None:
    world = ran(busy_s=40.0)
    receipt = view(job(world)).receipt

    assert (receipt.lane, receipt.items, receipt.shards, receipt.busy_s, receipt.seconds) == ("cpu", 5, 3, 120.0, 30.0)
    assert receipt.gb_seconds == pytest.approx(120 * 1769 / 1024)
    assert receipt.gpu_seconds is None
    assert receipt.items_per_s == pytest.approx(5 / 120)
    assert receipt.usd == pytest.approx(sum(part.usd for part in receipt.parts))
    compute = receipt.parts[0]
    assert (compute.quantity, compute.is_estimated) == (receipt.gb_seconds, False)
    assert compute.usd == pytest.approx(receipt.gb_seconds * 0.0000166667)
    assert all(part.is_estimated for part in receipt.parts[1:])
    assert json.loads(world.data.objects[f"{JOB}/manifest.json"])["receipt"]["busy_s"] == 120.0


def test_a_gpu_job_s_receipt_says_that_spot_and_starting_are_assumed() -> None:
    receipt = view(job(ran(lane="gpu"))).receipt

    assert (receipt.gpu_seconds, receipt.gb_seconds) == (120.0, None)
    assert receipt.parts[0].what.startswith("EC2 spot, g4dn.xlarge")
    assert receipt.parts[0].is_estimated
    assert receipt.notes == ["Starting hosts and the price of spot capacity are assumed, not measured."]


def test_what_a_job_has_shown_is_the_estimate_of_the_next_and_its_receipt_compares_them() -> None:
    world = ran(busy_s=40.0)
    first = job(world)
    assert first.estimate["seconds"] is None

    world.dispatch(id="job-2", lane="cpu")

    plan = read_plan(world.data, TENANT, "job-2")
    rate = plan.estimate.of("cpu").throughput
    assert (rate.items_per_s, rate.source, rate.job, rate.device) == (
        pytest.approx(5 / 120),
        "observed",
        "job-1",
        "1769 MiB x86_64",
    )
    assert plan.estimate.usd > 0
    assert "observed in 1 job, the latest job-1" in plan.why
    receipt = ReceiptService(throughputs=world.throughputs, clock=world.clock).receipt(
        world.jobs.get(TENANT, "job-2"), plan, shards(40.0, 40.0, 40.0)
    )
    assert receipt.estimated_busy_s == pytest.approx(120, rel=0.2)
    assert receipt.estimated_usd == plan.estimate.usd
    # The estimate counts a start of every environment, which the shards do not record.
    assert receipt.usd < receipt.estimated_usd


def test_a_job_that_ends_twice_is_observed_once() -> None:
    world = ran()
    world.finisher.finish(job(world))

    assert world.throughputs.observed(REF, "cpu").revision == 1


def test_two_jobs_that_end_together_are_both_counted() -> None:
    world = ran()
    plan = replace_job(read_plan(world.data, TENANT, "job-1"), "job-2")
    service = ReceiptService(throughputs=world.throughputs, clock=world.clock)
    read = world.throughputs.observed

    def overtaken(ref: ModelRef, lane: str):
        """Answer, and let another job end before the answer is used."""
        world.throughputs.observed = read
        found = read(ref, lane)
        service.observe(replace_job(plan, "job-3"), shards(50.0))
        return found

    world.throughputs.observed = overtaken
    service.observe(plan, shards(50.0))

    assert read(REF, "cpu").revision == 3
    assert read(REF, "cpu").job_id == "job-2"


def replace_job(plan, job_id: str):
    return type(plan)(**{**{name: getattr(plan, name) for name in plan.__struct_fields__}, "job_id": job_id})


@pytest.mark.parametrize(
    ("ended", "items_per_s"),
    [
        (shards(50.0, 50.0), 0.2),
        (shards(50.0, 50.0, failed=4), 0.2),
        (shards(50.0, 50.0, failed=5), None),
        (shards(50.0, is_finished=False), None),
        (shards(LEAST_OBSERVED_S / 2), None),
        (shards(0.0), None),
        ([], None),
    ],
)
def test_short_and_failed_jobs_show_nothing_of_the_lane(ended: list[ShardProgress], items_per_s: float | None) -> None:
    assert shown_rate(ended) == items_per_s


def test_a_job_without_recorded_time_has_a_receipt_that_says_so_and_shows_nothing() -> None:
    world = ran(busy_s=0.0)
    receipt = view(job(world)).receipt

    assert receipt.items_per_s is None
    assert "The shards recorded no time." in receipt.notes
    assert world.throughputs.observed(REF, "cpu") is None


def test_a_job_that_an_older_release_planned_ends_without_a_receipt() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    key = f"{JOB}/plan.json"
    plan = json.loads(world.data.objects[key])
    del plan["estimate"]
    world.data.objects[key] = json.dumps(plan).encode()
    run_cpu(world)

    assert job(world).state is JobState.SUCCEEDED
    assert view(job(world)).receipt is None


def test_a_repeated_request_is_answered_as_at_first_without_estimate_and_receipt() -> None:
    accepted = job(ran()).as_accepted()

    assert (accepted.estimate, accepted.receipt) == (None, None)
