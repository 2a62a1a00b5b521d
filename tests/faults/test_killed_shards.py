"""A killed shard goes on where it was, to the same bytes; a shard that dies every time costs its own items only.

Every attempt is a process of its own on a real store; it is ended by SIGKILL: at a named step, within the batch of a
given item, or at any moment at all.
"""

from __future__ import annotations

import json
import random
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from chance import KILLED_JOBS, SEED
from killed_program import BATCH_SIZE, CHECKPOINT_ITEMS
from killing import Killing
from resuming import resume
from stored_world import put_manifest

from builders import TENANT, World, request
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.lines import decode_lines
from lambent.domain.job_states import JobState
from lambent.services.retry_job import RetryJobService
from lambent.services.track import BatchStateChange, TrackService
from lambent_toolkit.fakes import FakeThroughputStore

pytestmark = pytest.mark.timeout(900 * KILLED_JOBS)

SHARDS, SHARD_ITEMS, KILLS = 50, 200, 20
STEPS = (
    "before_checkpoint", "after_checkpoint", "before_errors", "before_part", "after_part", "after_clearing",
    "after_report",
)  # fmt: skip
SIGKILL = -9


def dispatch(world: World, job_id: str, manifest: str, *, shard_items: int = SHARD_ITEMS) -> None:
    world.throughputs = FakeThroughputStore()  # what earlier jobs have shown would change the size of shards
    asked = request(id=job_id, lane="gpu", input=BatchInput(manifest_uri=manifest))
    world.dispatcher(shard_items=shard_items).dispatch(TENANT, msgspec.json.encode(asked).decode())


def end(world: World, job_id: str, status: str) -> Any:
    """Tell what AWS Batch tells of the array, and return the job."""
    job = world.jobs.get(TENANT, job_id)
    tracker = TrackService(jobs=world.jobs, finisher=world.finisher, clock=world.clock)
    tracker.apply(BatchStateChange(TENANT, job_id, str(job.batch_job_id), status, is_child=False))
    return world.jobs.get(TENANT, job_id)


def parts(world: World, job_id: str) -> dict[str, str]:
    """Return the digest of each output of a job, by its name."""
    prefix = f"jobs/{TENANT}/{job_id}/"
    names = [found.key.removeprefix(prefix) for found in world.data.listing(prefix)]
    outputs = [name for name in names if name.startswith(("part-", "errors"))]
    return {name: sha256(world.data.read(prefix + name).body).hexdigest() for name in outputs}


def any_death(chance: random.Random) -> dict[str, Any]:
    kind = chance.randrange(3)
    if kind == 0:
        return {"event": chance.choice(STEPS), "nth": chance.randint(1, 2)}
    return {"item": chance.randrange(SHARD_ITEMS)} if kind == 1 else {"after_s": chance.uniform(0, 0.4)}


def test_killed_attempts_go_on_from_their_checkpoints_to_the_same_bytes(world: World, processes: Killing) -> None:
    chance = random.Random(SEED)
    bad = frozenset(chance.sample(range(SHARDS * SHARD_ITEMS), 40))
    manifest = put_manifest(world, "many", SHARDS * SHARD_ITEMS, bad=bad)
    dispatch(world, "whole", manifest)
    for shard in range(SHARDS):
        assert processes.shard("whole", shard) == 0
    assert end(world, "whole", "SUCCEEDED").state is JobState.PARTIAL
    expected, once = parts(world, "whole"), processes.computed()

    for number in range(KILLED_JOBS):
        job_id, killed = f"killed-{number}", 0
        dispatch(world, job_id, manifest)
        deaths = dict.fromkeys(chance.choices(range(SHARDS), k=KILLS), 0)
        for shard in chance.choices(range(SHARDS), k=KILLS - len(deaths)) + list(deaths):
            deaths[shard] = deaths.get(shard, 0) + 1
        for shard in range(SHARDS):
            for _ in range(deaths.get(shard, 0)):
                killed += processes.shard(job_id, shard, any_death(chance)) == SIGKILL
            assert processes.shard(job_id, shard) == 0, (SEED, number, shard)

        assert end(world, job_id, "SUCCEEDED").state is JobState.PARTIAL
        assert parts(world, job_id) == expected, (SEED, number)
        check_manifest(world, job_id)
        assert killed, (SEED, number)
        assert processes.computed() - once <= killed * (CHECKPOINT_ITEMS + BATCH_SIZE), (SEED, number)


def check_manifest(world: World, job_id: str) -> None:
    prefix = f"jobs/{TENANT}/{job_id}/"
    manifest = json.loads(world.data.read(prefix + "manifest.json").body)
    assert [part["items"] for part in manifest["parts"]] == [SHARD_ITEMS] * SHARDS
    for part in manifest["parts"]:
        body = world.data.read(prefix + part["file"]).body
        assert (part["size_bytes"], part["sha256"]) == (len(body), sha256(body).hexdigest())


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_that_changes_the_store_changes_no_byte(world: World, processes: Killing, step: str) -> None:
    manifest = put_manifest(world, "few", 100, bad=frozenset({7}))
    whole, killed = f"whole-{step.replace('_', '-')}", f"killed-{step.replace('_', '-')}"
    for job_id in (whole, killed):
        dispatch(world, job_id, manifest, shard_items=100)

    assert processes.shard(whole, 0) == 0
    assert processes.shard(killed, 0, {"event": step, "nth": 1}) == SIGKILL
    assert processes.shard(killed, 0) == 0

    states = {end(world, job_id, "SUCCEEDED").state for job_id in (whole, killed)}
    assert states == {JobState.PARTIAL}
    assert parts(world, killed) == parts(world, whole)


def test_a_torn_checkpoint_is_thrown_away_and_computed_again(world: World, processes: Killing) -> None:
    """A store writes an object as a whole; a store that does not is met all the same."""
    chance = random.Random(SEED)
    manifest = put_manifest(world, "torn", 200)
    dispatch(world, "torn-whole", manifest)
    assert processes.shard("torn-whole", 0) == 0
    end(world, "torn-whole", "SUCCEEDED")
    dispatch(world, "torn", manifest)
    assert processes.shard("torn", 0, {"event": "after_checkpoint", "nth": 3}) == SIGKILL
    saved = [each.key for each in world.data.listing(f"jobs/{TENANT}/torn/checkpoints/") if "start" not in each.key]

    for key in saved:
        body = world.data.read(key).body
        world.data.write(key, body[: chance.randrange(len(body))], content_type="application/x-ndjson")
    assert processes.shard("torn", 0) == 0

    assert len(saved) == 3
    assert end(world, "torn", "SUCCEEDED").state is JobState.SUCCEEDED
    assert parts(world, "torn") == parts(world, "torn-whole")


def test_two_percent_bad_items_and_a_child_that_always_dies_are_named_exactly_and_retried_alone(
    world: World, processes: Killing
) -> None:
    chance = random.Random(SEED)
    bad = frozenset(chance.sample(range(500), 10))
    deadly = chance.randrange(10)
    dispatch(world, "partial", put_manifest(world, "partial", 500, bad=bad), shard_items=50)

    for shard in set(range(10)) - {deadly}:
        assert processes.shard("partial", shard) == 0
    # Exit codes 137, 139 and 1 of a container: all three attempts that the job definition grants.
    for attempt, (by, status) in enumerate((("SIGKILL", SIGKILL), ("SIGSEGV", -11), ("exit", 1))):
        assert processes.shard("partial", deadly, {"item": 10 + attempt, "by": by}) == status
    job = end(world, "partial", "FAILED")
    processes.computed()

    lost = set(range(deadly * 50, deadly * 50 + 50))
    prefix = f"jobs/{TENANT}/partial/"
    errors = decode_lines(world.data.read(prefix + "errors.jsonl").body)
    assert job.state is JobState.PARTIAL
    assert {line["id"] for line in errors} == {f"i{number:05d}" for number in bad | lost}
    assert {line["line"] for line in errors} == {number + 1 for number in bad | lost}
    assert {line["code"] for line in errors if int(line["id"][1:]) in bad - lost} <= {"image_format_unsupported"}

    again = RetryJobService(jobs=world.jobs, submit=world.submitter).retry(TENANT, "partial")
    world.dispatcher(shard_items=50).dispatch(TENANT, world.jobs.get(TENANT, again.job_id).request)
    repeated = world.jobs.get(TENANT, again.job_id)
    for shard in range(repeated.shards):
        assert processes.shard(again.job_id, shard) == 0
    ended = end(world, again.job_id, "SUCCEEDED")

    assert repeated.total == len(bad | lost)
    # Batches are filled up to their size.
    assert len(lost - bad) <= processes.computed() <= len(bad | lost) + BATCH_SIZE * repeated.shards
    assert (ended.state, ended.done, ended.failed) == (JobState.PARTIAL, len(lost - bad), len(bad))


def test_killed_containers_and_torn_checkpoints_leave_the_bytes_of_an_undisturbed_run(
    world: World, processes: Killing
) -> None:
    told = resume(world, processes, jobs=1, shards=6, items=120, kills=10, torn=6, seed=SEED)

    assert (told["other_bytes"], told["incomplete"]) == ([], []), told
    assert told["torn"] == 6, told
    assert told["computed_again"] <= told["allowed_again"], told
