"""A Modbus server of simulated devices on asyncio: TCP, RTU framing over TCP, RTU on a serial line.

Several unit ids share a listener as they share a bus. TCP answers exception 11 for a unit nobody
has (a gateway speaks for its silent line); RTU stays silent, as a line does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tty
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from contract.clock import Clock, SystemClock
from contract.errors import ConfigError, DecodeError
from simulators.faults import Fault, FaultKind, pick, spoil
from simulators.modbus_frames import ExceptionCode, Frame, Framing, refuse, take, wrap

_SILENCE_S = 0.25  # half a request older than this was noise: 3.5 characters, and TCP's leisure
_MOST_BUFFERED = 4096
_BROADCAST = 0
_LOOK_AGAIN_S = 0.1


class Device(Protocol):
    """One simulated device behind a unit id."""

    def respond(self, pdu: bytes, peer: str, fault: FaultKind | None) -> bytes:
        """Return the answer's PDU to a request's; the fault is told for the ledger alone."""
        ...


class ModbusServer:
    """Serves devices by unit id on any number of listeners and lines."""

    def __init__(
        self,
        units: Mapping[int, Device],
        *,
        framing: Framing = Framing.TCP,
        latency_s: float = 0.0,
        faults: Sequence[Fault] = (),
        clock: Clock | None = None,
    ) -> None:
        self.units = dict(units)
        self.framing = framing
        self.latency_s = latency_s
        self.faults = tuple(faults)
        self.clock: Clock = clock or SystemClock()
        self._started_s = self.clock.monotonic_s()
        self._requests: Counter[int] = Counter()
        self._listeners: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._files: list[int] = []

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen on a TCP port and return it; port 0 takes any free one.

        Raises: ConfigError naming the port if it is taken or may not be had.
        """
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(lambda: _Connection(self), host, port)
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error}"
            raise ConfigError(f"port {port} on {host} {why}; choose another with --port") from error
        self._listeners.append(listener)
        taken: int = listener.sockets[0].getsockname()[1]
        return taken

    def serve_serial(self, fd: int, name: str = "serial") -> None:
        """Serve RTU on an open serial line or pty; the file descriptor becomes the server's."""
        os.set_blocking(fd, False)
        if os.isatty(fd):
            tty.setraw(fd)
        line = _Line(self, name, write=lambda data: _write(fd, data), drop=lambda: None)
        self._files.append(fd)
        self._watch(fd, line)

    def _watch(self, fd: int, line: _Line) -> None:
        if fd in self._files:
            asyncio.get_running_loop().add_reader(fd, self._readable, fd, line)

    def _readable(self, fd: int, line: _Line) -> None:
        if data := _read(fd):
            line.feed(data)
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(fd)  # nobody at the other end: readable all the time, so look later
        loop.call_later(_LOOK_AGAIN_S, self._watch, fd, line)

    async def close(self) -> None:
        """Close every listener, connection and line."""
        loop = asyncio.get_running_loop()
        for fd in self._files:
            loop.remove_reader(fd)
            os.close(fd)
        self._files.clear()
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._connections):
            connection.drop()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()

    def fault_for(self, unit: int) -> Fault | None:
        """Count a request of a unit and return the fault that strikes it."""
        self._requests[unit] += 1
        elapsed_s = self.clock.monotonic_s() - self._started_s
        return pick(self.faults, unit=unit, number=self._requests[unit], elapsed_s=elapsed_s)

    def joined(self, connection: _Connection) -> None:
        self._connections.add(connection)

    def left(self, connection: _Connection) -> None:
        self._connections.discard(connection)


class _Line:
    """Bytes in, answers out: what one connection or one serial line has in common."""

    def __init__(
        self,
        server: ModbusServer,
        peer: str,
        *,
        write: Callable[[bytes], None],
        drop: Callable[[], None],
    ) -> None:
        self._server = server
        self._peer = peer
        self._write = write
        self._drop = drop
        self._buffer = bytearray()
        self._last_s = 0.0
        self._framing = server.framing

    def feed(self, data: bytes) -> None:
        now_s = self._server.clock.monotonic_s()
        if self._framing is Framing.RTU and now_s - self._last_s > _SILENCE_S:
            self._buffer.clear()
        self._last_s = now_s
        self._buffer += data
        del self._buffer[: max(0, len(self._buffer) - _MOST_BUFFERED)]
        try:
            while request := take(self._buffer, self._framing):
                self._serve(request)
        except DecodeError:
            self._drop()

    def _serve(self, request: Frame) -> None:
        device = self._server.units.get(request.unit)
        if device is None:
            self._serve_nobody(request)
            return
        fault = self._server.fault_for(request.unit)
        kind = fault.kind if fault else None
        if kind is FaultKind.DEAD:
            return
        if kind is FaultKind.DROPPED:
            self._drop()
            return
        pdu = device.respond(request.pdu, self._peer, kind)
        if kind is None:
            data = _answer(request, pdu, self._framing)
        else:
            data = spoil(kind, request, pdu, self._framing)
        late_s = fault.late_s if fault and kind is FaultKind.LATE else 0.0
        self._send(data, self._server.latency_s + late_s)

    def _serve_nobody(self, request: Frame) -> None:
        if self._framing is Framing.RTU or request.unit == _BROADCAST:
            return
        pdu = refuse(request.pdu[0], ExceptionCode.TARGET_SILENT)
        self._send(_answer(request, pdu, self._framing), self._server.latency_s)

    def _send(self, data: bytes, after_s: float) -> None:
        if after_s > 0:
            asyncio.get_running_loop().call_later(after_s, self._write, data)
        else:
            self._write(data)


class _Connection(asyncio.Protocol):
    """One TCP client of a server."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._transport: asyncio.WriteTransport | None = None
        self._line: _Line | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.WriteTransport):
            raise TypeError(f"a TCP connection came with a {type(transport).__name__}")
        host, port = transport.get_extra_info("peername")[:2]
        self._transport = transport
        self._line = _Line(self._server, f"{host}:{port}", write=self._write, drop=self.drop)
        self._server.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._line is not None:
            self._line.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._server.left(self)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _answer(request: Frame, pdu: bytes, framing: Framing) -> bytes:
    return wrap(Frame(unit=request.unit, pdu=pdu, transaction=request.transaction), framing)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _MOST_BUFFERED)
    except OSError:  # EIO: nobody has the pty's other end open
        return b""


def _write(fd: int, data: bytes) -> None:
    try:
        os.write(fd, data)
    except OSError:  # as above, or the line has been closed since
        return
