"""In which order a queue delivers: what AWS says of Amazon SQS's fair queues.

A tenant is a message's group; a message without one is a tenant of its own. A tenant is noisy that has at least 30
messages in flight and over a tenth of all, or that took over a tenth of the consumers' time of late. Messages of quiet
tenants come first, in their order; of several noisy ones, that of the tenant with the fewest in flight. It is quiet
again once nothing of it waits, or after five minutes without a message of it.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html

How long "of late" is AWS does not say; here it is the same five minutes. On AWS all of it is approximate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TypeVar

NOISY_SHARE = 0.1
NOISY_IN_FLIGHT = 30
RECENT_S = 300.0

M = TypeVar("M")


@dataclass(frozen=True)
class InFlight:
    """A message that was received and is hidden: of which group (None has none), and since when."""

    group: str | None
    since_s: float


class ConsumerTime:
    """What consumers spent on messages that are done, by group."""

    def __init__(self) -> None:
        self._spent: deque[tuple[float, str | None, float]] = deque()

    def add(self, message: InFlight, now_s: float) -> None:
        """Count a message that is done now."""
        self._spent.append((now_s, message.group, now_s - message.since_s))

    def noisy(self, in_flight: Sequence[InFlight], waiting: Iterable[str | None], now_s: float) -> frozenset[str]:
        """Return the groups that are noisy now.

        Parameters
        ----------
        waiting   groups of the messages that may be delivered
        """
        self._forget(in_flight, waiting, now_s)
        spent = [(group, seconds) for _, group, seconds in self._spent]
        spent += [(each.group, now_s - each.since_s) for each in in_flight]
        busy_s, counts = _sums(spent), _sums((each.group, 1) for each in in_flight)
        all_busy_s = sum(seconds for _, seconds in spent)
        return frozenset(
            group
            for group in busy_s
            if busy_s[group] > NOISY_SHARE * all_busy_s
            or (counts.get(group, 0) >= NOISY_IN_FLIGHT and counts[group] > NOISY_SHARE * len(in_flight))
        )

    def _forget(self, in_flight: Sequence[InFlight], waiting: Iterable[str | None], now_s: float) -> None:
        """Drop what is long ago, and what is known of groups of which nothing is left."""
        present = {*waiting, *(each.group for each in in_flight)}
        kept = [each for each in self._spent if now_s - each[0] < RECENT_S and (each[1] is None or each[1] in present)]
        if len(kept) < len(self._spent):
            self._spent = deque(kept)


def _sums(pairs: Iterable[tuple[str | None, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for group, number in pairs:
        if group is not None:
            sums[group] = sums.get(group, 0) + number
    return sums


def fair_order(
    waiting: Sequence[tuple[str | None, M]], noisy: frozenset[str], in_flight: Mapping[str | None, float]
) -> list[M]:
    """Return messages in the order of their delivery.

    Parameters
    ----------
    waiting     groups and messages, in the order in which they were sent
    noisy       groups that come last
    in_flight   how many messages of each noisy group are in flight
    """
    quiet = [message for group, message in waiting if group not in noisy]
    lines: dict[str, deque[tuple[int, M]]] = {}
    for place, (group, message) in enumerate(waiting):
        if group is not None and group in noisy:
            lines.setdefault(group, deque()).append((place, message))
    # Each message that is delivered is one more in flight, so that several noisy groups take turns.
    turns = [(in_flight.get(group, 0.0), line[0][0], group) for group, line in lines.items()]
    heapify(turns)
    ordered: list[M] = []
    while turns:
        count, _, group = heappop(turns)
        line = lines[group]
        ordered.append(line.popleft()[1])
        if line:
            heappush(turns, (count + 1, line[0][0], group))
    return quiet + ordered
