"""Lists of a tenant's jobs."""

from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from builders import create_table, request
from lambent.adapters.dynamodb_job_list import DynamoJobCatalogue
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.contracts.job_views import JobPage
from lambent.contracts.paging import make_cursor
from lambent.domain.job import JobKind
from lambent.domain.job_states import JobState
from lambent.domain.timestamps import to_timestamp
from lambent.errors import CursorInvalid, NameInvalid, RequestInvalid
from lambent.services.list_jobs import ListJobsService
from lambent.services.submit_job import new_job
from lambent_toolkit.fakes import FakeClock, FakeJobCatalogue, FakeJobStore

CLOCK = FakeClock()


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        create_table("table")
        yield DynamoTable(boto3.client("dynamodb"), "table")


@pytest.fixture(params=["fake", "adapter"])
def ledger(request: pytest.FixtureRequest):
    """Return a job store and the lists of its jobs."""
    if request.param == "fake":
        store = FakeJobStore()
        return store, ListJobsService(FakeJobCatalogue(store))
    table = request.getfixturevalue("table")
    return DynamoJobStore(table), ListJobsService(DynamoJobCatalogue(table))


def fill(store, number: int, *, tenant: str = "acme", **fields: object) -> None:
    """Create jobs j00, j01 and so on, a second apart."""
    for index in range(number):
        job = new_job(tenant, request(id=f"j{index:02d}"), clock=CLOCK, retention_days=1)
        store.create(replace(job, created_at=moment(index), **fields))


def test_jobs_in_the_cpu_lane_are_a_tenants_planned_and_running_ones_of_that_lane(ledger) -> None:
    store, _ = ledger
    catalogue = FakeJobCatalogue(store) if isinstance(store, FakeJobStore) else DynamoJobCatalogue(store._table)
    states = (JobState.PLANNED, JobState.RUNNING, JobState.QUEUED, JobState.SUCCEEDED, JobState.PLANNED)
    lanes = ("cpu", "cpu", None, "cpu", "gpu")
    for number, (state, lane) in enumerate(zip(states, lanes, strict=True)):
        job = new_job("acme", request(id=f"j{number:02d}"), clock=CLOCK, retention_days=1)
        store.create(replace(job, created_at=moment(number), state=state, lane=lane))
    fill(store, 1, tenant="other", state=JobState.RUNNING, lane="cpu")

    assert catalogue.in_cpu_lane("acme") == {"j00", "j01"}
    assert catalogue.in_cpu_lane("nobody") == frozenset()


def moment(index: int) -> str:
    return to_timestamp(CLOCK.at_s + index)


def pages(service: ListJobsService, tenant: str = "acme", **query: str) -> list[JobPage]:
    found = [service.page(tenant, query)]
    while (cursor := found[-1].next_cursor) is not None:
        found.append(service.page(tenant, {**query, "cursor": cursor}))
    return found


def ids(found: list[JobPage]) -> list[str]:
    return [job.id for page in found for job in page.jobs]


def test_a_tenant_s_jobs_come_newest_first_and_nobody_else_s(ledger) -> None:
    store, service = ledger
    fill(store, 5)
    fill(store, 3, tenant="other")

    assert ids(pages(service)) == ["j04", "j03", "j02", "j01", "j00"]
    assert ids(pages(service, "other")) == ["j02", "j01", "j00"]
    assert ids(pages(service, "nobody")) == []


def test_pages_hold_every_job_once_also_when_many_were_created_at_once(ledger) -> None:
    store, service = ledger
    for index in range(7):
        store.create(new_job("acme", request(id=f"j{index}"), clock=CLOCK, retention_days=1))

    found = pages(service, limit="3")

    assert sorted(ids(found)) == [f"j{index}" for index in range(7)]
    assert [len(page.jobs) for page in found] == [3, 3, 1]


def test_filters_choose_by_state_model_kind_and_time(ledger) -> None:
    store, service = ledger
    fill(store, 6)
    store.transition("acme", "j01", JobState.FAILED, allowed=[JobState.QUEUED], at=CLOCK.now(), final_failed=3)
    call = new_job("acme", request(id="call", model="other"), clock=CLOCK, retention_days=1)
    store.create(replace(call, created_at=moment(9), kind=JobKind.CALL))

    assert ids(pages(service, state="FAILED")) == ["j01"]
    assert ids(pages(service, state="QUEUED", kind="batch", limit="2")) == ["j05", "j04", "j03", "j02", "j00"]
    assert ids(pages(service, kind="call")) == ids(pages(service, model="other")) == ["call"]
    assert ids(pages(service, created_after=moment(3))) == ["call", "j05", "j04"]
    (failed,) = service.page("acme", {"state": "FAILED"}).jobs
    assert (failed.failed, failed.done, failed.kind) == (3, None, "batch")


def test_a_cursor_is_good_for_its_tenant_and_filter_only(ledger) -> None:
    store, service = ledger
    fill(store, 4)
    cursor = service.page("acme", {"limit": "2"}).next_cursor
    impossible = make_cursor("2026-11-27 x", "acme/jobs/None/None/None/None")

    for tenant, query in (("other", {}), ("acme", {"state": "QUEUED"}), ("acme", {"limit": "x"})):
        with pytest.raises(CursorInvalid):
            service.page(tenant, {**query, "cursor": cursor})
    for wrong in ("", "x", impossible, f"{cursor}A"):
        with pytest.raises(CursorInvalid):
            service.page("acme", {"cursor": wrong})


@pytest.mark.parametrize(
    ("query", "error", "field"),
    [
        ({"state": "running"}, RequestInvalid, "state"),
        ({"kind": "job"}, RequestInvalid, "kind"),
        ({"model": "No Such"}, NameInvalid, "model"),
        ({"created_after": "yesterday"}, RequestInvalid, "created_after"),
        ({"created_after": "2026-11-27T08:00:00"}, RequestInvalid, "created_after"),
        ({"created_after": "0001-01-01T00:00:00+23:59"}, RequestInvalid, "created_after"),
    ],
)
def test_what_no_job_can_match_is_refused(query: dict, error: type[Exception], field: str) -> None:
    service = ListJobsService(FakeJobCatalogue(FakeJobStore()))

    with pytest.raises(error) as refusal:
        service.page("acme", query)

    assert refusal.value.field == field


def test_a_time_of_another_zone_is_the_same_moment(ledger) -> None:
    store, service = ledger
    fill(store, 3)
    shifted = moment(1).replace("Z", "+00:00")

    assert ids(pages(service, created_after=shifted)) == ["j02"]


def test_a_filter_that_passes_over_thousands_ends_early_and_goes_on(table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambent.adapters.dynamodb_job_list._MAX_ROWS_READ", 8)
    store, service = DynamoJobStore(table), ListJobsService(DynamoJobCatalogue(table))
    fill(store, 20)
    store.transition("acme", "j00", JobState.FAILED, allowed=[JobState.QUEUED], at=CLOCK.now())

    found = pages(service, state="FAILED", limit="1")

    assert ids(found) == ["j00"]
    assert len(found) == 3


def test_a_list_does_not_read_what_it_does_not_tell(table) -> None:
    store = DynamoJobStore(table)
    fill(store, 1)

    (row,) = table.query(
        IndexName="TenantJobs",
        KeyConditionExpression="tenant_pk = :tenant",
        ExpressionAttributeValues={":tenant": "JOBS#acme"},
    )["Items"]

    assert "request" not in row
