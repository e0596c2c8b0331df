"""DTUs dial in, say who they are, and are read like a serial line; strangers are refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError
from pymodbus import FramerType

from contract.clock import SystemClock
from contract.errors import ConfigError
from edge.config import load
from edge.core.modbus import Framing
from edge.drivers.dial_in_port import MOST_UNNAMED, DialInPort, DialInPorts
from edge.drivers.modbus_dial_in import DialInWire, ModbusDialInBus
from edge.drivers.rtu_line import RtuLine
from edge.health import Health
from edge.options import Listen
from tests.edge.drivers.fronts import Dtu, hang_up
from tests.edge.drivers.kit import UNITS, ModbusWorld, modbus_devices
from tests.edge.kit import Bench, PymodbusPeer, eventually, free_port
from tests.suites.modbus_lines import LineSuite, LineWorld, line_world
from tests.suites.polled import PolledSuite

NAME, BEAT = b"DTU-0001", b"\xfe\x01\xfe"


def dial_in(port: int, name: bytes = NAME, **more: object) -> ModbusDialInBus:
    return ModbusDialInBus.model_validate(
        {
            "id": "dtu-1",
            "driver": "modbus_dial_in",
            "listen": {"host": "127.0.0.1", "port": port},
            "registration": name,
            "heartbeat": BEAT,
            "timeout_s": 0.3,
            "late_s": 0.05,
            **more,
        }
    )


class TestModbusDialIn(PolledSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[ModbusWorld]:
        port = free_port()
        world = ModbusWorld(FramerType.RTU, Dtu(port, NAME, BEAT))
        world.open(dial_in(port), tmp_path)
        await world.start()
        yield world
        await world.stop()


class TestTheLine(LineSuite):
    @pytest.fixture
    async def world(self) -> AsyncIterator[LineWorld]:
        clock = SystemClock()
        port = DialInPort("127.0.0.1", 0, clock, Health(clock))
        wire = DialInWire(dial_in(1, timeout_s=10), port)
        dtu = Dtu(port.port, NAME + b"\r\n")

        def make(_: int) -> RtuLine:
            return RtuLine(wire, baud=115_200, settle_s=0.4, packets=wire.packets)

        async with line_world(Framing.RTU, make, dtu) as world:
            yield world


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[tuple[Bench, int]]:
    """A bus that waits for DTU-0001, and its port."""
    port = free_port()
    bus = dial_in(port, register_within_s=0.5)
    bench = Bench(bus, modbus_devices(bus), tmp_path)
    async with bench.running():
        yield bench, port


@asynccontextmanager
async def dialled(
    port: int, every: bytes = b"", pause_s: float = 0.02
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Dial in, and say a byte string byte by byte, again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def speak() -> None:
        while every:
            for byte in every:
                writer.write(bytes([byte]))
                await asyncio.sleep(pause_s)

    async with asyncio.TaskGroup() as tasks:
        speaking = tasks.create_task(speak())
        try:
            yield reader, writer
        finally:
            speaking.cancel()
            hang_up(writer)


async def is_hung_up(reader: asyncio.StreamReader) -> bool:
    """Whether the other end closes, and says nothing before."""
    with suppress(ConnectionError):
        async with asyncio.timeout(20):
            return await reader.read(1) == b""
    return True


async def test_a_stranger_is_refused_counted_and_told_once(
    bench: tuple[Bench, int], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        async with dialled(bench[1]) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await is_hung_up(reader)
    assert bench[0].health.unknown_senders == 5
    told = [r.getMessage() for r in caplog.records if "refused" in r.getMessage()]
    assert len(told) == 1
    assert "nobody here expects b'GET / HTTP/1.1" in told[0]
    assert "hex:474554202f" in told[0]


async def test_who_says_nothing_or_dribbles_is_refused_in_time(bench: tuple[Bench, int]) -> None:
    async with dialled(bench[1]) as (silent, _), dialled(bench[1], NAME[:-1], 0.2) as (slow, _):
        assert await is_hung_up(silent)
        assert await is_hung_up(slow)
    assert bench[0].health.unknown_senders == 2


async def test_heartbeats_do_not_put_the_deadline_off(bench: tuple[Bench, int]) -> None:
    async with dialled(bench[1], BEAT) as (reader, _):
        assert await is_hung_up(reader)


async def test_a_crowd_of_silent_callers_does_not_keep_the_dtu_out(tmp_path: Path) -> None:
    port, many = free_port(), MOST_UNNAMED + 20
    bus = dial_in(port, register_within_s=300)
    bench = Bench(bus, modbus_devices(bus), tmp_path)
    peer = PymodbusPeer(UNITS, FramerType.RTU)
    await peer.start()
    async with bench.running(), AsyncExitStack() as crowding:
        crowd = [await crowding.enter_async_context(dialled(port)) for _ in range(many)]
        await eventually(lambda: bench.health.unknown_senders == many - MOST_UNNAMED)
        assert await is_hung_up(crowd[0][0])
        dtu = Dtu(port, NAME, BEAT)
        await dtu.start(peer.port)
        await eventually(lambda: bool(bench.readings) and bench.readings[-1].value is not None)
        await dtu.stop()
    await peer.stop()


async def test_a_name_in_pieces_after_heartbeats_is_understood(bench: tuple[Bench, int]) -> None:
    async with dialled(bench[1]) as (reader, writer):
        for part in (BEAT, NAME[:3], NAME[3:] + BEAT):
            writer.write(part)
            await asyncio.sleep(0.05)
        assert len(await reader.readexactly(8)) == 8  # a request


async def test_a_dtu_that_dials_again_replaces_its_old_connection(
    bench: tuple[Bench, int],
) -> None:
    """Behind NAT the old one is often dead without a word."""
    peer, dtu = PymodbusPeer(UNITS, FramerType.RTU), Dtu(bench[1], NAME, BEAT)
    await peer.start()
    async with dialled(bench[1]) as (old, writer):
        writer.write(NAME)
        await old.readexactly(8)
        await dtu.start(peer.port)
        await eventually(lambda: any(r.value == 59.9 for r in bench[0].readings))
        with suppress(ConnectionError):
            while await old.read(100):  # what was asked before
                pass
    assert dtu.dialled == 1
    await dtu.stop()
    await peer.stop()


async def test_several_dtus_share_a_port_and_never_their_answers(tmp_path: Path) -> None:
    port = free_port()
    values = {"dtu-1": 600, "dtu-2": 700, "dtu-3": 800}
    benches: dict[str, Bench] = {}
    ports = DialInPorts()
    fronts: list[Dtu] = []
    peers: list[PymodbusPeer] = []
    for name, value in values.items():
        bus = dial_in(port, name.encode(), id=name)
        benches[name] = Bench(bus, modbus_devices(bus), tmp_path, dial_in_ports=ports)
        peers.append(PymodbusPeer({**UNITS, 1: [value]}, FramerType.RTU))
        fronts.append(Dtu(port, name.encode(), BEAT))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(b.source.run(b.deliver)) for b in benches.values()]
        for peer, front in zip(peers, fronts, strict=True):
            await peer.start()
            await front.start(peer.port)
        await eventually(
            lambda: all(sum(r.value is not None for r in b.readings) > 40 for b in benches.values())
        )
        for task in running:
            task.cancel()
    for name, bench in benches.items():
        levels = {r.value for r in bench.readings if r.measurement == "noise_la"}
        assert levels - {None} == {values[name] / 10}
    for peer, front in zip(peers, fronts, strict=True):
        await front.stop()
        await peer.stop()
    with socket.socket() as free_again:
        free_again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free_again.bind(("127.0.0.1", port))


async def test_one_dtu_away_does_not_slow_the_others(tmp_path: Path) -> None:
    port, ports = free_port(), DialInPorts()
    buses = [dial_in(port, name, id=name.decode().lower()) for name in (b"DTU-1", b"DTU-2")]
    benches = [Bench(b, modbus_devices(b), tmp_path, dial_in_ports=ports) for b in buses]
    peer, dtu = PymodbusPeer(UNITS, FramerType.RTU), Dtu(port, b"DTU-2", BEAT)
    await peer.start()
    await dtu.start(peer.port)
    async with benches[0].running(), benches[1].running():
        await eventually(lambda: sum(r.value is not None for r in benches[1].readings) > 40)
        assert all(r.value is None for r in benches[0].readings)
        told = benches[0].health.told()
        assert f"bus dtu-1: its DTU has not dialled in to port {port}" in told
    await dtu.stop()
    await peer.stop()


async def test_reading_begins_as_soon_as_the_dtu_is_there(tmp_path: Path) -> None:
    """Not only when the next probe of a dead device would be due."""
    port = free_port()
    bus = dial_in(port, timeout_s=0.1)
    bench = Bench(bus, modbus_devices(bus), tmp_path, probe_s=3_600)
    peer, dtu = PymodbusPeer(UNITS, FramerType.RTU), Dtu(port, NAME, BEAT)
    await peer.start()
    async with bench.running():
        await eventually(lambda: len(bench.health.told()) == 3)
        await dtu.start(peer.port)
        await eventually(lambda: sum(r.value is not None for r in bench.readings) > 2)
    await dtu.stop()
    await peer.stop()


async def test_a_port_in_use_is_told_before_anything_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        bus = dial_in(port)
        with pytest.raises(ConfigError) as error:
            Bench(bus, modbus_devices(bus), tmp_path)
    assert f"bus dtu-1: listen: port {port} on 127.0.0.1 cannot be taken" in str(error.value)
    assert f"ss -ltnp 'sport = :{port}'" in str(error.value)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("DTU-0001", b"DTU-0001"),
        ("文化路", "文化路".encode()),
        ("hex:44 54 55 01", b"DTU\x01"),
        ("hex:44545501", b"DTU\x01"),
    ],
)
def test_a_registration_is_text_or_hex(said: str, means: bytes) -> None:
    assert dial_in(1, said).registration == means  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "why"),
    [(860_000_000_000_001, "put it in quotes"), ("hex:4X", "write bytes"), ("", "at least 1")],
)
def test_a_registration_that_cannot_be_is_told(said: object, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        dial_in(1, said)  # type: ignore[arg-type]


CONFIG = """\
gateway: cabinet-1
broker: {host: 127.0.0.1, tls: false}
buses:
  - {id: dtu-1, driver: modbus_dial_in, listen: {port: 5020}, registration: DTU-1}
  - {id: dtu-2, driver: modbus_dial_in, listen: {port: 5020}, registration: DTU-2}
devices:
  - {id: noise-01, profile: noise/rs485-sound, bus: dtu-1, unit_id: 1}
"""


def test_the_serial_side_is_the_profiles_and_counts_in_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    first, second = load(path).buses
    assert isinstance(first.bus, ModbusDialInBus)
    assert isinstance(second.bus, ModbusDialInBus)
    assert (first.bus.baud, second.bus.baud) == (4800, None)
    assert first.utilisation is not None
    assert first.utilisation > first.bus.round_trip_s


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        (
            "registration: DTU-2",
            "registration: DTU-1",
            "5: buses[1].registration: is bus dtu-1's; nobody could tell them apart",
        ),
        (
            "registration: DTU-2",
            "registration: DTU-12",
            "5: buses[1].registration: begins like bus dtu-1's; nobody could tell them apart",
        ),
        (
            "{port: 5020}, registration: DTU-2",
            "{host: 127.0.0.1, port: 5020}, registration: DTU-2",
            "5: buses[1].listen.host: port 5020 is bus dtu-1's too, which says 0.0.0.0;"
            " say the same",
        ),
    ],
)
def test_buses_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, right: str, wrong: str, problem: str
) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG.replace(right, wrong), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(path)
    assert error.value.problems == (f"{path}:{problem}",)


def test_listening_is_on_every_address_unless_told() -> None:
    assert Listen(port=5020).host == "0.0.0.0"
