"""The planner: which lane, which shards, and what it says of time and cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambent.contracts.quotes import LaneEstimate, ThroughputView
from lambent.contracts.throughput import KerasRate, ServedRate, ThreadsRate, VersionThroughput
from lambent.domain.lanes import (
    CPU_SHARD_S,
    MAX_SHARDS,
    MESSAGES_AN_INVOCATION,
    SHARD_RESULT_BYTES,
    CpuLane,
    GpuLane,
    Lanes,
    Work,
)
from lambent.domain.model import ModelRef
from lambent.domain.planning import Decision, decide, dollars, duration
from lambent.domain.prices import PRICES, STALE_AFTER_DAYS
from lambent.domain.throughput import ObservedThroughput, Rate, cpu_rate, gpu_rate, with_job
from lambent.errors import LaneUnavailable

BOTH = frozenset({"model.tflite", "model.keras"})
CPU = CpuLane(memory_mib=1769, architecture="x86_64", timeout_s=120, max_concurrency=10, threads=1)
GPU = GpuLane(instance_types=("g5.xlarge", "g4dn.xlarge"), worker_vcpus=4, max_hosts=16, timeout_s=3600)
LANES = Lanes(cpu=CPU, gpu=GPU, shard_items=100, region="us-east-1")
AT = "2026-11-27T00:00:00.000Z"

rates = st.floats(0.05, 50_000)
items_counts = st.integers(1, 20_000_000)


def rate(items_per_s: float, *, with_fetching: bool = True) -> Rate:
    view = ThroughputView(items_per_s=items_per_s, device="a machine", source="observed", at=AT, jobs=1)
    return Rate(items_per_s, with_fetching, view)


def plan(
    items: int = 1_000,
    *,
    cpu: float | None = 100.0,
    gpu: float | None = 1_000.0,
    asked: str = "auto",
    files: frozenset[str] = BOTH,
    seconds_left: float | None = None,
    lanes: Lanes = LANES,
    item_result_bytes: int = 0,
) -> Decision:
    work = Work(items, items, asked, files, seconds_left, item_result_bytes)
    on_cpu, on_gpu = (None if each is None else rate(each) for each in (cpu, gpu))
    return decide(work, lanes, cpu=on_cpu, gpu=on_gpu, prices=PRICES)


def plan_or_none(items: int, **arguments: object) -> Decision | None:
    """Plan, unless there are so many items of a model so slow that no lane can run them."""
    try:
        return plan(items, **arguments)
    except LaneUnavailable:
        return None


def lane(decision: Decision, name: str) -> LaneEstimate:
    return next(each for each in decision.lanes if each.lane == name)


@given(items_counts, st.none() | rates, st.none() | rates)
def test_shards_cover_the_items_and_an_array_takes_them(items: int, cpu: float | None, gpu: float | None) -> None:
    decision = plan_or_none(items, cpu=cpu, gpu=gpu)
    assume(decision is not None)
    for each in decision.lanes:
        assert 1 <= each.shards <= MAX_SHARDS
        assert (each.shards - 1) * each.shard_items < items <= each.shards * each.shard_items
        assert 1 <= each.workers <= each.shards


@given(st.integers(1, 1_000_000), rates)
def test_all_messages_of_one_invocation_end_in_time_where_single_items_allow_it(items: int, cpu: float) -> None:
    assume(cpu >= 1 / CPU_SHARD_S[1])  # a single item may take longer than a shard should
    shard = lane(plan(items, cpu=cpu), "cpu")
    assume(shard.shards < MAX_SHARDS / 2)

    assert min(shard.shard_items, items) / cpu * MESSAGES_AN_INVOCATION <= CPU.timeout_s


@given(st.integers(1, 1_000_000), rates, rates, st.floats(1, 100_000))
def test_a_deadline_that_a_lane_can_meet_is_met(items: int, cpu: float, gpu: float, left_s: float) -> None:
    decision = plan_or_none(items, cpu=cpu, gpu=gpu, seconds_left=left_s)
    assume(decision is not None)
    able = [each.seconds for each in decision.lanes if each.reason is None and each.seconds is not None]

    assert decision.taken.is_on_time is (min(able) <= left_s)


@given(st.integers(1, 1_000_000), rates, rates)
def test_without_a_deadline_nothing_is_cheaper_than_the_lane_taken(items: int, cpu: float, gpu: float) -> None:
    decision = plan_or_none(items, cpu=cpu, gpu=gpu)
    assume(decision is not None)
    costs = [each.usd for each in decision.lanes if each.reason is None and each.usd is not None]

    assert decision.taken.usd == min(costs)


@given(st.integers(1, 1_000_000), rates, rates, st.integers(2, 9))
def test_more_items_never_cost_less(items: int, cpu: float, gpu: float, times: int) -> None:
    few, many = (plan_or_none(count, cpu=cpu, gpu=gpu) for count in (items, times * items))
    assume(many is not None)
    for name in ("cpu", "gpu"):
        assume(lane(many, name).usd is not None)
        assert lane(few, name).usd <= lane(many, name).usd


@given(st.integers(1, 1_000_000), rates, st.floats(1.5, 20))
def test_a_faster_model_is_never_planned_to_cost_more_work(items: int, cpu: float, times: float) -> None:
    slow, fast = (lane(plan(items, cpu=each), "cpu") for each in (cpu, cpu * times))
    assume(slow.usd is not None and slow.shards <= fast.shards)

    assert fast.parts[0].usd <= slow.parts[0].usd + 1e-9


@given(st.integers(1, 1_000_000), rates)
def test_a_lane_s_cost_is_the_sum_of_its_parts(items: int, gpu: float) -> None:
    decision = plan_or_none(items, gpu=gpu)
    assume(decision is not None)
    for each in decision.lanes:
        assume(each.usd is not None)
        assert each.usd == pytest.approx(sum(part.usd for part in each.parts))


@pytest.mark.parametrize(
    ("arguments", "taken", "words"),
    [
        ({"items": 300}, "cpu", "The CPU lane is the cheaper one."),
        ({"items": 5_000_000, "gpu": 3_000.0}, "gpu", "The GPU lane is the cheaper one."),
        ({"items": 10**6, "gpu": 200.0, "seconds_left": 900}, "gpu", "meets the deadline, about 15 min from now"),
        ({"items": 300, "seconds_left": 0.5}, "cpu", "probably miss the deadline, about 0 s from now"),
        ({"items": 10**6, "gpu": None}, "cpu", "nobody has measured the other one"),
        ({"items": 300, "cpu": None}, "gpu", "nobody has measured the other one"),
        ({"items": 300, "cpu": None, "gpu": None}, "cpu", "its first job will be measured"),
        (
            {"items": 5_000_000, "files": frozenset({"model.tflite"})},
            "cpu",
            "GPU lane: no, the version has no model.keras",
        ),
        ({"items": 1, "files": frozenset({"model.keras"})}, "gpu", "CPU lane: no, the version has no model.tflite"),
        ({"items": 5_000_000, "lanes": replace(LANES, gpu=None)}, "cpu", "this stack has no GPU lane"),
        ({"items": 10**7, "cpu": 0.5, "gpu": None}, "gpu", "CPU lane: no, 10,000,000 items in at most 10,000 shards"),
        ({"items": 1, "asked": "gpu"}, "gpu", "The GPU lane is what the request asks for."),
        ({"items": 5_000_000, "asked": "cpu"}, "cpu", "The CPU lane is what the request asks for."),
    ],
)
def test_the_lane_is_chosen_with_its_reason(arguments: dict, taken: str, words: str) -> None:
    decision = plan(**arguments)

    assert decision.taken.lane == taken
    assert words in decision.why


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"asked": "gpu", "lanes": replace(LANES, gpu=None)}, "this stack has no GPU lane"),
        ({"asked": "gpu", "files": frozenset({"model.tflite"})}, "the version has no model.keras"),
        ({"asked": "cpu", "files": frozenset({"model.keras"})}, "the version has no model.tflite"),
        ({"files": frozenset({"model.keras"}), "lanes": replace(LANES, gpu=None)}, "No lane of this stack"),
    ],
)
def test_a_lane_that_cannot_run_the_version_is_refused(arguments: dict, words: str) -> None:
    with pytest.raises(LaneUnavailable, match=words):
        plan(**arguments)


def test_the_reasons_name_the_figures_and_where_they_come_from() -> None:
    why = plan(30_000, cpu=303.0).why

    assert "303 items/s a worker (observed in 1 job on a machine, 2026-11-27)" in why
    assert "on 10 workers" in why
    assert "USD" in why


def test_objects_that_have_to_be_fetched_slow_down_what_was_measured_without() -> None:
    work = Work(items=3_000, objects=3_000, asked="cpu", files=BOTH)
    ready, fetched = (
        decide(each, LANES, cpu=rate(303, with_fetching=False), gpu=None, prices=PRICES)
        for each in (replace(work, objects=0), work)
    )

    assert ready.taken.seconds < fetched.taken.seconds
    assert any("until S3 gives an object" in note for note in fetched.notes)
    assert ready.notes == []


def test_without_a_measurement_shards_are_small_and_there_is_no_figure() -> None:
    decision = plan(1_000, cpu=None, gpu=None)

    assert (decision.taken.shard_items, decision.taken.seconds, decision.taken.usd) == (25, None, None)
    assert "nobody has measured this version there" in decision.why
    assert "there is no estimate" in decision.notes[0]


def test_a_type_without_a_price_is_not_taken_for_its_cost() -> None:
    lanes = replace(LANES, gpu=replace(GPU, instance_types=("p9.xlarge",)))
    decision = plan(5_000_000, gpu=3_000.0, lanes=lanes)

    assert decision.taken.lane == "cpu"
    assert "no price known" in decision.why


PUBLISHED = VersionThroughput(
    measured_at=AT,
    served=ServedRate(
        runtime="ai-edge-litert 1.4.0",
        machine="x86_64",
        cores=2,
        batch_size=16,
        prepared_per_s=500.0,
        rates=(ThreadsRate(threads=1, items_per_s=200.0), ThreadsRate(threads=2, items_per_s=350.0)),
    ),
    keras=KerasRate(backend="tensorflow", device="x86_64, 2 cores", is_gpu=False, batch_size=32, rows_per_s=75.0),
)
SEEN = ObservedThroughput(ModelRef("shade", 7), "cpu", 100.0, "1769 MiB x86_64", 1769, AT, "acme", "job-1")


def on_cpu(
    published: VersionThroughput | None = PUBLISHED,
    observed: ObservedThroughput | None = None,
    *,
    tenant: str = "acme",
    memory_mib: int = 1769,
    threads: int = 1,
    architecture: str = "x86_64",
) -> Rate | None:
    return cpu_rate(
        published, observed, tenant=tenant, memory_mib=memory_mib, threads=threads, architecture=architecture
    )


@pytest.mark.parametrize(
    ("arguments", "items_per_s"),
    [
        ({}, 200.0),
        ({"threads": 2}, 350.0),
        ({"threads": 6}, 350.0),
        ({"memory_mib": 1769 * 2, "threads": 1}, 200.0),
        ({"memory_mib": 1024}, 200.0 * 1024 / 1769),
        ({"observed": SEEN}, 100.0),
        ({"observed": SEEN, "memory_mib": 1024}, 100.0 * 1024 / 1769),
    ],
)
def test_the_rate_of_the_cpu_lane_follows_threads_and_memory(arguments: dict, items_per_s: float) -> None:
    found = on_cpu(**arguments)

    assert found is not None
    assert found.items_per_s == pytest.approx(items_per_s)
    assert found.view.items_per_s == pytest.approx(items_per_s)


def test_what_jobs_have_shown_counts_before_what_was_published() -> None:
    published, observed = on_cpu(), on_cpu(observed=SEEN)

    assert (published.view.source, published.with_fetching) == ("published", False)
    assert published.view.device == "x86_64, 1 of 2 cores, ai-edge-litert 1.4.0"
    assert (observed.view.source, observed.with_fetching, observed.view.job) == ("observed", True, "job-1")


def test_nobody_learns_the_id_of_another_tenant_s_job() -> None:
    assert on_cpu(observed=SEEN, tenant="other").view.job is None


def test_another_processor_than_the_functions_is_told() -> None:
    assert on_cpu(architecture="arm64").note == "Measured on x86_64, the functions are arm64."
    assert on_cpu().note == ""


def test_keras_on_a_processor_says_nothing_of_the_gpu_lane() -> None:
    on_gpu = replace_keras(is_gpu=True, rows_per_s=5_000.0, device="NVIDIA T4")

    assert gpu_rate(PUBLISHED, None, tenant="acme", vcpus=4) is None
    # Four vCPUs prepare 2,000 items a second: less than the GPU answers.
    assert gpu_rate(on_gpu, None, tenant="acme", vcpus=4).items_per_s == 2_000.0
    assert gpu_rate(on_gpu, None, tenant="acme", vcpus=64).items_per_s == 5_000.0
    assert gpu_rate(None, replace(SEEN, lane="gpu"), tenant="acme", vcpus=4).items_per_s == 100.0


def replace_keras(**changes: object) -> VersionThroughput:
    fields = {name: getattr(PUBLISHED.keras, name) for name in KerasRate.__struct_fields__}
    return VersionThroughput(measured_at=AT, served=PUBLISHED.served, keras=KerasRate(**{**fields, **changes}))


def test_a_lane_without_measurement_has_no_rate() -> None:
    assert on_cpu(None) is None
    assert on_cpu(VersionThroughput(measured_at=AT)) is None
    assert gpu_rate(None, None, tenant="acme", vcpus=4) is None


def test_jobs_move_the_mean_by_a_fifth_and_count_once() -> None:
    latest = replace(SEEN, job_id="job-2", items_per_s=200.0)
    second = with_job(SEEN, latest)

    assert with_job(None, SEEN) == SEEN
    assert (second.items_per_s, second.revision, second.job_id) == (120.0, 2, "job-2")
    assert with_job(second, latest) is None
    assert with_job(SEEN, replace(SEEN, tenant="other", items_per_s=200.0)).items_per_s == 120.0


def test_after_a_change_of_memory_the_mean_begins_anew() -> None:
    other = replace(SEEN, job_id="job-2", items_per_s=200.0, memory_mib=3538)

    assert with_job(SEEN, other).items_per_s == 200.0


def test_every_instance_type_of_the_template_has_a_price_and_a_source() -> None:
    every = [*PRICES.gb_seconds.values(), *PRICES.hours.values(), PRICES.store_read, PRICES.row_write]

    assert all(price.usd > 0 and price.source for price in every)
    assert PRICES.gb_seconds["arm64"].usd < PRICES.gb_seconds["x86_64"].usd
    assert PRICES.cheapest(("g5.xlarge", "g4dn.xlarge")) == "g4dn.xlarge"
    assert PRICES.cheapest(("p9.xlarge",)) is None


def test_an_old_table_and_another_region_are_told() -> None:
    fresh = PRICES.notes(region="us-east-1", today=PRICES.read_on + timedelta(days=STALE_AFTER_DAYS))
    old = PRICES.notes(region="eu-west-1", today=date(2028, 1, 1))

    assert not [note for note in fresh if "days old" in note]
    (unverified,) = (note for note in fresh if note.startswith("Prices not verified"))
    assert "hour of g6.xlarge" in unverified
    assert "GB-second" not in unverified
    assert [note for note in old if "400 days old" in note]
    assert [note for note in old if "this stack is in eu-west-1" in note]


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "about 1 s"), (119, "about 119 s"), (600, "about 10 min"), (12_600, "about 3.5 h")]
)
def test_durations_are_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("usd", "words"), [(1234.5, "1,234.50 USD"), (0.0123, "0.012 USD"), (0.00001, "less than 0.0001 USD")]
)
def test_costs_are_told_with_two_digits(usd: float, words: str) -> None:
    assert dollars(usd) == words


@pytest.mark.parametrize("name", ["cpu", "gpu"])
@pytest.mark.parametrize("measured", [1_000.0, None])
def test_a_shard_of_large_results_has_no_more_items_than_its_part_may_hold(name: str, measured: float | None) -> None:
    bytes_an_item = SHARD_RESULT_BYTES // 7

    large = lane(plan(100_000, cpu=measured, gpu=measured, item_result_bytes=bytes_an_item), name)
    huge = lane(plan(1_000, cpu=measured, gpu=measured, item_result_bytes=SHARD_RESULT_BYTES * 2), name)
    most = lane(plan(1_000 * MAX_SHARDS, gpu=1e6, asked="gpu", item_result_bytes=bytes_an_item), "gpu")

    assert large.shard_items <= max(7, 100_000 // MAX_SHARDS + 1)
    assert huge.shard_items == 1
    assert most.shards == MAX_SHARDS
