"""What the edge's benchmarks run against: devices, a broker, a cloud, and the agent itself."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt

from contract.codec import decode_batch
from contract.intervals import IntervalSet
from contract.messages import Ack, encode
from contract.topics import ALL_DATA, gateway_topic, parse

TICKS_S = 1 / os.sysconf("SC_CLK_TCK")
LOOPBACK = "127.0.0.1"
START_S = 30.0


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class Devices:
    """The responder as a process of its own."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.modbus_responder", str(latency_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._say())

    def answered(self) -> dict[int, int]:
        """Return how many requests each unit id has answered so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return {int(unit): count for unit, count in json.loads(self._say()).items()}

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)

    def _say(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def devices(latency_s: float = 0.0) -> Iterator[Devices]:
    """Have devices for a while."""
    having = Devices(latency_s)
    try:
        yield having
    finally:
        having.close()


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Have a Mosquitto; yields its port."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("the benchmark needs mosquitto: apt-get install mosquitto")
    port = free_port()
    config = folder / "mosquitto.conf"
    lines = (f"listener {port} {LOOPBACK}", "allow_anonymous true", "max_queued_messages 0")
    config.write_text("".join(f"{line}\n" for line in (*lines, "user root")), encoding="utf-8")
    process = subprocess.Popen(
        [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for_port(port: int) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


@dataclass
class Cloud:
    """What has been delivered, each batch counted once; acknowledged as intake does.

    of_second: readings by the second in which they were observed, UTC.
    """

    of_second: Counter[int] = field(default_factory=Counter)
    have: dict[str, IntervalSet] = field(default_factory=dict)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def between(self, first_s: int, end_s: int) -> int:
        """Return how many readings there are of these seconds, whenever they came."""
        return sum(self.of_second[second] for second in range(first_s, end_s))

    async def run(self, port: int, ready: asyncio.Event) -> None:
        """Take and acknowledge until cancelled."""
        async with aiomqtt.Client(LOOPBACK, port, identifier="intake") as client:
            await client.subscribe(ALL_DATA, qos=1)
            ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                batch = decode_batch(message.payload).batch
                have = self.have.setdefault(batch.epoch, IntervalSet())
                if batch.seq not in have:
                    have.add(batch.seq)
                    self.of_second.update(r.observed_ms // 1000 for r in batch.readings)
                    self.begun.set()
                gateway = parse(message.topic.value).gateway
                ack = encode(Ack.of(batch.epoch, have))
                await client.publish(gateway_topic(gateway, "ack"), ack, qos=0)


@asynccontextmanager
async def cloud(port: int) -> AsyncIterator[Cloud]:
    """Have a cloud for a while."""
    having, ready = Cloud(), asyncio.Event()
    task = asyncio.ensure_future(having.run(port, ready))
    try:
        await ready.wait()
        yield having
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Agent:
    """`gridwarden edge run` as a process of its own."""

    def __init__(self, config: Path) -> None:
        self._log = config.with_suffix(".log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", str(config)], stderr=self._log
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def cpu_s(self) -> float:
        """Return the seconds of CPU that it has taken, of all its threads."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) * TICKS_S

    def most_rss_mb(self) -> float:
        """Return the most memory that it has had resident."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM")

    def stop(self) -> None:
        """End it well: what it has read is on disk then."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=30)
        self._log.close()


@contextmanager
def agent(config: Path) -> Iterator[Agent]:
    """Have the agent run for a while."""
    running = Agent(config)
    try:
        yield running
    finally:
        running.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """How many connections, devices on each, registers of each, polled how often."""

    connections: int
    devices: int
    registers: int
    period_s: float
    round_trip_s: float = 0.0005

    @property
    def wanted_per_s(self) -> float:
        """Requests a second that this asks for."""
        return self.connections * self.devices / self.period_s


def write_config(folder: Path, street: Street, modbus_port: int, broker_port: int) -> Path:
    """Write an agent's configuration, with a profile of its own; return the file."""
    _write_profile(folder, street.registers)
    buses = [
        f"  - {{id: bus-{bus}, driver: modbus_tcp, host: {LOOPBACK}, port: {modbus_port},"
        f" round_trip_s: {street.round_trip_s}, timeout_s: 5}}"
        for bus in range(street.connections)
    ]
    records = [
        f"  - {{id: d-{bus}-{unit}, profile: noise/bench-registers, bus: bus-{bus},"
        f" unit_id: {bus * street.devices + unit}, period_s: {street.period_s}}}"
        for bus in range(street.connections)
        for unit in range(1, street.devices + 1)
    ]
    head = [
        "gateway: bench",
        f"broker: {{host: {LOOPBACK}, port: {broker_port}, tls: false}}",
        "buffer: {path: buffer.sqlite}",
        # As in a cabinet that has been online for a while, whatever this machine's clock is like.
        "clock: {source: always}",
        "profiles: profiles",
    ]
    config = folder / "edge.yaml"
    lines = (*head, "buses:", *buses, "devices:", *records)
    config.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return config


def _write_profile(folder: Path, registers: int) -> None:
    path = folder / "profiles" / "noise" / "bench-registers.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    points = [
        f"    noise_la.c{at}: {{address: {at}, scale: 0.1, unit: dB(A)}}" for at in range(registers)
    ]
    expected = ", ".join(f"noise_la.c{at}: 50" for at in range(registers))
    data = "01 F4" + " 01 F4" * (registers - 1)
    lines = (
        "kind: noise",
        "maker: bench",
        "model: registers",
        "title: {zh: 测试, en: for benchmarks}",
        "source: synthetic",
        "modbus:",
        "  measurements:",
        *points,
        "vectors:",
        "  - framing: pdu",
        f"    request: 03 00 00 00 {registers:02X}",
        f"    frame: 03 {2 * registers:02X} {data}",
        f"    expect: {{{expected}}}",
        "    source: synthetic",
    )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
