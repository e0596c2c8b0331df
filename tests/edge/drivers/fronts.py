"""What may stand between a bus and a Modbus peer on TCP: TLS, a serial line, a DTU."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.edge.certificates import Certificates
from tests.edge.kit import eventually, free_port

SOCAT = "/usr/bin/socat"


class Front(Protocol):
    """Makes a peer reachable in another way."""

    async def start(self, peer_port: int) -> None: ...
    async def stop(self) -> None: ...


class Socat:
    """A socat of our own, with all that it forks."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, *addresses: str, ready: Callable[[], bool]) -> None:
        """Start, and wait until it is ready."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            [SOCAT, *addresses], stderr=subprocess.DEVNULL, start_new_session=True
        )
        await eventually(ready)

    async def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class SerialLine:
    """A serial port that leads to the peer; unplugged when stopped. path: what a bus opens."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ttyTEST0"
        self._socat = Socat()

    async def start(self, peer_port: int) -> None:
        pty = f"pty,raw,echo=0,link={self.path}"
        await self._socat.start(
            pty, f"TCP:127.0.0.1:{peer_port},nodelay", ready=self.path.is_char_device
        )

    async def stop(self) -> None:
        await self._socat.stop()
        self.path.unlink(missing_ok=True)


class SerialPair:
    """Two serial ports, wired to each other."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.theirs = folder / "ttyOURS", folder / "ttyTHEIRS"
        self._socat = Socat()

    async def start(self) -> None:
        await self._socat.start(
            *(f"pty,raw,echo=0,link={path}" for path in (self.ours, self.theirs)),
            ready=lambda: self.ours.is_char_device() and self.theirs.is_char_device(),
        )

    async def stop(self) -> None:
        await self._socat.stop()


class TlsServer:
    """socat as a TLS server before the peer: OpenSSL, and none of our code."""

    def __init__(self, certificates: Certificates, *, asks: bool = False) -> None:
        self._certificates, self._asks = certificates, asks
        self.port = free_port()
        self._socat = Socat()

    async def start(self, peer_port: int) -> None:
        server = self._certificates.server
        verify = f"verify=1,cafile={self._certificates.ca}" if self._asks else "verify=0"
        await self._socat.start(
            f"OPENSSL-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork,nodelay,"
            f"cert={server.cert},key={server.key},{verify}",
            f"TCP:127.0.0.1:{peer_port},nodelay",
            ready=lambda: is_listening(self.port),
        )

    async def stop(self) -> None:
        await self._socat.stop()


class Dtu:
    """A 4G DTU: dials out, says who it is, and passes bytes to and fro. Dials again when it fails.

    first: what it sends on connecting. heartbeat: what it sends every few milliseconds.
    """

    def __init__(self, port: int, first: bytes, heartbeat: bytes = b"") -> None:
        self._port, self._first, self._heartbeat = port, first, heartbeat
        self._task: asyncio.Task[None] | None = None
        self.dialled = 0

    async def start(self, peer_port: int) -> None:
        self._task = asyncio.create_task(self._dial(peer_port), name="DTU")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _dial(self, peer_port: int) -> None:
        while True:
            with suppress(OSError):
                gateway = await _connect(self._port)
                self.dialled += 1
                try:
                    gateway[1].write(self._first)
                    serial = await _connect(peer_port)
                    await self._pass(gateway, serial)
                finally:
                    hang_up(gateway[1])
            await asyncio.sleep(0.02)

    async def _pass(self, gateway: Ends, serial: Ends) -> None:
        """Until either end closes."""
        tasks = [
            asyncio.create_task(work)
            for work in (
                _pump(gateway[0], serial[1]),
                _pump(serial[0], gateway[1]),
                self._beat(gateway[1]),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hang_up(serial[1])
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(self._heartbeat)
            await asyncio.sleep(0.007)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connect(port: int) -> Ends:
    """Connect; if cancelled meanwhile, leave no connection behind."""
    connecting = asyncio.create_task(asyncio.open_connection("127.0.0.1", port))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(OSError):
            hang_up((await connecting)[1])
        raise


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Drop a connection, without a warning that it was not closed."""
    writer.close()
    writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(4_096):
            writer.write(data)
            await writer.drain()


def is_listening(port: int) -> bool:
    """Tell whether somebody listens on a port of loopback, without connecting."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines)
