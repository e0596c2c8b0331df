"""RTU framing over TCP: no transaction ids, so what comes late must never be believed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pymodbus import FramerType

from contract.errors import Timeout, TransportError
from edge.core.modbus import Disturbed, Framing, Request
from edge.drivers.modbus_line import ModbusTcpLine
from edge.drivers.modbus_rtu_over_tcp import ModbusRtuOverTcpBus
from tests.edge.drivers.kit import ModbusWorld
from tests.edge.kit import ScriptedPeer
from tests.suites.drivers import DriverSuite


class TestModbusRtuOverTcp(DriverSuite):
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


def word_of(unit: int, address: int) -> int:
    return 100 * unit + address


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedPeer]:
    peer = ScriptedPeer(word_of, lambda _, right: [(0, right)], rtu=True)
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
def line(peer: ScriptedPeer) -> ModbusTcpLine:
    return ModbusTcpLine("127.0.0.1", peer.port, Framing.RTU, timeout_s=5, settle_s=0.02)


def read(address: int) -> Request:
    return Request(unit_id=1, function=3, address=address)


async def test_an_answer_delayed_past_the_timeout_is_returned_by_no_later_read(
    peer: ScriptedPeer, line: ModbusTcpLine
) -> None:
    """Every answer would fit every request: only reopening tells them apart."""
    late = {0, 3, 4, 9}

    def answer(request: bytes, right: bytes) -> list[tuple[float, bytes]]:
        return [(0.15 if request[3] in late else 0.0, right)]

    peer.answer = answer
    for address in range(20):
        await line.open()
        if address in late:
            with pytest.raises(Timeout):
                await line.ask(read(address), 0.1)
        else:
            assert await line.ask(read(address), 5) == (100 + address).to_bytes(2, "big")
    assert peer.connections == 1 + len(late)
    line.close()


async def test_a_late_answer_handed_to_the_new_connection_is_not_believed(
    peer: ScriptedPeer, line: ModbusTcpLine
) -> None:
    """Transparent serial servers send what comes over the wire to whoever is connected."""
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


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda q, r: r[:-1] + bytes([r[-1] ^ 1]), id="wrong CRC"),
        pytest.param(lambda q, r: r[:4] + bytes([r[4] ^ 0x10]) + r[5:], id="a flipped bit"),
        pytest.param(lambda q, r: r + r, id="two answers glued"),
        pytest.param(lambda q, r: q + r, id="the echo of the request before"),
        pytest.param(lambda q, r: b"\xff" + r, id="noise before"),
        pytest.param(lambda q, r: b"\x02" + r[1:], id="another unit"),
    ],
)
async def test_what_is_not_the_answer_is_refused(
    peer: ScriptedPeer, line: ModbusTcpLine, spoil: Callable[[bytes, bytes], bytes]
) -> None:
    peer.answer = lambda request, right: [(0, spoil(request, right))]
    await line.open()
    with pytest.raises(TransportError):
        await line.ask(read(0), 0.2)
    peer.answer = lambda _, right: [(0, right)]
    await line.open()
    assert await line.ask(read(9), 5) == bytes([0, 109])
    line.close()
