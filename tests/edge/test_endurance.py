"""48 hours on an accelerated clock: the whole agent, with devices and a link that come and go.

All but two ends is the real thing: the line answers by itself, the broker is in this process.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiomqtt
import pytest

from contract.codec import decode_batch
from contract.errors import Disconnected, Timeout
from contract.intervals import IntervalSet
from contract.messages import Ack, encode
from edge.app import Agent
from edge.config import load
from edge.core.modbus import Request
from edge.store_look import read_figures
from tests.edge.virtual_time import VirtualClock, VirtualLoop

HOUR_S = 3_600.0
CONFIG = """
gateway: cabinet-1
broker: {host: 127.0.0.1, tls: false}
buffer: {path: BUFFER, commit_every_s: 60}
clock: {source: always}
uplink: {state_every_s: 600}
buses:
  - {id: bus-1, driver: modbus_tcp, host: 127.0.0.1}
devices:
  - {id: noise-01, profile: noise/rs485-sound, bus: bus-1, unit_id: 1, period_s: 60}
  - {id: gas-01, profile: gas/pressure-transmitter-a, bus: bus-1, unit_id: 2, period_s: 120}
  - {id: dust-01, profile: dust/cwt-uwd-sws, bus: bus-1, unit_id: 3, period_s: 120}
  - {id: dust-02, profile: dust/cwt-uwd-sws, bus: bus-1, unit_id: 4, period_s: 120}
"""


class FakeLine:
    """Answers at once; unit 4 is dead half of the time, and the line is down now and then."""

    def __init__(self, *_: object, **__: object) -> None:
        self._open = False

    @property
    def _hours(self) -> float:
        return asyncio.get_running_loop().time() / HOUR_S

    async def open(self) -> bool:
        if self._hours % 5 > 4.8:
            self._open = False
            raise Disconnected("no connection to 127.0.0.1:502")
        fresh, self._open = not self._open, True
        return fresh

    async def ask(self, request: Request, timeout_s: float) -> bytes:
        if request.unit_id == 4 and self._hours % 2 > 1:
            await asyncio.sleep(timeout_s)
            self._open = False
            raise Timeout(f"no answer in {timeout_s} s")
        await asyncio.sleep(0.03)
        return bytes(request.data_size)

    def close(self) -> None:
        self._open = False


class FakeCloud:
    """A broker and the cloud behind it in one; not to be reached every sixth hour."""

    def __init__(self) -> None:
        self.have = IntervalSet()
        self.readings = 0

    @property
    def is_up(self) -> bool:
        return (asyncio.get_running_loop().time() / HOUR_S) % 6 < 5

    @asynccontextmanager
    async def connect(self, *_: object, **__: object) -> AsyncIterator[FakeClient]:
        if not self.is_up:
            raise Disconnected("no broker")
        try:
            yield FakeClient(self)
        except aiomqtt.MqttError as error:
            raise Disconnected(str(error)) from error


class FakeClient:
    """One connection."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._acks: asyncio.Queue[bytes] = asyncio.Queue()
        self.messages = self._messages()

    async def subscribe(self, topics: Sequence[tuple[str, int]]) -> list[int]:
        return [qos for _, qos in topics]

    async def publish(
        self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False
    ) -> None:
        if not self._cloud.is_up:
            raise aiomqtt.MqttError("the link is gone")
        if topic.endswith("/data"):
            batch = decode_batch(payload).batch
            if batch.seq not in self._cloud.have:
                self._cloud.readings += len(batch.readings)
            self._cloud.have.add(batch.seq)
            self._acks.put_nowait(encode(Ack.of(batch.epoch, self._cloud.have)))

    async def _messages(self) -> AsyncIterator[aiomqtt.Message]:
        while True:
            payload = await self._acks.get()
            yield aiomqtt.Message("ack", payload, 1, False, 1, None)


@dataclass(frozen=True)
class Held:
    """What the process has. blocks: of memory, as Python counts them; rss: pages."""

    blocks: int
    files: int
    rss: int
    tasks: int


def held_now() -> Held:
    gc.collect()
    rss = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(
        blocks=sys.getallocatedblocks(),
        files=len(list(Path("/proc/self/fd").iterdir())),
        rss=rss,
        tasks=len(asyncio.all_tasks()),
    )


async def live(config: Path, clock: VirtualClock) -> list[Held]:
    """Run an agent for 48 hours; return what it held every 12 hours, at quiet times."""
    agent, stop = Agent(load(config), clock), asyncio.Event()
    held: list[Held] = []
    running = asyncio.ensure_future(agent.run(stop))
    for quarter in range(1, 5):
        # At 12:54 of each half day line and broker have been up for a while.
        await asyncio.sleep(12 * HOUR_S * quarter + 0.9 * HOUR_S - clock.monotonic_s())
        held.append(held_now())
    stop.set()
    await running
    return held


@pytest.fixture
def buffer(tmp_path: Path) -> Iterator[Path]:
    """A buffer file in memory, where there is such a place: thousands of fsyncs take minutes."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder) / "buffer.sqlite"


def test_48_hours_leave_memory_and_files_as_they_were(
    tmp_path: Path, buffer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = FakeCloud()
    monkeypatch.setattr("edge.drivers.modbus_tcp.ModbusTcpLine", FakeLine)
    monkeypatch.setattr("edge.uplink.connect", cloud.connect)
    config = tmp_path / "edge.yaml"
    config.write_text(CONFIG.replace("BUFFER", str(buffer)), encoding="utf-8")
    loop = VirtualLoop()
    try:
        first, *_, last = loop.run_until_complete(live(config, VirtualClock(loop)))
    finally:
        loop.close()
    assert loop.now_s >= 48 * HOUR_S
    figures = read_figures(buffer, 10**9)
    assert figures.held_batches == 0, "after the last outage all is delivered"
    assert cloud.readings == figures.published_readings > 48 * 60
    assert last.files == first.files
    assert last.tasks == first.tasks
    assert last.blocks < 1.01 * first.blocks
    assert last.rss < first.rss + 1_000  # pages: what a fragmented heap may take
    assert buffer.stat().st_size < 2_000_000
