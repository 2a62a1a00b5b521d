"""One local stack: starts its parts in order, watches them, and ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import secrets
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambent_toolkit.sandbox.account import AccountConcurrency
from lambent_toolkit.sandbox.aws_calls import AwsCalls
from lambent_toolkit.sandbox.batch_api import BatchApi
from lambent_toolkit.sandbox.batch_attempt import AttemptHost
from lambent_toolkit.sandbox.batch_engine import BatchEngine
from lambent_toolkit.sandbox.control import Control
from lambent_toolkit.sandbox.deployment import Deployment
from lambent_toolkit.sandbox.describe_stack import describe_stack
from lambent_toolkit.sandbox.environment import EnvironmentHost
from lambent_toolkit.sandbox.errors import StackFailed, StackRunning
from lambent_toolkit.sandbox.function_log import FunctionLog
from lambent_toolkit.sandbox.function_spec import FunctionSpec, RuntimePaths
from lambent_toolkit.sandbox.gateway import Gateway
from lambent_toolkit.sandbox.http_server import HttpServer
from lambent_toolkit.sandbox.iam.roles import Roles
from lambent_toolkit.sandbox.options import STACK_NAME, StackOptions
from lambent_toolkit.sandbox.pool import FunctionPool
from lambent_toolkit.sandbox.private_files import FOLDER_MODE, private_folder, private_open
from lambent_toolkit.sandbox.programs import Programs
from lambent_toolkit.sandbox.running import MakePool, RunningStack
from lambent_toolkit.sandbox.samconfig import stack_name
from lambent_toolkit.sandbox.stack_info import FILE_NAME, StackInfo
from lambent_toolkit.sandbox.storage import Storage
from lambent_toolkit.sandbox.usage_plans import ApiKeys
from lambent_toolkit.sandbox.web_pages import Doorman, admitting
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
        self._secret = secrets.token_urlsafe()
        self._account = AccountConcurrency(options.account_concurrency)
        self._stack_name = stack_name(options.root) if options.sam_deploy else STACK_NAME
        self._apply: Callable[[Deployment], Awaitable[StackInfo]] | None = None
        self.pools: Mapping[str, FunctionPool] = {}

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
        door = HttpServer(_not_ready, self._options.port, Doorman())  # first: a port in use should not cost a build
        self._closers.push_async_callback(door.stop)
        control = Control(logs, self._follow)
        control_server = HttpServer(control, 0, Doorman(secret=self._secret))
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
        private_folder(state_dir)
        lock = private_open(state_dir / "lock", "w")
        self._closers.callback(lock.close)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise StackRunning(f"a local stack already runs in {state_dir}; `lambent down` ends it") from exc
        for name in ("code", "logs", "scratch", "worker"):
            shutil.rmtree(state_dir / name, ignore_errors=True)
        for name in ("logs", "scratch"):
            (state_dir / name).mkdir(mode=FOLDER_MODE)
        self._closers.callback(shutil.rmtree, state_dir / "scratch", ignore_errors=True)
        self._closers.callback((state_dir / FILE_NAME).unlink, missing_ok=True)
        return state_dir / "logs"

    def _build(self) -> tuple[Build, TranslatedTemplate]:
        from lambent_toolkit.sandbox.build import check_python, make_build
        from lambent_toolkit.sandbox.template import translate

        build = make_build(self._options, self._say, self._programs)
        check_python(build)
        return build, translate(build.template, build.parameters)

    def _deploy(self, build: Build, translated: TranslatedTemplate, endpoint: str, logs: Path) -> Deployment:
        from lambent_toolkit.sandbox.deploy import deploy

        if self._options.sam_deploy:
            from lambent_toolkit.sandbox.sam_deploy import sam_deploy

            self._say("deploying (sam deploy)")
            sam_deploy(self._options.root, build, endpoint=endpoint, programs=self._programs)
            return self._read_deployment(endpoint)
        storage_log = logs / "storage.log"
        is_enforced = self._options.is_iam_enforced
        chosen = {"parameters": build.parameters, "endpoint": endpoint, "secret": self._secret}
        return deploy(translated, **chosen, storage_log=storage_log, is_iam_enforced=is_enforced)

    def _read_deployment(self, endpoint: str) -> Deployment:
        from lambent_toolkit.sandbox.sam_deploy import read_deployment

        code_dir, is_enforced = self._options.state_dir / "code", self._options.is_iam_enforced
        kept = {"secret": self._secret, "is_iam_enforced": is_enforced}
        return read_deployment(endpoint, self._stack_name, code_dir, **kept)

    async def _follow(self, name: str) -> None:
        """Put back what moto drops, and run what the stack is now; other stacks are stored only."""
        if name != self._stack_name or not self._options.sam_deploy or self._storage is None:
            return
        deployment = await asyncio.to_thread(self._read_deployment, self._storage.endpoint)
        if self._apply is not None:
            await self._apply(deployment)

    async def _start_storage(self, control_url: str, logs: Path) -> Storage:
        rights_file = logs / RIGHTS_FILE if self._options.is_iam_enforced else None
        log_file = logs / "storage.log"
        self._storage = await Storage.start(control_url, log_file, rights_file=rights_file, secret=self._secret)
        self._closers.push_async_callback(self._storage.stop)
        return self._storage

    async def _run(
        self, deployment: Deployment, build: Build, endpoint: str, *, logs: Path, control: Control, door: HttpServer
    ) -> StackInfo:
        options = self._options
        aws = AwsCalls(endpoint, self._secret)
        self._closers.push_async_callback(aws.close)
        roles = Roles(aws, is_enforced=options.is_iam_enforced)
        pool_maker = self._pool_maker(build, aws, roles, logs)
        running = RunningStack(pool_maker, aws=aws, retry_scale=options.retry_scale)
        self._closers.push_async_callback(running.close)
        self.pools = running.pools
        engine = self._make_engine(aws, roles, build, endpoint, logs)
        self._closers.push_async_callback(engine.close)
        control.open(pools=running.pools, batch=BatchApi(engine, aws), engine=engine, invoker=running.invoker)

        async def apply(deployment: Deployment) -> StackInfo:
            self._account.reserve(sum(spec.reserved_concurrency or 0 for spec in deployment.functions()))
            gone = await running.make_functions(deployment)
            base_path = await self._serve(deployment, aws, door, logs)
            running.start_work(deployment)
            await asyncio.gather(*(pool.close() for pool in gone))
            info = await describe_stack(
                deployment,
                self._stack_name,
                aws=aws,
                url=door.url + base_path,
                endpoint=endpoint,
                logs=logs,
                retry_scale=options.retry_scale,
                secret=self._secret,
            )
            info.write(options.state_dir)
            return info

        info = await apply(deployment)
        await door.start()
        self._closers.push_async_callback(door.stop)  # once more: stopped before the pools are
        self._spawn(running.watch())
        self._spawn(self._reap())
        self._apply = apply
        return info

    def _pool_maker(self, build: Build, aws: AwsCalls, roles: Roles, logs: Path) -> MakePool:
        options = self._options
        paths = RuntimePaths(build.runtime_dir, options.state_dir / "scratch")

        async def make(spec: FunctionSpec) -> tuple[FunctionPool, AwsCalls]:
            credentials = await roles.of_function(spec)
            pool = FunctionPool(
                spec,
                host=EnvironmentHost(paths, aws.endpoint, options.init_timeout_s, credentials),
                log=FunctionLog(logs / f"{spec.short_name}.log"),
                max_environments=options.max_environments,
                account=self._account,
                idle_s=options.idle_s,
            )
            return pool, aws.acting_as(credentials)

        return make

    def _make_engine(self, aws: AwsCalls, roles: Roles, build: Build, endpoint: str, logs: Path) -> BatchEngine:
        options = self._options
        layers = tuple(folder for name in LAYERS if (folder := build.folder / name / "python").is_dir())
        host = AttemptHost(endpoint, logs, options.state_dir / "scratch", options.kill_grace_s, layers)

        def unpack() -> WorkerImage:
            dockerfile, root = options.root / WORKER_DOCKERFILE, options.state_dir / "worker"
            return WorkerImage.unpack(dockerfile, context=options.root, root=root)

        return BatchEngine(aws=aws, roles=roles, host=host, slots=options.batch_slots, unpack_image=unpack)

    async def _serve(self, deployment: Deployment, aws: AwsCalls, door: HttpServer, logs: Path) -> str:
        """Serve the API, and return the base path of its addresses."""
        api = next(deployment.of_kind("AWS::ApiGateway::RestApi"), None)
        if api is None:
            door.serve(_not_ready, unreadable=None, doorman=Doorman())
            return ""
        stage = next(deployment.of_kind("AWS::ApiGateway::Stage"), None)
        keys = ApiKeys(aws, api.physical_id)
        await keys.refresh()
        gateway = Gateway(
            api.properties.get("Body", {}),
            api_id=api.physical_id,
            stage=stage.physical_id if stage else "local",
            pools=self.pools,
            keys=keys,
            settings=stage.properties if stage else {},
            logs=logs,
        )
        doorman = Doorman(admits=admitting(deployment.page_origins()), has_pages=True)
        door.serve(gateway, unreadable=gateway.unreadable, doorman=doorman)
        return gateway.base_path

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
