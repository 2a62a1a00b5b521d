"""The relay and the foreground process around SAM CLI, with real sockets and a program in SAM's place."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from lambent_toolkit.sandbox.errors import PortInUse
from lambent_toolkit.sandbox.relay import relaying
from lambent_toolkit.sandbox.sam_process import INTERRUPTED, Readiness, claim_port, run_sam

# 192.0.2.0/24 belongs to documentation: no machine has it.
FOREIGN_ADDRESS = "192.0.2.1"


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.readuntil(b"\n")).upper())
    await writer.drain()
    writer.close()


def test_a_relay_carries_bytes_both_ways() -> None:
    async def call() -> bytes:
        async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
            endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with relaying("127.0.0.1", endpoint) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello\n")
                answer = await reader.read()
                writer.close()
                return answer

    assert asyncio.run(call()) == b"HELLO\n"


def test_a_gateway_that_is_not_this_machine_s_needs_no_relay() -> None:
    async def port_to_use() -> int:
        async with relaying(FOREIGN_ADDRESS, "http://127.0.0.1:4000") as port:
            return port

    assert asyncio.run(port_to_use()) == 4000


def test_the_exit_code_is_the_program_s() -> None:
    code = asyncio.run(run_sam([sys.executable, "-c", "raise SystemExit(7)"], environment=os.environ))

    assert code == 7


def test_sigterm_ends_the_program_by_sigint_so_that_it_can_clean_up(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal, socket, sys\n"
        # All of it is tried: the signal may come at once when the port is open.
        "try:\n"
        "    server = socket.create_server(('127.0.0.1', int(sys.argv[1])), reuse_port=True)\n"
        "    signal.pause()\n"
        "except KeyboardInterrupt: pathlib.Path(sys.argv[2]).write_text('clean')\n"
    )
    note = tmp_path / "note"
    # Held for the program, without listening: nobody else is given the port meanwhile.
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        ready = Readiness(port, lambda: os.kill(os.getpid(), signal.SIGTERM))
        command = [sys.executable, "-c", program, str(port), str(note)]

        code = asyncio.run(run_sam(command, environment=os.environ, readiness=ready))

    assert code == INTERRUPTED
    assert note.read_text() == "clean"


def test_a_port_in_use_is_named() -> None:
    async def claim() -> None:
        async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
            claim_port(server.sockets[0].getsockname()[1])

    with pytest.raises(PortInUse, match="--port"):
        asyncio.run(claim())
