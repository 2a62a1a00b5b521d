"""Start, find and end local stacks from another program: the CLI, the demo, the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lambent_toolkit.sandbox.errors import SandboxError, StackFailed, StackNotRunning
from lambent_toolkit.sandbox.options import DEFAULT_RETRY_SCALE, StackOptions, find_root
from lambent_toolkit.sandbox.private_files import private_folder, private_open
from lambent_toolkit.sandbox.stack_info import FILE_NAME, StackInfo, is_alive

STATE_DIR = ".lambent"
STOP_TIMEOUT_S = 20.0

Say = Callable[[str], None]


class StackProcess:
    """A supervisor's process that this program started.

    Parameters
    ----------
    options : StackOptions
    is_linked : bool     the stack ends with this program, however that ends
    """

    def __init__(self, options: StackOptions, *, is_linked: bool) -> None:
        from lambent_toolkit.sandbox.process import encode_options

        private_folder(options.state_dir)
        self._log = options.state_dir / "supervisor.log"
        with private_open(self._log, "w") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "lambent_toolkit.sandbox.process", encode_options(options, is_linked)],
                stdin=subprocess.PIPE if is_linked else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def wait_until_ready(self, say: Say) -> StackInfo:
        """Return the stack's description once it takes requests.

        Raises
        ------
        SandboxError   it could not start; the error's exit code says why
        """
        for news in self._news():
            if "ready" in news:
                return StackInfo(**news["ready"])
            if "error" in news:
                self._process.wait()
                raise _error(news["error"], news["exit_code"])
            say(news["say"])
        raise StackFailed(f"the stack ended with {self._process.wait()} while it started; see {self._log}")

    def wait(self) -> int:
        """Return the exit code when the stack has ended.

        Raises
        ------
        SandboxError   a part of it broke
        """
        for news in self._news():
            if "error" in news:
                self._process.wait()
                raise _error(news["error"], news["exit_code"])
        return self._process.wait()

    def _news(self) -> Iterator[dict[str, Any]]:
        return (json.loads(line) for line in self._process.stdout or [])

    def stop(self) -> None:
        """End the stack and wait until all of its processes are gone."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class LocalStack:
    """A local stack for as long as a `with` block.

    Examples
    --------
    >>> with LocalStack(state_dir=tmp_path) as stack:
    ...     stack.client("s3").list_buckets()

    Parameters
    ----------
    state_dir : Path          folder for stack.json and logs
    root : Path | None        folder of template.yaml; by default found from the working folder
    say : called with one line about what takes time
    options : further fields of `StackOptions`
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        root: Path | None = None,
        say: Say = lambda _text: None,
        **options: Any,
    ) -> None:
        self._options = stack_options(state_dir, root=root, **options)
        self._say = say
        self._process: StackProcess | None = None
        self._info: StackInfo | None = None
        self._clients: dict[tuple[str, tuple[str, ...]], Any] = {}

    @property
    def info(self) -> StackInfo:
        """The running stack's description.

        Raises
        ------
        StackNotRunning   outside of the `with` block
        """
        if self._info is None:
            raise StackNotRunning("this stack is not running")
        return self._info

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of `service` for this stack, closed with the stack."""
        key = (service, tuple(sorted(options)))
        if key not in self._clients:
            self._clients[key] = self.info.client(service, **options)
        return self._clients[key]

    def __enter__(self) -> Self:
        self._process = StackProcess(self._options, is_linked=True)
        try:
            self._info = self._process.wait_until_ready(self._say)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._info = None
        while self._clients:
            self._clients.popitem()[1].close()
        if self._process is not None:
            self._process.stop()


def stack_options(
    state_dir: Path,
    *,
    root: Path | None = None,
    parameters: dict[str, str] | None = None,
    retry_scale: float = DEFAULT_RETRY_SCALE,
    **options: Any,
) -> StackOptions:
    """Complete the options of a stack.

    Raises
    ------
    BrokenTemplate   no template was found
    """
    return StackOptions(
        root=(root or find_root()).resolve(),
        state_dir=state_dir.resolve(),
        parameters=parameters or {},
        retry_scale=retry_scale,
        **options,
    )


def stop_stack(state_dir: Path) -> StackInfo:
    """End the stack of a state folder and return what it was.

    Raises
    ------
    StackNotRunning   there is none
    StackFailed       it does not end
    """
    info = StackInfo.load(state_dir)
    os.kill(info.pid, signal.SIGTERM)
    deadline_s = time.monotonic() + STOP_TIMEOUT_S
    while is_alive(info.pid):
        if time.monotonic() > deadline_s:
            # Its children are tied to it and end as well.
            os.kill(info.pid, signal.SIGKILL)
            (state_dir / FILE_NAME).unlink(missing_ok=True)
            raise StackFailed(f"process {info.pid} did not end within {STOP_TIMEOUT_S:.0f} s and was killed")
        time.sleep(0.02)
    return info


def _error(message: str, exit_code: int) -> SandboxError:
    kinds = {kind.exit_code: kind for kind in SandboxError.__subclasses__()}
    return kinds.get(exit_code, SandboxError)(message)
