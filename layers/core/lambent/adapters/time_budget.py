"""How long calls to AWS may take: within what is left of an invocation, and not through any length of silence.

The SDK's own timeouts know nothing of the function around them: four attempts that each wait for a silent service are
longer than API Gateway waits, and than most functions live. So each attempt asks here how long it may wait, by an event
of the SDK, and clients stay what they are: made once a process, with their connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

# Where nobody waits: longer than any pause of a service that works, and short enough for another attempt.
PATIENT_S = 10.0
# At a door somebody waits: 2 s are slow, and within 3 it is to be told that it will not be.
BRIEF_S = 2.3
SILENCE = (ConnectTimeoutError, ReadTimeoutError)
# What services say to more requests than they take.
THROTTLED = frozenset(
    {
        "LimitExceededException",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "429",
    }
)
# Of an attempt that is not worth to be begun.
_LEAST_S = 0.05
_MOST_BRIEF_ATTEMPTS = 2
# The longest that the SDK waits before its second attempt.
_PAUSE_S = 1.0
_SERVER_ERROR = 500
_TOO_MANY = 429
_BEGUN, _FAILED = "lambent_begun_s", "lambent_failed_s"


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
    is_brief    whether somebody waits: silence is not tried again then, and nobody is asked any more after it. What
                failed attempts and the pauses after them have taken, of all calls together, is taken off ``silence_s``
    """

    ends_at_s: float
    silence_s: float = PATIENT_S
    is_brief: bool = False
    was_silent: bool = field(default=False, init=False)
    lost_s: float = field(default=0.0, init=False)

    def allowed_s(self) -> float:
        """Return for how long an attempt may wait for bytes, 0 if it is not worth to be begun."""
        allowed_s = min(self.silence_s - self.lost_s, self.ends_at_s - monotonic())
        return 0.0 if allowed_s < _LEAST_S or (self.is_brief and self.was_silent) else allowed_s

    def wait_s(self) -> float:
        """Return for how long an attempt may wait for bytes; raises NoTimeLeft."""
        allowed_s = self.allowed_s()
        if not allowed_s:
            raise NoTimeLeft
        return allowed_s

    def lose(self, lost_s: float) -> None:
        """Count time that brought nothing."""
        if self.is_brief:
            self.lost_s += lost_s

    def may_try_again(self) -> bool:
        """Return whether another attempt has a time of its own after the SDK's pause."""
        return not self.is_brief or self.lost_s + _PAUSE_S < self.silence_s


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


def allowed_s() -> float:
    """Return for how long a step of an attempt may last by the budget; infinite without one."""
    return _budgets[-1].allowed_s() if _budgets else inf


def hold_to_budget(client: Any) -> Any:
    """Make a client of the SDK ask before each of its attempts; return it."""
    service, events = client.meta.service_model.service_id.hyphenize(), client.meta.events
    events.register_first(f"before-send.{service}", _before_attempt)
    events.register_first(f"needs-retry.{service}", _after_attempt)
    return client


def _before_attempt(request: Any, **_: Any) -> None:
    if not _budgets:
        return
    budget, context, now_s = _budgets[-1], request.context, monotonic()
    # Since the attempt before, if there was one: the SDK's pause.
    budget.lose(now_s - context.pop(_FAILED, now_s))
    context[_BEGUN] = now_s
    context["read_timeout"] = budget.wait_s()


def _after_attempt(
    *, response: Any, operation: Any, attempts: int, caught_exception: Any, request_dict: Any, **_: Any
) -> None:
    """End a brief call by its error, where the SDK would go on to try."""
    if not _budgets or not _budgets[-1].is_brief:
        return
    if isinstance(caught_exception, SILENCE):
        raise caught_exception
    if caught_exception is None and not _has_failed(response):
        return
    budget, context, now_s = _budgets[-1], request_dict["context"], monotonic()
    budget.lose(now_s - context.pop(_BEGUN, now_s))
    context[_FAILED] = now_s
    if attempts < _MOST_BRIEF_ATTEMPTS and budget.may_try_again():
        return
    if caught_exception is not None:
        raise caught_exception
    raise ClientError(response[1], operation.name)


def _has_failed(response: Any) -> bool:
    """Return whether an answer is one that the SDK tries to better."""
    status, parsed = response[0].status_code, response[1]
    return status >= _SERVER_ERROR or status == _TOO_MANY or parsed.get("Error", {}).get("Code") in THROTTLED
