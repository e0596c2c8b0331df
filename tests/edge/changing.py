"""An agent within the test's own process, whose configuration the test changes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contract.clock import SystemClock
from edge.app import Agent
from edge.config import load
from tests.edge.kit import Reply, ScriptedPeer

HEAD = """
gateway: cabinet-1
broker: {{host: 127.0.0.1, port: {broker}, tls: false}}
buffer: {{path: buffer.sqlite, commit_every_s: 0.05, max_bytes: {max_bytes}}}
clock: {{source: always}}
uplink: {{reconnect_first_s: 0.05, reconnect_most_s: 0.2, resend_after_s: {resend_after_s},
  state_every_s: 0.1}}
polling: {{probe_first_s: 0.05, probe_most_s: 0.2}}
changes: {{watch_every_s: {watch_every_s}, settle_s: {settle_s}}}
"""


class Street:
    """Two devices, each on a bus of its own, and the file that says so."""

    def __init__(self, folder: Path, broker: int = 1) -> None:
        self.folder, self.config = folder, folder / "edge.yaml"
        self.words: dict[int, int] = {}  # that were written, by register
        self.peers = {
            name: ScriptedPeer(lambda _, register: self.words.get(register, 599), self._answer)
            for name in ("a", "b", "c")
        }
        self.head: dict[str, object] = {
            "broker": broker,
            "max_bytes": 5_000_000,
            "watch_every_s": 0.02,
            "settle_s": 0.3,
            "resend_after_s": 1.0,
        }
        self.buses = {name: f"{{port: {name}}}" for name in ("a", "b")}
        self.devices = {"noise-a": "a", "noise-b": "b"}
        self.silent: set[bytes] = set()  # unit ids
        self.tail = ""  # more of the file

    def _answer(self, request: bytes, right: bytes) -> Reply:
        if request[7] == 6:
            register, word = struct.unpack(">HH", request[8:12])
            self.words[register] = word
            return [(0.0, request)]
        return [] if request[6:7] in self.silent else [(0.0, right)]

    def text(self) -> str:
        """Return the file as it stands."""
        buses = "".join(
            f"  - {{id: {bus}, driver: modbus_tcp, host: 127.0.0.1, port: {self.peers[bus].port},"
            f" timeout_s: 0.2}}\n"
            for bus in self.buses
        )
        devices = "".join(
            f"  - {{id: {name}, profile: noise/rs485-sound, bus: {bus}, unit_id: 1,"
            " period_s: 0.02}\n"
            for name, bus in self.devices.items()
        )
        head = HEAD.format(**self.head)
        return f"{head}buses:\n{buses}devices:\n{devices}{self.tail}"

    def write(self, text: str | None = None) -> None:
        """Put the file in place as editors do: a new one, renamed."""
        other = self.folder / "edge.yaml~"
        other.write_text(self.text() if text is None else text, encoding="utf-8")
        other.replace(self.config)

    def polls(self, bus: str) -> int:
        """Return how often the device on a bus was asked."""
        return len(self.peers[bus].requests)


@asynccontextmanager
async def street(folder: Path, broker: int = 1) -> AsyncIterator[Street]:
    """Have the devices, and the file."""
    made = Street(folder, broker)
    for peer in made.peers.values():
        await peer.start()
    made.write()
    try:
        yield made
    finally:
        for peer in made.peers.values():
            await peer.stop()


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[Agent]:
    """Run an agent until the end of the context."""
    stop = asyncio.Event()
    agent = Agent(load(config), SystemClock())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run(stop, drain_s=0.1))
        try:
            yield agent
        finally:
            stop.set()
