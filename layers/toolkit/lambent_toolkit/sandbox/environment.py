"""One execution environment: a process of the real runtime client, serving one invocation at a time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lambent_toolkit.sandbox import runtime_api
from lambent_toolkit.sandbox.extensions import Extensions
from lambent_toolkit.sandbox.function_log import FunctionLog, peak_memory_mib
from lambent_toolkit.sandbox.function_spec import (
    MIB,
    FunctionSpec,
    RuntimePaths,
    base_interpreter,
    process_environment,
)
from lambent_toolkit.sandbox.iam.credentials import ADMINISTRATOR, Credentials
from lambent_toolkit.sandbox.invocation import Invocation, InvocationResult, Outcome, exit_error, timeout_error

BOOTSTRAP = Path(__file__).with_name("lambda_bootstrap.py")


@dataclass(frozen=True)
class EnvironmentHost:
    """What an environment needs from its stack; the credentials are those of its function's role."""

    paths: RuntimePaths
    endpoint: str
    init_timeout_s: float
    credentials: Credentials = ADMINISTRATOR


class ExecutionEnvironment:
    """A process, its Runtime API port and its private /tmp.

    Parameters
    ----------
    spec : FunctionSpec
    host : EnvironmentHost
    log : FunctionLog
    on_idle : called with this environment whenever its process asks for the next event
    on_gone : called once with this environment and, if it never became ready, the reason
    """

    def __init__(
        self,
        spec: FunctionSpec,
        *,
        host: EnvironmentHost,
        log: FunctionLog,
        on_idle: Callable[[ExecutionEnvironment], None],
        on_gone: Callable[[ExecutionEnvironment, InvocationResult | None], None],
    ) -> None:
        self._spec, self._host, self._log = spec, host, log
        self._on_idle, self._on_gone = on_idle, on_gone
        self._waiting: runtime_api.RuntimeConnection | None = None
        self._current: Invocation | None = None
        # The invocation that has its answer, but not its end: extensions are still at work on it.
        self._answered: Invocation | None = None
        self._extensions = Extensions()
        self._init_error: bytes | None = None
        self._init_ms: float | None = None
        self._is_ready = self._is_timed_out = False
        self._timer: asyncio.TimerHandle | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.idle_since_s = 0.0

    async def run(self) -> None:
        """Start the process and stay until it is gone."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: runtime_api.RuntimeConnection(self), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        home = self._host.paths.scratch_dir / f"{self._spec.short_name}-{port}"
        home.mkdir(parents=True, exist_ok=True)
        self._started_s = time.monotonic()
        try:
            self._process = await self._spawn(f"127.0.0.1:{port}", home)
            self._timer = loop.call_later(self._host.init_timeout_s, self._on_deadline)
            await self._process.wait()
        finally:
            self.kill()
            server.close()
            self._report_gone()
            shutil.rmtree(home, ignore_errors=True)

    async def _spawn(self, address: str, home: Path) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            base_interpreter(),
            # -S and -P: nothing but PYTHONPATH and the standard library can be imported.
            *("-S", "-s", "-P", str(BOOTSTRAP), str(os.getpid()), str(self._spec.memory_mib * MIB)),
            env=process_environment(
                self._spec,
                paths=self._host.paths,
                endpoint=self._host.endpoint,
                runtime_api=address,
                home=home,
                credentials=self._host.credentials,
            ),
            cwd=self._spec.task_root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._log.fd,
            stderr=self._log.fd,
            start_new_session=True,
        )

    def invoke(self, invocation: Invocation) -> None:
        """Hand an event to the waiting process; only for an idle environment."""
        connection, self._waiting = self._waiting, None
        if connection is None:
            raise RuntimeError("this environment is not idle")
        self._current = invocation
        invocation.started_s = time.monotonic()
        self._log.start(invocation)
        self._timer = asyncio.get_running_loop().call_later(self._spec.timeout_s, self._on_deadline)
        deadline_ms = int((time.time() + self._spec.timeout_s) * 1000)
        self._extensions.send(invocation, arn=self._spec.arn, deadline_ms=deadline_ms)
        connection.send_event(
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": self._spec.arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_header(deadline_ms // 1000),
            },
            invocation.event,
        )

    def kill(self) -> None:
        """End the process and everything it started, at once."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):  # it ended by itself in this moment
                os.killpg(self._process.pid, signal.SIGKILL)

    def on_next(self, connection: runtime_api.RuntimeConnection) -> None:
        """Give the process its next event, now or when there is one."""
        self._waiting = connection
        self._extensions.close()
        self._end_phase()

    def on_register(self, name: str, events: list[str]) -> str:
        """Take an extension of the process."""
        return self._extensions.register(name, events)

    def on_extension_next(self, connection: runtime_api.RuntimeConnection, extension_id: str) -> None:
        """Give an extension its next event, when there is one."""
        self._extensions.wait(connection, extension_id)
        self._end_phase()

    def _end_phase(self) -> None:
        """Go from a phase to the next one, once the runtime and all extensions have nothing more to do in it."""
        if self._waiting is None or not self._extensions.are_waiting:
            return
        if not self._is_ready:
            self._is_ready = True
            self._init_ms = (time.monotonic() - self._started_s) * 1000
            self._cancel_timer()
        answered, self._answered = self._answered, None
        if answered is not None:
            self._cancel_timer()
            self._report(answered)
        self.idle_since_s = time.monotonic()
        self._on_idle(self)

    def on_response(self, request_id: str, body: bytes) -> bool:
        """Take what the handler returned."""
        return self._finish(request_id, Outcome.RESPONSE, body)

    def on_error(self, request_id: str, body: bytes) -> bool:
        """Take what the handler raised."""
        return self._finish(request_id, Outcome.ERROR, body)

    def on_init_error(self, body: bytes) -> None:
        """Keep why the module could not be imported; the process ends by itself after this."""
        self._init_error = body

    def _finish(self, request_id: str, outcome: Outcome, body: bytes) -> bool:
        invocation = self._current
        if invocation is None or invocation.request_id != request_id:
            return False
        self._current = None
        invocation.finish(outcome, body)
        if self._extensions.are_waiting:
            self._cancel_timer()
            self._report(invocation)
        else:
            # Its timeout goes on: it bounds the whole phase.
            self._answered = invocation
        return True

    def _report(self, invocation: Invocation) -> None:
        self._log.end(
            invocation,
            duration_ms=(time.monotonic() - invocation.started_s) * 1000,
            memory_mib=self._spec.memory_mib,
            used_mib=peak_memory_mib(self._process.pid) if self._process else 0,
            init_ms=self._init_ms,
        )
        self._init_ms = None

    def _on_deadline(self) -> None:
        self._is_timed_out = True
        self.kill()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report_gone(self) -> None:
        self._cancel_timer()
        self._waiting = None
        code = self._process.returncode if self._process and self._process.returncode is not None else -9
        invocation, self._current = self._current, None
        answered, self._answered = self._answered, None
        if (failed := invocation or answered) is not None:
            self._fail(failed, code)
        self._on_gone(self, None if self._is_ready else self._init_failure(code))

    def _fail(self, invocation: Invocation, code: int) -> None:
        if self._is_timed_out:
            body, outcome = timeout_error(invocation.request_id, self._spec.timeout_s), Outcome.TIMEOUT
        else:
            body, outcome = exit_error(invocation.request_id, code), Outcome.EXIT
        self._log.line(body.decode())
        invocation.finish(outcome, body)
        self._report(invocation)

    def _init_failure(self, code: int) -> InvocationResult:
        limit_s = self._host.init_timeout_s
        late = timeout_error("INIT_REPORT", limit_s) if self._is_timed_out else exit_error("INIT_REPORT", code)
        body = self._init_error or late
        self._log.line(f"INIT_REPORT Status: error {body.decode()}")
        return InvocationResult(Outcome.INIT, body)
