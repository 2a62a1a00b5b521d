"""What AWS Batch's events cost: a large array tells tens of thousands, on one partition of the table."""

from dataclasses import dataclass, replace

import pytest
from job_steps import job, ready

from builders import TENANT, World
from lambent.domain.job import Job, ShardProgress
from lambent.domain.job_states import JobState
from lambent.services.track import BatchStateChange, TrackService
from lambent_toolkit.fakes import FakeJobStore

CHILDREN = 10_000
WAYS = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED")


@dataclass
class CountedJobStore(FakeJobStore):
    """Counts the items that DynamoDB would read and write for each call."""

    items_read: int = 0
    items_written: int = 0

    def get(self, tenant: str, job_id: str) -> Job | None:
        found = super().get(tenant, job_id)
        self.items_read += 1 + len(found.progress if found else ())
        return found

    def head(self, tenant: str, job_id: str) -> Job | None:
        self.items_read += 1
        found = self.jobs.get((tenant, job_id))
        return replace(found, progress=()) if found else None

    def transition(self, *args, **kwargs) -> bool:
        self.items_written += 1
        return super().transition(*args, **kwargs)


@pytest.fixture
def world() -> World:
    """Return a world whose job is an array of 10,000 children, each with a row in the table."""
    world = ready()
    world.dispatch(lane="gpu")
    rows = tuple(ShardProgress(shard, 0, 0, 0, "2026-01-01T00:00:00.000Z", False) for shard in range(CHILDREN))
    jobs = {key: replace(each, progress=rows) for key, each in world.jobs.jobs.items()}
    world.jobs = CountedJobStore(jobs, set(world.jobs.closed), dict(world.jobs.claims))
    return world


def tell(world: World, batch_job_id: str, status: str, *, is_child: bool) -> None:
    service = TrackService(jobs=world.jobs, finisher=world.finisher, clock=world.clock)
    service.apply(BatchStateChange(TENANT, "job-1", batch_job_id, status, is_child=is_child))


def test_events_of_ten_thousand_children_read_one_item_for_each_start_and_write_once(world: World) -> None:
    batch_job_id = str(world.jobs.jobs[(TENANT, "job-1")].batch_job_id)

    for status in WAYS:
        for child in range(CHILDREN):
            tell(world, f"{batch_job_id}:{child}", status, is_child=True)

    assert world.jobs.items_read <= CHILDREN
    assert world.jobs.items_written == 1
    assert job(world).state is JobState.RUNNING


@pytest.mark.parametrize("status", ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING"])
def test_what_changes_nothing_reads_nothing(world: World, status: str) -> None:
    batch_job_id = str(world.jobs.jobs[(TENANT, "job-1")].batch_job_id)

    tell(world, batch_job_id, status, is_child=False)

    assert world.jobs.items_read == 0


def test_the_rows_of_all_children_are_read_for_the_end_of_their_own_array_only(world: World) -> None:
    tell(world, "another", "SUCCEEDED", is_child=False)

    assert world.jobs.items_read == 1
