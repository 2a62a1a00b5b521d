"""Names, job states and labels."""

from itertools import permutations

import pytest

from lambent.domain import names
from lambent.domain.job_states import JobState, outcome, states_before
from lambent.errors import ModelNotFound, NameInvalid, UploadKeyInvalid


@pytest.mark.parametrize("name", ["a", "digits", "my-model_2", "0", "a" * 64])
def test_plain_names_are_allowed(name: str) -> None:
    assert names.check_name(name, what="model") == name


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "a b", "-a", "a" * 65, "ä", "a\x00", "a\n", "%2e"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(NameInvalid):
        names.check_name(name, what="model")


@pytest.mark.parametrize("text", ["0", "-1", "01", "1.0", "٣", "", "x", "9" * 10])
def test_what_is_no_version_number_is_not_found(text: str) -> None:
    with pytest.raises(ModelNotFound):
        names.parse_version(text)


def test_an_upload_key_gives_tenant_model_and_name() -> None:
    assert names.parse_upload_key("inbox/acme/digits/2026/a b?.png") == ("acme", "digits", "2026/a b?.png")
    assert names.result_stem("inbox/acme/digits/2026/a b?.png") == "results/acme/digits/2026/a b?.png"


@pytest.mark.parametrize(
    "key",
    [
        "inbox/x.png",
        "inbox/acme/digits/",
        "inbox/acme//x",
        "other/acme/digits/x",
        "inbox/../digits/x",
        "inbox/acme/digits/x.error",
    ],
)
def test_other_upload_keys_are_refused(key: str) -> None:
    with pytest.raises(UploadKeyInvalid):
        names.parse_upload_key(key)


@pytest.mark.parametrize("name", ["a" * 990, "ü" * 500, "d/" * 480 + "a"])
def test_the_longest_legal_key_has_a_place_for_its_outcome(name: str) -> None:
    key = f"inbox/acme/digits/{name}"
    assert len(key.encode()) <= 1024

    stems = {names.result_stem(key), names.result_stem(f"{key[:-1]}b")}

    assert len(stems) == 2
    assert all(len(f"{stem}.error.json".encode()) <= 1024 for stem in stems)
    assert all(stem.startswith("results/acme/digits/") for stem in stems)


def test_results_never_lie_under_the_prefix_that_triggers() -> None:
    assert not names.result_stem("inbox/acme/digits/x").startswith(names.INBOX)


@pytest.mark.parametrize("order", list(permutations(JobState, 3)))
def test_states_only_move_forward_whatever_order_they_come_in(order: tuple[JobState, ...]) -> None:
    rank = {JobState.QUEUED: 0, JobState.PLANNED: 1, JobState.RUNNING: 2}
    state = JobState.QUEUED
    seen = [state]

    for wanted in order:
        if state in states_before(wanted):
            state = wanted
            seen.append(state)

    ranks = [rank.get(step, 3) for step in seen]
    assert ranks == sorted(ranks)
    assert sum(step.is_terminal for step in seen) <= 1


@pytest.mark.parametrize(
    ("done", "state"), [(10, JobState.SUCCEEDED), (9, JobState.PARTIAL), (1, JobState.PARTIAL), (0, JobState.FAILED)]
)
def test_the_outcome_follows_the_items(done: int, state: JobState) -> None:
    assert outcome(total=10, done=done) is state
