"""The order in which a fair queue delivers, by AWS's description."""

import random
from collections import Counter

import pytest

from lambent_toolkit.sandbox.fair_groups import NOISY_IN_FLIGHT, RECENT_S, ConsumerTime, InFlight, fair_order


def ordered(waiting: list[str], noisy: set[str], in_flight: dict[str | None, float] | None = None) -> list[str]:
    """Return the order of messages "group-number"; those of the group "" have none."""
    pairs = [(each.partition("-")[0] or None, each) for each in waiting]
    return fair_order(pairs, frozenset(noisy), in_flight or {})


def spent(**seconds: float) -> ConsumerTime:
    """Return what consumers spent on groups until second 100."""
    time = ConsumerTime()
    for group, each in seconds.items():
        time.add(InFlight(group, 100 - each), 100)
    return time


def test_quiet_groups_come_before_a_noisy_one_each_in_its_own_order() -> None:
    assert ordered(["a-1", "a-2", "b-1", "a-3", "c-1", "b-2"], {"a"}) == ["b-1", "c-1", "b-2", "a-1", "a-2", "a-3"]


def test_without_noise_messages_come_in_their_order() -> None:
    waiting = ["a-1", "b-1", "a-2", "-1", "b-2"]

    assert ordered(waiting, set()) == waiting


def test_messages_without_a_group_are_quiet() -> None:
    assert ordered(["a-1", "-1", "a-2", "-2"], {"a"}) == ["-1", "-2", "a-1", "a-2"]


def test_noisy_groups_take_turns_beginning_with_the_one_of_which_least_is_in_flight() -> None:
    waiting = ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"]

    assert ordered(waiting, {"a", "b"}, {"a": 2, "b": 0}) == ["b-1", "b-2", "a-1", "b-3", "a-2", "a-3"]


def test_a_group_that_takes_over_a_tenth_of_the_time_is_noisy() -> None:
    time = spent(a=90.0, b=8.0, c=11.0)

    assert time.noisy([], ["a", "b", "c"], 100) == {"a", "c"}


def test_time_in_flight_counts_before_it_ends() -> None:
    time = spent(b=5.0)

    assert time.noisy([InFlight("a", 0)], ["a", "b"], 100) == {"a"}


@pytest.mark.parametrize(("count", "others", "is_noisy"), [(30, 200, True), (29, 200, False), (30, 300, False)])
def test_thirty_messages_and_a_tenth_of_those_in_flight_are_noise(count: int, others: int, is_noisy: bool) -> None:
    in_flight = [InFlight("a", 100)] * count + [InFlight(None, 0)] * others

    noisy = ConsumerTime().noisy(in_flight, ["a", None], 100)

    assert (NOISY_IN_FLIGHT, "a" in noisy) == (30, is_noisy)


def test_a_group_of_which_nothing_is_left_begins_anew() -> None:
    time = spent(a=90.0, b=1.0)

    time.noisy([], ["b"], 100)

    assert time.noisy([], ["a", "b"], 100) == {"b"}


def test_what_was_long_ago_is_forgotten() -> None:
    time = spent(a=90.0)

    assert time.noisy([], ["a", "b"], 100 + RECENT_S - 1) == {"a"}
    assert time.noisy([], ["a", "b"], 100 + RECENT_S) == set()


def test_every_message_is_delivered_once_whoever_is_noisy() -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(200):
        waiting = [f"{chance.choice(['', 'a', 'b', 'c'])}-{number}" for number in range(chance.randrange(30))]
        noisy = {each for each in "abc" if chance.random() < 0.5}

        order = ordered(waiting, noisy, {each: chance.randrange(9) for each in "abc"})

        assert Counter(order) == Counter(waiting)
        for group in ("", "a", "b", "c"):
            own = [each for each in waiting if each.partition("-")[0] == group]
            assert [each for each in order if each.partition("-")[0] == group] == own
