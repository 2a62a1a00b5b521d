"""All execution environments of one function: more under load, fewer when idle, never above its concurrency."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from lambent_toolkit.sandbox.account import AccountConcurrency
from lambent_toolkit.sandbox.environment import EnvironmentHost, ExecutionEnvironment
from lambent_toolkit.sandbox.function_log import FunctionLog
from lambent_toolkit.sandbox.function_spec import FunctionSpec
from lambent_toolkit.sandbox.invocation import (
    Invocation,
    InvocationResult,
    Outcome,
    exit_error,
    recursion_error,
    throttle_error,
)
from lambent_toolkit.sandbox.lineage import MAX_RUNS, NEW_EVENT, Lineage

EnvironmentFactory = Callable[..., ExecutionEnvironment]


class FunctionPool:
    """Invokes one function, starting environments as they are needed.

    An event above `max_environments` waits, because a laptop is not a region; above the function's reserved
    concurrency, or the account's, it is throttled at once, as on AWS.

    Parameters
    ----------
    spec : FunctionSpec
    host : EnvironmentHost
    log : FunctionLog
    max_environments : int     limit for a function without reserved concurrency
    account : AccountConcurrency | None   what all such functions share; None has no limit
    idle_s : float             seconds after which an idle environment may be reaped
    """

    def __init__(
        self,
        spec: FunctionSpec,
        *,
        host: EnvironmentHost,
        log: FunctionLog,
        max_environments: int,
        idle_s: float,
        account: AccountConcurrency | None = None,
        make_environment: EnvironmentFactory = ExecutionEnvironment,
    ) -> None:
        self.log = log
        self._idle_s = idle_s
        self._account, self._max_environments = account, max_environments
        self._make_with = partial(make_environment, host=host, log=log, on_idle=self._on_idle, on_gone=self._on_gone)
        self._choose(spec)
        self._tasks: dict[ExecutionEnvironment, asyncio.Task[None]] = {}
        self._idle: list[ExecutionEnvironment] = []
        self._starting: set[ExecutionEnvironment] = set()
        self._queued: deque[Invocation] = deque()
        self._outdated: set[ExecutionEnvironment] = set()
        self._running = 0
        self._is_closed = False

    def _choose(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self.limit = self._max_environments if spec.reserved_concurrency is None else spec.reserved_concurrency

    def become(self, spec: FunctionSpec) -> None:
        """Go on as another version of the function; what runs now ends as it began."""
        if spec == self.spec:
            return
        self._choose(spec)
        self._outdated |= set(self._tasks)
        while self._idle:
            self._idle.pop().kill()

    @property
    def size(self) -> int:
        """Environments that exist now, starting ones included."""
        return len(self._tasks)

    async def invoke(self, event: bytes, lineage: Lineage = NEW_EVENT) -> InvocationResult:
        """Run the function on one JSON event and return what came of it; never raises for a failing function.

        ``lineage`` tells how often what caused the event has run this function before.
        """
        if lineage.runs_of(self.spec.arn) >= MAX_RUNS and not self.spec.may_recurse:
            self.log.line(f"RecursiveInvocationsDropped: 1 {recursion_error().decode()}")
            return InvocationResult(Outcome.RECURSIVE, recursion_error())
        if self.spec.reserved_concurrency is not None and self._running >= self.limit:
            return InvocationResult(Outcome.THROTTLED, throttle_error())
        if self._is_closed:
            return InvocationResult(Outcome.EXIT, exit_error("none", -9))
        account = self._account if self.spec.reserved_concurrency is None else None
        if account is not None and not account.enter():
            return InvocationResult(Outcome.THROTTLED, throttle_error())
        result: asyncio.Future[InvocationResult] = asyncio.get_running_loop().create_future()
        invocation = Invocation(event, result, lineage=lineage.after(self.spec.arn))
        self._running += 1
        try:
            self._place(invocation)
            return await result
        finally:
            self._running -= 1
            if account is not None:
                account.leave()

    def _place(self, invocation: Invocation) -> None:
        if self._idle:
            # The last one used first: the others become old enough to be reaped.
            self._idle.pop().invoke(invocation)
            return
        self._queued.append(invocation)
        self._grow()

    def _grow(self) -> None:
        while len(self._starting) < len(self._queued) and self.size < self.limit and not self._is_closed:
            environment = self._make_with(self.spec)
            self._starting.add(environment)
            self._tasks[environment] = asyncio.create_task(environment.run())

    def _on_idle(self, environment: ExecutionEnvironment) -> None:
        self._starting.discard(environment)
        if environment in self._outdated:
            environment.kill()
            return
        invocation = self._next_queued()
        if invocation is None:
            self._idle.append(environment)
        else:
            environment.invoke(invocation)

    def _next_queued(self) -> Invocation | None:
        while self._queued:
            invocation = self._queued.popleft()
            if not invocation.result.done():  # else its caller went away
                return invocation
        return None

    def _on_gone(self, environment: ExecutionEnvironment, init_failure: InvocationResult | None) -> None:
        self._tasks.pop(environment, None)
        self._starting.discard(environment)
        self._outdated.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)
        if init_failure is not None:
            # One failed start fails one event; the next event gets a start of its own, as on AWS.
            invocation = self._next_queued()
            if invocation is not None:
                invocation.finish(init_failure.outcome, init_failure.body)
        self._grow()

    def reap(self) -> None:
        """End environments that were idle for too long; the one used last stays warm."""
        oldest_s = time.monotonic() - self._idle_s
        for environment in [each for each in self._idle[:-1] if each.idle_since_s < oldest_s]:
            self._idle.remove(environment)
            environment.kill()

    async def close(self) -> None:
        """End every environment and wait until the processes are gone."""
        self._is_closed = True
        while invocation := self._next_queued():
            invocation.finish(Outcome.EXIT, exit_error(invocation.request_id, -9))
        tasks = list(self._tasks.values())
        for environment in list(self._tasks):
            environment.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
