"""The Modbus server, read by peers that are not ours: pymodbus, mbpoll, and plain sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Sequence

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from contract.errors import ConfigError
from simulators.faults import Fault, FaultKind
from simulators.modbus_frames import Framing, answer, crc16
from simulators.modbus_server import ModbusServer
from simulators.serial_lines import open_line

MBPOLL = "/usr/bin/mbpoll"
WORDS = [0x1234, 0x00FF, 0xFFFE, 0x8001]


class Registers:
    """A device whose registers stand still."""

    def __init__(self, words: Sequence[int] = WORDS) -> None:
        table = dict(enumerate(words, start=0x10))
        self.image = {3: table, 4: table, 1: {5: 1, 6: 0, 7: 1}, 2: {5: 0, 6: 1, 7: 1}}
        self.asked = 0

    def respond(self, pdu: bytes, peer: str, fault: FaultKind | None) -> bytes:
        self.asked += 1
        return answer(pdu, self.image)


@contextlib.asynccontextmanager
async def serving(
    framing: Framing = Framing.TCP, faults: Sequence[Fault] = (), latency_s: float = 0.0
) -> AsyncIterator[int]:
    server = ModbusServer(
        {1: Registers(), 7: Registers([7, 7, 7, 7])},
        framing=framing,
        faults=faults,
        latency_s=latency_s,
    )
    try:
        yield await server.listen()
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def pymodbus_client(port: int, framing: Framing) -> AsyncIterator[AsyncModbusTcpClient]:
    framer = FramerType.SOCKET if framing is Framing.TCP else FramerType.RTU
    client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=framer, timeout=2, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def exchange(port: int, *requests: bytes, answers: int = 256, wait_s: float = 0.5) -> bytes:
    """Send bytes and return what comes until the peer falls silent or hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b""
    try:
        for request in requests:
            writer.write(request)
            await writer.drain()
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            async with asyncio.timeout(wait_s):
                while part := await reader.read(answers):
                    data += part
    finally:
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()
    return data


def rtu(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16(body).to_bytes(2, "little")


@pytest.mark.parametrize("framing", Framing)
async def test_pymodbus_reads_every_function(framing: Framing) -> None:
    async with serving(framing) as port, pymodbus_client(port, framing) as client:
        holding = await client.read_holding_registers(0x10, count=4, device_id=1)
        inputs = await client.read_input_registers(0x11, count=2, device_id=1)
        coils = await client.read_coils(5, count=3, device_id=1)
        discrete = await client.read_discrete_inputs(5, count=3, device_id=1)
        other = await client.read_holding_registers(0x10, count=1, device_id=7)
    assert holding.registers == WORDS
    assert inputs.registers == WORDS[1:3]
    assert coils.bits[:3] == [True, False, True]
    assert discrete.bits[:3] == [False, True, True]
    assert other.registers == [7]


@pytest.mark.parametrize("framing", Framing)
async def test_pymodbus_is_told_why_not(framing: Framing) -> None:
    async with serving(framing) as port, pymodbus_client(port, framing) as client:
        no_address = await client.read_holding_registers(0x20, count=1, device_id=1)
        no_function = await client.read_fifo_queue(address=0x10, device_id=1)
    assert no_address.exception_code == 2
    assert no_function.exception_code == 1


async def test_a_tcp_gateway_speaks_for_a_silent_unit_and_a_line_does_not() -> None:
    async with serving() as port, pymodbus_client(port, Framing.TCP) as client:
        nobody = await client.read_holding_registers(0x10, count=1, device_id=9)
    assert nobody.exception_code == 11
    async with serving(Framing.RTU) as port:
        assert await exchange(port, rtu("090300100001"), wait_s=0.2) == b""


async def mbpoll(*arguments: str) -> dict[int, int]:
    """Return what mbpoll prints: register number -> word."""
    process = await asyncio.create_subprocess_exec(
        MBPOLL, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    text = output.decode()
    assert process.returncode == 0, text
    return {
        int(number): int(word, 16)
        for number, word in re.findall(r"^\[(\d+)\]:\s+0x([0-9A-F]+)", text, re.MULTILINE)
    }


async def test_mbpoll_reads_over_tcp() -> None:
    async with serving() as port:
        words = await mbpoll(
            *("-m", "tcp", "-p", str(port), "-a", "1", "-r", "17", "-c", "4", "-1"),
            *("-t", "4:hex", "127.0.0.1"),
        )
    assert words == dict(enumerate(WORDS, start=17))


async def test_mbpoll_reads_rtu_over_a_pty() -> None:
    server = ModbusServer({1: Registers()}, framing=Framing.RTU)
    line = open_line("pty")
    server.serve_serial(line.fd, line.path)
    try:
        words = await mbpoll(
            *("-m", "rtu", "-b", "9600", "-P", "none", "-a", "1", "-r", "17", "-c", "4", "-1"),
            *("-t", "4:hex", line.path),
        )
    finally:
        await server.close()
    assert words == dict(enumerate(WORDS, start=17))


async def test_a_line_whose_other_end_hung_up_is_served_again_when_it_is_back() -> None:
    ours, theirs = os.openpty()
    path = os.ttyname(theirs)
    server = ModbusServer({1: Registers()}, framing=Framing.RTU)
    server.serve_serial(ours, path)
    os.close(theirs)
    try:
        for _ in range(2):
            again = os.open(path, os.O_RDWR | os.O_NOCTTY)
            os.write(again, rtu("010300100001"))
            loop = asyncio.get_running_loop()
            reply = await asyncio.wait_for(loop.run_in_executor(None, os.read, again, 64), 5)
            os.close(again)
            assert reply == rtu("0103021234")
    finally:
        await server.close()


async def test_half_a_request_is_forgotten_after_silence() -> None:
    async with serving(Framing.RTU) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(rtu("010300100001")[:5])
        await writer.drain()
        await asyncio.sleep(0.4)  # silence is what is tested
        writer.write(rtu("010300100001"))
        reply = await asyncio.wait_for(reader.readexactly(7), 5)
        writer.close()
    assert reply == rtu("0103021234")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.DEAD, b""),
        (FaultKind.DROPPED, b""),
        (FaultKind.BUSY, rtu("018306")),
        (FaultKind.FAILURE, rtu("018304")),
        (FaultKind.WRONG_UNIT, rtu("020304123400FF")),
        (FaultKind.SHORT, rtu("0103021234")),
        (FaultKind.TRUNCATED, rtu("010304123400FF")[:-3]),
        (FaultKind.GLUED, rtu("010304123400FF") * 2),
        (FaultKind.ECHO, rtu("010300100002") + rtu("010304123400FF")),
        (FaultKind.NOISE, b"\x00\xff\x55" + rtu("010304123400FF")),
        (FaultKind.WRONG_TRANSACTION, rtu("010304123400FF")),  # RTU has none
    ],
)
async def test_faults_on_an_rtu_line(kind: FaultKind, expected: bytes) -> None:
    async with serving(Framing.RTU, [Fault(kind=kind)]) as port:
        assert await exchange(port, rtu("010300100002"), wait_s=0.3) == expected


async def test_a_wrong_crc_is_wrong_in_the_crc_alone() -> None:
    async with serving(Framing.RTU, [Fault(kind=FaultKind.WRONG_CRC)]) as port:
        data = await exchange(port, rtu("010300100001"), wait_s=0.3)
    assert data[:-2] == rtu("0103021234")[:-2]
    assert data[-2:] != rtu("0103021234")[-2:]


async def test_a_wrong_transaction_id() -> None:
    request = bytes.fromhex("000500000006010300100001")
    async with serving(Framing.TCP, [Fault(kind=FaultKind.WRONG_TRANSACTION)]) as port:
        data = await exchange(port, request, wait_s=0.3)
    assert data == bytes.fromhex("0006000000050103021234")


async def test_a_late_answer_comes_after_the_next_requests() -> None:
    faults = [Fault(kind=FaultKind.LATE, every=2, late_s=0.3)]
    async with serving(Framing.RTU, faults) as port:
        data = await exchange(
            port, rtu("010300100001"), rtu("010300110001"), rtu("010300120001"), wait_s=1.0
        )
    assert data == rtu("0103021234") + rtu("010302FFFE") + rtu("01030200FF")


async def test_a_fault_strikes_its_unit_and_turn_only() -> None:
    faults = [Fault(kind=FaultKind.BUSY, unit=7, every=3)]
    async with serving(Framing.TCP, faults) as port, pymodbus_client(port, Framing.TCP) as client:
        codes = []
        for _ in range(6):
            for unit in (1, 7):
                result = await client.read_holding_registers(0x10, count=1, device_id=unit)
                codes.append((unit, result.exception_code if result.isError() else 0))
    assert codes.count((7, 6)) == 2
    assert codes.count((1, 0)) == 6


async def test_pymodbus_sees_a_dead_device_time_out() -> None:
    async with (
        serving(Framing.TCP, [Fault(kind=FaultKind.DEAD)]) as port,
        pymodbus_client(port, Framing.TCP) as client,
    ):
        client.comm_params.timeout_connect = 0.2
        with pytest.raises(ModbusException):
            await client.read_holding_registers(0x10, count=1, device_id=1)


async def test_latency_holds_an_answer_back_but_keeps_the_order() -> None:
    loop = asyncio.get_running_loop()
    async with serving(Framing.TCP, latency_s=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = loop.time()
        for transaction in range(3):
            writer.write(transaction.to_bytes(2) + bytes.fromhex("00000006010300100001"))
        replies = await asyncio.wait_for(reader.readexactly(33), 5)
        took = loop.time() - began
        writer.close()
    assert [replies[at + 1] for at in (0, 11, 22)] == [0, 1, 2]
    assert took >= 0.05


async def test_a_peer_that_speaks_something_else_is_hung_up_on() -> None:
    async with serving() as port:
        assert await exchange(port, b"GET / HTTP/1.1\r\n\r\n", wait_s=5) == b""


async def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} on 127.0.0.1 is in use"):
            await ModbusServer({}).listen(port=port)
