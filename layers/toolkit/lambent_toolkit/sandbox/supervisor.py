"""One local stack: starts its parts in order, watches them, and ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambent_toolkit.sandbox.async_invoke import AsyncInvoker
from lambent_toolkit.sandbox.aws_calls import AwsCalls
from lambent_toolkit.sandbox.batch_api import BatchApi
from lambent_toolkit.sandbox.batch_attempt import AttemptHost
from lambent_toolkit.sandbox.batch_engine import BatchEngine
from lambent_toolkit.sandbox.clock_rules import fire_on_schedule
from lambent_toolkit.sandbox.control import Control
from lambent_toolkit.sandbox.deployment import Deployment
from lambent_toolkit.sandbox.describe_stack import describe_stack
from lambent_toolkit.sandbox.environment import EnvironmentHost
from lambent_toolkit.sandbox.errors import StackFailed, StackRunning
from lambent_toolkit.sandbox.function_log import FunctionLog
from lambent_toolkit.sandbox.function_spec import RuntimePaths
from lambent_toolkit.sandbox.gateway import Gateway
from lambent_toolkit.sandbox.http_server import HttpServer
from lambent_toolkit.sandbox.iam.roles import Roles
from lambent_toolkit.sandbox.options import StackOptions
from lambent_toolkit.sandbox.poller import QueuePoller
from lambent_toolkit.sandbox.pool import FunctionPool
from lambent_toolkit.sandbox.programs import Programs
from lambent_toolkit.sandbox.stack_info import FILE_NAME, StackInfo
from lambent_toolkit.sandbox.storage import Storage
from lambent_toolkit.sandbox.usage_plans import ApiKeys
from lambent_toolkit.sandbox.worker_image import WorkerImage

# Not at the top: the translator and boto3 take a second to import, while the storage can start already.
if TYPE_CHECKING:
    from lambent_toolkit.sandbox.build import Build
    from lambent_toolkit.sandbox.template import TranslatedTemplate

LAYERS = ("NumericLayer", "CoreLayer")
RIGHTS_FILE = "rights.jsonl"
WORKER_DOCKERFILE = Path("functions/batch_worker/Dockerfile")
REAP_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Supervisor:
    """Owns everything that runs in one stack.

    Parameters
    ----------
    options : StackOptions
    say : called with one line about what takes time
    """

    def __init__(self, options: StackOptions, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._closers = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._storage: Storage | None = None
        self._programs = Programs()
        self.pools: dict[str, FunctionPool] = {}

    async def start(self) -> StackInfo:
        """Start everything, or nothing: what had started is stopped before an error leaves here.

        Raises
        ------
        SandboxError   see errors.py
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> None:
        """Stay until a part that the stack cannot do without is gone.

        Raises
        ------
        StackFailed   always
        """
        storage = asyncio.create_task(self._wait_for_storage())
        try:
            for part in asyncio.as_completed([storage, *self._tasks]):
                await part  # a schedule without a next time ends well; anything else raises
        except StackFailed:
            raise
        except Exception as exc:
            log.exception("a part of the stack died")
            raise StackFailed(f"a part of the stack died: {exc!r}") from exc
        finally:
            storage.cancel()

    async def _wait_for_storage(self) -> None:
        code = await self._storage.wait() if self._storage else None
        raise StackFailed(f"the storage process ended with {code}; see {self._options.state_dir / 'logs/storage.log'}")

    async def stop(self) -> None:
        """End every process and remove stack.json."""
        self._programs.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._closers.aclose()

    async def _start(self) -> StackInfo:
        logs = self._claim_state_dir()
        door = HttpServer(_not_ready, self._options.port)  # first: a port in use should not cost a build
        self._closers.push_async_callback(door.stop)
        control = Control(logs)
        control_server = HttpServer(control, 0)
        await control_server.start()
        self._closers.push_async_callback(control_server.stop)
        (build, translated), storage = await asyncio.gather(
            asyncio.to_thread(self._build), self._start_storage(control_server.url, logs)
        )
        self._say("creating the template's resources")
        deployment = await asyncio.to_thread(self._deploy, build, translated, storage.endpoint, logs)
        return await self._run(deployment, build, storage.endpoint, logs=logs, control=control, door=door)

    def _claim_state_dir(self) -> Path:
        """Lock the state folder, and clear what the last stack left."""
        state_dir = self._options.state_dir
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / "lock").open("w")
        self._closers.callback(lock.close)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise StackRunning(f"a local stack already runs in {state_dir}; `lambent down` ends it") from exc
        for name in ("logs", "scratch", "worker"):
            shutil.rmtree(state_dir / name, ignore_errors=True)
        (state_dir / "logs").mkdir()
        self._closers.callback(shutil.rmtree, state_dir / "scratch", ignore_errors=True)
        self._closers.callback((state_dir / FILE_NAME).unlink, missing_ok=True)
        return state_dir / "logs"

    def _build(self) -> tuple[Build, TranslatedTemplate]:
        from lambent_toolkit.sandbox.build import make_build
        from lambent_toolkit.sandbox.template import translate

        build = make_build(self._options, self._say, self._programs)
        return build, translate(build.template, build.parameters)

    def _deploy(self, build: Build, translated: TranslatedTemplate, endpoint: str, logs: Path) -> Deployment:
        from lambent_toolkit.sandbox.deploy import deploy

        storage_log = logs / "storage.log"
        is_enforced = self._options.is_iam_enforced
        chosen = {"parameters": build.parameters, "endpoint": endpoint}
        return deploy(translated, **chosen, storage_log=storage_log, is_iam_enforced=is_enforced)

    async def _start_storage(self, control_url: str, logs: Path) -> Storage:
        rights_file = logs / RIGHTS_FILE if self._options.is_iam_enforced else None
        self._storage = await Storage.start(control_url, logs / "storage.log", rights_file=rights_file)
        self._closers.push_async_callback(self._storage.stop)
        return self._storage

    async def _run(
        self, deployment: Deployment, build: Build, endpoint: str, *, logs: Path, control: Control, door: HttpServer
    ) -> StackInfo:
        options = self._options
        aws = AwsCalls(endpoint)
        self._closers.push_async_callback(aws.close)
        roles = Roles(aws, is_enforced=options.is_iam_enforced)
        callers = await self._make_pools(deployment, build, aws, roles, logs)
        invoker = AsyncInvoker(self.pools, aws=aws, callers=callers, retry_scale=options.retry_scale)
        self._closers.push_async_callback(invoker.close)
        engine = self._make_engine(aws, roles, build, endpoint, logs)
        self._closers.push_async_callback(engine.close)
        control.open(pools=self.pools, batch=BatchApi(engine, aws), engine=engine, invoker=invoker)
        await self._open_door(deployment, aws, door)
        for mapping in deployment.queue_mappings():
            pool = self.pools[mapping.function_name]
            caller = callers[mapping.function_name]  # Lambda polls by the rights of the function
            self._spawn(QueuePoller(mapping, pool=pool, aws=caller, retry_scale=options.retry_scale).run())
        for rule in deployment.schedules():
            self._spawn(fire_on_schedule(rule, invoker))
        self._spawn(self._reap())
        info = await describe_stack(
            deployment, aws=aws, url=door.url, endpoint=endpoint, logs=logs, retry_scale=options.retry_scale
        )
        info.write(options.state_dir)
        return info

    async def _make_pools(
        self, deployment: Deployment, build: Build, aws: AwsCalls, roles: Roles, logs: Path
    ) -> dict[str, AwsCalls]:
        """Make a pool of each function, and return who calls AWS for it."""
        options = self._options
        paths = RuntimePaths(build.runtime_dir, options.state_dir / "scratch")
        callers = {}
        for spec in deployment.functions():
            credentials = await roles.of_function(spec)
            callers[spec.name] = aws.acting_as(credentials)
            pool = FunctionPool(
                spec,
                host=EnvironmentHost(paths, aws.endpoint, options.init_timeout_s, credentials),
                log=FunctionLog(logs / f"{spec.short_name}.log"),
                max_environments=options.max_environments,
                idle_s=options.idle_s,
            )
            self.pools[spec.name] = pool
            self._closers.push_async_callback(pool.close)
        return callers

    def _make_engine(self, aws: AwsCalls, roles: Roles, build: Build, endpoint: str, logs: Path) -> BatchEngine:
        options = self._options
        layers = tuple(folder for name in LAYERS if (folder := build.folder / name / "python").is_dir())
        host = AttemptHost(endpoint, logs, options.state_dir / "scratch", options.kill_grace_s, layers)

        def unpack() -> WorkerImage:
            dockerfile, root = options.root / WORKER_DOCKERFILE, options.state_dir / "worker"
            return WorkerImage.unpack(dockerfile, context=options.root, root=root)

        return BatchEngine(aws=aws, roles=roles, host=host, slots=options.batch_slots, unpack_image=unpack)

    async def _open_door(self, deployment: Deployment, aws: AwsCalls, door: HttpServer) -> None:
        for api in deployment.of_kind("AWS::ApiGateway::RestApi"):
            stage = next(deployment.of_kind("AWS::ApiGateway::Stage"), None)
            keys = ApiKeys(aws, api.physical_id)
            await keys.refresh()
            gateway = Gateway(
                api.properties.get("Body", {}),
                api_id=api.physical_id,
                stage=stage.physical_id if stage else "local",
                pools=self.pools,
                keys=keys,
            )
            door.serve(gateway, unreadable=gateway.unreadable)
        await door.start()
        self._closers.push_async_callback(door.stop)  # once more: stopped before the pools are

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_EVERY_S)
            for pool in self.pools.values():
                pool.reap()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))


async def _not_ready(_scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Stand in until the gateway is there; also for a template without an API."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})
