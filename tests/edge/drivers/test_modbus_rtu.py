"""RTU on serial ports, real ptys made by socat."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from pymodbus import FramerType

from contract.errors import ConfigError, Disconnected, Timeout, TransportError
from device_profiles.loader import load_profile
from edge.core.modbus import Disturbed, Framing, Request, build_adu
from edge.drivers.modbus_rtu import ModbusRtuBus, SerialWire, say_why_not
from edge.drivers.rtu_line import RtuLine
from tests.edge.drivers.fronts import SerialLine, SerialPair
from tests.edge.drivers.kit import ModbusWorld
from tests.edge.kit import Reply
from tests.suites.modbus_lines import DATA, TWO, LineSuite, LineWorld, line_world, read
from tests.suites.polled import PolledSuite

BAUD = 9_600
NOBODY = 65_534


def bus_on(path: Path, **more: object) -> ModbusRtuBus:
    return ModbusRtuBus.model_validate(
        {"id": "rs485", "driver": "modbus_rtu", "port": str(path), "baud": BAUD, **more}
    )


def line_on(path: Path, late_s: float = 0.4) -> RtuLine:
    return RtuLine(SerialWire(str(path), BAUD, "none", 1), baud=BAUD, settle_s=late_s)


class TestModbusRtu(PolledSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[ModbusWorld]:
        front = SerialLine(tmp_path)
        world = ModbusWorld(FramerType.RTU, front)
        await world.start()
        world.open(bus_on(front.path, timeout_s=0.3, late_s=0.05), tmp_path)
        yield world
        await world.stop()


class TestTheLine(LineSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[LineWorld]:
        front = SerialLine(tmp_path)
        async with line_world(Framing.RTU, lambda _: line_on(front.path), front) as world:
            yield world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LineWorld]:
    front = SerialLine(tmp_path)
    async with line_world(Framing.RTU, lambda _: line_on(front.path), front) as world:
        yield world


async def test_frames_are_kept_apart_by_silence(world: LineWorld) -> None:
    """3.5 characters of 11 bits: 4 ms at 9,600 baud."""
    times_s: list[float] = []

    def answer(request: bytes, right: bytes) -> Reply:
        times_s.append(time.monotonic())
        return [(0, right)]

    world.peer.answer = answer
    for _ in range(10):
        await world.line.ask(TWO, 5)
    assert min(b - a for a, b in pairwise(times_s)) >= 3.5 * 11 / BAUD


async def test_a_unit_that_did_not_answer_is_left_alone_and_the_others_are_not(
    world: LineWorld,
) -> None:
    world.peer.answer = lambda q, right: [(0, right)] if q[0] == 2 else []
    with pytest.raises(Timeout, match=r"no answer in 0\.1 s"):
        await world.line.ask(read(0), 0.1)
    asked = len(world.peer.requests)
    await world.line.open()
    with pytest.raises(Timeout, match="left alone"):
        await world.line.ask(read(0), 5)
    assert len(world.peer.requests) == asked
    assert await world.line.ask(read(0, unit=2), 5) == bytes([0, 200])
    await asyncio.sleep(0.4)
    world.behave()
    assert await world.line.ask(read(0), 5) == bytes([0, 100])


async def test_a_late_answer_within_anothers_exchange_is_skipped(world: LineWorld) -> None:
    """Unit 1 answers when unit 2 is asked, just before unit 2 does."""
    owed: list[bytes] = []

    def answer(request: bytes, right: bytes) -> Reply:
        if request[0] == 1:
            owed.append(right)
            return []
        return [(0, owed.pop() + right if owed else right)]

    world.peer.answer = answer
    with pytest.raises(Timeout):
        await world.line.ask(read(7), 0.1)
    await world.line.open()
    assert await world.line.ask(read(0, unit=2), 5) == bytes([0, 200])


async def test_a_unit_whose_late_answer_has_come_may_be_asked_again(world: LineWorld) -> None:
    world.peer.answer = lambda _, right: [(0.25, right)]
    with pytest.raises(Timeout):
        await world.line.ask(read(7), 0.1)
    world.behave()
    await asyncio.sleep(0.2)
    await world.line.open()
    assert await world.line.ask(read(8), 5) == bytes([0, 108])


async def test_on_a_line_that_echoes_a_write_needs_its_answer_too(world: LineWorld) -> None:
    """The answer to function 6 is its echo: what the line returns proves nothing."""
    write = Request(unit_id=1, function=6, address=2, value=7)
    adu = build_adu(write, Framing.RTU)
    world.peer.answer = lambda q, right: [(0, q), (0.02, right)]
    assert await world.line.ask(TWO, 5) == DATA
    world.peer.answer = lambda q, right: [(0, q)]
    with pytest.raises(Timeout):
        await world.line.ask(write, 0.1)
    await asyncio.sleep(0.4)
    world.peer.answer = lambda q, right: [(0, q), (0.02, adu)]
    await world.line.open()
    assert await world.line.ask(write, 5) == b""
    assert world.peer.requests[-1] == adu


async def test_an_echo_is_learnt_from_the_first_write(world: LineWorld) -> None:
    write = Request(unit_id=1, function=6, address=2, value=7)
    world.peer.answer = lambda q, right: [(0, q), (0.05, q)]
    assert await world.line.ask(write, 5) == b""
    await asyncio.sleep(0.1)
    assert not await world.line.open()
    world.peer.answer = lambda q, right: [(0, q)]
    with pytest.raises(Timeout):
        await world.line.ask(write, 0.1)


async def test_without_an_echo_a_write_is_believed_by_its_answer(world: LineWorld) -> None:
    write = Request(unit_id=1, function=6, address=2, value=7)
    world.peer.answer = lambda q, right: [(0, q)]
    assert await world.line.ask(write, 5) == b""
    world.behave()
    assert await world.line.ask(TWO, 5) == DATA


async def test_a_line_that_is_never_silent_is_told(world: LineWorld) -> None:
    world.peer.answer = lambda *_: [(0.002, b"\x55")] * 5_000
    with pytest.raises(TransportError):
        await world.line.ask(TWO, 0.2)
    with pytest.raises(Disturbed, match="never silent"):
        await world.line.open()


async def test_a_port_that_is_not_there_is_told(tmp_path: Path) -> None:
    line = line_on(tmp_path / "ttyUSB9")
    with pytest.raises(Disconnected, match=r"port: there is no .*ttyUSB9; (ports here|no serial)"):
        await line.open()


async def test_a_port_that_another_program_has_is_told(tmp_path: Path) -> None:
    pair = SerialPair(tmp_path)
    await pair.start()
    first, second = line_on(pair.ours), line_on(pair.ours)
    await first.open()
    with pytest.raises(Disconnected, match=r"in use by another program; find it by: fuser -v /"):
        await second.open()
    first.close()
    await pair.stop()


async def test_a_port_that_we_may_not_open_is_told(tmp_path: Path) -> None:
    pair = SerialPair(tmp_path)
    await pair.start()
    pair.ours.chmod(0)
    with as_nobody(), pytest.raises(Disconnected, match=r"sudo usermod -aG \w+ \w+ and log in"):
        await SerialWire(str(pair.ours.resolve()), BAUD, "none", 1).open(print, print)
    await pair.stop()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may open everything: be somebody else meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_file_that_is_no_serial_port_is_told(tmp_path: Path) -> None:
    with pytest.raises(Disconnected, match="/dev/null cannot be used as a serial port"):
        await line_on(Path("/dev/null")).open()


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOENT, "there is no /dev/ttyUSB0"),
        (errno.EACCES, "sudo usermod -aG dialout"),
        (errno.EAGAIN, "fuser -v /dev/ttyUSB0"),
        (errno.EIO, "Input/output error"),
        (None, "what pyserial said"),
    ],
)
def test_why_a_port_cannot_be_opened_comes_with_what_to_do(number: int | None, told: str) -> None:
    assert told in say_why_not("/dev/ttyUSB0", number, "what pyserial said")


def test_a_port_that_is_not_there_is_a_warning_before_anything_runs(tmp_path: Path) -> None:
    ((key, what),) = bus_on(tmp_path / "ttyUSB9").warnings()
    assert key == "port"
    assert "there is no" in what
    assert list(bus_on(Path("/dev/tty")).warnings()) == []


SETTLED: list[tuple[dict[str, object], tuple[object, ...]]] = [
    ({"baud": None}, (4800, "none", 1)),
    ({"baud": 19_200, "parity": "even"}, (19_200, "even", 1)),
]


@pytest.mark.parametrize(("given", "expected"), SETTLED)
def test_the_profiles_say_how_the_line_is_set(
    given: dict[str, object], expected: tuple[object, ...]
) -> None:
    profile = load_profile("noise/rs485-sound")
    bus = bus_on(Path("/dev/ttyUSB0"), **given).settled([("noise-01", profile)])
    assert (bus.baud, bus.parity, bus.stop_bits) == expected


def test_profiles_that_do_not_agree_are_told() -> None:
    sound, siemens = load_profile("noise/rs485-sound"), load_profile("dust/siemens-qsa2700d")
    bus = bus_on(Path("/dev/ttyUSB0"), baud=None)
    with pytest.raises(ConfigError) as error:
        bus.settled([("noise-01", sound), ("dust-01", siemens)])
    assert error.value.problems == (
        "baud is missing, and the profiles differ: 4800 for noise-01 (noise/rs485-sound), 19200"
        " for dust-01 (dust/siemens-qsa2700d); set all devices of the line to the same, and say"
        " baud here",
        "parity is missing, and the profiles differ: none for noise-01 (noise/rs485-sound), even"
        " for dust-01 (dust/siemens-qsa2700d); set all devices of the line to the same, and say"
        " parity here",
    )


def test_the_budget_follows_the_baud_rate() -> None:
    costs = [
        bus_on(Path("/dev/ttyUSB0"), baud=baud).cost().request_s for baud in (1_200, 9_600, 115_200)
    ]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 0.15
    patient = bus_on(Path("/dev/ttyUSB0"), pause_s=0.5)
    assert patient.cost().request_s > 0.5
