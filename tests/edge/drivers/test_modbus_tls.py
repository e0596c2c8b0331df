"""Modbus/TCP Security: verified, or nothing is said at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus import FramerType

from contract.errors import ConfigError, Disconnected
from edge.core.modbus import Framing
from edge.drivers.modbus_line import ModbusTcpLine, Tls
from edge.drivers.modbus_tcp import ModbusTcpBus
from edge.options import TlsFiles
from edge.tls import tls_context
from tests.edge.certificates import Certificates, Pair, make_certificates
from tests.edge.drivers.fronts import TlsServer
from tests.edge.drivers.kit import ModbusWorld
from tests.edge.kit import Bench, ScriptedPeer, eventually
from tests.suites.drivers import DriverSuite, good
from tests.suites.modbus_lines import DATA, TWO, LineSuite, LineWorld, line_world, word_of


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class TestModbusTcpWithTls(DriverSuite):
    @pytest.fixture
    async def world(self, tmp_path: Path, certificates: Certificates) -> AsyncIterator[ModbusWorld]:
        front = TlsServer(certificates, asks=True)
        world = ModbusWorld(FramerType.SOCKET, front)
        await world.start()
        bus = ModbusTcpBus(
            id="bus-1",
            driver="modbus_tcp",
            host="127.0.0.1",
            port=front.port,
            timeout_s=0.5,
            tls=True,
            ca_file=certificates.ca,
            cert_file=certificates.client.cert,
            key_file=certificates.client.key,
        )
        world.open(bus, tmp_path)
        yield world
        await world.stop()


def tls(ca: Path, own: Pair | None = None, server_name: str = "127.0.0.1") -> Tls:
    files = TlsFiles(
        tls=True,
        ca_file=ca,
        cert_file=own.cert if own else None,
        key_file=own.key if own else None,
    )
    return Tls(context=tls_context(files), server_name=server_name)


class TestTheLine(LineSuite):
    @pytest.fixture
    async def world(self, certificates: Certificates) -> AsyncIterator[LineWorld]:
        front = TlsServer(certificates)

        def make(_: int) -> ModbusTcpLine:
            port, verified = front.port, tls(certificates.ca)
            return ModbusTcpLine("127.0.0.1", port, Framing.TCP, timeout_s=5, tls=verified)

        async with line_world(Framing.TCP, make, front) as world:
            yield world


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedPeer]:
    peer = ScriptedPeer(word_of, lambda _, right: [(0, right)])
    await peer.start()
    yield peer
    await peer.stop()


def line_to(port: int, verified: Tls) -> ModbusTcpLine:
    return ModbusTcpLine("127.0.0.1", port, Framing.TCP, timeout_s=2, tls=verified)


async def test_a_server_of_another_authority_is_told_nothing(
    peer: ScriptedPeer, certificates: Certificates
) -> None:
    front = TlsServer(certificates)
    await front.start(peer.port)
    line = line_to(front.port, tls(certificates.other_ca))
    with pytest.raises(Disconnected, match=r"certificate is not accepted: .*; ca_file names"):
        await line.open()
    with pytest.raises(Disconnected):
        await line.ask(TWO, 1)
    assert peer.requests == []
    await front.stop()


async def test_a_certificate_for_another_name_is_not_accepted_unless_it_is_said(
    peer: ScriptedPeer, tmp_path: Path
) -> None:
    named = make_certificates(tmp_path, "DNS:plc-7.example")
    front = TlsServer(named)
    await front.start(peer.port)
    with pytest.raises(Disconnected, match=r"IP address mismatch.*server_name"):
        await line_to(front.port, tls(named.ca)).open()
    line = line_to(front.port, tls(named.ca, server_name="plc-7.example"))
    await line.open()
    assert await line.ask(TWO, 5) == DATA
    line.close()
    await front.stop()


async def open_and_ask(line: ModbusTcpLine) -> bytes:
    """TLS 1.3 refuses a client after its side of the handshake."""
    await line.open()
    return await line.ask(TWO, 5)


@pytest.mark.parametrize("who", ["nobody", "a stranger"])
async def test_a_server_that_asks_who_we_are_refuses_others(
    peer: ScriptedPeer, certificates: Certificates, who: str
) -> None:
    front = TlsServer(certificates, asks=True)
    await front.start(peer.port)
    own = certificates.stranger if who == "a stranger" else None
    line = line_to(front.port, tls(certificates.ca, own))
    with pytest.raises(Disconnected):
        await open_and_ask(line)
    assert peer.requests == []
    line.close()
    line = line_to(front.port, tls(certificates.ca, certificates.client))
    await line.open()
    assert await line.ask(TWO, 5) == DATA
    line.close()
    await front.stop()


async def test_a_port_without_tls_hears_no_modbus(
    tmp_path: Path, certificates: Certificates
) -> None:
    """After a TLS error nothing is ever said in plain."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4_096))
        writer.write(b"\0\1\0\0\0\5\1\3\2\2\x57")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bus = ModbusTcpBus(
        id="bus-1",
        driver="modbus_tcp",
        host="127.0.0.1",
        port=port,
        tls=True,
        ca_file=certificates.ca,
    )
    world = ModbusWorld(FramerType.SOCKET)
    world.open(bus, tmp_path)
    bench: Bench = world.bench
    async with bench.running():
        await eventually(lambda: bench.health.devices["noise-01"].failures > 3)
        assert any("TLS" in problem for problem in bench.health.told())
    assert good(world) == set()
    assert heard[:1] == b"\x16"  # a TLS handshake record, and no MBAP header
    assert bytes.fromhex("0000 0006 0103") not in heard
    server.close()
    await server.wait_closed()


def test_the_ports_are_those_of_the_standards() -> None:
    plain = ModbusTcpBus(id="a", driver="modbus_tcp", host="plc")
    safe = ModbusTcpBus(id="a", driver="modbus_tcp", host="plc", tls=True)
    assert (plain.port, safe.port) == (502, 802)


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate", encoding="ascii")
    with pytest.raises(ConfigError, match=str(wrong)):
        tls_context(TlsFiles(tls=True, ca_file=wrong))
