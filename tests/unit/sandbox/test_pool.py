"""How many environments a function has, on environments that are only played."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambent_toolkit.sandbox.account import AccountConcurrency
from lambent_toolkit.sandbox.environment import EnvironmentHost
from lambent_toolkit.sandbox.function_log import FunctionLog
from lambent_toolkit.sandbox.function_spec import FunctionSpec, RuntimePaths
from lambent_toolkit.sandbox.invocation import Invocation, InvocationResult, Outcome
from lambent_toolkit.sandbox.pool import FunctionPool

NOWHERE = Path("/nowhere")


class PlayedEnvironment:
    """Takes events and answers when told to."""

    def __init__(
        self, stage: "Stage", on_idle: Callable[[Any], None], on_gone: Callable[[Any, InvocationResult | None], None]
    ) -> None:
        self._stage, self._on_idle, self._on_gone = stage, on_idle, on_gone
        self.current: Invocation | None = None
        self.idle_since_s = 0.0
        self._gone = asyncio.Event()

    async def run(self) -> None:
        self._stage.environments.append(self)
        await self._gone.wait()

    def ready(self) -> None:
        self._on_idle(self)

    def invoke(self, invocation: Invocation) -> None:
        self.current = invocation

    def answer(self) -> None:
        invocation, self.current = self.current, None
        invocation.finish(Outcome.RESPONSE, b"{}")
        self._on_idle(self)

    def fail_to_start(self) -> None:
        self._gone.set()
        self._on_gone(self, InvocationResult(Outcome.INIT, b"broken"))

    def kill(self) -> None:
        self._gone.set()
        self._on_gone(self, None)


class Stage:
    def __init__(self) -> None:
        self.environments: list[PlayedEnvironment] = []

    def make(self, _spec: Any, *, on_idle: Any, on_gone: Any, **_: Any) -> PlayedEnvironment:
        return PlayedEnvironment(self, on_idle, on_gone)


def pool_of(
    stage: Stage,
    folder: Path,
    *,
    limit: int = 3,
    reserved: int | None = None,
    account: AccountConcurrency | None = None,
) -> FunctionPool:
    spec = FunctionSpec("F", "f", "app.handler", NOWHERE, (), 3, 128, {}, reserved_concurrency=reserved)
    host = EnvironmentHost(RuntimePaths(NOWHERE, NOWHERE), "http://nowhere", 1.0)
    log = FunctionLog(folder / "f.log")
    return FunctionPool(
        spec, host=host, log=log, max_environments=limit, idle_s=60.0, account=account, make_environment=stage.make
    )


def play(scene: Callable[[Stage, FunctionPool], Coroutine[Any, Any, None]], folder: Path, **options: Any) -> None:
    async def run() -> None:
        stage = Stage()
        pool = pool_of(stage, folder, **options)
        await scene(stage, pool)
        await pool.close()
        pool.log.close()

    asyncio.run(run())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_events_start_environments_up_to_the_limit_and_wait_above_it(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        calls = [asyncio.create_task(pool.invoke(b"{}")) for _ in range(5)]
        await settle()
        assert len(stage.environments) == 3

        for environment in stage.environments:
            environment.ready()
        for _ in range(2):
            for environment in stage.environments:
                if environment.current:
                    environment.answer()

        assert all(result.is_response for result in await asyncio.gather(*calls))
        assert len(stage.environments) == 3

    play(scene, tmp_path)


def test_above_the_accounts_concurrency_an_event_is_throttled_even_where_it_could_wait(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        calls = [asyncio.create_task(pool.invoke(b"{}")) for _ in range(2)]
        await settle()
        refused = await pool.invoke(b"{}")
        stage.environments[0].ready()
        for _ in calls:
            stage.environments[0].answer()
        await asyncio.gather(*calls)
        later = asyncio.create_task(pool.invoke(b"{}"))
        await settle()
        stage.environments[0].answer()

        assert refused.outcome is Outcome.THROTTLED
        assert (await later).is_response

    play(scene, tmp_path, limit=1, account=AccountConcurrency(2))


def test_functions_share_the_accounts_concurrency_and_one_with_its_own_does_not(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        taken = asyncio.create_task(pool.invoke(b"{}"))
        await settle()
        other = pool_of(stage, tmp_path, account=account)
        reserved = pool_of(stage, tmp_path, reserved=1, account=account)
        own = asyncio.create_task(reserved.invoke(b"{}"))
        await settle()
        refused = await other.invoke(b"{}")
        for environment in stage.environments:
            environment.ready()
            environment.answer()

        assert refused.outcome is Outcome.THROTTLED
        assert all(result.is_response for result in await asyncio.gather(taken, own))
        for each in (other, reserved):
            await each.close()
            each.log.close()

    account = AccountConcurrency(1)
    play(scene, tmp_path, account=account)


def test_warm_environment_is_used_before_a_new_one(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        for _ in range(3):
            call = asyncio.create_task(pool.invoke(b"{}"))
            await settle()
            if not stage.environments[0].current:
                stage.environments[0].ready()
            stage.environments[0].answer()
            await call

        assert len(stage.environments) == 1

    play(scene, tmp_path)


def test_reserved_concurrency_throttles_and_never_queues(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        first = asyncio.create_task(pool.invoke(b"{}"))
        await settle()

        refused = await pool.invoke(b"{}")
        stage.environments[0].ready()
        stage.environments[0].answer()

        assert refused.outcome is Outcome.THROTTLED
        assert (await first).is_response

    play(scene, tmp_path, reserved=1)


def test_failed_start_fails_one_event_and_the_next_gets_another_start(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        calls = [asyncio.create_task(pool.invoke(b"{}")) for _ in range(2)]
        await settle()

        stage.environments[0].fail_to_start()
        await settle()
        stage.environments[1].ready()
        stage.environments[1].answer()

        outcomes = [result.outcome for result in await asyncio.gather(*calls)]
        assert outcomes == [Outcome.INIT, Outcome.RESPONSE]

    play(scene, tmp_path)


def test_event_whose_caller_left_is_not_run(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        gone, stays = (asyncio.create_task(pool.invoke(b"{}")) for _ in range(2))
        await settle()
        gone.cancel()
        await settle()

        stage.environments[0].ready()
        stage.environments[0].answer()

        assert (await stays).is_response
        assert stage.environments[0].current is None

    play(scene, tmp_path, limit=1)


def test_reaping_keeps_the_environment_used_last(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        calls = [asyncio.create_task(pool.invoke(b"{}")) for _ in range(3)]
        await settle()
        for environment in stage.environments:
            environment.ready()
        for environment in stage.environments:
            environment.answer()
        await asyncio.gather(*calls)
        assert pool.size == 3

        pool.reap()
        await settle()

        assert pool.size == 1

    play(scene, tmp_path)


def test_closed_pool_answers_at_once(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        waiting = asyncio.create_task(pool.invoke(b"{}"))
        await settle()

        await pool.close()

        assert (await waiting).outcome is Outcome.EXIT
        assert (await pool.invoke(b"{}")).outcome is Outcome.EXIT
        assert len(stage.environments) == 1

    play(scene, tmp_path)


@pytest.mark.parametrize(
    ("logical_id", "name"), [("JobEventsFunction", "job_events"), ("Function", "function"), ("X", "x")]
)
def test_short_name_is_the_folders(logical_id: str, name: str) -> None:
    assert FunctionSpec(logical_id, "f", "h", NOWHERE, (), 1, 128, {}).short_name == name


def test_changed_function_goes_on_in_new_environments_and_lets_the_running_one_end(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        first, second = (asyncio.create_task(pool.invoke(b"{}")) for _ in range(2))
        await settle()
        busy, idle = stage.environments
        busy.ready()
        idle.ready()
        idle.answer()
        await settle()

        pool.become(replace(pool.spec, timeout_s=9))
        third = asyncio.create_task(pool.invoke(b"{}"))
        await settle()
        busy.answer()
        stage.environments[2].ready()
        stage.environments[2].answer()
        results = await asyncio.gather(first, second, third)

        assert [result.outcome for result in results] == [Outcome.RESPONSE] * 3
        assert len(stage.environments) == 3
        assert pool.size == 1  # both of the older version are gone
        assert pool.spec.timeout_s == 9

    play(scene, tmp_path)


def test_function_that_is_not_changed_keeps_its_environments(tmp_path: Path) -> None:
    async def scene(stage: Stage, pool: FunctionPool) -> None:
        call = asyncio.create_task(pool.invoke(b"{}"))
        await settle()
        stage.environments[0].ready()
        stage.environments[0].answer()
        await call

        pool.become(replace(pool.spec))

        assert pool.size == 1

    play(scene, tmp_path)
