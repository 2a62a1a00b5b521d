"""Steps that the tests of calls for later share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from builders import TENANT, World, picture
from lambent.contracts.messages import CallMessage, InferMessage
from lambent.domain.call import Call, Operation
from lambent.domain.model import ModelChoice
from lambent.services.answer_call import CallService
from lambent.services.answer_later import AnswerLaterService
from lambent.services.predict import PredictService
from lambent.services.run_call import RunCallService


class Crash(BaseException):
    """The process dies here: nothing that the code may catch."""


def published() -> World:
    world = World()
    world.publish()
    return world


def call(body: bytes | None = None, **choice: str) -> Call:
    picked = picture(255) if body is None else body
    headers = {"content-type": "image/png", "accept-encoding": "gzip"}
    return Call(Operation.MEDIA_PREDICT, ModelChoice("shade", **choice), picked, headers, {"top_k": "2"})


def later(world: World) -> AnswerLaterService:
    return AnswerLaterService(
        data=world.data,
        jobs=world.jobs,
        queue=world.infer_queue,
        resolver=world.resolver(0.0),
        files=world.files,
        clock=world.clock,
        retention_days=30,
    )


def runner(world: World) -> RunCallService:
    calls = CallService(PredictService(world.resolver(0.0), world.models()))
    return RunCallService(data=world.data, jobs=world.jobs, calls=calls, finisher=world.finisher, clock=world.clock)


def drain(world: World) -> None:
    """Deliver all that waits on the queue."""
    service = runner(world)
    while world.infer_queue.sent:
        body, _ = world.infer_queue.sent.pop(0)
        message = msgspec.json.decode(body, type=InferMessage)
        assert isinstance(message, CallMessage)
        service.run(message.tenant, message.job_id)


def only_job(world: World) -> Any:
    (job,) = (job for (tenant, _), job in world.jobs.jobs.items() if tenant == TENANT)
    return job


@contextmanager
def dying_at(world: World, point: int, *, is_done_first: bool) -> Iterator[list[str]]:
    """Let the process die at the ``point``-th call of any port, before it or after it; yield the calls so far."""
    made: list[str] = []
    ports = (world.data, world.jobs, world.infer_queue, world.notifier, world.bus)
    methods = [
        (port, name)
        for port in ports
        for name in ("read", "write", "write_once", "claim", "create", "get", "transition", "close", "send", "announce")
        if hasattr(port, name)
    ]
    for port, name in methods:
        setattr(port, name, _counting(getattr(port, name), name, made, point, is_done_first=is_done_first))
    try:
        yield made
    finally:
        for port, name in methods:
            delattr(port, name)


def _counting(
    method: Callable[..., Any], name: str, made: list[str], point: int, *, is_done_first: bool
) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(name)
        is_here = len(made) == point
        if is_here and not is_done_first:
            raise Crash
        try:
            return method(*args, **kwargs)
        finally:
            if is_here:
                raise Crash

    return counted
