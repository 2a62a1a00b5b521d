"""The batch worker's real process: killed, told to stop, on another backend; the bytes that are left in the end."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from trained import FOREIGN_WARNINGS
from worker_place import Place, worker_place

from builders import TENANT
from lambent.contracts.lines import decode_lines
from lambent.errors import SourceGone

ITEMS = 400  # fifty checkpoints
EXIT_BROKEN, EXIT_TEMPORARY = 65, 75
POISONED = Path(__file__).with_name("poisoned_worker.py")
POISON = 7  # of that shade

pytestmark = [FOREIGN_WARNINGS]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with worker_place() as made:
        yield made


@pytest.fixture(scope="module")
def uninterrupted(place: Place) -> bytes:
    """Return the part of a shard that nobody disturbed."""
    place.plan("whole", items=ITEMS)
    assert place.start("whole").wait() == 0
    return place.part("whole")


def test_a_worker_that_is_killed_and_then_told_to_stop_leaves_the_bytes_of_one_that_was_not(
    place: Place, uninterrupted: bytes
) -> None:
    place.plan("disturbed", items=ITEMS)

    killed = place.start("disturbed")
    with place.held("disturbed", killed, at=2):
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    first = len(place.checkpoints("disturbed"))
    stopped = place.start("disturbed")
    with place.held("disturbed", stopped, at=2):
        stopped.send_signal(signal.SIGTERM)
    code = stopped.wait()
    with pytest.raises(SourceGone):
        place.part("disturbed")
    between = place.checkpoints("disturbed")
    known = place.jobs.shard(TENANT, "disturbed", 0)
    finished = place.start("disturbed").wait()

    assert (killed.returncode, code, finished) == (-signal.SIGKILL, EXIT_TEMPORARY, 0)
    assert len(between) > first
    assert known is not None
    assert not known.is_finished
    assert place.part("disturbed") == uninterrupted
    assert place.checkpoints("disturbed") == []
    shard = place.jobs.shard(TENANT, "disturbed", 0)
    assert (shard.done, shard.failed, shard.is_finished) == (ITEMS - ITEMS // 50, ITEMS // 50, True)
    assert known.busy_s > 0


@pytest.mark.parametrize(
    ("backend", "needs_gpu", "told"),
    [("tensorflow", True, "No GPU visible to tensorflow"), ("torchless", False, "The worker's image has no torchless")],
)
def test_a_worker_without_what_its_job_was_promised_says_so_at_every_item_and_is_not_tried_again(
    place: Place, backend: str, needs_gpu: bool, told: str
) -> None:
    place.plan(backend, items=3)

    code = place.start(backend, backend=backend, needs_gpu=needs_gpu).wait()

    lines = decode_lines(place.part(backend))
    assert code == EXIT_BROKEN
    assert [line["code"] for line in lines] == ["worker_unfit"] * 3
    assert all(line["detail"].startswith(told) for line in lines)
    shard = place.jobs.shard(TENANT, backend, 0)
    assert (shard.done, shard.failed, shard.is_finished) == (0, 3, True)


def test_an_item_that_ends_the_process_of_keras_costs_itself_and_no_attempt(place: Place, uninterrupted: bytes) -> None:
    place.plan("poisoned", items=60)

    code = place.start("poisoned", program=POISONED).wait()

    lines, expected = decode_lines(place.part("poisoned")), decode_lines(uninterrupted)[:60]
    guilty = lines.pop(POISON)
    assert code == 0
    assert lines == expected[:POISON] + expected[POISON + 1 :]
    assert (guilty["id"], guilty["line"]) == (f"i{POISON:05d}", POISON + 1)
    assert (guilty["code"], guilty["got"]) == ("processing_crashed", "ended with status 0")


def test_a_worker_on_jax_gives_the_answers_of_one_on_tensorflow(place: Place, uninterrupted: bytes) -> None:
    place.plan("on-jax", items=ITEMS)

    assert place.start("on-jax", backend="jax").wait() == 0

    ours, theirs = decode_lines(place.part("on-jax")), decode_lines(uninterrupted)
    assert [(line["id"], line.get("label"), line.get("code")) for line in ours] == [
        (line["id"], line.get("label"), line.get("code")) for line in theirs
    ]
    scores = [[top["score"] for line in lines if "top" in line for top in line["top"]] for lines in (ours, theirs)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_worker_of_a_job_that_is_not_there_says_so_by_its_exit_code(place: Place) -> None:
    assert place.start("no-such-job").wait() == 65
