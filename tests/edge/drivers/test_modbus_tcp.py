"""Modbus TCP: a number for every request, and nothing but its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus import FramerType

from contract.errors import Disconnected, TransportError
from device_profiles.loader import load_profile
from edge.core.modbus import Framing, Refused, Request
from edge.devices import build_device
from edge.drivers.modbus_line import ModbusTcpLine
from edge.drivers.modbus_tcp import ModbusTcpBus
from edge.options import DeviceOptions
from tests.edge.drivers.kit import ModbusWorld
from tests.edge.kit import Bench, PymodbusPeer, Reply, ScriptedPeer, eventually
from tests.suites.modbus_lines import DATA, TWO, LineSuite, LineWorld, line_world, word_of
from tests.suites.polled import PolledSuite


class TestModbusTcp(PolledSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[ModbusWorld]:
        world = ModbusWorld(FramerType.SOCKET)
        await world.start()
        bus = ModbusTcpBus(
            id="bus-1", driver="modbus_tcp", host="127.0.0.1", port=world.port, timeout_s=0.3
        )
        world.open(bus, tmp_path)
        yield world
        await world.stop()


class TestTheLine(LineSuite):
    @pytest.fixture
    async def world(self) -> AsyncIterator[LineWorld]:
        def make(port: int) -> ModbusTcpLine:
            return ModbusTcpLine("127.0.0.1", port, Framing.TCP, timeout_s=5)

        async with line_world(Framing.TCP, make) as world:
            yield world


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedPeer]:
    peer = ScriptedPeer(word_of, lambda _, right: [(0, right)])
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
def line(peer: ScriptedPeer) -> ModbusTcpLine:
    return ModbusTcpLine("127.0.0.1", peer.port, Framing.TCP, timeout_s=5)


async def test_requests_are_numbered(peer: ScriptedPeer, line: ModbusTcpLine) -> None:
    assert await line.open()
    for _ in range(3):
        assert await line.ask(TWO, 5) == DATA
    assert [request[:2] for request in peer.requests] == [b"\0\1", b"\0\2", b"\0\3"]
    line.close()


async def test_bytes_that_come_after_an_answer_spoil_the_connection(
    peer: ScriptedPeer, line: ModbusTcpLine
) -> None:
    """A second answer, after the first was taken, must not be the next question's."""
    peer.answer = lambda _, right: [(0, right), (0.05, right)]
    await line.open()
    assert await line.ask(TWO, 5) == DATA
    peer.answer = lambda _, right: [(0.2, right)]
    with pytest.raises(TransportError):
        await line.ask(Request(unit_id=2, function=3, address=7), 5)
    await line.open()
    assert peer.connections == 2
    assert await line.ask(Request(unit_id=2, function=3, address=7), 5) == bytes([0, 207])
    line.close()


async def test_a_connection_closed_instead_of_an_answer_is_noticed_at_once(
    peer: ScriptedPeer, line: ModbusTcpLine
) -> None:
    peer.answer = lambda *_: [(0, None)]
    await line.open()
    with pytest.raises(Disconnected):
        await line.ask(TWO, 60)


async def test_an_exception_is_a_refusal_and_leaves_the_line_open() -> None:
    peer = PymodbusPeer({1: [0] * 4}, FramerType.SOCKET)
    await peer.start()
    line = ModbusTcpLine("127.0.0.1", peer.port, Framing.TCP, timeout_s=5)
    await line.open()
    with pytest.raises(Refused, match="illegal data address"):
        await line.ask(Request(unit_id=1, function=3, address=100), 5)
    assert not await line.open()
    assert await line.ask(Request(unit_id=1, function=3, address=0), 5) == b"\0\0"
    line.close()
    await peer.stop()


async def test_a_write_is_believed_by_its_echo() -> None:
    peer = PymodbusPeer({1: [0] * 4}, FramerType.SOCKET)
    await peer.start()
    line = ModbusTcpLine("127.0.0.1", peer.port, Framing.TCP, timeout_s=5)
    await line.open()
    for function, value in ((6, 0x1234), (16, 0x4321)):
        write = Request(unit_id=1, function=function, address=2, value=value)
        assert await line.ask(write, 5) == b""
        read = Request(unit_id=1, function=3, address=2)
        assert await line.ask(read, 5) == value.to_bytes(2, "big")
    line.close()
    await peer.stop()


async def test_nobody_listening_is_a_disconnection(peer: ScriptedPeer) -> None:
    await peer.stop()
    line = ModbusTcpLine("127.0.0.1", peer.port, Framing.TCP, timeout_s=5)
    with pytest.raises(Disconnected, match=f"{peer.port}: .*refused"):
        await line.open()


async def test_all_devices_of_a_bus_share_one_connection_and_take_turns(
    peer: ScriptedPeer, tmp_path: Path
) -> None:
    """Never two requests at once: the peer answers slowly, and counts what waits meanwhile."""
    bus = ModbusTcpBus(id="bus-1", driver="modbus_tcp", host="127.0.0.1", port=peer.port)
    profile = load_profile("noise/rs485-sound")
    devices = [
        build_device(
            DeviceOptions(id=f"d{unit}", profile="", bus=bus.id, unit_id=unit, period_s=0.01),
            profile,
            bus.cost(),
        )
        for unit in range(1, 31)
    ]
    answered: list[int] = []

    def answer(request: bytes, right: bytes) -> Reply:
        assert len(peer.requests) == len(answered) + 1
        answered.append(request[6])
        return [(0.001, right)]

    peer.answer = answer
    bench = Bench(bus, devices, tmp_path)
    async with bench.running():
        await eventually(lambda: len(answered) >= 150)
    assert peer.connections == 1
    turns = Counter(answered)
    assert set(turns) == set(range(1, 31))
    assert max(turns.values()) - min(turns.values()) <= 1
