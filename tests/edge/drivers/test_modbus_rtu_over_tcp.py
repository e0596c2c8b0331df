"""RTU framing over TCP: no transaction ids, so what comes late must never be believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus import FramerType

from contract.errors import Timeout
from edge.core.modbus import Disturbed, Framing, Request
from edge.drivers.modbus_line import ModbusTcpLine
from edge.drivers.modbus_rtu_over_tcp import ModbusRtuOverTcpBus
from tests.edge.drivers.kit import ModbusWorld
from tests.edge.kit import ScriptedPeer
from tests.suites.modbus_lines import LineSuite, LineWorld, line_world, read, word_of
from tests.suites.polled import PolledSuite


class TestModbusRtuOverTcp(PolledSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[ModbusWorld]:
        world = ModbusWorld(FramerType.RTU)
        await world.start()
        bus = ModbusRtuOverTcpBus(
            id="bus-2",
            driver="modbus_rtu_over_tcp",
            host="127.0.0.1",
            port=world.port,
            timeout_s=0.3,
            settle_s=0.0,
        )
        world.open(bus, tmp_path)
        yield world
        await world.stop()


class TestTheLine(LineSuite):
    @pytest.fixture
    async def world(self) -> AsyncIterator[LineWorld]:
        def make(port: int) -> ModbusTcpLine:
            return ModbusTcpLine(
                "127.0.0.1", port, Framing.RTU, timeout_s=5, settle_s=0.02, baud=115_200
            )

        async with line_world(Framing.RTU, make) as world:
            yield world


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedPeer]:
    peer = ScriptedPeer(word_of, lambda _, right: [(0, right)], rtu=True)
    await peer.start()
    yield peer
    await peer.stop()


async def test_after_every_timeout_the_connection_is_a_new_one(peer: ScriptedPeer) -> None:
    line = ModbusTcpLine("127.0.0.1", peer.port, Framing.RTU, timeout_s=5, settle_s=0.02)
    for address in range(4):
        peer.answer = lambda *_: []
        await line.open()
        with pytest.raises(Timeout):
            await line.ask(read(address), 0.05)
        assert peer.connections == address + 1
    line.close()


async def test_a_late_answer_handed_to_the_new_connection_is_not_believed(
    peer: ScriptedPeer,
) -> None:
    """Transparent serial servers send what comes over the wire to whoever is connected."""
    line = ModbusTcpLine("127.0.0.1", peer.port, Framing.RTU, timeout_s=5, settle_s=0.02)
    peer.answer = lambda *_: []
    await line.open()
    with pytest.raises(Timeout):
        await line.ask(read(0), 0.05)
    peer.greeting = peer.right_answer(peer.requests[0])
    with pytest.raises(Disturbed, match="late answer"):
        await line.open()
    peer.greeting = b""
    peer.answer = lambda _, right: [(0, right)]
    await line.open()
    assert await line.ask(read(7), 5) == bytes([0, 107])
    line.close()


async def test_a_slow_serial_side_has_the_time_that_its_bytes_need(peer: ScriptedPeer) -> None:
    """125 registers at 1,200 baud are 2.4 s on the wire: no time-out of 0.1 s must count them."""
    line = ModbusTcpLine("127.0.0.1", peer.port, Framing.RTU, timeout_s=5, baud=1_200)
    peer.answer = lambda _, right: [(0.5, right)]
    await line.open()
    whole = Request(unit_id=1, function=3, address=0, count=125)
    assert len(await line.ask(whole, 0.1)) == 250
    line.close()


async def test_the_answer_to_a_write_after_its_echo_does_not_spoil_the_connection(
    peer: ScriptedPeer,
) -> None:
    """Else a device whose start is a write would be started for ever."""
    line = ModbusTcpLine("127.0.0.1", peer.port, Framing.RTU, timeout_s=5)
    write = Request(unit_id=1, function=6, address=2, value=7)
    peer.answer = lambda q, right: [(0, q), (0.05, q[:5]), (0.05, q[5:])]
    await line.open()
    assert await line.ask(write, 5) == b""
    await asyncio.sleep(0.2)
    assert not await line.open()
    peer.answer = lambda q, right: [(0, q)]
    with pytest.raises(Timeout):
        await line.ask(write, 0.1)
    line.close()
