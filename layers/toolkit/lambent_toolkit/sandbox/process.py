"""The supervisor's process: options come as JSON, news goes out as JSON lines, signals end it.

News: {"say": text}, then {"ready": stack.json's content} or {"error": text, "exit_code": number}.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lambent_toolkit.sandbox.errors import MissingTool, SandboxError
from lambent_toolkit.sandbox.options import StackOptions

if TYPE_CHECKING:
    from lambent_toolkit.sandbox.supervisor import Supervisor


def encode_options(options: StackOptions, is_linked: bool) -> str:
    """Return the argument for a child process.

    Parameters
    ----------
    options : StackOptions
    is_linked : bool    the stack ends when its standard input does, so when whoever started it is gone
    """
    values = {**asdict(options), "root": str(options.root), "state_dir": str(options.state_dir)}
    return json.dumps({"options": values, "is_linked": is_linked})


def _decode_options(text: str) -> tuple[StackOptions, bool]:
    values = json.loads(text)
    options = values["options"]
    paths = {"root": Path(options["root"]), "state_dir": Path(options["state_dir"])}
    return StackOptions(**{**options, **paths}), values["is_linked"]


def _tell(news: dict[str, Any]) -> None:
    try:
        print(json.dumps(news), flush=True)
    except BrokenPipeError:
        # Whoever started a detached stack left; there is nobody to tell.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until this process ends


async def _serve(options: StackOptions, is_linked: bool) -> int:
    from lambent_toolkit.sandbox.supervisor import Supervisor

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    if is_linked:
        loop.add_reader(sys.stdin.fileno(), lambda: os.read(sys.stdin.fileno(), 4096) or stopped.set())
    supervisor = Supervisor(options, lambda text: _tell({"say": text}))
    life = asyncio.create_task(_live(supervisor))
    stop = asyncio.create_task(stopped.wait())
    await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if is_linked:
        loop.remove_reader(sys.stdin.fileno())
    life.cancel()
    (outcome,) = await asyncio.gather(life, return_exceptions=True)
    await supervisor.stop()
    if isinstance(outcome, Exception):
        raise outcome
    return 0


async def _live(supervisor: Supervisor) -> None:
    info = await supervisor.start()
    _tell({"ready": asdict(info)})
    await supervisor.wait()


def main() -> None:
    """Run one stack until a signal, or until something breaks."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options, is_linked = _decode_options(sys.argv[1])
    try:
        import uvloop

        sys.exit(uvloop.run(_serve(options, is_linked)))
    except ModuleNotFoundError as exc:
        _fail(MissingTool(f"the package {exc.name} is not installed in this Python environment; run `make setup`"))
    except SandboxError as exc:
        _fail(exc)


def _fail(error: SandboxError) -> NoReturn:
    _tell({"error": str(error), "exit_code": error.exit_code})
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
