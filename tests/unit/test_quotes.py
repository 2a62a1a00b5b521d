"""What a batch would take, asked before it is submitted."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from io import BytesIO

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet

from builders import TENANT, World, picture
from lambent.contracts.batch_request import BatchInput, BatchSubmission, InlineImage, ManifestItem
from lambent.contracts.quotes import Quote
from lambent.contracts.throughput import ServedRate, ThreadsRate, VersionThroughput
from lambent.domain.throughput import ObservedThroughput
from lambent.errors import (
    DeadlineExceeded,
    LambentError,
    LaneUnavailable,
    ManifestInvalid,
    ModelFormatRefused,
    ModelNotFound,
    NameInvalid,
    RequestInvalid,
    UrlRefused,
)
from lambent.services import count_items
from lambent.services.quote_job import QuoteService
from lambent_toolkit.fakes import FakeIsolation

HOME = f"s3://fake-bucket/inputs/{TENANT}/"


def asked(**changes: object) -> BatchSubmission:
    fields = {
        "schema_version": 1,
        "model": "shade",
        "input": BatchInput(manifest_uri=f"{HOME}items.jsonl"),
        **changes,
    }
    return BatchSubmission(**fields)


def published() -> World:
    world = World()
    world.publish()
    world.put_items(picture(0), picture(255), picture(0))
    return world


def quote(world: World, *, is_gpu_deployed: bool = True, **changes: object) -> Quote:
    service = QuoteService(
        data=world.data,
        resolver=world.resolver(0.0),
        files=world.files,
        isolation=FakeIsolation(),
        planner=world.planner(is_gpu_deployed=is_gpu_deployed),
        clock=world.clock,
    )
    return service.quote(TENANT, asked(**changes))


def observe(world: World, lane: str, items_per_s: float) -> None:
    ref = world.registry.versions("shade")[0].ref
    memory_mib = 1769 if lane == "cpu" else None
    world.throughputs.observe(
        ObservedThroughput(ref, lane, items_per_s, "here", memory_mib, world.clock.now(), "other", "theirs")
    )


def test_a_quote_is_the_plan_of_the_job_and_writes_nothing() -> None:
    world = published()
    observe(world, "cpu", 100.0)
    before = copy.deepcopy((world.data.objects, world.store.objects, world.jobs, world.throughputs.records))

    found = quote(world)

    assert (world.data.objects, world.store.objects, world.jobs, world.throughputs.records) == before
    assert world.infer_queue.sent == []
    assert (found.model, found.version, found.lane, found.total, found.is_total_exact) == ("shade", "1", "cpu", 3, True)
    assert found.counted == "all items were read and checked"
    world.dispatch()
    plan = json.loads(world.data.objects[f"jobs/{TENANT}/job-1/plan.json"])
    assert (plan["lane"], plan["shards"], plan["shard_items"], plan["why"]) == (
        found.lane,
        found.shards,
        found.shard_items,
        found.why,
    )
    assert plan["estimate"]["usd"] == found.estimate.usd > 0


def test_an_array_has_two_children_at_least_and_one_shard_is_a_plain_job() -> None:
    world = published()
    many = quote(world, lane="gpu")
    one = quote(world, lane="gpu", input=BatchInput(items=[ManifestItem(id="a", image=InlineImage(b64=b"x"))]))

    assert (many.shards, many.array_size, many.concurrency) == (2, 2, None)
    assert (one.shards, one.array_size) == (1, None)


def test_another_tenant_s_job_is_counted_and_not_named() -> None:
    world = published()
    observe(world, "cpu", 100.0)

    found = quote(world)

    assert "observed in 1 job on here" in found.why
    assert "theirs" not in json.dumps(found.why)
    assert found.estimate.of("cpu").throughput.job is None


def test_what_was_measured_at_publishing_is_used_until_a_job_has_run() -> None:
    world = World()
    measured = VersionThroughput(
        measured_at="2026-11-27T00:00:00.000Z",
        served=ServedRate(
            runtime="ai-edge-litert 1.4.0",
            machine="x86_64",
            cores=2,
            batch_size=16,
            prepared_per_s=500.0,
            rates=(ThreadsRate(threads=1, items_per_s=303.0),),
        ),
    )
    world.publish(assets={"throughput.json": encode(measured)})
    world.put_items(picture(0))

    found = quote(world)

    assert "303 items/s a worker (measured at publishing on x86_64, 1 of 2 cores, ai-edge-litert 1.4.0" in found.why
    assert "GPU lane: nobody has measured this version there." in found.why
    assert any("until S3 gives an object" in note for note in found.estimate.notes)


def encode(measured: VersionThroughput) -> bytes:
    import msgspec

    return msgspec.json.encode(measured)


def test_a_broken_throughput_file_is_the_version_s_fault() -> None:
    world = World()
    world.publish(assets={"throughput.json": b"{}"})
    world.put_items(picture(0))

    with pytest.raises(ModelFormatRefused, match="what was published"):
        quote(world)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "No Name"}, NameInvalid),
        ({"model": "nobody"}, ModelNotFound),
        ({"version": "9"}, ModelNotFound),
        ({"version": "x"}, ModelNotFound),
        ({"input": BatchInput(manifest_uri="s3://fake-bucket/inputs/other/items.jsonl")}, UrlRefused),
        ({"input": BatchInput(manifest_uri=f"{HOME}missing.jsonl")}, ManifestInvalid),
        ({"input": BatchInput(uri=f"{HOME}items")}, RequestInvalid),
        ({"deadline": datetime(2020, 1, 1, tzinfo=UTC)}, DeadlineExceeded),
        ({"lane": "gpu"}, LaneUnavailable),
    ],
)
def test_what_cannot_be_submitted_has_no_quote(changes: dict, error: type[LambentError]) -> None:
    with pytest.raises(error):
        quote(published(), is_gpu_deployed=False, **changes)


def test_bad_lines_of_a_small_manifest_are_told() -> None:
    world = published()
    world.data.objects[f"inputs/{TENANT}/items.jsonl"] += b"\n{}"

    with pytest.raises(ManifestInvalid, match="1 of 4 manifest lines are not valid"):
        quote(world)


def test_a_large_manifest_is_estimated_from_samples() -> None:
    world = published()
    lines = [
        json.dumps({"id": f"item-{number}", **({"uri": f"{HOME}{number}.png"} if number % 2 else {"text": "a day"})})
        for number in range(60_000)
    ]
    world.data.objects[f"inputs/{TENANT}/items.jsonl"] = "\n".join(lines).encode()
    assert len(world.data.objects[f"inputs/{TENANT}/items.jsonl"]) > count_items.COUNTED_BYTES
    reads: list[str] = []
    world.data.before_call = lambda operation, key: reads.append(f"{operation} {key}")

    found = quote(world)

    assert not found.is_total_exact
    assert found.total == pytest.approx(60_000, rel=0.05)
    assert found.estimate.objects == pytest.approx(30_000, rel=0.1)
    assert found.counted.startswith("estimated from")
    assert f"download inputs/{TENANT}/items.jsonl" not in reads


def test_a_prefix_is_listed_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    from lambent.services import quote_job

    world = published()
    for number in range(5):
        world.data.objects[f"inputs/{TENANT}/many/{number}.png"] = picture(0)
    source = BatchInput(prefix=f"{HOME}many/")
    whole = quote(world, input=source)
    monkeypatch.setattr(quote_job, "MOST_LISTED", 3)
    part = quote(world, input=source)

    assert (whole.total, whole.is_total_exact, whole.estimate.objects) == (5, True, 5)
    assert (part.total, part.is_total_exact) == (3, False)
    assert part.counted == "at least 3; listing ended there"


def table_of(rows: int) -> bytes:
    buffer = BytesIO()
    write_parquet(Table.from_pydict({"uri": Array(list(range(rows)), DataType.int64())}), buffer)
    return buffer.getvalue()


def test_a_parquet_table_s_rows_are_counted_without_reading_them() -> None:
    world = published()
    world.data.objects[f"inputs/{TENANT}/rows.parquet"] = table_of(70_000)

    found = quote(world, input=BatchInput(uri=f"{HOME}rows.parquet"))

    assert (found.total, found.is_total_exact, found.estimate.objects) == (70_000, True, 70_000)
    assert "footer" in found.counted


@pytest.mark.parametrize("body", [b"", b"PAR1", b"not a table at all", b"x" * 8 + b"\xff\x00\x00\x00PAR1", table_of(0)])
def test_what_is_no_parquet_table_with_rows_is_refused(body: bytes) -> None:
    world = published()
    world.data.objects[f"inputs/{TENANT}/rows.parquet"] = body

    with pytest.raises(ManifestInvalid):
        quote(world, input=BatchInput(uri=f"{HOME}rows.parquet"))


def test_more_lines_than_a_batch_may_have_are_refused_from_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    world = published()
    monkeypatch.setattr(count_items, "MAX_ITEMS", 10_000)
    world.data.objects[f"inputs/{TENANT}/items.jsonl"] = b'{"id": "i", "text": "a day"}\n' * 100_000

    with pytest.raises(ManifestInvalid, match="has more than"):
        quote(world)
