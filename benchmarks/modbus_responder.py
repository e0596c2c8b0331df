"""A Modbus TCP server that does next to nothing, so that the client is what is measured.

    python -m benchmarks.modbus_responder [LATENCY_S]

Prints its port; then, for every line on its standard input, how many requests each unit id has
answered, as one JSON object. Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import sys
from typing import ClassVar

HEADER, REQUEST = 7, 12
VARIANTS = 64
MOST_REGISTERS = 125


class Responder(asyncio.Protocol):
    """One connection. Any registers of any unit are there, and change."""

    answered: ClassVar = [0] * 256
    words: ClassVar = [
        struct.pack(f">{MOST_REGISTERS}H", *(dice.randrange(300, 900) for _ in range(125)))
        for dice in map(random.Random, range(VARIANTS))
    ]

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._later = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._send = transport.write

    def data_received(self, data: bytes) -> None:
        """Answer what came; whole requests, as clients on loopback send them."""
        for at in range(0, len(data), REQUEST):
            unit, size = data[at + 6], 2 * data[at + 11]
            count = self.answered[unit] = self.answered[unit] + 1
            head = data[at : at + 4] + bytes((0, size + 3, unit, 3, size))
            answer = head + self.words[count % VARIANTS][:size]
            if self._latency_s:
                self._later(self._latency_s, self._send, answer)
            else:
                self._send(answer)


async def serve(latency_s: float) -> None:
    """Serve until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Responder(latency_s), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def told() -> None:
        if not sys.stdin.readline():
            ended.set()
            return
        counts = {unit: count for unit, count in enumerate(Responder.answered) if count}
        print(json.dumps(counts), flush=True)

    loop.add_reader(sys.stdin.fileno(), told)
    await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
