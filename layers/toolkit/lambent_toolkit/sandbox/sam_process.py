"""Run `sam` in the foreground: the relay beside it, signals passed on, a word when its port answers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from lambent_toolkit.sandbox.errors import PortInUse

READY_CHECK_S = 0.2
INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True)
class Readiness:
    """What to do once a port of this machine answers."""

    port: int
    tell: Callable[[], None]


async def run_sam(
    command: list[str],
    *,
    environment: Mapping[str, str],
    readiness: Readiness | None = None,
    output: BinaryIO | None = None,
) -> int:
    """Run `sam` until it ends, or until a signal ends it, and return the exit code.

    Its standard output goes into ``output`` if that is given, and to the terminal otherwise.

    SAM CLI removes its containers on SIGINT, so that is what it gets for SIGTERM and a closed terminal as well.
    """
    stopped = asyncio.Event()
    # Before the start: whoever runs this in the background ignores SIGINT, and `sam` would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # In a session of its own: a terminal's Ctrl-C would reach it twice and cut the removal short.
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(environment), start_new_session=True, stdout=output
    )
    ended, stop = asyncio.create_task(process.wait()), asyncio.create_task(stopped.wait())
    announcement = asyncio.create_task(_announce(readiness))
    await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
    announcement.cancel()
    if ended.done():
        stop.cancel()
        return ended.result()
    process.send_signal(signal.SIGINT)
    await ended
    return INTERRUPTED


async def _announce(readiness: Readiness | None) -> None:
    while readiness:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", readiness.port)
        except OSError:
            await asyncio.sleep(READY_CHECK_S)
        else:
            writer.close()
            readiness.tell()
            return


def claim_port(port: int) -> int:
    """Return the port, or for 0 any free one.

    Raises
    ------
    PortInUse   another program listens on it
    """
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise PortInUse(f"port {port} is in use; choose another with --port, or 0 for any free one") from exc
        return int(probe.getsockname()[1])
