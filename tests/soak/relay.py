"""A relay in front of the store that damages connections while it is armed: the faults of a network, and of an S3 that
goes away. It knows TCP only, and does not look into the encryption.

    python relay.py STORE_PORT SEED

Prints its port. Standard input arms and disarms it, a line each (`on`, `off`); it answers with the number of faults so
far. Each fault hits one connection, and so at most one request.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import sys
from dataclasses import dataclass

# Of the connections that are made while it is armed, and of what arrives on others, a piece at a time.
REFUSED, HIT = 0.05, 0.01
PIECE = 64 * 1024


@dataclass
class Fate:
    """What becomes of a connection: a fault, after so many bytes of both directions together."""

    fault: str | None = None
    left: int = -1


class Relay:
    def __init__(self, port: int, seed: int):
        self.port = port
        self.random = random.Random(seed)
        self.armed = False
        self.faults = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.armed and self.random.random() < REFUSED:
            self.faults += 1
            return reset(writer)
        try:
            store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return reset(writer)
        fate = Fate()
        ways = [
            asyncio.ensure_future(self.way(reader, store_writer, fate)),
            asyncio.ensure_future(self.way(store_reader, writer, fate)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        if fate.left == 0:
            self.faults += 1
            if fate.fault == "half-close":
                with contextlib.suppress(OSError):
                    writer.write_eof()
            if fate.fault in ("half-close", "stall"):
                # Until the other side has had enough.
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    await asyncio.wait_for(reader.read(), 30)
        if fate.left == 0 and fate.fault == "reset":
            reset(writer)
        writer.close()
        store_writer.close()

    async def way(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, fate: Fate) -> None:
        with contextlib.suppress(OSError):
            while fate.left != 0 and (piece := await source.read(PIECE)):
                if self.armed and fate.fault is None and self.random.random() < HIT:
                    fate.fault = self.random.choice(["reset", "close", "half-close", "stall"])
                    fate.left = int(10 ** self.random.uniform(1, 5))
                if not self.armed:
                    # What has not come to pass by now will not.
                    fate.fault = None
                if fate.fault is not None:
                    piece = piece[: fate.left]
                    fate.left -= len(piece)
                sink.write(piece)
                await sink.drain()

    async def obey(self) -> None:
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            self.armed = line == b"on\n"
            print(self.faults, flush=True)


def reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main() -> None:
    relay = Relay(int(sys.argv[1]), int(sys.argv[2]))
    server = await asyncio.start_server(relay.connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The end of the input is the end.
    await relay.obey()


asyncio.run(main())
