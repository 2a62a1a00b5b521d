"""How long calls to AWS may take: within what is left of an invocation, and not through any length of silence.

The SDK's own timeouts know nothing of the function around them: four attempts that each wait for a silent service are
longer than API Gateway waits, and than most functions live. So each attempt asks here how long it may wait, by an event
of the SDK, and clients stay what they are: made once a process, with their connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

# Where nobody waits: longer than any pause of a service that works, and short enough for another attempt.
PATIENT_S = 10.0
# At a door somebody waits: 2 s are slow, and within 3 it is to be told that it will not be.
BRIEF_S = 2.3
SILENCE = (ConnectTimeoutError, ReadTimeoutError)
# Of an attempt that is not worth to be begun.
_LEAST_S = 0.05
_MOST_BRIEF_ATTEMPTS = 2
_SERVER_ERROR = 500
_TOO_MANY = 429


class NoTimeLeft(BotoCoreError):
    """A call that was not made, or not made again, since it could not have ended in time."""

    fmt = "No time is left for this call."


@dataclass(eq=False)
class TimeBudget:
    """What an invocation may spend on calls.

    Parameters
    ----------
    ends_at_s   when the last call must have ended, on the monotonic clock
    silence_s   for how long one attempt may wait for the next bytes
    is_brief    whether somebody waits: silence is not tried again then, and nobody is asked any more after it
    """

    ends_at_s: float
    silence_s: float = PATIENT_S
    is_brief: bool = False
    was_silent: bool = field(default=False, init=False)

    def wait_s(self) -> float:
        """Return for how long an attempt may wait for bytes; raises NoTimeLeft."""
        left_s = self.ends_at_s - monotonic()
        if left_s < _LEAST_S or (self.is_brief and self.was_silent):
            raise NoTimeLeft
        return min(self.silence_s, left_s)


_budgets: list[TimeBudget] = []


@contextmanager
def within(budget: TimeBudget) -> Iterator[None]:
    """Hold all calls of this process, in every thread, to a budget: an environment serves one invocation at a time."""
    _budgets.append(budget)
    try:
        yield
    finally:
        _budgets.remove(budget)


def note_silence() -> None:
    """Remember that a service was silent."""
    if _budgets:
        _budgets[-1].was_silent = True


def hold_to_budget(client: Any) -> Any:
    """Make a client of the SDK ask before each of its attempts; return it."""
    service, events = client.meta.service_model.service_id.hyphenize(), client.meta.events
    events.register_first(f"before-send.{service}", _before_attempt)
    events.register_first(f"needs-retry.{service}", _after_attempt)
    return client


def _before_attempt(request: Any, **_: Any) -> None:
    if _budgets:
        request.context["read_timeout"] = _budgets[-1].wait_s()


def _after_attempt(*, response: Any, operation: Any, attempts: int, caught_exception: Any, **_: Any) -> None:
    """End a brief call by its error, where the SDK would go on to try."""
    if not _budgets or not _budgets[-1].is_brief:
        return
    if isinstance(caught_exception, SILENCE):
        raise caught_exception
    if attempts < _MOST_BRIEF_ATTEMPTS:
        return
    if caught_exception is not None:
        raise caught_exception
    status, parsed = response[0].status_code, response[1]
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        raise ClientError(parsed, operation.name)
