"""Each fake and its adapter (on moto) keep the same promises."""

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from tempfile import SpooledTemporaryFile

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from builders import TENANT, create_table, request
from lambent.adapters.batch import BatchJobRunner
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_registry import DynamoRegistry
from lambent.adapters.dynamodb_secrets import DynamoSecretStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.dynamodb_throughput import DynamoThroughputStore
from lambent.adapters.eventbridge import EventBridgeNotifier
from lambent.adapters.registry_rows import label_row, version_key
from lambent.adapters.s3 import S3ObjectStore
from lambent.adapters.sns import SnsNotifier
from lambent.adapters.sqs import SqsQueue
from lambent.domain.job import JobKind, ShardProgress, WebhookOutcome
from lambent.domain.job_states import JobState, states_before
from lambent.domain.model import Canary, Change, LabelRecord, ModelRef, MoveAction, VersionRecord, VersionState
from lambent.domain.notification import Notice, job_event
from lambent.domain.rollout import HISTORY_LENGTH, moved, new_label
from lambent.domain.signatures import ManifestSignature
from lambent.domain.throughput import ObservedThroughput
from lambent.domain.webhook_signing import WebhookSecret
from lambent.errors import (
    AliasConflict,
    Misconfigured,
    ModelNotFound,
    PayloadTooLarge,
    SourceChanged,
    SourceGone,
    Unavailable,
    VersionImmutable,
    VersionRetired,
)
from lambent.services.submit_job import new_job
from lambent_toolkit.fakes import (
    FakeClock,
    FakeJobStore,
    FakeObjectStore,
    FakeQueue,
    FakeRegistry,
    FakeSecretStore,
    FakeThroughputStore,
)

REGION = "eu-west-1"
CLOCK = FakeClock()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.fixture
def table(aws: None):
    create_table("table")
    return DynamoTable(boto3.client("dynamodb"), "table")


@pytest.fixture(params=["fake", "adapter"])
def store(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeObjectStore()
    request.getfixturevalue("aws")
    client = boto3.client("s3")
    client.create_bucket(Bucket="fake-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3ObjectStore(client, "fake-bucket", what="data store")


@pytest.fixture(params=["fake", "adapter"])
def registry(request: pytest.FixtureRequest):
    return FakeRegistry() if request.param == "fake" else DynamoRegistry(request.getfixturevalue("table"))


@pytest.fixture(params=["fake", "adapter"])
def jobs(request: pytest.FixtureRequest):
    return FakeJobStore() if request.param == "fake" else DynamoJobStore(request.getfixturevalue("table"))


@pytest.fixture(params=["fake", "adapter"])
def throughputs(request: pytest.FixtureRequest):
    return FakeThroughputStore() if request.param == "fake" else DynamoThroughputStore(request.getfixturevalue("table"))


def version(number: int) -> VersionRecord:
    return VersionRecord(ModelRef("shade", number), "0" * 64, CLOCK.now())


def change(why: str = "because") -> Change:
    return Change(CLOCK.now(), "ann", why)


def published(registry, *numbers: int) -> None:
    for number in numbers:
        registry.add_version(version(number))


def test_an_object_is_read_as_written_and_its_etag_changes_with_its_bytes(store) -> None:
    store.write("a/b c%.txt", b"one", content_type="text/plain")
    first = store.read("a/b c%.txt")
    store.write("a/b c%.txt", b"two", content_type="text/plain")
    second = store.read("a/b c%.txt")

    assert (first.body, second.body) == (b"one", b"two")
    assert (store.etag("a/b c%.txt"), store.etag("nothing")) == (second.etag, None)
    assert first.etag != second.etag
    assert '"' not in first.etag


def test_an_open_file_is_written_as_bytes_are(store) -> None:
    with SpooledTemporaryFile(10) as file:
        file.write(b"longer than ten bytes")
        file.seek(0)
        assert store.write_once("once", file, content_type="text/plain")
        file.seek(0)
        assert not store.write_once("once", file, content_type="text/plain")
        file.seek(0)
        store.write("k", file, content_type="text/plain")

    assert (store.read("once").body, store.read("k").body) == (b"longer than ten bytes",) * 2


def test_an_object_is_written_once(store) -> None:
    assert store.write_once("k", b"first", content_type="text/plain")
    assert not store.write_once("k", b"second", content_type="text/plain")
    assert store.read("k").body == b"first"


def test_an_object_is_written_on_the_condition_of_what_was_seen(store) -> None:
    first = store.write_if("k", b"first", etag=None, content_type="text/plain")
    assert first == store.etag("k")
    assert store.write_if("k", b"second", etag=None, content_type="text/plain") is None

    second = store.write_if("k", b"second", etag=first, content_type="text/csv")

    assert (store.read("k").body, store.read("k").content_type, store.etag("k")) == (b"second", "text/csv", second)
    assert store.write_if("k", b"third", etag=first, content_type="text/plain") is None
    assert store.write_if("nothing", b"", etag=first, content_type="text/plain") is None
    assert store.read("k").body == b"second"


def test_an_object_is_deleted_on_the_condition_of_what_was_seen(store) -> None:
    store.write("k", b"first", content_type="text/plain")
    seen = store.etag("k")
    store.write("k", b"second", content_type="text/plain")

    assert not store.delete_if("k", etag=seen)
    assert store.read("k").body == b"second"
    assert store.delete_if("k", etag=store.etag("k"))
    assert store.etag("k") is None
    assert not store.delete_if("k", etag=seen)


def test_a_missing_object_is_gone_and_deleting_it_is_fine(store) -> None:
    store.delete("k")

    with pytest.raises(SourceGone):
        store.read("k")


def test_an_object_over_the_limit_is_not_downloaded(store) -> None:
    store.write("k", b"12345", content_type="text/plain")

    assert store.read("k", max_bytes=5).body == b"12345"
    with pytest.raises(PayloadTooLarge) as refusal:
        store.read("k", max_bytes=4)
    assert (refusal.value.limit, refusal.value.got) == (4, 5)


def test_an_object_is_downloaded_into_a_file_with_its_digest(store) -> None:
    body = bytes(range(256)) * 10_000
    store.write("k", body, content_type="text/plain")
    file = BytesIO()

    found = store.download("k", file, max_bytes=len(body))

    assert file.getvalue() == body
    assert (found.sha256, found.size_bytes) == (sha256(body).hexdigest(), len(body))


def test_the_head_of_an_object_tells_what_reading_it_would(store) -> None:
    store.write("k", b"12345", content_type="text/csv")
    stored = store.read("k")

    head = store.head("k")

    assert (head.etag, head.size_bytes, head.content_type) == (stored.etag, 5, "text/csv")
    assert head.written_at_s == stored.written_at_s
    assert store.head("nothing") is None


def test_an_object_that_was_overwritten_is_not_read_for_the_one_before(store) -> None:
    store.write("k", b"12345", content_type="text/csv")
    etag = store.head("k").etag
    assert store.read_range("k", 1, 3, etag=etag) == b"23"
    assert store.download("k", BytesIO(), max_bytes=5, etag=etag).size_bytes == 5

    store.write("k", b"54321", content_type="text/csv")

    with pytest.raises(SourceChanged):
        store.read_range("k", 1, 3, etag=etag)
    file = BytesIO()
    with pytest.raises(SourceChanged):
        store.download("k", file, max_bytes=5, etag=etag)
    assert file.getvalue() == b""


def test_what_is_missing_or_over_the_limit_is_not_downloaded(store) -> None:
    store.write("k", b"12345", content_type="text/plain")
    file = BytesIO()

    with pytest.raises(SourceGone):
        store.download("nothing", file, max_bytes=5)
    with pytest.raises(PayloadTooLarge) as refusal:
        store.download("k", file, max_bytes=4)

    assert (refusal.value.limit, refusal.value.got) == (4, 5)
    assert file.getvalue() == b""


def test_addresses_name_bucket_and_key(store) -> None:
    assert store.uri("a/b") == "s3://fake-bucket/a/b"


def test_a_model_is_served_until_it_is_unloaded_and_again_once_it_is_loaded(registry) -> None:
    seen = [registry.unloaded_at("shade")]
    for is_unloaded in (True, False):
        change_at = Change("2026-11-23T00:00:00.000Z", "tenant acme, key k", "")
        registry.set_unloaded("shade", change_at, is_unloaded=is_unloaded)
        seen.append(registry.unloaded_at("shade"))

    assert seen == [None, "2026-11-23T00:00:00.000Z", None]
    assert registry.unloaded_at("other") is None


def test_versions_come_in_rising_order_and_are_added_once(registry) -> None:
    for number in (2, 11, 1, 1):  # a write whose answer was lost comes again and meets itself
        registry.add_version(version(number))

    with pytest.raises(VersionImmutable):
        registry.add_version(replace(version(2), manifest_sha256="1" * 64))
    assert [record.ref.version for record in registry.versions("shade")] == [1, 2, 11]
    assert registry.version(ModelRef("shade", 11)) == version(11)
    assert registry.version(ModelRef("shade", 3)) is None
    assert registry.versions("nobody") == []
    assert registry.models() == ["shade"]


def test_a_label_moves_one_revision_at_a_time(registry) -> None:
    published(registry, 1, 2, 3)
    first = new_label("shade", "live", 1, change())
    second = moved(first, MoveAction.SET, 2, change("better"))
    registry.set_label(first)
    for _ in range(2):  # a move whose answer was lost comes again and meets itself
        registry.set_label(second)

    late = moved(first, MoveAction.SET, 3, change("late"))
    for stale in (replace(late, revision=1), late, replace(late, revision=4)):
        with pytest.raises(AliasConflict, match=r"by ann at .*: better, to version 2 \(revision 2\)"):
            registry.set_label(stale)
    assert registry.label("shade", "live") == second
    assert registry.labels("shade") == [second]
    assert registry.label("shade", "canary") is None


def test_a_label_is_read_as_written_with_its_canary_and_its_history(registry) -> None:
    published(registry, 1, 2)
    record = new_label("shade", "live", 1, change())
    registry.set_label(record)
    for number in range(HISTORY_LENGTH + 5):
        record = moved(record, MoveAction.CANARY, 1, change(f"step {number} “ü”"), Canary(2, number + 1))
        registry.set_label(record)

    found = registry.label("shade", "live")

    assert found == record
    assert found.canary == Canary(2, HISTORY_LENGTH + 5)
    assert [move.revision for move in found.history] == list(range(7, HISTORY_LENGTH + 7))


def test_a_label_points_to_versions_that_are_published_and_not_retired(registry) -> None:
    published(registry, 1, 2)
    live = new_label("shade", "live", 1, change())
    registry.set_label(live)
    assert registry.retire_version(registry.version(ModelRef("shade", 2)), change("too slow"))

    for target, error in ((9, ModelNotFound), (2, VersionRetired)):
        for record in (
            moved(live, MoveAction.SET, target, change()),
            moved(live, MoveAction.CANARY, 1, change(), Canary(target, 100)),
            new_label("shade", "other", target, change()),
        ):
            with pytest.raises(error):
                registry.set_label(record)
    assert registry.labels("shade") == [live]


def test_a_version_that_a_label_uses_is_not_retired(registry) -> None:
    published(registry, 1, 2)
    live = new_label("shade", "live", 1, change())
    registry.set_label(live)
    with_canary = moved(live, MoveAction.CANARY, 1, change(), Canary(2, 100))
    registry.set_label(with_canary)

    for number in (1, 2):
        assert not registry.retire_version(registry.version(ModelRef("shade", number)), change())

    registry.set_label(moved(with_canary, MoveAction.ROLLBACK, 1, change()))
    assert registry.retire_version(registry.version(ModelRef("shade", 2)), change())


def test_a_version_that_met_a_label_since_it_was_looked_at_is_not_retired(registry) -> None:
    published(registry, 1, 2)
    before = registry.version(ModelRef("shade", 2))
    live = new_label("shade", "live", 2, change())
    registry.set_label(live)
    registry.set_label(moved(live, MoveAction.SET, 1, change()))

    assert not registry.retire_version(before, change())
    assert registry.version(ModelRef("shade", 2)).state is VersionState.ACTIVE


def test_a_version_is_retired_once_then_removed_once_and_its_number_stays(registry) -> None:
    published(registry, 1)
    ref, why, later = ModelRef("shade", 1), change("old"), change("30 days")

    assert not registry.remove_version(ref, later)
    assert [registry.retire_version(version(1), each) for each in (why, why, change("me too"))] == [True, True, False]
    assert [registry.remove_version(ref, each) for each in (later, later, change("me too"))] == [True, True, False]

    found = registry.version(ref)
    assert (found.state, found.retired, found.removed) == (VersionState.REMOVED, why, later)
    with pytest.raises(VersionImmutable):
        registry.add_version(version(1))
    assert not registry.retire_version(version(9), change())


MANY_LABELS = 120


def with_many_labels(table, *, noted: bool) -> DynamoRegistry:
    """Return a registry whose second version has many labels, which the first one had before."""
    registry = DynamoRegistry(table)
    published(registry, 1, 2)
    names = [f"l{number:03d}" for number in range(MANY_LABELS)]
    for name in names:
        table.put_item(Item=label_row(LabelRecord("shade", name, 2, 2, CLOCK.now())))
    if noted:
        for number in (1, 2):
            table.update_item(
                Key=version_key(ModelRef("shade", number)),
                UpdateExpression="ADD label_names :names",
                ExpressionAttributeValues={":names": set(names)},
            )
    return registry


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "of an earlier release"])
def test_a_version_of_a_model_with_more_labels_than_a_transaction_has_items_is_retired(table, noted: bool) -> None:
    registry = with_many_labels(table, noted=noted)
    first, second = registry.versions("shade")

    assert registry.retire_version(first, change())
    assert not registry.retire_version(second, change())

    assert [record.retired for record in registry.versions("shade")] == [change(), None]


def test_of_many_labels_the_one_that_comes_back_keeps_a_version_from_being_retired(table) -> None:
    registry = with_many_labels(table, noted=True)
    seen = registry.version(ModelRef("shade", 1))
    back = LabelRecord("shade", f"l{MANY_LABELS - 1:03d}", 1, 3, CLOCK.now())
    registry.set_label(back)

    assert not registry.retire_version(seen, change())
    registry.set_label(replace(back, version=2, revision=4))
    assert registry.retire_version(registry.version(ModelRef("shade", 1)), change())


def test_who_published_a_version_and_why_is_kept(registry) -> None:
    record = replace(version(1), by="ann", why="first try")

    registry.add_version(record)

    assert registry.version(ModelRef("shade", 1)) == record


def test_who_signed_a_version_is_kept(registry) -> None:
    record = replace(version(1), signature=ManifestSignature("0123456789ab", "MEUCIQ=="))

    registry.add_version(record)

    assert registry.version(ModelRef("shade", 1)) == record
    assert registry.versions("shade") == [record]


def test_rows_of_earlier_releases_are_read_and_go_on(table) -> None:
    registry = DynamoRegistry(table)
    old = {"pk": "MODEL#shade", "version": 1}
    table.put_item(Item={**old, "sk": "VERSION#000001", "manifest_sha256": "0" * 64, "created_at": "2026-01-01"})
    table.put_item(Item={**old, "sk": "LABEL#live", "revision": 7, "updated_at": "2026-01-02"})
    published(registry, 2)

    found = registry.label("shade", "live")
    kept = registry.retire_version(registry.version(ModelRef("shade", 1)), change())
    registry.set_label(moved(found, MoveAction.SET, 2, change()))
    retired = registry.retire_version(registry.version(ModelRef("shade", 1)), change())

    assert (found.version, found.revision, found.canary, found.history) == (1, 7, None, ())
    assert (kept, retired) == (False, True)
    assert [(move.revision, move.version) for move in registry.label("shade", "live").history] == [(7, 1), (8, 2)]


def test_transactions_that_meet_are_tried_again_and_told_in_the_end(table) -> None:
    published(DynamoRegistry(table), 1)

    class Meets:
        def __init__(self, times: int) -> None:
            self.times = times

        def __getattr__(self, name: str) -> object:
            return getattr(table, name)

        def write_together(self, writes: object) -> None:
            self.times -= 1
            if self.times >= 0:
                reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
                error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
                raise ClientError(error, "TransactWriteItems")
            table.write_together(writes)

    with pytest.raises(Unavailable):
        DynamoRegistry(Meets(1000)).set_label(new_label("shade", "live", 1, change()))
    DynamoRegistry(Meets(3)).set_label(new_label("shade", "live", 1, change()))

    assert DynamoRegistry(table).label("shade", "live").version == 1


def test_objects_are_listed_by_prefix_with_size_and_age(store) -> None:
    for key in ("a/2", "a/1", "ab", "b/1"):
        store.write(key, key.encode() * 2, content_type="text/plain")

    found = list(store.listing("a/"))

    assert [(entry.key, entry.size_bytes) for entry in found] == [("a/1", 6), ("a/2", 6)]
    assert all(entry.written_at_s > 1_700_000_000 for entry in found)
    assert list(store.listing("nothing/")) == []


def test_unknown_keys_stand_for_nobody(registry) -> None:
    assert registry.caller_of("key-1") is None


@pytest.mark.parametrize(
    ("stored", "scopes"),
    [
        ({}, {"predict", "jobs"}),
        ({"scopes": ["predict"]}, {"predict"}),
        ({"scopes": {"operator", "jobs"}}, {"operator", "jobs"}),
        ({"scopes": ["fly"]}, set()),
    ],
)
def test_a_registered_key_has_its_tenant_and_its_scopes(table, stored: dict, scopes: set[str]) -> None:
    table.put_item(Item={"pk": "APIKEY#key-1", "sk": "TENANT", "tenant": "acme", **stored})

    caller = DynamoRegistry(table).caller_of("key-1")

    assert (caller.tenant, caller.scopes) == ("acme", scopes)


def created(jobs):
    job = new_job(TENANT, request(), clock=CLOCK, retention_days=1)
    assert jobs.create(job)
    return job


def test_a_job_is_created_once_and_read_as_written(jobs) -> None:
    job = created(jobs)

    assert not jobs.create(job)
    assert jobs.get(TENANT, "job-1") == job
    assert jobs.get("other", "job-1") is None
    assert jobs.get(TENANT, "job-2") is None


def test_a_job_moves_only_from_allowed_states_and_keeps_its_fields(jobs) -> None:
    created(jobs)

    def move(to: JobState, **fields: object) -> bool:
        return jobs.transition(TENANT, "job-1", to, allowed=states_before(to), at=CLOCK.now(), **fields)

    assert move(JobState.PLANNED, version=7, lane="cpu", total=3, shards=2, why="because")
    assert not move(JobState.PLANNED)
    assert move(JobState.FAILED, error={"code": "x", "errors": [{"line": 1.5}]}, final_done=1, final_failed=2)
    assert not move(JobState.RUNNING)
    assert not jobs.transition(TENANT, "job-2", JobState.RUNNING, allowed=tuple(JobState), at=CLOCK.now())

    job = jobs.get(TENANT, "job-1")
    assert (job.state, job.version, job.lane, job.total, job.shards, job.why) == (
        JobState.FAILED, 7, "cpu", 3, 2, "because",
    )  # fmt: skip
    assert job.error == {"code": "x", "errors": [{"line": 1.5}]}
    assert (job.done, job.failed) == (1, 2)


def test_shards_add_up_and_a_finished_one_stays_finished(jobs) -> None:
    created(jobs)

    jobs.record_shard(TENANT, "job-1", ShardProgress(1, 10, 1, False, CLOCK.now()), expires_at_s=1)
    jobs.record_shard(TENANT, "job-1", ShardProgress(0, 5, 0, True, CLOCK.now()), expires_at_s=1)
    jobs.record_shard(TENANT, "job-1", ShardProgress(0, 3, 0, False, CLOCK.now()), expires_at_s=1)

    job = jobs.get(TENANT, "job-1")
    assert (job.done, job.failed, job.finished_shards) == (15, 1, frozenset({0}))


def test_a_late_word_of_an_earlier_attempt_does_not_set_a_shard_back(jobs) -> None:
    jobs.create(new_job(TENANT, request(), clock=CLOCK, retention_days=1))
    times = [f"2027-01-01T00:00:0{second}.000Z" for second in range(5)]
    told = [(8, 1, times[0]), (3, 0, times[2]), (2, 0, times[1]), (9, 1, times[3])]
    seen = []

    for done, failed, at in told:
        jobs.record_shard(TENANT, "job-1", ShardProgress(0, done, failed, False, at), expires_at_s=1)
        shard = jobs.shard(TENANT, "job-1", 0)
        seen.append((shard.done, shard.failed, shard.updated_at))

    assert seen == [(8, 1, times[0]), (8, 1, times[2]), (8, 1, times[2]), (9, 1, times[3])]
    jobs.record_shard(TENANT, "job-1", ShardProgress(0, 5, 1, True, times[4]), expires_at_s=1)
    assert jobs.shard(TENANT, "job-1", 0).is_finished


def test_each_shard_is_claimed_once_in_their_order_until_there_is_none(jobs) -> None:
    jobs.create(new_job(TENANT, request(), clock=CLOCK, retention_days=1))
    assert jobs.claim_shard(TENANT, "job-1") is None
    assert jobs.claim_shard(TENANT, "nobody") is None
    jobs.transition(TENANT, "job-1", JobState.PLANNED, allowed=[JobState.QUEUED], at=CLOCK.now(), shards=3)

    assert [jobs.claim_shard(TENANT, "job-1") for _ in range(4)] == [0, 1, 2, None]


def test_an_ended_job_has_no_more_shards_to_claim(jobs) -> None:
    jobs.create(new_job(TENANT, request(), clock=CLOCK, retention_days=1))
    jobs.transition(TENANT, "job-1", JobState.CANCELLED, allowed=[JobState.QUEUED], at=CLOCK.now(), shards=3)

    assert jobs.claim_shard(TENANT, "job-1") is None


def test_a_claim_whose_answer_was_lost_takes_the_shard_that_it_took(table) -> None:
    """The SDK repeats a call that was not answered, and the repetition meets what the first has done."""
    jobs = DynamoJobStore(table)
    jobs.create(new_job(TENANT, request(), clock=CLOCK, retention_days=1))
    jobs.transition(TENANT, "job-1", JobState.PLANNED, allowed=[JobState.QUEUED], at=CLOCK.now(), shards=3)
    update = table.update_item

    def twice(**arguments: object) -> dict:
        update(**arguments)
        return update(**arguments)

    table.update_item = twice

    assert [jobs.claim_shard(TENANT, "job-1") for _ in range(4)] == [0, 1, 2, None]


def test_a_claim_that_another_was_faster_with_takes_the_next_shard(table) -> None:
    jobs, rival = DynamoJobStore(table), DynamoJobStore(DynamoTable(boto3.client("dynamodb"), "table"))
    jobs.create(new_job(TENANT, request(), clock=CLOCK, retention_days=1))
    jobs.transition(TENANT, "job-1", JobState.PLANNED, allowed=[JobState.QUEUED], at=CLOCK.now(), shards=3)
    update, taken = table.update_item, []

    def late(**arguments: object) -> dict:
        if not taken:
            taken.append(rival.claim_shard(TENANT, "job-1"))
        return update(**arguments)

    table.update_item = late

    assert (jobs.claim_shard(TENANT, "job-1"), taken) == (1, [0])


def test_a_shards_row_keeps_what_it_cost_and_what_its_part_is(jobs) -> None:
    created(jobs)
    finished = ShardProgress(3, 5, 1, True, CLOCK.now(), busy_s=1.234, part_bytes=77, part_sha256="f" * 64)

    jobs.record_shard(TENANT, "job-1", finished, expires_at_s=1)

    assert jobs.get(TENANT, "job-1").progress == (finished,)
    assert jobs.shard(TENANT, "job-1", 3) == finished
    assert jobs.shard(TENANT, "job-1", 2) is None
    assert jobs.head(TENANT, "job-1").progress == ()


def test_only_a_job_that_has_not_ended_gets_another_priority(jobs) -> None:
    created(jobs)

    assert jobs.set_priority(TENANT, "job-1", 9, at=CLOCK.now())
    jobs.transition(TENANT, "job-1", JobState.FAILED, allowed=tuple(JobState), at=CLOCK.now())
    assert not jobs.set_priority(TENANT, "job-1", 1, at=CLOCK.now())
    assert not jobs.set_priority(TENANT, "job-2", 1, at=CLOCK.now())

    assert jobs.head(TENANT, "job-1").priority == 9
    assert jobs.head(TENANT, "job-2") is None


def test_one_of_two_who_change_a_jobs_width_at_once_is_first(jobs) -> None:
    created(jobs)

    assert jobs.head(TENANT, "job-1").width is None
    assert jobs.set_width(TENANT, "job-1", 6, before=None)
    assert not jobs.set_width(TENANT, "job-1", 9, before=None)
    assert jobs.set_width(TENANT, "job-1", 3, before=6)
    assert not jobs.set_width(TENANT, "job-1", 9, before=6)
    assert not jobs.set_width(TENANT, "job-2", 1, before=None)

    assert (jobs.head(TENANT, "job-1").width, jobs.head(TENANT, "job-2")) == (3, None)


def test_open_jobs_are_those_not_closed_and_without_recent_change(jobs) -> None:
    job = created(jobs)
    later = FakeClock(CLOCK.at_s + 1).now()

    assert [found.job_id for found in jobs.open_jobs(updated_before=later)] == ["job-1"]
    assert list(jobs.open_jobs(updated_before=job.updated_at)) == []
    jobs.transition(TENANT, "job-1", JobState.FAILED, allowed=tuple(JobState), at=CLOCK.now())
    assert [found.state for found in jobs.open_jobs(updated_before=later)] == [JobState.FAILED]
    assert jobs.get(TENANT, "job-1").is_open
    jobs.close(TENANT, "job-1")
    assert list(jobs.open_jobs(updated_before=later)) == []
    assert not jobs.get(TENANT, "job-1").is_open


def test_a_job_whose_record_has_expired_does_not_come_back_as_half_a_row(jobs) -> None:
    jobs.note_heal(TENANT, "job-1", 1, at=CLOCK.now())
    jobs.close(TENANT, "job-1")

    assert jobs.get(TENANT, "job-1") is None
    assert created(jobs).job_id == "job-1"


def test_attempts_at_a_call_are_counted_while_it_runs_and_not_beyond_its_end(jobs) -> None:
    created(jobs)
    open_states = (JobState.QUEUED, JobState.RUNNING)

    for attempts in (1, 2):
        at = f"2027-01-01T00:00:0{attempts}.000Z"
        assert jobs.transition(TENANT, "job-1", JobState.RUNNING, allowed=open_states, at=at, attempts=attempts)
    running = jobs.get(TENANT, "job-1")
    jobs.transition(TENANT, "job-1", JobState.FAILED, allowed=open_states, at=CLOCK.now())

    assert (running.state, running.attempts, running.updated_at) == (JobState.RUNNING, 2, "2027-01-01T00:00:02.000Z")
    assert not jobs.transition(TENANT, "job-1", JobState.RUNNING, allowed=open_states, at=CLOCK.now(), attempts=3)
    assert jobs.get(TENANT, "job-1").attempts == 2


def test_a_batch_job_and_heals_are_remembered(jobs) -> None:
    created(jobs)

    jobs.set_batch_job(TENANT, "job-1", "batch-7")
    jobs.set_batch_job(TENANT, "job-1", "batch-8")
    for heals in (1, 2, 3):
        jobs.note_heal(TENANT, "job-1", heals, at="2027-01-01T00:00:00.000Z")

    job = jobs.get(TENANT, "job-1")
    assert (job.batch_job_id, job.heals, job.updated_at) == ("batch-7", 3, "2027-01-01T00:00:00.000Z")


@pytest.fixture(params=["fake", "adapter"])
def queue(request: pytest.FixtureRequest):
    """Return a queue and a function that returns all that was sent to it."""
    if request.param == "fake":
        fake = FakeQueue()
        return fake, lambda: fake.sent
    request.getfixturevalue("aws")
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="queue")["QueueUrl"]

    def sent() -> list[tuple[bytes, dict[str, str]]]:
        found = []
        while batch := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
            "Messages"
        ):
            for message in batch:
                attributes = {
                    name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()
                }
                found.append((message["Body"].encode(), attributes))
        return found

    return SqsQueue(client, url), sent


def test_messages_arrive_with_their_attributes(queue) -> None:
    target, sent = queue

    target.send(b"one", attributes={"tenant": "acme"})
    target.send(b"two")

    assert sorted(sent()) == [(b"one", {"tenant": "acme"}), (b"two", {})]


def test_many_messages_all_arrive(queue) -> None:
    target, sent = queue

    target.send_all(str(number).encode() for number in range(23))

    assert sorted(int(body) for body, _ in sent()) == list(range(23))


def test_messages_carry_their_group_and_many_in_one_call_their_attributes_too(aws: None) -> None:
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="queue")["QueueUrl"]
    target = SqsQueue(client, url)

    target.send(b"one", group="acme")
    target.send_all([b"two", b"three"], group="other", attributes={"tenant": "other"})
    target.send(b"four")

    asked = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    received = client.receive_message(QueueUrl=url, **asked)["Messages"]
    assert [(each["Body"], each["Attributes"].get("MessageGroupId")) for each in received] == [
        ("one", "acme"),
        ("two", "other"),
        ("three", "other"),
        ("four", None),
    ]
    assert [each.get("MessageAttributes", {}).get("tenant", {}).get("StringValue") for each in received] == [
        None,
        "other",
        "other",
        None,
    ]


def test_one_call_holds_no_more_than_sqs_takes_at_once() -> None:
    sent: list[list[int]] = []

    class Told:
        def send_message_batch(self, *, Entries: list[dict[str, str]], **_: object) -> dict[str, object]:  # noqa: N803
            sent.append([len(each["MessageBody"]) for each in Entries])
            return {}

    SqsQueue(Told(), "url").send_all([b"x" * size for size in (500_000, 400_000, 300_000, 1_000_000, 1)])

    assert sent == [[500_000], [400_000, 300_000], [1_000_000], [1]]


def test_a_partly_refused_send_is_told(aws: None) -> None:
    class RefusesOne:
        def send_message_batch(self, **_: object) -> dict[str, object]:
            return {"Successful": [], "Failed": [{"Id": "0"}]}

    with pytest.raises(Unavailable, match="1 of 2"):
        SqsQueue(RefusesOne(), "url").send_all([b"a", b"b"])


def listener(name: str = "listener") -> tuple[str, str]:
    """Make a queue; return its URL and ARN."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def heard(url: str) -> list[dict]:
    messages = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def notice() -> Notice:
    ended = replace(new_job(TENANT, request(), clock=CLOCK, retention_days=30), state=JobState.PARTIAL)
    return Notice(TENANT, job_event(ended))


def test_announcements_reach_the_topic_with_what_subscriptions_filter_by(aws: None) -> None:
    sns, told = boto3.client("sns"), notice()
    topic = sns.create_topic(Name="topic")["TopicArn"]
    url, arn = listener()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    other, other_arn = listener("failures")
    only_failures = {"FilterPolicy": json.dumps({"state": ["FAILED"]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=other_arn, Attributes=only_failures)

    SnsNotifier(sns, topic).announce(told)

    (message,) = heard(url)
    assert json.loads(message["Message"]) == told.to_dict()
    assert message["Subject"] == "Lambent job job-1: PARTIAL"
    assert {name: each["Value"] for name, each in message["MessageAttributes"].items()} == {
        "tenant": TENANT,
        "state": "PARTIAL",
        "model": "shade",
    }
    assert heard(other) == []


def test_announcements_reach_the_rules_of_the_event_bus(aws: None) -> None:
    events, told = boto3.client("events"), notice()
    url, arn = listener()
    pattern = {"source": ["lambent.jobs"], "detail-type": ["Lambent Job State Change"], "detail": {"tenant": [TENANT]}}
    events.put_rule(Name="rule", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": arn}])

    EventBridgeNotifier(events).announce(told)

    (event,) = heard(url)
    assert (event["source"], event["detail-type"]) == ("lambent.jobs", "Lambent Job State Change")
    assert event["detail"] == told.to_dict()


def test_an_event_that_the_bus_answers_200_to_and_does_not_take_is_a_failure(aws: None) -> None:
    class RefusesAll:
        def put_events(self, **_: object) -> dict[str, object]:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}

    with pytest.raises(Unavailable, match="did not take"):
        EventBridgeNotifier(RefusesAll()).announce(notice())


def test_a_message_that_is_held_is_hidden_for_so_long(aws: None) -> None:
    client = boto3.client("sqs")
    url, _ = listener()
    queue = SqsQueue(client, url)
    queue.send(b"later")
    (message,) = client.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]

    queue.hold(message["ReceiptHandle"], pause_s=0)
    (again,) = client.receive_message(QueueUrl=url)["Messages"]
    queue.hold(again["ReceiptHandle"], pause_s=600)

    assert again["MessageId"] == message["MessageId"]
    assert "Messages" not in client.receive_message(QueueUrl=url)


def outcome(state: str, attempts: int) -> WebhookOutcome:
    return WebhookOutcome(state, attempts, None if state == "retrying" else 200, None, CLOCK.now())


def test_a_webhook_that_was_delivered_stays_so_and_a_given_up_one_may_still_be(jobs) -> None:
    job = new_job(TENANT, request(), clock=CLOCK, retention_days=30)
    jobs.create(job)
    states = []

    for state, attempts in (("retrying", 1), ("given_up", 2), ("delivered", 3), ("retrying", 4)):
        jobs.record_webhook(TENANT, "job-1", outcome(state, attempts))
        states.append(jobs.get(TENANT, "job-1").webhook)

    assert states == [outcome("retrying", 1), outcome("given_up", 2), outcome("delivered", 3), outcome("delivered", 3)]
    assert jobs.get(TENANT, "job-1").updated_at == job.updated_at


def test_a_heal_that_comes_after_a_job_s_end_leaves_the_time_of_its_end(jobs) -> None:
    jobs.create(new_job(TENANT, request(), clock=CLOCK, retention_days=30))
    jobs.transition(TENANT, "job-1", JobState.FAILED, allowed=[JobState.QUEUED], at="2027-01-01T00:00:00.000Z")
    ended = jobs.get(TENANT, "job-1")

    jobs.note_heal(TENANT, "job-1", 1, at="2027-01-01T00:00:01.000Z")

    assert jobs.get(TENANT, "job-1") == ended


def test_the_ways_by_which_a_job_s_end_was_told_add_up(jobs) -> None:
    jobs.create(new_job(TENANT, request(), clock=CLOCK, retention_days=30))
    before = jobs.get(TENANT, "job-1")

    jobs.note_told(TENANT, "job-1", frozenset({"sns"}))
    jobs.note_told(TENANT, "job-1", frozenset({"webhook", "sns"}))
    jobs.note_told(TENANT, "nobody", frozenset({"sns"}))

    assert (before.told, jobs.get(TENANT, "job-1").told) == (frozenset(), {"sns", "webhook"})
    assert jobs.get(TENANT, "nobody") is None


def test_a_webhook_of_a_job_that_has_expired_leaves_no_half_row(jobs) -> None:
    jobs.record_webhook(TENANT, "nobody", outcome("delivered", 1))

    assert jobs.get(TENANT, "nobody") is None


@pytest.fixture(params=["fake", "adapter"])
def secrets(request: pytest.FixtureRequest):
    return FakeSecretStore() if request.param == "fake" else DynamoSecretStore(request.getfixturevalue("table"))


def test_a_secret_is_read_as_written_by_its_tenant_alone(secrets) -> None:
    first = WebhookSecret("whsec_one", CLOCK.now())
    second = first.rotated("whsec_two", at=CLOCK.now(), now_s=CLOCK.epoch_s())

    assert secrets.put(TENANT, first)
    assert secrets.get(TENANT) == first
    assert secrets.put(TENANT, second)
    assert (secrets.get(TENANT), secrets.get("other")) == (second, None)


def test_of_two_who_change_a_secret_one_is_told_that_it_lost(secrets) -> None:
    first = WebhookSecret("whsec_one", CLOCK.now())
    racers = [first.rotated(name, at=CLOCK.now(), now_s=CLOCK.epoch_s()) for name in ("whsec_a", "whsec_b")]

    assert not secrets.put(TENANT, racers[0])
    assert [secrets.put(TENANT, first), secrets.put(TENANT, replace(first, current="whsec_other"))] == [True, False]
    assert [secrets.put(TENANT, racer) for racer in racers] == [True, False]
    assert secrets.get(TENANT) == racers[0]


def test_wrong_names_are_misconfiguration_and_failures_can_be_retried(aws: None) -> None:
    missing = S3ObjectStore(boto3.client("s3"), "no-such-bucket", what="data store")
    unreachable = boto3.client("batch", endpoint_url="http://127.0.0.1:1")

    with pytest.raises(Misconfigured) as wrong:
        missing.write("k", b"", content_type="text/plain")
    assert "no-such-bucket" not in str(wrong.value)
    with pytest.raises(Unavailable):
        BatchJobRunner(unreachable, job_queue="q", job_definition="d", stack_name="s").status("id")


@pytest.mark.parametrize(
    ("code", "error"),
    [("ConditionalRequestConflict", Unavailable), ("SlowDown", Unavailable), ("KeyTooLongError", Misconfigured)],
)
def test_a_write_that_s3_did_not_settle_does_not_count_as_existing(code: str, error: type[Exception]) -> None:
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        stubber.add_client_error("put_object", code)

        with pytest.raises(error):
            S3ObjectStore(client, "bucket", what="data store").write_once("k", b"", content_type="text/plain")


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "PreconditionFailed", "NoSuchKey"])
def test_a_write_on_a_condition_that_met_another_write_has_not_happened(code: str) -> None:
    """Which of S3's three answers comes depends on how the two met; whoever writes looks again after each."""
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    store = S3ObjectStore(client, "bucket", what="data store")
    with Stubber(client) as stubber:
        stubber.add_client_error("put_object", code)
        stubber.add_client_error("delete_object", code)

        assert store.write_if("k", b"", etag="seen", content_type="text/plain") is None
        assert not store.delete_if("k", etag="seen")


def test_an_object_tells_its_type_and_when_it_was_written(store) -> None:
    store.write("k", b"one", content_type="text/csv")

    found = store.read("k")

    assert found.content_type == "text/csv"
    assert found.written_at_s > 1_700_000_000


def test_a_name_is_tied_to_the_job_that_came_first(jobs) -> None:
    assert jobs.claim(TENANT, "name", "job-1", expires_at_s=1) == "job-1"
    assert jobs.claim(TENANT, "name", "job-2", expires_at_s=2) == "job-1"
    assert jobs.claim("other", "name", "job-2", expires_at_s=2) == "job-2"
    assert jobs.claimed(TENANT, "name") == "job-1"
    assert jobs.claimed(TENANT, "another") is None


def test_a_job_of_a_call_is_read_as_written(jobs) -> None:
    job = replace(
        new_job(TENANT, request(), clock=CLOCK, retention_days=1), kind=JobKind.CALL, version=3, lane="cpu", total=1
    )

    assert jobs.create(job)

    assert jobs.get(TENANT, "job-1") == job


def test_observed_throughput_is_read_as_written_and_moves_one_revision_at_a_time(throughputs) -> None:
    first = ObservedThroughput(ModelRef("shade", 7), "cpu", 303.25, "1769 MiB", 1769, CLOCK.now(), TENANT, "job-1")
    second = replace(first, items_per_s=0.1, memory_mib=None, job_id="job-2", revision=2)

    written = [throughputs.observe(each) for each in (second, first, first, second, replace(second, job_id="late"))]

    assert written == [False, True, False, True, False]
    assert throughputs.observed(ModelRef("shade", 7), "cpu") == second
    assert throughputs.observed(ModelRef("shade", 7), "gpu") is None
    assert throughputs.observed(ModelRef("shade", 8), "cpu") is None


def test_throughput_in_a_row_of_an_earlier_release_is_read_and_goes_on_from_its_revision(table) -> None:
    first = ObservedThroughput(ModelRef("shade", 7), "cpu", 303.25, "1769 MiB", 1769, CLOCK.now(), TENANT, "job-1")
    earlier = replace(first, revision=4)
    text = msgspec.json.encode(earlier).decode()
    table.put_item(
        Item={"pk": "MODEL#shade", "sk": "THROUGHPUT#000007#cpu", "observed": text, "revision": earlier.revision}
    )
    store = DynamoThroughputStore(table)

    found = store.observed(ModelRef("shade", 7), "cpu")
    written = [store.observe(replace(first, revision=revision, job_id="late")) for revision in (6, 5, 5)]

    assert found == earlier
    assert written == [False, True, False]
    assert store.observed(ModelRef("shade", 7), "cpu") == replace(first, revision=5, job_id="late")
    assert DynamoRegistry(table).versions("shade") == []
