"""What is told of a job: its progress, pace, results and errors, while it runs and after."""

import gzip
import json
from dataclasses import replace

import msgspec
import pytest
from job_steps import job, ready, run_cpu, shower

from builders import TENANT, World, picture, request
from lambent.contracts.batch_request import OutputOptions
from lambent.domain.job import JobKind, ShardProgress
from lambent.domain.job_states import JobState
from lambent.domain.names import errors_file, job_key
from lambent.domain.timestamps import to_timestamp
from lambent.errors import CursorInvalid, JobNotFound, NotAcceptable, PayloadTooLarge, ResultNotFound
from lambent.services.show_errors import ShowErrorsService
from lambent.services.show_parts import ShowPartsService
from lambent_toolkit.fakes import FakeLinkMaker

BAD = b"not a picture"


def parts(world: World, *, max_answer_bytes: int = 1_000_000) -> ShowPartsService:
    return ShowPartsService(jobs=world.jobs, data=world.data, links=FakeLinkMaker(), max_answer_bytes=max_answer_bytes)


def errors(world: World, *, max_answer_bytes: int = 1_000_000) -> ShowErrorsService:
    return ShowErrorsService(jobs=world.jobs, data=world.data, max_answer_bytes=max_answer_bytes)


def run_shards(world: World, *numbers: int) -> None:
    for number in numbers:
        world.shards().run(TENANT, "job-1", number)


def progress(world: World, *shards: ShardProgress, **fields: object) -> None:
    key = (TENANT, "job-1")
    world.jobs.jobs[key] = replace(world.jobs.jobs[key], progress=shards, **fields)


def at(world: World, before_s: float = 0.0) -> str:
    return to_timestamp(world.clock.epoch_s() - before_s)


def running(world: World, *shards: ShardProgress, total: int = 1000, count: int = 10) -> None:
    progress(world, *shards, state=JobState.RUNNING, total=total, shards=count, lane="cpu")


def all_lines(world: World, **options: int) -> list[dict]:
    found, cursor = [], None
    while True:
        lines = parts(world, **options).lines(TENANT, "job-1", cursor=cursor)
        assert len(lines.body) <= options.get("max_answer_bytes", 1_000_000)
        found += [json.loads(line) for line in lines.body.splitlines()]
        if lines.next_cursor is None:
            return found
        cursor = lines.next_cursor


def test_the_rate_is_that_of_the_running_shards_by_their_own_working_time() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    running(
        world,
        ShardProgress(0, 90, 10, True, at(world, 500), busy_s=1.0),  # finished long ago
        ShardProgress(1, 50, 0, False, at(world), busy_s=5.0),
        ShardProgress(2, 20, 20, False, at(world), busy_s=2.0),
        ShardProgress(3, 1, 0, False, at(world, 400), busy_s=100.0),  # its host is lost
    )

    shown = shower(world).show(TENANT, "job-1")

    assert shown.rate == 30.0
    assert shown.eta_s == pytest.approx((1000 - 191) / 30, abs=0.001)
    assert shown.estimated_end == to_timestamp(world.clock.epoch_s() + (1000 - 191) / 30)


def test_between_short_shards_the_rate_is_the_mean_since_the_first_began() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    running(
        world,
        ShardProgress(0, 100, 0, True, at(world, 15), busy_s=5.0),
        ShardProgress(1, 100, 0, True, at(world, 10), busy_s=5.0),
    )

    assert shower(world).show(TENANT, "job-1").rate == 10.0


@pytest.mark.parametrize("state", [JobState.PLANNED, JobState.PARTIAL])
def test_a_job_that_does_not_run_has_no_pace(state: JobState) -> None:
    world = ready()
    world.dispatch(lane="cpu")
    progress(world, ShardProgress(0, 1, 0, False, at(world), busy_s=1.0), state=state)

    shown = shower(world).show(TENANT, "job-1")

    assert (shown.rate, shown.eta_s, shown.estimated_end) == (None, None, None)


def test_of_ten_thousand_shards_a_hundred_are_shown_unfinished_ones_first_and_all_are_counted() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    shards = [ShardProgress(n, 1, 0, n not in (4_000, 9_998), at(world)) for n in range(9_999)]
    running(world, *shards, total=20_000, count=10_000)

    shown = shower(world).show(TENANT, "job-1")

    assert [shard.shard for shard in shown.shards] == [4_000, 9_998, *range(98)]
    assert (shown.shard_counts.waiting, shown.shard_counts.running, shown.shard_counts.finished) == (1, 2, 9_997)
    assert shown.done == 9_999


def test_what_a_stopped_job_had_begun_does_not_run_any_more() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    progress(world, ShardProgress(0, 1, 0, False, at(world)), state=JobState.CANCELLED)

    shown = shower(world).show(TENANT, "job-1")

    assert [shard.state for shard in shown.shards] == ["STOPPED"]
    assert (shown.shard_counts.waiting, shown.shard_counts.running, shown.waiting) == (3, 0, None)


def test_finished_parts_have_addresses_while_the_job_runs() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_shards(world, 2, 0)

    page = parts(world).page(TENANT, "job-1", limit=None, cursor=None)

    assert (page.state, [part.shard for part in page.parts], page.next_cursor) == ("RUNNING", [0, 2], None)
    assert [part.lines for part in page.parts] == [2, 1]
    assert page.parts[1].url.startswith(f"https://fake-bucket.example/jobs/{TENANT}/job-1/part-00002.jsonl?")
    assert page.parts[1].content_type == "application/x-ndjson"


def test_pages_of_parts_hold_each_part_once() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_cpu(world)

    first = parts(world).page(TENANT, "job-1", limit="2", cursor=None)
    second = parts(world).page(TENANT, "job-1", limit="2", cursor=first.next_cursor)

    assert [part.shard for part in first.parts + second.parts] == [0, 1, 2]
    assert second.next_cursor is None


@pytest.mark.parametrize("output", [OutputOptions(), OutputOptions(compression="gzip")])
@pytest.mark.parametrize("max_answer_bytes", [1_000_000, 400])
def test_results_come_in_the_order_of_the_items_a_bounded_answer_at_a_time(
    output: OutputOptions, max_answer_bytes: int
) -> None:
    world = ready()
    world.dispatch(lane="cpu", output=output)
    run_cpu(world)

    found = all_lines(world, max_answer_bytes=max_answer_bytes)

    assert [line["id"] for line in found] == ["i0", "i1", "i2", "i3", "i4"]
    assert [line["label"] for line in found] == ["dark", "bright", "dark", "bright", "dark"]


def test_results_of_a_running_job_end_before_the_first_unfinished_shard_and_go_on_there() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_shards(world, 0, 2)

    early = parts(world).lines(TENANT, "job-1", cursor=None)
    again = parts(world).lines(TENANT, "job-1", cursor=early.next_cursor)
    run_shards(world, 1)
    world.finisher.finish_if_complete(TENANT, "job-1")
    late = parts(world).lines(TENANT, "job-1", cursor=again.next_cursor)

    ids = [[json.loads(line)["id"] for line in lines.body.splitlines()] for lines in (early, again, late)]
    assert ids == [["i0", "i1"], [], ["i2", "i3", "i4"]]
    assert (early.state, late.state, late.next_cursor) == ("RUNNING", "SUCCEEDED", None)


def test_what_a_cancelled_job_has_finished_can_be_read_to_its_end() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_shards(world, 0, 2)
    progress(world, *job(world).progress, state=JobState.CANCELLED)

    assert [line["id"] for line in all_lines(world)] == ["i0", "i1", "i4"]
    page = parts(world).page(TENANT, "job-1", limit=None, cursor=None)
    assert [part.shard for part in page.parts] == [0, 2]


def test_items_of_a_shard_that_died_are_results_and_errors_too() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_shards(world, 0)
    world.finisher.finish(job(world))

    assert [line.get("code") for line in all_lines(world)] == [None, None, *["shard_failed"] * 3]
    assert [line["line"] for line in errors(world).page(TENANT, "job-1", limit=None, cursor=None).errors] == [3, 4, 5]


def test_a_part_that_the_ledger_of_a_stopped_job_does_not_know_is_found() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_shards(world, 0, 1)
    progress(world, job(world).progress[0], state=JobState.CANCELLED)

    page = parts(world).page(TENANT, "job-1", limit=None, cursor=None)

    assert [(part.shard, part.lines) for part in page.parts] == [(0, 2), (1, None)]
    assert len(all_lines(world)) == 4


def test_a_line_that_no_answer_holds_is_told_with_the_way_out() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_cpu(world)

    with pytest.raises(PayloadTooLarge, match="application/json"):
        parts(world, max_answer_bytes=20).lines(TENANT, "job-1", cursor=None)


def test_parquet_results_come_as_addresses_only() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    wanted = request(output=OutputOptions(format="parquet"))

    progress(world, request=msgspec.json.encode(wanted).decode())

    with pytest.raises(NotAcceptable):
        parts(world).lines(TENANT, "job-1", cursor=None)
    assert parts(world).page(TENANT, "job-1", limit=None, cursor=None).parts == []


def test_results_that_have_expired_are_told_as_such() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_cpu(world)
    world.data.delete(job_key(TENANT, "job-1", "part-00001.jsonl"))

    with pytest.raises(ResultNotFound, match="expired"):
        all_lines(world)


def test_errors_name_items_with_their_lines_while_the_job_runs_and_after() -> None:
    world = ready(picture(0), BAD, picture(255), BAD, BAD)
    world.dispatch(lane="cpu")
    run_shards(world, 2, 0)

    early = errors(world).page(TENANT, "job-1", limit=None, cursor=None)
    run_cpu(world)
    late = errors(world).page(TENANT, "job-1", limit=None, cursor=None)

    assert [(line["id"], line["line"], line["code"]) for line in early.errors] == [
        ("i1", 2, "image_format_unsupported"),
        ("i4", 5, "image_format_unsupported"),
    ]
    assert [line["line"] for line in late.errors] == [2, 4, 5]
    assert (early.state, late.state, late.next_cursor) == ("RUNNING", "PARTIAL", None)


@pytest.mark.parametrize(("limit", "max_answer_bytes"), [("1", 1_000_000), ("2", 1_000_000), ("100", 1_000)])
def test_pages_of_errors_hold_each_error_once(limit: str, max_answer_bytes: int) -> None:
    world = ready(*[BAD] * 5)
    world.dispatch(lane="cpu")
    run_cpu(world)

    found, cursor = [], None
    while True:
        page = errors(world, max_answer_bytes=max_answer_bytes).page(TENANT, "job-1", limit=limit, cursor=cursor)
        found += [line["line"] for line in page.errors]
        assert 1 <= len(page.errors) <= int(limit)
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == [1, 2, 3, 4, 5]


def test_errors_that_have_expired_are_told_as_such() -> None:
    world = ready(picture(0), BAD)
    world.dispatch(lane="cpu")
    run_cpu(world)
    world.data.delete(job_key(TENANT, "job-1", errors_file(0)))

    with pytest.raises(ResultNotFound, match="expired"):
        errors(world).page(TENANT, "job-1", limit=None, cursor=None)


def test_cursors_of_another_job_list_or_tenant_are_refused() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_cpu(world)
    page = parts(world).page(TENANT, "job-1", limit="1", cursor=None)
    line_cursor = parts(world, max_answer_bytes=400).lines(TENANT, "job-1", cursor=None).next_cursor

    for wrong in (line_cursor, "x", f"{page.next_cursor}A"):
        with pytest.raises(CursorInvalid):
            parts(world).page(TENANT, "job-1", limit="1", cursor=wrong)
    with pytest.raises(CursorInvalid):
        parts(world).lines(TENANT, "job-1", cursor=page.next_cursor)
    with pytest.raises(CursorInvalid):
        errors(world).page(TENANT, "job-1", limit=None, cursor=page.next_cursor)


def test_another_tenants_results_and_errors_answer_as_unknown_ones() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    reads = (
        lambda tenant, name: parts(world).page(tenant, name, limit=None, cursor=None),
        lambda tenant, name: parts(world).lines(tenant, name, cursor=None),
        lambda tenant, name: errors(world).page(tenant, name, limit=None, cursor=None),
    )

    for read in reads:
        told = []
        for tenant, name in (("other", "job-1"), (TENANT, "none"), (TENANT, "UPPER"), (TENANT, "x" * 3_000)):
            with pytest.raises(JobNotFound) as refusal:
                read(tenant, name)
            told.append(refusal.value.to_dict())
        assert all(each == told[0] for each in told)


def test_a_call_has_an_answer_and_neither_parts_nor_errors() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    progress(world, kind=JobKind.CALL)

    with pytest.raises(ResultNotFound, match="/result"):
        parts(world).page(TENANT, "job-1", limit=None, cursor=None)
    with pytest.raises(ResultNotFound, match="/result"):
        errors(world).page(TENANT, "job-1", limit=None, cursor=None)


def test_a_gzip_part_is_read_from_a_place_in_its_lines() -> None:
    from lambent.services.read_lines import read_whole_lines

    world = World()
    lines = b"".join(b"%06d\n" % number for number in range(400_000))  # several pieces of a megabyte
    world.data.write("k", gzip.compress(lines, 1), content_type="application/gzip")

    middle = read_whole_lines(world.data, "k", 2_100_000, max_bytes=15, is_gzip=True)
    end = read_whole_lines(world.data, "k", 2_799_993, max_bytes=15, is_gzip=True)

    assert (middle.body, middle.is_end) == (b"300000\n300001\n", False)
    assert (end.body, end.is_end) == (b"399999\n", True)
