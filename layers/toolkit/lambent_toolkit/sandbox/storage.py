"""The storage process, seen from the supervisor: start it, know its endpoint, notice its end."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from lambent_toolkit.sandbox.errors import MissingTool, StackFailed
from lambent_toolkit.sandbox.options import ADMINISTRATOR_KEY
from lambent_toolkit.sandbox.private_files import private_open
from lambent_toolkit.sandbox.web_pages import SECRET_VARIABLE

START_TIMEOUT_S = 300  # against what hangs: a process that ends is noticed at once, and a busy machine is slow
NEEDED_PACKAGES = ("moto", "flask", "flask_cors")


class Storage:
    """moto in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, endpoint: str) -> None:
        self._process = process
        self.endpoint = endpoint

    @classmethod
    async def start(cls, control_url: str, log: Path, *, rights_file: Path | None, secret: str) -> Storage:
        """Start the process and wait until it listens.

        Parameters
        ----------
        control_url   of the supervisor
        log           what the process says
        rights_file   where used rights are recorded; None judges nothing
        secret        what the stack's own parts show each other

        Raises
        ------
        MissingTool   a package is not installed
        StackFailed   it ended, or did not listen in time; the log tells why
        """
        for name in NEEDED_PACKAGES:
            if importlib.util.find_spec(name) is None:
                raise MissingTool(f"the package {name} is not installed in this Python environment; run `make setup`")
        with private_open(log, "ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lambent_toolkit.sandbox.storage_server"),
                *(str(os.getpid()), control_url, str(rights_file or "")),
                env=_environment(secret),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        line = await _first_line(process)
        if not line.strip().isdigit():
            await cls(process, "").stop()
            raise StackFailed(f"the storage process did not start; see {log}")
        return cls(process, f"http://127.0.0.1:{int(line)}")

    async def wait(self) -> int:
        """Return the exit code once the process is gone."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process; nothing in it is worth saving."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):  # it ended by itself in this moment
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


async def _first_line(process: asyncio.subprocess.Process) -> bytes:
    """Return what the process says first; nothing if it ended, or took too long."""
    if process.stdout is None:
        return b""
    try:
        return await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
    except TimeoutError:
        return b""


def _environment(secret: str) -> dict[str, str]:
    """Keep the developer's AWS settings away from moto, and moto away from code it cannot fetch."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MOTO_"))}
    return {
        **own,
        "AWS_ACCESS_KEY_ID": ADMINISTRATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": ADMINISTRATOR_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        # It lets every web page in; see storage_cors.
        "MOTO_DISABLE_GLOBAL_CORS": "true",
        SECRET_VARIABLE: secret,
        "VALIDATE_LAMBDA_S3": "false",
        "PYTHONWARNINGS": "ignore",
    }
