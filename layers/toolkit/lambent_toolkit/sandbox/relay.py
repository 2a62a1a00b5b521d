"""A TCP relay: lets containers reach the storage, which listens on this machine's loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


@asynccontextmanager
async def relaying(address: str, endpoint: str) -> AsyncIterator[int]:
    """Relay connections to `address` on to `endpoint` while the block runs; gives the port to connect to.

    An address that is not this machine's belongs to an engine in a virtual machine (Docker Desktop), which brings
    its containers' connections to this machine's loopback itself: then the port is the endpoint's own.
    """
    target = urlsplit(endpoint)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    try:
        server = await asyncio.start_server(relay, address, 0)
    except OSError:
        yield target.port or 80
        return
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    except ConnectionError:
        pass  # the other side left first, e.g. a container that was killed
    finally:
        sink.close()
