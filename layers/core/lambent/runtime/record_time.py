"""How long a child process may work on the record at hand, so that the outcomes of all records can still be told."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic

from lambent.errors import Interrupted

# For what comes after the last child: outcomes to write, messages to send, each perhaps at its second try.
RESERVE_S = 15.0
# Of what a version's golden vectors took in processes of their own.
_TIMES_PROOF = 10
# No honest input of a batch needs longer than this, nor does one that is done at once less than that.
_ENOUGH_S = 20.0
_LITTLE_S = 1.0


class RecordTime:
    """The time of one invocation, shared out among its records, and a record's among the objects that it tells of."""

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._end_s = self._until_s = self._needed_s = 0.0

    def begin(self, left_ms: int, *, among: int = 1) -> None:
        """Give the first of ``among`` records its share of what is left of the invocation, in milliseconds."""
        self._end_s = self._now_s() + _share_s(left_ms / 1000 - RESERVE_S, among)
        self._until_s = self._end_s
        self._needed_s = 0.0

    def part(self, among: int) -> None:
        """Give the first of ``among`` objects its share of what is left of the record."""
        now_s = self._now_s()
        self._until_s = now_s + _share_s(self._end_s - now_s, among)

    def allow_s(self, proof_s: float) -> None:
        """Let children take longer than most, if the version of this record does for its own golden vectors."""
        self._needed_s = _TIMES_PROOF * proof_s

    def limit_s(self, most_s: float = inf) -> float:
        """Return the seconds that a child which starts now may take, ``most_s`` unless more were allowed.

        Raises
        ------
        Interrupted   too few for a verdict on what the child works on
        """
        left_s = self._until_s - self._now_s()
        if left_s < _LITTLE_S:
            raise Interrupted("Too little of the function's time is left to work on this; it is tried again.")
        return min(left_s, max(most_s, self._needed_s))


def _share_s(left_s: float, among: int) -> float:
    """Return one's share: most are done at once, so that one which never ends may have more than its part."""
    return max(left_s / among, min(_ENOUGH_S, left_s - (among - 1) * _LITTLE_S))


RECORD_TIME = RecordTime()
