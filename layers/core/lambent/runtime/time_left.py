"""What is left of an invocation, for the calls that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from math import inf
from time import monotonic, time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.adapters.time_budget import BRIEF_S, TimeBudget, within

# API Gateway gives a request up after 29 s. By then an answer is to have arrived, whatever has to be stored for it.
GATEWAY_S = 29.0
ANSWER_WITHIN_S = 26.0
_LAST_CALL_WITHIN_S = 28.5
# Within 3 s of a request it is to be told that a service is silent, and a cold start is part of them; a service that
# works is given this much all the same.
_TOLD_WITHIN_S = 2.8
LEAST_BRIEF_S = 1.5
_START_SILENCE_S = 1.0
# For what comes after the last call: an error to log and to answer.
_MARGIN_S = 0.5


def at_the_door(context: LambdaContext, event: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Hold the calls of a request to what is left, and to a silence that whoever waits can bear."""
    waited = waited_s(event)
    gateway_s = monotonic() + _LAST_CALL_WITHIN_S - waited
    silence_s = min(BRIEF_S, max(LEAST_BRIEF_S, _TOLD_WITHIN_S - waited))
    return within(TimeBudget(ends_at_s=min(_end_s(context), gateway_s), silence_s=silence_s, is_brief=True))


def at_start() -> AbstractContextManager[None]:
    """Hold the calls that a function makes while it starts, before it has a request, to the shortest silence.

    A request may wait for them, and meet the same silence once more.
    """
    return within(TimeBudget(ends_at_s=inf, silence_s=_START_SILENCE_S, is_brief=True))


def waited_s(event: Mapping[str, Any]) -> float:
    """Return how long ago API Gateway took a request, which it counts from; a cold start lies in between.

    A time that makes no sense counts as none: ``sam local`` tells seconds where AWS tells milliseconds.
    """
    taken_ms = (event.get("requestContext") or {}).get("requestTimeEpoch")
    waited = time() - taken_ms / 1000 if isinstance(taken_ms, int) else 0.0
    return waited if 0 <= waited < GATEWAY_S else 0.0


def of_events(context: LambdaContext) -> AbstractContextManager[None]:
    """Hold the calls of an invocation that nobody waits for to what is left of it.

    So one that meets an outage ends with an error that its queue sees, and is not killed in the midst of its batch.
    """
    return within(TimeBudget(ends_at_s=_end_s(context)))


def _end_s(context: LambdaContext) -> float:
    return monotonic() + context.get_remaining_time_in_millis() / 1000 - _MARGIN_S
