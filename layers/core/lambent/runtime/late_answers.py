"""A prediction that takes longer than its door can wait: answered by a job, which the work that goes on will end."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from threading import Timer
from typing import Any

from lambent.domain.call import Call, CallAnswer
from lambent.domain.caller import Scope
from lambent.domain.job import Job
from lambent.domain.model import Target
from lambent.errors import DeadlineExceeded, LambentError, Unavailable
from lambent.runtime.callers import caller_of
from lambent.runtime.held_work import Piece
from lambent.runtime.http_answers import HttpAnswer
from lambent.runtime.http_event import HttpEvent
from lambent.runtime.http_later import accepted
from lambent.runtime.observability import log_surprise, logger
from lambent.runtime.wiring_jobs import answer_later_service, keep_answer_service

# Of the invocation, for recording that its model has not answered.
_END_BEFORE_S = 8.0
# After the invocation's timeout nothing of it is left.
_AGAIN_AFTER_S = 5
_RETRY_AFTER_S = "5"
_STILL_AT_WORK = 75  # EX_TEMPFAIL


@dataclass(frozen=True)
class Span:
    """An invocation's time: what its request has waited, and what is left."""

    waited_s: float
    left_s: float


def answer_by_job(
    piece: Piece[CallAnswer], call: Call, event: HttpEvent, target: Target | None, span: Span
) -> HttpAnswer:
    """Record a call that is being answered as a job: 202 once that is durable, and the job ends with the work.

    The model's version, its caller's scopes and the Idempotency-Key are the call's.

    Parameters
    ----------
    piece     the work, which was left
    target    the version that answers, None if it was not found yet
    span      a model that has not answered shortly before its end is a recorded failure, and ends with the execution
              environment, since nothing else stops it
    """
    job: Job | None = None
    try:
        caller = caller_of(event, Scope.PREDICT)
        job = answer_later_service().accept_running(
            caller.tenant,
            call,
            target=target,
            idempotency_key=event.headers.get("idempotency-key"),
            again_in_s=int(span.left_s) + _AGAIN_AFTER_S,
        )
        return accepted(job, event, headers={"Retry-After": _RETRY_AFTER_S})
    finally:
        hold(piece, job, span)


def refuse_to_wait(piece: Piece[Any], span: Span) -> DeadlineExceeded:
    """Return the error for a client that waits no longer and asked for no job; what is computed is nobody's."""
    hold(piece, None, span)
    return DeadlineExceeded(
        f"The model did not answer within {span.waited_s:g} s, which is as long as Prefer: wait lets it, or the door "
        "can. Ask with Prefer: respond-async, or without a wait, and the answer comes by a job.",
        field="Prefer",
        limit=span.waited_s,
    )


def be_busy(piece: Piece[Any], span: Span) -> Unavailable:
    """Return the error for a request that is no prediction; what it waits for, a model's load, goes on meanwhile."""
    hold(piece, None, span)
    return Unavailable("The model is still being loaded; ask again.")


def hold(piece: Piece[Any], job: Job | None, span: Span, *, leave: Callable[[int], object] = os._exit) -> None:
    """Let left work go on to its end, or to that of the invocation; its outcome is the job's, if there is one."""
    rest_s = max(0.0, span.left_s - _END_BEFORE_S)
    timer = Timer(rest_s, give_up, [piece, job, span.waited_s + rest_s, leave])
    timer.daemon = True
    timer.start()
    piece.go_on(None if job is None else lambda value: keep(job, value))


def keep(job: Job, value: Callable[[], CallAnswer]) -> None:
    """Make what came of the work the job's outcome; what is no outcome is left to InferFunction."""
    service = keep_answer_service()
    try:
        try:
            service.keep(job, value())
        except LambentError as error:
            if error.is_final:
                service.fail(job, error)
            else:
                service.hand_over(job)
        except Exception as error:  # noqa: BLE001 - nobody above would see it, and the queue's function meets it again
            log_surprise("failed after its answer", error)
            service.hand_over(job)
    except Unavailable as error:
        # The job's message is on its way already, and does all of this again.
        logger.warning("not kept", tenant=job.tenant, job_id=job.job_id, detail=error.detail)
    except Exception as error:  # noqa: BLE001 - the top of a thread, which the next request needs
        log_surprise("not kept", error)
    else:
        logger.info("kept", tenant=job.tenant, job_id=job.job_id)


def give_up(piece: Piece[Any], job: Job | None, limit_s: float, leave: Callable[[int], object]) -> None:
    """End work that has not ended by itself: by a recorded failure, and with the process."""
    if not piece.abandon():
        return
    logger.error("gave up", job_id=job and job.job_id, limit_s=limit_s)
    if job is not None:
        _record_failure(job, limit_s)
    leave(_STILL_AT_WORK)


def _record_failure(job: Job, limit_s: float) -> None:
    error = DeadlineExceeded(f"The model did not answer within {limit_s:.0f} s.", limit=round(limit_s))
    try:
        keep_answer_service().fail(job, error)
    except Unavailable as unavailable:
        logger.warning("not kept", tenant=job.tenant, job_id=job.job_id, detail=unavailable.detail)
