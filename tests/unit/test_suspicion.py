"""Who is suspected, cleared and guilty after processes have died: every death brings the shard on."""

from __future__ import annotations

import random

import msgspec
import pytest

from lambent.domain.suspicion import LOST, End, InFlight, Suspicion

CRASH = End("died of SIGFPE", is_evident=True)
KILL = End("died of SIGKILL", is_evident=False)
ITEMS, BATCH = 24, 4


def test_what_was_in_flight_is_to_be_tried_alone_and_whoever_dies_again_is_guilty() -> None:
    first = Suspicion().after(InFlight(together=[4, 5, 6, 7]), CRASH)
    second = first.after(InFlight(alone=6, survived=[4, 5]), CRASH)

    assert first.suspects == [4, 5, 6, 7]
    assert (second.suspects, second.cleared, second.guilty) == ([7], [4, 5], {6: "died of SIGFPE"})


@pytest.mark.parametrize("end", [KILL, LOST])
def test_an_end_that_may_come_from_outside_has_to_come_twice(end: End) -> None:
    known = Suspicion(suspects=[6, 7]).after(InFlight(alone=6), end)
    again = known.after(InFlight(alone=6), end)

    assert (known.suspects, known.guilty) == ([6, 7], {})
    assert (again.suspects, again.guilty) == ([7], {6: end.text})


def test_an_item_that_survives_after_such_an_end_is_cleared() -> None:
    known = Suspicion(suspects=[6, 7]).after(InFlight(alone=6), KILL)
    later = known.after(InFlight(together=[6, 7], survived=[6, 7]), KILL)

    assert (later.suspects, later.guilty) == ([], {})


def test_a_single_item_in_flight_gets_a_trial_like_any_other() -> None:
    known = Suspicion().after(InFlight(together=[3]), CRASH)

    assert (known.suspects, known.guilty) == ([3], {})


def test_a_cleared_item_that_ends_its_batch_of_one_is_guilty() -> None:
    known = Suspicion(cleared=[3]).after(InFlight(together=[3]), CRASH)

    assert (known.guilty, known.suspects) == ({3: "died of SIGFPE"}, [])


@pytest.mark.parametrize(("end", "deaths"), [(CRASH, 2), (KILL, 3)])
def test_items_that_survive_alone_and_not_together_are_too_many_for_a_batch(end: End, deaths: int) -> None:
    known = Suspicion(cleared=[0, 1, 2])

    told = []
    for _ in range(deaths):
        known = known.after(InFlight(together=[0, 1, 2]), end)
        told.append(known.is_batch_too_large)

    assert told == [False] * (deaths - 1) + [True]
    assert not known.without_halving().is_batch_too_large


def test_a_death_with_nothing_in_flight_changes_nothing_but_who_has_survived() -> None:
    known = Suspicion(suspects=[1, 2], weights={1: 1})

    assert known.after(InFlight(survived=[2]), CRASH) == msgspec.structs.replace(known, cleared=[2])


def test_a_suspicion_survives_its_way_through_json() -> None:
    known = Suspicion(suspects=[3], cleared=[1], guilty={7: "died of SIGBUS"}, weights={3: 1}, together=1)

    assert msgspec.json.decode(msgspec.json.encode(known), type=Suspicion) == known


def attempt(known: Suspicion, poison: set[int], *, kills: bool, chance: random.Random) -> InFlight | None:
    """Play one process to its death; None if it reaches the shard's end."""
    survived: list[int] = []
    for suspect in known.suspects:
        if suspect in poison or (kills and chance.random() < 0.02):
            return InFlight(alone=suspect, survived=survived)
        survived.append(suspect)
    left = [position for position in range(ITEMS) if position not in known.guilty]
    for start in range(0, len(left), BATCH):
        batch = left[start : start + BATCH]
        if poison & set(batch) or (kills and chance.random() < 0.02):
            return InFlight(together=batch, survived=survived)
    return None


def test_exactly_the_poisonous_items_become_guilty_whatever_their_places() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for _ in range(300):
        poison, known, deaths = set(chance.sample(range(ITEMS), chance.randint(0, 6))), Suspicion(), 0
        while (found := attempt(known, poison, kills=False, chance=chance)) is not None:
            known, deaths = known.after(found, CRASH), deaths + 1
            assert deaths <= 2 * len(poison), seed

        assert set(known.guilty) == poison, seed


def test_kills_from_outside_never_keep_a_shard_from_its_end() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for _ in range(300):
        poison, known, deaths = set(chance.sample(range(ITEMS), chance.randint(0, 4))), Suspicion(), 0
        while (found := attempt(known, poison, kills=True, chance=chance)) is not None:
            known, deaths = known.after(found, KILL), deaths + 1
            assert deaths < 200, seed

        assert poison <= set(known.guilty), seed
