"""What of a deployed stack runs: its functions' pools, their queues and schedules; it follows a stack that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from lambent_toolkit.sandbox.async_invoke import AsyncInvoker
from lambent_toolkit.sandbox.aws_calls import AwsCalls
from lambent_toolkit.sandbox.clock_rules import fire_on_schedule
from lambent_toolkit.sandbox.deployment import Deployment, QueueMapping, ScheduleRule
from lambent_toolkit.sandbox.function_spec import FunctionSpec
from lambent_toolkit.sandbox.poller import QueuePoller
from lambent_toolkit.sandbox.pool import FunctionPool

# A function's pool, and who calls AWS by the function's role.
MakePool = Callable[[FunctionSpec], Awaitable[tuple[FunctionPool, AwsCalls]]]


class RunningStack:
    """Runs what the deployment that it followed last asks for.

    Parameters
    ----------
    make_pool : makes the pool of a function that is new, and who calls for it
    aws : AwsCalls
    retry_scale : float   see `StackOptions`
    """

    def __init__(self, make_pool: MakePool, *, aws: AwsCalls, retry_scale: float) -> None:
        self._make_pool, self._retry_scale = make_pool, retry_scale
        self._pools: dict[str, FunctionPool] = {}
        self._callers: dict[str, AwsCalls] = {}
        self._work: dict[QueueMapping | ScheduleRule, asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self.invoker = AsyncInvoker(self._pools, aws=aws, callers=self._callers, retry_scale=retry_scale)

    @property
    def pools(self) -> Mapping[str, FunctionPool]:
        """Lambda name -> pool, of the functions that there are now."""
        return self._pools

    async def make_functions(self, deployment: Deployment) -> list[FunctionPool]:
        """Make, change and take out pools; return those that are no more, to be closed."""
        specs = {spec.name: spec for spec in deployment.functions()}
        gone = [self._pools.pop(name) for name in list(self._pools) if name not in specs]
        for name, spec in specs.items():
            if name in self._pools:
                self._pools[name].become(spec)
            else:
                self._pools[name], self._callers[name] = await self._make_pool(spec)
        return gone

    def start_work(self, deployment: Deployment) -> None:
        """Start what is new of queue mappings and schedules, and end what is no more.

        A batch that a mapping has in hand when it ends comes again after its visibility timeout.
        """
        wanted = [*deployment.queue_mappings(), *deployment.schedules()]
        for each in set(self._work) - set(wanted):
            self._work.pop(each).cancel()
        for each in wanted:
            if each not in self._work:
                self._work[each] = asyncio.create_task(self._run(each))
        self._moved.set()

    async def _run(self, each: QueueMapping | ScheduleRule) -> None:
        if isinstance(each, ScheduleRule):
            await fire_on_schedule(each, self.invoker)
            return
        pool = self._pools[each.function_name]
        caller = self._callers[each.function_name]  # Lambda polls by the rights of the function
        await QueuePoller(each, pool=pool, aws=caller, retry_scale=self._retry_scale).run()

    async def watch(self) -> None:
        """Stay until something that runs is broken, and raise what broke it; what is ended on purpose is not."""
        while True:
            self._moved.clear()
            moved = asyncio.create_task(self._moved.wait())
            try:
                await asyncio.wait({moved, *self._work.values()}, return_when=asyncio.FIRST_EXCEPTION)
                for task in self._work.values():
                    if task.done():
                        task.result()
                if not moved.done():
                    await moved  # every schedule has ended well; only a changed stack brings new work
            finally:
                moved.cancel()

    async def close(self) -> None:
        """End all work and every process."""
        for task in self._work.values():
            task.cancel()
        await asyncio.gather(*self._work.values(), return_exceptions=True)
        await self.invoker.close()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
