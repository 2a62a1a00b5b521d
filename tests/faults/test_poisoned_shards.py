"""One item that ends the process which works on it fails alone, by its name and place; all others have their result."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from killing import Killing
from poison import ENDS, KINDS
from stored_world import open_world, put_manifest

from builders import TENANT, World, request
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.lines import decode_lines
from lambent_toolkit.fakes import FakeThroughputStore

ITEMS, SHARD_ITEMS = 60, 20
POISON = 29  # in the middle of the second shard
SIGKILL = -9
STALLED = 75
# What a job definition grants; a queue gives out a message as often.
ATTEMPTS = 5


def dispatch(world: World, job_id: str, *, poison: frozenset[int], bad: frozenset[int] = frozenset()) -> None:
    world.throughputs = FakeThroughputStore()
    manifest = put_manifest(world, job_id, ITEMS, poison=poison, bad=bad)
    asked = request(id=job_id, lane="gpu", input=BatchInput(manifest_uri=manifest))
    world.dispatcher(shard_items=SHARD_ITEMS).dispatch(TENANT, msgspec.json.encode(asked).decode())


def lines(world: World, job_id: str) -> list[dict[str, Any]]:
    prefix = f"jobs/{TENANT}/{job_id}/"
    parts = [world.data.read(f"{prefix}part-{shard:05d}.jsonl").body for shard in range(ITEMS // SHARD_ITEMS)]
    return [line for part in parts for line in decode_lines(part)]


@pytest.fixture(scope="module")
def unpoisoned(environment: dict[str, str], processes: Killing) -> list[dict[str, Any]]:
    """Return the lines of a job in which the same item is no picture at all."""
    dispatch(open_world(), "unpoisoned", poison=frozenset(), bad=frozenset({POISON}))
    for shard in range(ITEMS // SHARD_ITEMS):
        assert processes.shard("unpoisoned", shard) == 0
    return lines(open_world(), "unpoisoned")


def check(world: World, job_id: str, unpoisoned: list[dict[str, Any]], ends: set[str]) -> None:
    found = lines(world, job_id)
    guilty = found.pop(POISON)
    assert found == unpoisoned[:POISON] + unpoisoned[POISON + 1 :]
    assert (guilty["id"], guilty["line"], guilty["code"]) == (f"i{POISON:05d}", POISON + 1, "processing_crashed")
    assert guilty["got"] in ends
    assert [each.key for each in world.data.listing(f"jobs/{TENANT}/{job_id}/checkpoints/")] == []
    for shard in range(ITEMS // SHARD_ITEMS):
        told = world.jobs.shard(TENANT, job_id, shard)
        assert (told.is_finished, told.failed) == (True, int(shard == POISON // SHARD_ITEMS))


@pytest.mark.parametrize(("kind", "where"), [*((kind, "model") for kind in KINDS), ("SIGSEGV", "decoder")])
def test_in_a_container_a_poisonous_item_costs_itself_and_no_attempt(
    world: World, processes: Killing, unpoisoned: list[dict[str, Any]], kind: str, where: str
) -> None:
    job_id = f"gpu-{kind.lower()}-{where}"
    dispatch(world, job_id, poison=frozenset({POISON}))

    codes = [
        processes.careful("container", job_id, shard, kind=kind, where=where) for shard in range(ITEMS // SHARD_ITEMS)
    ]

    assert codes == [0, 0, 0]
    check(world, job_id, unpoisoned, ENDS.get(kind, {"took more than 1e+06 s"}))


def test_an_item_that_ends_its_whole_container_is_found_within_the_attempts_of_a_job(
    world: World, processes: Killing, unpoisoned: list[dict[str, Any]]
) -> None:
    dispatch(world, "gpu-container", poison=frozenset({POISON}))
    codes: dict[int, list[int]] = {0: [], 1: [], 2: []}

    for shard, seen in codes.items():
        while not seen or (seen[-1] != 0 and len(seen) < ATTEMPTS):
            attempt = len(seen) + 1
            seen.append(processes.careful("container", "gpu-container", shard, attempt=attempt, kind="container"))

    assert codes == {0: [0], 1: [SIGKILL] * 4 + [0], 2: [0]}
    check(world, "gpu-container", unpoisoned, {"was ended together with its host, or took all of its memory"})


@pytest.mark.parametrize(("kind", "where"), [*((kind, "model") for kind in KINDS), ("SIGSEGV", "decoder")])
def test_at_a_message_s_second_receive_a_poisonous_item_costs_itself_alone(
    world: World, processes: Killing, unpoisoned: list[dict[str, Any]], kind: str, where: str
) -> None:
    job_id = f"cpu-{kind.lower()}-{where}"
    dispatch(world, job_id, poison=frozenset({POISON}))

    for shard in (0, 2):
        assert processes.careful("invocation", job_id, shard, kind=kind, where=where) == 0
    first = processes.careful("invocation", job_id, 1, kind=kind, where=where)
    second = processes.careful("invocation", job_id, 1, attempt=2, kind=kind, where=where)

    assert (first == STALLED) is (kind == "endless")
    assert second == 0
    check(world, job_id, unpoisoned, ENDS.get(kind, {"took more than 1 s"}))


def test_all_poisonous_items_of_a_shard_are_found_one_after_the_other(world: World, processes: Killing) -> None:
    poison = frozenset({21, 22, 29, 39})
    for job_id, do, attempt in (("gpu-many", "container", 1), ("cpu-many", "invocation", 2)):
        dispatch(world, job_id, poison=poison)

        assert processes.careful(do, job_id, 1, attempt=attempt, kind="SIGSEGV") == 0

        part = decode_lines(world.data.read(f"jobs/{TENANT}/{job_id}/part-00001.jsonl").body)
        failed = {line["id"]: line["code"] for line in part if "code" in line}
        assert failed == {f"i{number:05d}": "processing_crashed" for number in poison}
        assert len(part) == SHARD_ITEMS


def test_a_record_of_what_was_in_flight_is_json_that_names_positions(world: World, processes: Killing) -> None:
    dispatch(world, "gpu-record", poison=frozenset({POISON}))

    processes.careful("container", "gpu-record", 1, attempt=1, kind="container")
    processes.careful("container", "gpu-record", 1, attempt=2, kind="container")

    key = f"jobs/{TENANT}/gpu-record/checkpoints/00001/in-flight.json"
    told = json.loads(world.data.read(key).body)
    assert POISON % SHARD_ITEMS in told["in_flight"]["together"]
    assert told["suspicion"]["guilty"] == {}
