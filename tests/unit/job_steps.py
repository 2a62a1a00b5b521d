"""Steps that the tests of jobs share."""

import msgspec

from builders import TENANT, World, picture
from lambent.contracts.messages import InferMessage, ShardMessage
from lambent.services.send_job import JobSender
from lambent.services.show_job import ShowJobService
from lambent.services.submit_job import SubmitService
from lambent.services.sweep import SweepService
from lambent.services.track import BatchStateChange, TrackService
from lambent.services.why_waiting import WhyWaitingService
from lambent_toolkit.fakes import FakeBlockStore, FakeLaneWatch, FakeQueue

JOB = f"jobs/{TENANT}/job-1"


def ready(*pictures: bytes) -> World:
    world = World()
    world.publish()
    world.put_items(*(pictures or (picture(0), picture(255), picture(0), picture(255), picture(0))))
    return world


def job(world: World):
    found = world.jobs.get(TENANT, "job-1")
    assert found is not None
    return found


def run_cpu(world: World) -> None:
    """Run the messages on the inference queue, and those that come of them, until there are none."""
    shards = world.shards()
    while world.infer_queue.sent:
        body, _ = world.infer_queue.sent.pop(0)
        message = msgspec.json.decode(body, type=InferMessage)
        assert isinstance(message, ShardMessage)
        shards.run(message.tenant, message.job_id, message.shard)
        world.advancer.after_shard(message.tenant, message.job_id, slot=message.slot)


def track(world: World, status: str, *, is_child: bool = False) -> None:
    service = TrackService(jobs=world.jobs, finisher=world.finisher, clock=world.clock)
    batch_job_id = f"{job(world).batch_job_id}:0" if is_child else str(job(world).batch_job_id)
    service.apply(BatchStateChange(TENANT, "job-1", batch_job_id, status, is_child))


def batch_name(world: World) -> str:
    return str(job(world).batch_job_id).removeprefix("batch-")


def shower(world: World, *, lane: FakeLaneWatch | None = None, batches: FakeQueue | None = None) -> ShowJobService:
    why = WhyWaitingService(
        batches=batches or FakeQueue(),
        calls=world.infer_queue,
        lane=lane,
        blocks=FakeBlockStore(),
        clock=world.clock,
        cpu_concurrency=10,
    )
    return ShowJobService(world.jobs, why=why, clock=world.clock)


def submitter(world: World, queue: FakeQueue | None = None) -> SubmitService:
    return SubmitService(
        data=world.data, jobs=world.jobs, queue=queue or FakeQueue(), clock=world.clock, retention_days=30
    )


def sweep(world: World, *, after_s: float = 61, errors: list | None = None, batches: FakeQueue | None = None):
    sender = JobSender(batches=batches or FakeQueue(), calls=world.infer_queue, data=world.data)
    service = SweepService(
        jobs=world.jobs,
        sender=sender,
        runner=world.runner,
        finisher=world.finisher,
        clock=world.clock,
        stuck_after_s=60,
    )
    world.clock.advance(after_s)
    return service.sweep(on_error=lambda found, error: (errors if errors is not None else []).append((found, error)))
