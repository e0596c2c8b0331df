"""Modbus TCP: the suite, and answers that are not quite the one asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pymodbus import FramerType

from contract.errors import Disconnected, Timeout, TransportError
from edge.core.modbus import Disturbed, Framing, Refused, Request
from edge.drivers.modbus_line import ModbusTcpLine
from edge.drivers.modbus_tcp import ModbusTcpBus
from tests.edge.drivers.kit import ModbusWorld
from tests.edge.kit import PymodbusPeer, Reply, ScriptedPeer
from tests.suites.drivers import DriverSuite

READ_TWO = Request(unit_id=1, function=3, address=0, count=2)
ONE_BY_ONE = 3


class TestModbusTcp(DriverSuite):
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


def word_of(unit: int, address: int) -> int:
    return 100 * unit + address


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedPeer]:
    peer = ScriptedPeer(word_of, lambda _, right: [(0, right)])
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
def line(peer: ScriptedPeer) -> ModbusTcpLine:
    return ModbusTcpLine("127.0.0.1", peer.port, Framing.TCP, timeout_s=5)


async def test_the_exact_answer_is_taken(peer: ScriptedPeer, line: ModbusTcpLine) -> None:
    assert await line.open()
    for _ in range(3):
        assert await line.ask(READ_TWO, 5) == bytes([0, 100, 0, 101])
    assert not await line.open()
    assert [request[:2] for request in peer.requests] == [b"\0\1", b"\0\2", b"\0\3"]
    line.close()


async def test_an_answer_in_pieces_is_taken(peer: ScriptedPeer, line: ModbusTcpLine) -> None:
    peer.answer = lambda _, right: [(0.001, right[i : i + 1]) for i in range(len(right))]
    await line.open()
    assert await line.ask(READ_TWO, 5) == bytes([0, 100, 0, 101])
    line.close()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda q, r: b"\0\0" + r[2:], id="transaction id 0"),
        pytest.param(lambda q, r: b"\0\x09" + r[2:], id="another transaction id"),
        pytest.param(lambda q, r: r[:2] + b"\0\1" + r[4:], id="another protocol"),
        pytest.param(lambda q, r: r[:6] + b"\x02" + r[7:], id="another unit"),
        pytest.param(lambda q, r: r[:7] + b"\x04" + r[8:], id="another function"),
        pytest.param(lambda q, r: r[:4] + b"\0\5\1\3\2" + r[9:11], id="one register too few"),
        pytest.param(lambda q, r: r[:4] + b"\0\x09\1\3\6" + r[9:] + b"\0\0", id="one too many"),
        pytest.param(lambda q, r: r + r, id="two answers glued"),
        pytest.param(lambda q, r: r + b"\0", id="a byte too many"),
        pytest.param(lambda q, r: b"\0" + r, id="a byte before"),
        pytest.param(lambda q, r: q + r, id="the echo of the request before"),
        pytest.param(lambda q, r: b"\0\0\0\0\0\x07" + r[6:] + r, id="a stale answer before"),
    ],
)
async def test_what_is_not_the_answer_is_refused_and_the_line_reopened(
    peer: ScriptedPeer, line: ModbusTcpLine, spoil: Callable[[bytes, bytes], bytes]
) -> None:
    def once(request: bytes, right: bytes) -> Reply:
        peer.answer = lambda _, right: [(0, right)]
        return [(0, spoil(request, right))]

    peer.answer = once
    await line.open()
    with pytest.raises(Disturbed):
        await line.ask(READ_TWO, 5)
    with pytest.raises(Disconnected):
        await line.ask(READ_TWO, 5)  # not before it is opened again
    assert await line.open()
    assert await line.ask(READ_TWO, 5) == bytes([0, 100, 0, 101])
    assert peer.connections == 2
    line.close()


async def test_bytes_that_come_after_an_answer_spoil_the_connection(
    peer: ScriptedPeer, line: ModbusTcpLine
) -> None:
    """A second answer, after the first was taken, must not be the next question's."""
    peer.answer = lambda _, right: [(0, right), (0.05, right)]
    await line.open()
    assert await line.ask(READ_TWO, 5) == bytes([0, 100, 0, 101])
    peer.answer = lambda _, right: [(0.2, right)]
    with pytest.raises(TransportError):
        await line.ask(Request(unit_id=2, function=3, address=7), 5)
    await line.open()
    assert peer.connections == 2
    assert await line.ask(Request(unit_id=2, function=3, address=7), 5) == bytes([0, 207])
    line.close()


async def test_a_missing_answer_is_a_timeout(peer: ScriptedPeer, line: ModbusTcpLine) -> None:
    peer.answer = lambda *_: []
    await line.open()
    with pytest.raises(Timeout, match=r"no answer in 0\.05 s"):
        await line.ask(READ_TWO, 0.05)


async def test_a_late_answer_is_never_the_next_ones(
    peer: ScriptedPeer, line: ModbusTcpLine
) -> None:
    peer.answer = lambda _, right: [(0.1, right)]
    await line.open()
    with pytest.raises(Timeout):
        await line.ask(READ_TWO, 0.05)
    peer.answer = lambda _, right: [(0, right)]
    for address in range(20):
        await line.open()
        request = Request(unit_id=2, function=3, address=address)
        assert await line.ask(request, 5) == (200 + address).to_bytes(2, "big")
    line.close()


async def test_a_connection_closed_instead_of_an_answer_is_noticed_at_once(
    peer: ScriptedPeer, line: ModbusTcpLine
) -> None:
    peer.answer = lambda *_: [(0, None)]
    await line.open()
    with pytest.raises(Disconnected):
        await line.ask(READ_TWO, 60)


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
    with pytest.raises(Disconnected, match=str(peer.port)):
        await line.open()
