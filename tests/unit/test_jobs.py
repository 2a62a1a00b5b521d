"""Door 3: batch requests into jobs."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
from job_steps import JOB, job, ready, run_cpu, shower, submitter, track

from builders import TENANT, picture, request
from lambent.contracts.batch_request import BatchInput, BatchRequest, BatchSubmission
from lambent.contracts.decoding import decode_json
from lambent.contracts.lines import decode_lines
from lambent.contracts.messages import InferMessage
from lambent.domain.idempotency import job_id_of
from lambent.domain.job_states import JobState
from lambent.errors import (
    EnvelopeInvalid,
    IdempotencyMismatch,
    InProgress,
    JobIdReused,
    JobNotFound,
    LambentError,
    Misconfigured,
    ModelIntegrityFailed,
    RequestInvalid,
    Unavailable,
    UrlRefused,
    WorkerUnfit,
)
from lambent.services import collect_parts
from lambent.services.submit_job import SubmitService
from lambent_toolkit.fakes import FakeQueue


def test_a_cpu_batch_runs_from_request_to_results() -> None:
    world = ready()

    world.dispatch(lane="cpu")
    assert (job(world).state, job(world).total, job(world).shards, job(world).version) == (JobState.PLANNED, 5, 3, 1)
    run_cpu(world)

    lines = [line for shard in range(3) for line in decode_lines(world.data.objects[f"{JOB}/part-0000{shard}.jsonl"])]
    assert [(line["id"], line["label"], line["model"]) for line in lines] == [
        ("i0", "dark", "shade@1"),
        ("i1", "bright", "shade@1"),
        ("i2", "dark", "shade@1"),
        ("i3", "bright", "shade@1"),
        ("i4", "dark", "shade@1"),
    ]
    assert (job(world).state, job(world).done, job(world).failed) == (JobState.SUCCEEDED, 5, 0)
    assert world.data.objects[f"{JOB}/errors.jsonl"] == b""
    assert json.loads(world.data.objects[f"{JOB}/manifest.json"])["state"] == "SUCCEEDED"
    assert [message["data"]["state"] for _, message in world.notifier.announced] == ["SUCCEEDED"]


def test_bad_items_are_named_and_the_others_have_results() -> None:
    world = ready(picture(0), b"not an image", picture(255), b"")

    world.dispatch(lane="cpu")
    run_cpu(world)

    errors = decode_lines(world.data.objects[f"{JOB}/errors.jsonl"])
    assert [(line["id"], line["line"], line["code"]) for line in errors] == [
        ("i1", 2, "image_format_unsupported"),
        ("i3", 4, "source_empty"),
    ]
    assert (job(world).state, job(world).done, job(world).failed) == (JobState.PARTIAL, 2, 2)


def test_a_batch_of_only_bad_items_fails() -> None:
    world = ready(b"x", b"y")

    world.dispatch(lane="cpu")
    run_cpu(world)

    assert job(world).state is JobState.FAILED
    assert job(world).error is None  # each item has its own


@pytest.mark.parametrize("error", [WorkerUnfit("No GPU visible", got=0), ModelIntegrityFailed("Other bytes.")])
def test_job_whose_version_or_worker_failed_every_item_says_why_in_its_own_record(error: LambentError) -> None:
    world = ready()
    world.dispatch(lane="gpu")

    for shard in range(job(world).shards):
        world.shards().fail(TENANT, "job-1", shard, error)
    track(world, "FAILED")

    assert job(world).state is JobState.FAILED
    assert job(world).error == error.to_dict()


def test_the_same_message_again_repeats_only_what_is_missing() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    world.shards().run(TENANT, "job-1", 1)
    world.infer_queue.sent.clear()
    world.put_items(picture(0))

    world.dispatch(lane="cpu")

    shards = [msgspec.json.decode(body, type=InferMessage).shard for body, _ in world.infer_queue.sent]
    assert shards == [0, 2]
    assert job(world).total == 5


def test_a_crash_between_submitting_and_remembering_does_not_submit_twice() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    submitted = dict(world.runner.submitted)
    world.jobs.jobs[(TENANT, "job-1")] = replace(job(world), batch_job_id=None)
    world.runner.submit = lambda *_args, **_kwargs: pytest.fail("submitted twice")  # type: ignore[method-assign]

    world.dispatch(lane="gpu")

    assert world.runner.submitted == submitted
    assert job(world).batch_job_id == f"batch-{next(iter(submitted))}"


def test_a_finished_job_is_not_started_again_by_a_late_duplicate() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_cpu(world)

    world.dispatch(lane="cpu")

    assert world.infer_queue.sent == []
    assert job(world).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("tenant", "body", "field"),
    [
        (None, msgspec.json.encode(request()).decode(), "tenant"),
        ("acme", "not json", "line 1, column 1"),
        ("acme", "{}", "schema_version"),
        ("../acme", msgspec.json.encode(request()).decode(), "tenant"),
        ("acme", '{"schema_version": 2}', "schema_version"),
        ("acme", msgspec.json.encode({**msgspec.to_builtins(request()), "tenant": "other"}).decode(), "tenant"),
        (
            "acme",
            msgspec.json.encode({**msgspec.to_builtins(request()), "label": "a", "version": "1"}).decode(),
            "version",
        ),
    ],
)
def test_a_message_that_belongs_to_no_job_is_refused_with_its_field(tenant, body: str, field) -> None:
    world = ready()

    with pytest.raises(EnvelopeInvalid) as refusal:
        world.dispatcher().dispatch(tenant, body)

    assert refusal.value.field == field
    assert world.jobs.jobs == {}


def test_a_job_id_used_for_another_request_is_refused() -> None:
    world = ready()
    world.dispatch(lane="cpu")

    with pytest.raises(JobIdReused):
        world.dispatch(lane="gpu")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": "nobody"}, "model_not_found"),
        ({"version": "9"}, "model_not_found"),
        ({"input": {"manifest_uri": "s3://fake-bucket/inputs/acme/missing.jsonl"}}, "manifest_invalid"),
        ({"input": {"manifest_uri": "s3://fake-bucket/inputs/other/items.jsonl"}}, "callback_url_refused"),
        ({"input": {"manifest_uri": "s3://another/inputs/acme/items.jsonl"}}, "callback_url_refused"),
    ],
)
def test_a_request_that_cannot_run_is_a_failed_job_with_its_reason(changes: dict, code: str) -> None:
    world = ready()

    body = msgspec.json.encode({**msgspec.to_builtins(request()), **changes}).decode()
    world.dispatcher().dispatch(TENANT, body)

    assert job(world).state is JobState.FAILED
    assert job(world).error is not None
    assert job(world).error["code"] == code
    assert "fake-bucket" not in json.dumps(job(world).error)


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_an_empty_manifest_is_a_failed_job(content: bytes) -> None:
    world = ready()
    world.data.objects[f"inputs/{TENANT}/items.jsonl"] = content

    world.dispatch()

    assert (job(world).state, job(world).error["code"]) == (JobState.FAILED, "manifest_invalid")
    assert "empty" in job(world).error["detail"]


def test_bad_manifest_lines_are_listed_with_their_numbers_up_to_twenty() -> None:
    world = ready()
    good = world.data.objects[f"inputs/{TENANT}/items.jsonl"].splitlines()[0]
    foreign = b'{"id": "f", "uri": "s3://fake-bucket/inputs/other/secret.png"}'
    lines = [good, b"{", foreign, good, b'{"id": ""}', *[b"["] * 30]
    world.data.objects[f"inputs/{TENANT}/items.jsonl"] = b"\n".join(lines)

    world.dispatch()

    error = job(world).error
    assert error["got"] == 34
    assert len(error["errors"]) == 20
    assert [(entry["line"], entry["code"], entry["field"]) for entry in error["errors"][:4]] == [
        (2, "json_invalid", "line 1, column 2"),
        (3, "manifest_invalid", "uri"),
        (4, "manifest_invalid", "id"),
        (5, "request_invalid", "id"),
    ]
    assert "secret" not in json.dumps(error)


def test_a_gpu_batch_on_a_stack_without_gpu_lane_fails_and_says_so() -> None:
    world = ready()

    world.dispatcher(is_gpu_deployed=False).dispatch(TENANT, msgspec.json.encode(request(lane="gpu")).decode())

    assert job(world).error["code"] == "lane_unavailable"


def test_post_jobs_records_before_it_enqueues_and_repeats_are_the_same_job() -> None:
    world = ready()
    queue = FakeQueue()
    submit = SubmitService(data=world.data, jobs=world.jobs, queue=queue, clock=world.clock, retention_days=30)

    first = submit.submit(TENANT, request())
    again = submit.submit(TENANT, request())

    assert first == again
    assert [attributes for _, attributes in queue.sent] == [{"tenant": TENANT}] * 2
    with pytest.raises(JobIdReused):
        submit.submit(TENANT, request(lane="gpu"))


def test_another_tenants_job_answers_as_an_unknown_one() -> None:
    world = ready()
    world.dispatch()
    show = shower(world)

    with pytest.raises(JobNotFound) as foreign:
        show.show("other", "job-1")
    with pytest.raises(JobNotFound) as unknown:
        show.show("other", "job-2")

    assert foreign.value.to_dict() == unknown.value.to_dict()
    assert show.show(TENANT, "job-1").total == 5


def test_two_dispatchers_of_one_request_follow_the_plan_that_was_first() -> None:
    world = ready()
    body = msgspec.json.encode(request(lane="cpu")).decode()
    plans = []
    write_once = world.data.write_once

    def slip_in(key: str, content: bytes, *, content_type: str) -> bool:
        if key.endswith("plan.json") and not plans:
            plans.append(key)
            world.put_items(picture(0))  # the manifest changes, and another dispatcher is quicker
            world.dispatcher().dispatch(TENANT, body)
        return write_once(key, content, content_type=content_type)

    world.data.write_once = slip_in  # type: ignore[method-assign]
    world.dispatcher().dispatch(TENANT, body)
    run_cpu(world)

    assert (job(world).total, job(world).done, job(world).shards) == (1, 1, 1)
    assert json.loads(world.data.objects[f"{JOB}/manifest.json"])["total"] == 1


def test_tenants_whose_names_and_job_ids_join_to_the_same_text_have_jobs_of_their_own() -> None:
    world = ready()
    for tenant in ("acme", "acme-b"):
        for key in ("items.jsonl", "0.png"):
            world.data.objects[f"inputs/{tenant}/{key}"] = world.data.objects[f"inputs/{TENANT}/{key}"].replace(
                f"inputs/{TENANT}/".encode(), f"inputs/{tenant}/".encode()
            )
        asked = request(
            id="b-c" if tenant == "acme" else "c",
            lane="gpu",
            input={"manifest_uri": f"s3://fake-bucket/inputs/{tenant}/items.jsonl"},
        )
        world.dispatcher().dispatch(tenant, msgspec.json.encode(asked).decode())

    assert len(world.runner.submitted) == 2


def test_a_planned_gpu_job_ends_when_the_lane_is_taken_away() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    world.jobs.jobs[(TENANT, "job-1")] = replace(job(world), batch_job_id=None)

    world.dispatcher(is_gpu_deployed=False).dispatch(TENANT, msgspec.json.encode(request(lane="gpu")).decode())

    assert job(world).error["code"] == "lane_unavailable"


def test_a_wrong_deployment_is_not_recorded_as_the_callers_fault() -> None:
    world = ready()

    def refuse(operation: str, key: str) -> None:
        raise Misconfigured("no access")

    world.data.before_call = refuse
    with pytest.raises(Misconfigured):
        world.dispatch()

    assert job(world).state is JobState.QUEUED


def test_a_store_that_is_away_leaves_the_job_open_for_the_next_delivery() -> None:
    world = ready()

    def fail(operation: str, key: str) -> None:
        raise Unavailable("away")

    world.data.before_call = fail
    with pytest.raises(Unavailable):
        world.dispatch()
    world.data.before_call = lambda _operation, _key: None

    world.dispatch()

    assert job(world).state is JobState.PLANNED


def keyed(**changes: object) -> BatchSubmission:
    fields = {name: value for name, value in msgspec.to_builtins(request()).items() if name != "id"}
    return msgspec.convert({**fields, **changes}, BatchSubmission)


def test_an_idempotency_key_names_the_job() -> None:
    world = ready()

    first = submitter(world).submit(TENANT, keyed(), idempotency_key="k-1")
    world.dispatcher().dispatch(TENANT, first.request)
    again = submitter(world).submit(TENANT, keyed(), idempotency_key="k-1")
    other = submitter(world).submit(TENANT, keyed(), idempotency_key="k-2")

    assert first == again
    assert first.job_id != other.job_id
    assert world.jobs.get(TENANT, first.job_id).state is JobState.PLANNED


@pytest.mark.parametrize("other", [keyed(lane="gpu"), keyed(id="job-7"), keyed(id="job-8", lane="cpu")])
def test_an_idempotency_key_with_another_request_is_refused_with_time_and_job(other: BatchSubmission) -> None:
    world = ready()
    first = submitter(world).submit(TENANT, keyed(), idempotency_key="k-1")
    world.clock.advance(60)

    with pytest.raises(IdempotencyMismatch) as refusal:
        submitter(world).submit(TENANT, other, idempotency_key="k-1")

    assert refusal.value.got == {"first_used_at": first.created_at, "job_id": first.job_id}
    assert len(world.jobs.jobs) == 1


def test_id_and_key_together_are_one_job_and_the_key_stays_with_it() -> None:
    world = ready()
    first = submitter(world).submit(TENANT, keyed(id="job-7"), idempotency_key="k-1")

    again = submitter(world).submit(TENANT, keyed(id="job-7"), idempotency_key="k-1")
    with pytest.raises(IdempotencyMismatch):
        submitter(world).submit(TENANT, keyed(), idempotency_key="k-1")

    assert (first.job_id, again) == ("job-7", first)


def test_an_id_that_is_taken_does_not_use_up_the_key_of_the_request() -> None:
    world = ready()
    submitter(world).submit(TENANT, keyed(id="job-7"))

    with pytest.raises(JobIdReused):
        submitter(world).submit(TENANT, keyed(id="job-7", lane="cpu"), idempotency_key="k-1")
    second = submitter(world).submit(TENANT, keyed(id="job-8", lane="cpu"), idempotency_key="k-1")

    assert second.job_id == "job-8"


def test_a_key_whose_job_is_not_recorded_yet_is_undecided() -> None:
    world = ready()
    world.jobs.claim(TENANT, job_id_of("POST /jobs", "k-1"), "job-of-a-racer", expires_at_s=1)

    with pytest.raises(InProgress):
        submitter(world).submit(TENANT, keyed(), idempotency_key="k-1")


def test_a_job_needs_an_id_or_a_key() -> None:
    with pytest.raises(RequestInvalid) as refusal:
        submitter(ready()).submit(TENANT, keyed())

    assert refusal.value.field == "id"


def test_racers_with_one_key_make_one_job() -> None:
    world = ready()
    start = threading.Barrier(8)

    def race(_: int):
        start.wait()
        return submitter(world).submit(TENANT, keyed(), idempotency_key="k-1")

    with ThreadPoolExecutor(8) as racers:
        jobs = list(racers.map(race, range(8)))

    assert all(found == jobs[0] for found in jobs)
    assert len(world.jobs.jobs) == 1


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        ("https://example.com/items.jsonl", "s3://"),
        ("file:///etc/passwd", "s3://"),
        ("s3://another/inputs/acme/items.jsonl", "data bucket"),
        ("s3://fake-bucket@evil/inputs/acme/items.jsonl", "data bucket"),
        ("s3://fake-bucket/inputs/other/items.jsonl", "your own tenant"),
        ("s3://fake-bucket/inputs/acme/", "your own tenant"),
        ("s3://fake-bucket/results/acme/a.json", "your own tenant"),
    ],
)
def test_a_manifest_elsewhere_is_refused_at_the_door_by_the_rule_that_it_breaks(uri: str, rule: str) -> None:
    world = ready()

    with pytest.raises(UrlRefused, match=rule) as refusal:
        submitter(world).submit(TENANT, request(input=BatchInput(manifest_uri=uri)))

    assert refusal.value.field == "input.manifest_uri"
    assert "fake-bucket" not in refusal.value.detail
    assert world.jobs.jobs == {}


@pytest.mark.parametrize("deadline", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.5-12:00"])
def test_a_deadline_that_no_timestamp_can_tell_is_refused(deadline: str) -> None:
    body = msgspec.json.encode({**msgspec.to_builtins(request()), "deadline": deadline})

    with pytest.raises(RequestInvalid) as refusal:
        decode_json(body, BatchRequest, what="batch request")

    assert refusal.value.field == "deadline"


def test_of_two_arrays_of_one_job_the_one_that_is_not_remembered_is_stopped() -> None:
    """A crash after SubmitJob, and a list of AWS Batch's that does not know the first one yet."""
    world = ready()
    world.dispatch(lane="gpu")
    first = job(world).batch_job_id
    world.runner.submitted.clear()
    world.runner.submit = lambda *_, **__: "batch-second"  # type: ignore[method-assign]

    world.dispatch(lane="gpu")

    assert job(world).batch_job_id == first
    assert list(world.runner.terminated) == ["batch-second"]


def test_a_job_that_was_cancelled_while_its_array_was_started_leaves_none_running() -> None:
    world = ready()
    submit = world.runner.submit

    def cancel_first(*args: object, **options: object) -> str:
        world.jobs.transition(TENANT, "job-1", JobState.CANCELLED, allowed=[JobState.PLANNED], at=world.clock.now())
        return submit(*args, **options)

    world.runner.submit = cancel_first  # type: ignore[method-assign]
    world.dispatch(lane="gpu")

    assert list(world.runner.terminated) == [job(world).batch_job_id]


def test_of_large_parts_only_a_few_are_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 parts at once of which each fills a twentieth of the function's memory would end the function."""
    world = ready(*[picture(0)] * 20)
    world.dispatch(lane="gpu")
    for shard in range(10):
        world.shards().run(TENANT, "job-1", shard)
    sizes = {key: len(body) for key, body in world.data.objects.items() if "/part-" in key}
    found = replace(job(world), progress=())
    world.jobs.jobs[(TENANT, "job-1")] = found
    monkeypatch.setattr(collect_parts, "_BYTES_AT_ONCE", 3 * max(sizes.values()))
    lock, in_memory, most = threading.Lock(), set(), []
    settle = collect_parts.PartCollector._settle

    def watched(collector, plan, shard, *rest):
        with lock:
            in_memory.add(shard)
            most.append(len(in_memory))
        try:
            return settle(collector, plan, shard, *rest)
        finally:
            with lock:
                in_memory.discard(shard)

    monkeypatch.setattr(collect_parts.PartCollector, "_settle", watched)
    world.finisher.finish(found)

    assert (job(world).state, job(world).done, len(most)) == (JobState.SUCCEEDED, 20, 10)
    assert max(most) <= 3
