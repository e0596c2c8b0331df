"""A regulator's platform for tests: a TCP server that reads with the simulators' own code."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from simulators.hj212_frames import Received, read, wrap
from tests.edge.core.hj212_kit import MN


class Platform:
    """What came, in order. deaf: it acknowledges nothing. doubling: each twice.

    drop_after: it closes the connection when so many frames have come over it, unacknowledged.
    """

    def __init__(self) -> None:
        self.came: list[Received] = []
        self.lines: list[bytes] = []
        self.deaf = False
        self.doubling = False
        self.drop_after = 0
        self.connections = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def data(self) -> list[Received]:
        """Reports, as often as they came."""
        return [each for each in self.came if each.command in ("2011", "2051", "2061", "2031")]

    @property
    def times(self) -> Counter[tuple[str, str]]:
        """(QN, DataTime) -> how often it came."""
        return Counter((each.qn, each.words["DataTime"]) for each in self.data)

    def ask(self, cn: str, words: str = "", qn: str = "20261122120001000") -> None:
        """Send a request over every connection."""
        self._say(f"QN={qn};ST=39;CN={cn};PW=123456;MN={MN};Flag=5;CP=&&{words}&&")

    def _say(self, segment: str) -> None:
        for writer in self._writers:
            writer.write(wrap(segment))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        count = 0
        try:
            while line := await reader.readline():
                self.lines.append(line)
                received = read(line)
                assert received is not None, line
                assert len(line) <= 6 + 1024 + 4 + 2
                self.came.append(received)
                count += 1
                if self.drop_after and count >= self.drop_after:
                    return
                if b";Flag=4;" not in line and not self.deaf:
                    for _ in range(2 if self.doubling else 1):
                        writer.write(
                            wrap(f"QN={received.qn};ST=91;CN=9014;PW=123456;MN={MN};Flag=4;CP=&&&&")
                        )
        except OSError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Platform]:
        """Listen until the end, on the same port each time."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in [*self._writers]:
                writer.transport.abort()
            with suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 5)
