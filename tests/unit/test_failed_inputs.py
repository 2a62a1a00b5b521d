"""What failed in one job as the input of another."""

import pytest
from job_steps import JOB, job, ready, run_cpu

from builders import TENANT, World, picture
from lambent.contracts.batch_request import BatchInput
from lambent.domain.job_states import JobState
from lambent.errors import LambentError
from lambent.services.read_items import read_items
from lambent_toolkit.fakes import FakeIsolation


def repeated(world: World, job_id: str = "job-1", *, tenant: str = TENANT, model: str = "shade") -> list[str]:
    declared = world.files.contract(world.publish(name=model)) if model != "shade" else _contract(world)
    return [
        item.id
        for item in read_items(
            world.data, BatchInput(failed_of=job_id), tenant=tenant, contract=declared, isolation=FakeIsolation()
        )
    ]


def _contract(world: World):
    (ref, *_) = world.registry.records
    return world.files.contract(ref)


def test_what_failed_is_repeated_with_its_own_ids_lines_and_content() -> None:
    world = ready(picture(0), b"bad", picture(255), picture(9), b"worse")
    world.dispatch(lane="cpu")
    run_cpu(world)

    assert repeated(world) == ["i1", "i4"]
    world.data.objects[f"inputs/{TENANT}/1.png"] = picture(255)
    world.dispatch(id="job-2", lane="cpu", input={"failed_of": "job-1"})
    run_cpu(world)

    again = world.jobs.get(TENANT, "job-2")
    assert (again.state, again.total, again.done, again.failed) == (JobState.PARTIAL, 2, 1, 1)
    assert repeated(world, "job-2") == ["i4"]


def test_items_of_shards_that_never_ran_are_repeated_too() -> None:
    world = ready(picture(0), b"bad", picture(255), picture(9), picture(8))
    world.dispatch(lane="cpu")
    run_cpu(world)
    del world.data.objects[f"{JOB}/part-00001.jsonl"]  # as a cancelled job's that had not begun

    assert repeated(world) == ["i1", "i2", "i3"]


def test_a_job_in_which_nothing_failed_is_not_repeated() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    run_cpu(world)

    with pytest.raises(LambentError) as error:
        repeated(world)

    assert error.value.code == "nothing_failed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"job_id": "unknown"}, "no such job"),
        ({"tenant": "other"}, "no such job"),
        ({"model": "words"}, "another model"),
        ({}, "not ended"),
    ],
)
def test_a_job_that_is_unknown_foreign_or_running_is_not_repeated(changes: dict, reason: str) -> None:
    world = ready()
    world.dispatch(lane="cpu")

    with pytest.raises(LambentError, match=reason) as error:
        repeated(world, **changes)

    assert (error.value.code, error.value.field) == ("manifest_invalid", "input.failed_of")


def test_a_request_for_what_failed_of_an_unknown_job_is_a_failed_job() -> None:
    world = ready()

    world.dispatch(input={"failed_of": "unknown"})

    assert (job(world).state, job(world).error["field"]) == (JobState.FAILED, "input.failed_of")
