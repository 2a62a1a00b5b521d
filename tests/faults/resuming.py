"""Killed shards that go on to the same bytes, by numbers and a seed: P6 of the soak, and its small run in the suite."""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any

import msgspec
from killed_program import BATCH_SIZE, CHECKPOINT_ITEMS
from killing import Killing
from stored_world import put_manifest

from builders import TENANT, World, request
from lambent.contracts.batch_request import BatchInput
from lambent_toolkit.fakes import FakeThroughputStore

STEPS = (
    "before_checkpoint", "after_checkpoint", "before_errors", "before_part", "after_part", "after_clearing",
    "after_report",
)  # fmt: skip
SIGKILL = -9
# Suspects that are tried again after a kill: a batch, and what eight threads prepare meanwhile.
_SUSPECTS = BATCH_SIZE + 8


def resume(
    world: World, processes: Killing, *, jobs: int, shards: int, items: int, kills: int, torn: int, seed: int
) -> dict[str, Any]:
    """Run jobs whose containers are killed at random, and shards whose checkpoints are torn; compare all bytes.

    Every attempt after the first is in the careful mode, which tells the store what is in flight.

    Parameters
    ----------
    shards, items   of each job, and of each shard
    kills           of containers of each job
    torn            checkpoints that are cut at a random byte, one at a time

    Returns
    -------
    killed            containers that a kill has met
    torn              checkpoints that were cut
    other_bytes       jobs and shards with an output of other bytes than an undisturbed one; their names
    computed_again    items that were given to a model once more
    allowed_again     how many the checkpoints allow
    incomplete        jobs whose shards do not tell of all items
    """
    chance = random.Random(seed)
    bad = frozenset(chance.sample(range(shards * items), max(1, shards * items // 250)))
    told: dict[str, Any] = {"seed": seed, "killed": 0, "torn": 0, "other_bytes": [], "incomplete": []}
    manifest = put_manifest(world, f"resume-{seed}", shards * items, bad=bad)
    whole = f"resume-{seed}-whole"
    _dispatch(world, whole, manifest, items)
    for shard in range(shards):
        _must_end(processes.careful("container", whole, shard))
    expected, once = _outputs(world, whole), processes.computed()
    computed = 0
    for number in range(jobs):
        job_id = f"resume-{seed}-{number}"
        _dispatch(world, job_id, manifest, items)
        deaths = [chance.randrange(shards) for _ in range(kills)]
        for shard in range(shards):
            told["killed"] += _run_killed(processes, job_id, shard, deaths.count(shard), items, chance)
        computed += processes.computed()
        _compare(world, job_id, expected, told, items=items, shards=shards)
    told |= {
        "computed_again": computed - jobs * once,
        "allowed_again": told["killed"] * (CHECKPOINT_ITEMS + BATCH_SIZE + _SUSPECTS),
    }
    _tear(world, processes, manifest, expected, told, items=items, shards=shards, torn=torn, chance=chance)
    return told


def _dispatch(world: World, job_id: str, manifest: str, items: int) -> None:
    world.throughputs = FakeThroughputStore()  # what earlier jobs have shown would change the size of shards
    asked = request(id=job_id, lane="gpu", input=BatchInput(manifest_uri=manifest))
    world.dispatcher(shard_items=items).dispatch(TENANT, msgspec.json.encode(asked).decode())


def _run_killed(processes: Killing, job_id: str, shard: int, deaths: int, items: int, chance: random.Random) -> int:
    killed = 0
    for attempt in range(1, deaths + 1):
        die = {**_any_death(items, chance), "by": "container"}
        killed += processes.careful("container", job_id, shard, attempt=attempt, die=die) == SIGKILL
    _must_end(processes.careful("container", job_id, shard, attempt=deaths + 1))
    return killed


def _any_death(items: int, chance: random.Random) -> dict[str, Any]:
    kind = chance.randrange(3)
    if kind == 0:
        return {"event": chance.choice(STEPS), "nth": chance.randint(1, 2)}
    return {"item": chance.randrange(items)} if kind == 1 else {"after_s": chance.uniform(0, 0.4)}


def _must_end(status: int) -> None:
    if status != 0:
        raise AssertionError(f"an undisturbed attempt ended with {status}")


def _outputs(world: World, job_id: str) -> dict[str, str]:
    """Return the digest of each output of a job's shards, by its name."""
    prefix = f"jobs/{TENANT}/{job_id}/"
    names = [found.key.removeprefix(prefix) for found in world.data.listing(prefix)]
    outputs = [name for name in names if name.startswith(("part-", "errors"))]
    return {name: sha256(world.data.read(prefix + name).body).hexdigest() for name in outputs}


def _compare(
    world: World, job_id: str, expected: dict[str, str], told: dict[str, Any], *, items: int, shards: int
) -> None:
    if _outputs(world, job_id) != expected:
        told["other_bytes"].append(job_id)
    progress = [world.jobs.shard(TENANT, job_id, shard) for shard in range(shards)]
    if any(each is None or not each.is_finished or each.done + each.failed != items for each in progress):
        told["incomplete"].append(job_id)


def _tear(
    world: World,
    processes: Killing,
    manifest: str,
    expected: dict[str, str],
    told: dict[str, Any],
    *,
    items: int,
    shards: int,
    torn: int,
    chance: random.Random,
) -> None:
    """Cut checkpoints, one a shard in turn: a store that writes objects as a whole does not; one that did is met."""
    number = 0
    while told["torn"] < torn:
        job_id = f"resume-{told['seed']}-torn-{number}"
        number += 1
        _dispatch(world, job_id, manifest, items)
        for shard in range(shards):
            saves = items // CHECKPOINT_ITEMS - 1
            last = {"event": "after_checkpoint", "nth": chance.randint(1, max(1, saves)), "by": "container"}
            processes.careful("container", job_id, shard, die=last)
            told["torn"] += _tear_one(world, job_id, shard, chance)
            _must_end(processes.careful("container", job_id, shard, attempt=2))
        processes.computed()
        _compare(world, job_id, expected, told, items=items, shards=shards)


def _tear_one(world: World, job_id: str, shard: int, chance: random.Random) -> int:
    prefix = f"jobs/{TENANT}/{job_id}/checkpoints/{shard:05d}/"
    saved = sorted(found.key for found in world.data.listing(prefix) if found.key.endswith(".jsonl"))
    if not saved:
        return 0
    key = chance.choice(saved)
    body = world.data.read(key).body
    world.data.write(key, body[: chance.randrange(len(body))], content_type="application/x-ndjson")
    return 1
