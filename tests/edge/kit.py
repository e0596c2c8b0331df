"""What the edge's tests share: waiting for a condition, real servers, a stand-in for the cloud."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
from pymodbus import FramerType
from pymodbus.framer import FramerRTU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from contract.clock import SystemClock
from contract.codec import decode_batch
from contract.errors import Disconnected
from contract.intervals import IntervalSet
from contract.messages import Ack, encode
from contract.readings import Batch, Reading
from contract.topics import ALL_DATA, gateway_topic, parse
from edge.broker import connect
from edge.buffer import Buffer
from edge.cancelling import check_cancelled
from edge.core.schedule import Backoff
from edge.devices import Device
from edge.drivers.bus import Bus, Surroundings
from edge.drivers.dial_in_port import DialInPorts
from edge.health import DeviceHealth, Health
from edge.options import Endpoint
from edge.pipeline import Pipeline
from edge.ports import Committed, Frame, Source
from edge.quarantine import Quarantine
from tests.edge.memory_store import Disk, MemoryStore

MOSQUITTO = "/usr/sbin/mosquitto"


async def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until a condition holds; how long it takes is the machine's affair."""
    step_s = 0.01
    for _ in range(int(within_s / step_s)):
        if condition():
            return
        await asyncio.sleep(step_s)
    raise AssertionError(f"waited {within_s} s in vain")


def free_port() -> int:
    """Return a port of loopback that was free a moment ago, for programs that cannot take 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """A real broker on a free port of loopback. settings: more lines of its configuration."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        lines = (f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root", *settings)
        self._config.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            [MOSQUITTO, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(1_000):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.01)
        raise AssertionError("mosquitto does not start")

    @property
    def running(self) -> bool:
        """Whether it is up."""
        return self._process is not None

    def freeze(self) -> None:
        """SIGSTOP: connections stand, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@asynccontextmanager
async def mosquitto(folder: Path, *settings: str) -> AsyncIterator[Mosquitto]:
    """Run a broker."""
    broker = Mosquitto(folder, *settings)
    await broker.start()
    try:
        yield broker
    finally:
        broker.kill()


class PymodbusPeer:
    """An independent Modbus server; unit id -> holding registers from address 0 on."""

    def __init__(self, units: Mapping[int, Sequence[int]], framer: FramerType) -> None:
        self._framer = framer
        self._devices = [
            SimDevice(unit, [SimData(0, values=list(words), datatype=DataType.REGISTERS)])
            for unit, words in units.items()
        ]
        self._server: ModbusTcpServer | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen, again on the same port if it did before."""
        self._server = ModbusTcpServer(
            self._devices,
            framer=self._framer,
            address=("127.0.0.1", self.port),
            ignore_missing_devices=True,
        )
        await self._server.serve_forever(background=True)
        server = self._server.transport
        assert isinstance(server, asyncio.Server)
        self.port = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None


# What a peer sends, in parts: (seconds to wait before, bytes); None closes the connection.
Reply = Sequence[tuple[float, bytes | None]]


class ScriptedPeer:
    """A Modbus TCP peer that answers as the test says.

    answer: gets (the request's ADU, the right answer's ADU) and returns what is sent instead.
    """

    def __init__(
        self,
        word_of: Callable[[int, int], int],
        answer: Callable[[bytes, bytes], Reply],
        *,
        rtu: bool = False,
    ) -> None:
        self._word_of, self.answer, self._rtu = word_of, answer, rtu
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.requests: list[bytes] = []
        self.greeting = b""  # sent to whoever connects
        self.connections = 0
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self._server.wait_closed()
            await eventually(lambda: not self._writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        writer.write(self.greeting)
        try:
            while True:
                request = await reader.readexactly(8 if self._rtu else 12)
                self.requests.append(request)
                for wait_s, data in self.answer(request, self.right_answer(request)):
                    await asyncio.sleep(wait_s)
                    if data is None:
                        return
                    writer.write(data)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            self._writers.discard(writer)

    def right_answer(self, request: bytes) -> bytes:
        """Answer a read of registers as a sound device would."""
        body = request[:6] if self._rtu else request[6:]
        unit, function, address, count = struct.unpack(">BBHH", body)
        words = [self._word_of(unit, address + i) for i in range(count)]
        answer = struct.pack(f">BBB{count}H", unit, function, 2 * count, *words)
        return frame(answer, request[:2], rtu=self._rtu)


def frame(body: bytes, transaction_id: bytes, *, rtu: bool) -> bytes:
    """Frame unit id and PDU."""
    if rtu:
        return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
    return transaction_id + b"\0\0" + len(body).to_bytes(2, "big") + body


class Bench:
    """A bus under test: its source, the pipeline behind it, and the readings that come out."""

    def __init__(
        self,
        bus: Bus,
        devices: Sequence[Device],
        folder: Path,
        *,
        probe_s: float = 0.05,
        dial_in_ports: DialInPorts | None = None,
    ) -> None:
        self.clock = SystemClock()
        self.devices = tuple(devices)
        self.health = Health(self.clock, {device.id: DeviceHealth() for device in devices})
        self.frames: list[Frame] = []
        self.readings: list[Reading] = []
        self.buffer = _Recorder(self.readings, self.clock, self.health)
        self.quarantine = Quarantine(folder / "q.jsonl", clock=self.clock, health=self.health)
        self._pipeline = Pipeline(
            devices, buffer=self.buffer, quarantine=self.quarantine, health=self.health
        )
        self.around = Surroundings(
            gateway="cabinet-1",
            clock=self.clock,
            health=self.health,
            probing=Backoff(first_s=probe_s, most_s=max(0.2, probe_s)),
            reconnecting=Backoff(first_s=0.05, most_s=0.2),
            dial_in_ports=dial_in_ports or DialInPorts(),
        )
        self.source: Source = bus.open(devices, self.around)

    def deliver(self, frame: Frame, committed: Committed | None = None, /) -> None:
        """Take a frame as the agent does, and keep it."""
        self.frames.append(frame)
        self._pipeline.read(frame, committed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run the source; it is cancelled at the end."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.source.run(self.deliver))
            yield task
            task.cancel()


class _Recorder(Buffer):
    """A buffer that only notes what it is given; `slow`: and commits when it is told to."""

    def __init__(self, readings: list[Reading], clock: SystemClock, health: Health) -> None:
        super().__init__(_no_store, commit_every_s=1, clock=clock, health=health)
        self._given = readings
        self._waiting: list[Committed] = []
        self.slow = False

    def put(
        self,
        readings: Sequence[Reading],
        *,
        urgent: bool,
        on_commit: Committed | None = None,
        heard: Sequence[bytes] = (),
    ) -> None:
        self._given += readings
        if on_commit is not None:
            self._waiting.append(on_commit)
        if not self.slow:
            self.tell()

    def tell(self) -> None:
        """Say that all is on disk."""
        waiting, self._waiting = self._waiting, []
        for committed in waiting:
            committed()


def _no_store(*, fresh: bool) -> MemoryStore:
    return MemoryStore(Disk(), max_bytes=10**7, max_age_ms=10**12)


async def keep_connected(
    port: int,
    use: Callable[[aiomqtt.Client], Awaitable[None]],
    name: str | None = None,
    endpoint: Endpoint | None = None,
) -> None:
    """Connect and use the connection, again and again, until cancelled."""
    endpoint = endpoint or Endpoint(host="127.0.0.1", port=port, tls=False)
    while True:
        check_cancelled()
        with suppress(Disconnected):
            async with connect(endpoint, name or f"test-{id(use)}", clean=name is None) as client:
                await use(client)
        await asyncio.sleep(0.02)


class Cloud:
    """A subscriber that keeps batches by number and acknowledges them, as intake does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.batches: dict[tuple[str, int], Batch] = {}
        self.order: list[int] = []  # sequence numbers as they came, repetitions too
        self.acknowledging = True
        self.bears_copies = False  # keep what came first under a number, as the real one does
        self._have: dict[str, IntervalSet] = {}

    @property
    def readings(self) -> int:
        """How many readings have come, each counted once."""
        return sum(len(batch.readings) for batch in self.batches.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Cloud]:
        """Listen until the end; a lost broker is waited for."""
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._run(ready))
            await ready.wait()
            yield self
            task.cancel()

    async def _run(self, ready: asyncio.Event) -> None:
        async def listen(client: aiomqtt.Client) -> None:
            await client.subscribe(ALL_DATA, qos=1)
            ready.set()
            async for message in client.messages:
                await self._take(client, message)

        await keep_connected(self._port, listen, "intake")

    async def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        decoded = decode_batch(message.payload)
        assert not decoded.rejected
        batch = decoded.batch
        self.order.append(batch.seq)
        known = self.batches.setdefault((batch.epoch, batch.seq), batch)
        assert known == batch or self.bears_copies, "a number was used twice"
        have = self._have.setdefault(batch.epoch, IntervalSet())
        have.add(batch.seq)
        for gap in batch.gaps:
            have.add(gap.first_seq, gap.last_seq)
        if self.acknowledging:
            gateway = parse(message.topic.value).gateway
            ack = encode(Ack.of(batch.epoch, have))
            # At QoS 1 aiomqtt would wait ten seconds for the PUBACK of a broker that is gone.
            await client.publish(gateway_topic(gateway, "ack"), ack, qos=0)
