"""A Modbus line over TCP, by pymodbus' client. Shared by the drivers of both framings.

pymodbus frames requests and keeps them apart. What comes back it never gets to see: its trace hook
hands every byte to core.answers, which believes nothing but the exact answer.
(pymodbus 3.16.1 takes answers with transaction id 0, and with fewer registers than asked for.)
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from contract.errors import Disconnected, Timeout
from edge.core.answers import ECHOED, MOST_NOISE, Clutter, echoed, read_answer
from edge.core.modbus import Disturbed, Framing, Refused, Request
from edge.core.plan import transfer_s

FRAMERS = {Framing.TCP: FramerType.SOCKET, Framing.RTU: FramerType.RTU}
# Ours is the only time-out: pymodbus' own would cost another timer for every request.
NO_TIMEOUT = cast("float", None)
# Small devices compute for seconds over a TLS handshake.
TLS_HANDSHAKE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a TLS connection is verified. server_name: what the certificate must be for."""

    context: ssl.SSLContext
    server_name: str


class ModbusTcpLine:
    """A Line; see edge.ports. A connection that disappointed once is not used again.

    settle_s: with RTU framing, how long to listen for a late answer after reconnecting.
    baud: of the serial line behind a serial server, whose bytes take their time.
    """

    def __init__(
        self,
        host: str,
        port: int,
        framing: Framing,
        *,
        timeout_s: float,
        settle_s: float = 0.0,
        baud: int | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._host, self._port, self._framing = host, port, framing
        self._connect_s = max(timeout_s, TLS_HANDSHAKE_S) if tls else timeout_s
        self._settle_s, self._baud, self._tls = settle_s, baud, tls
        self._connection: _Connection | None = None
        self._late_answer = self._echoes = False

    async def open(self) -> bool:
        """Connect, unless connected and undisturbed."""
        if self._connection is not None and self._connection.sound:
            return False
        self.close()
        connection = _Connection(self._host, self._port, self._framing, self._tls)
        try:
            async with asyncio.timeout(self._connect_s):
                connected = await connection.client.connect()
        except TimeoutError:
            connection.close()
            raise Timeout(f"no connection to {self._where} in {self._connect_s} s") from None
        except asyncio.CancelledError:
            connection.close()
            raise
        if not connected:
            raise Disconnected(f"no connection to {self._where}: {connection.why_not}")
        self._connection = connection
        connection.echoes = self._echoes
        if self._late_answer:
            await self._settle(connection)
        return True

    async def ask(self, request: Request, timeout_s: float) -> bytes:
        """Send a request and wait for exactly its answer."""
        connection = self._connection
        if connection is None or not connection.sound:
            raise Disconnected(f"{self._where} is not connected")
        answered = False
        try:
            async with asyncio.timeout(timeout_s + self._wire_s(request)):
                answer = await connection.exchange(request)
            answered = True
        except TimeoutError:
            # RTU has no transaction ids: the answer, when it comes, would fit the next request.
            self._late_answer = self._framing is Framing.RTU
            raise Timeout(f"no answer in {timeout_s} s") from None
        except Refused:
            answered = True
            raise
        except ModbusException as error:
            raise Disconnected(str(error)) from error
        finally:
            self._echoes = connection.echoes
            if not answered:
                self.close()
        return answer

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _settle(self, connection: _Connection) -> None:
        """A serial server may hand what comes late to whoever is connected: let it come."""
        await asyncio.sleep(self._settle_s)
        if not connection.sound:
            self.close()
            raise Disturbed(f"a late answer came from {self._where}")
        self._late_answer = False

    def _wire_s(self, request: Request) -> float:
        if self._baud is None:
            return 0.0
        return transfer_s(len(request.pdu) + request.size + 2 * MOST_NOISE, self._baud)

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"


class _Connection:
    """One TCP connection, and the exchange that is under way on it."""

    def __init__(self, host: str, port: int, framing: Framing, tls: Tls | None) -> None:
        self._host, self._port, self._framing, self._tls = host, port, framing, tls
        self._request: Request | None = None
        self._pdu = _Pdu(b"\0")
        self._transaction_id = 0
        self._received = b""
        self._answer = b""
        self._unasked = False
        self._wrote = False  # the latest answer was to a write, and the same again
        self.echoes = False
        self.why_not = ""
        self.client = AsyncModbusTcpClient(
            host,
            port=port,
            framer=FRAMERS[framing],
            timeout=NO_TIMEOUT,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._trace,
            trace_connect=self._connection_changed,
        )
        # pymodbus' own way tells only that it failed, and cannot verify another name than the host.
        self.client.ctx.call_create = self._create

    @property
    def sound(self) -> bool:
        """Whether it is up, and nothing has come that was not asked for."""
        return self.client.connected and not self._unasked

    def close(self) -> None:
        """Drop it at once: TLS would say goodbye first, and wait half a minute for an answer."""
        transport = self.client.ctx.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()
        self.client.close()

    async def exchange(self, request: Request) -> bytes:
        """Send a request; return its answer's data, or raise what spoils it."""
        self._request, self._received = request, b""
        self._pdu = _Pdu(request.pdu, request.unit_id)
        await self.client.execute(False, self._pdu)
        if self._unasked:
            raise Disturbed("bytes after the answer")
        self._wrote = self._framing is Framing.RTU and request.function in ECHOED
        if self._framing is Framing.RTU and not self._wrote:
            self.echoes = echoed(request, self._received)
        return self._answer

    async def _create(self) -> tuple[asyncio.Transport, asyncio.Protocol]:
        try:
            return await asyncio.get_running_loop().create_connection(
                cast("Callable[[], asyncio.Protocol]", self.client.ctx.handle_new_connection),
                self._host,
                self._port,
                ssl=self._tls.context if self._tls else None,
                server_hostname=self._tls.server_name if self._tls else None,
            )
        except OSError as error:
            self.why_not = _say(error)
            raise

    def _trace(self, sending: bool, data: bytes) -> bytes:
        """See every packet; pymodbus gets none of what comes, so `data` is all of it."""
        if sending:
            self._transaction_id = int.from_bytes(data[:2], "big")
            return data
        if self._request is None:
            self._note_unasked(data)
            return b""
        self._received = data
        clutter = Clutter(echoes=self.echoes)
        try:
            answer = read_answer(self._request, self._framing, data, self._transaction_id, clutter)
        except Exception as error:  # also a bug: it is for whoever asks, not for asyncio's log
            self._end(error)
        else:
            if answer is not None:
                self._answer = answer
                self._end(None)
        return b""

    def _note_unasked(self, data: bytes) -> None:
        """Bytes that nobody asked for spoil the connection; a stray one on an RTU line does not."""
        if self._wrote and (2 * self._received).startswith(data):
            self.echoes = True  # what was taken for the answer was the line's echo
            return
        seen = len(self._received) if data.startswith(self._received) else 0
        may_be_noise = self._framing is Framing.RTU and len(data) - seen <= MOST_NOISE
        self._unasked = self._unasked or not may_be_noise

    def _connection_changed(self, connected: bool) -> None:
        if not connected:
            self._end(Disconnected("the peer closed the connection"))

    def _end(self, error: Exception | None) -> None:
        """Let pymodbus' waiting execute() return or raise; our own request meets its checks."""
        if self._request is None:
            return
        self._request = None
        pending = self.client.ctx.response_future
        if pending.done():
            return
        if error is None:
            pending.set_result(self._pdu)
        else:
            pending.set_exception(error)


class _Pdu(ModbusPDU):
    """A request whose bytes core.modbus has written."""

    def __init__(self, pdu: bytes, unit_id: int = 0) -> None:
        super().__init__(dev_id=unit_id)
        self.function_code = pdu[0]
        self._rest = pdu[1:]

    def encode(self) -> bytes:
        """Return what follows the function code."""
        return self._rest

    def decode(self, data: bytes) -> None:
        """Never called: answers do not pass through pymodbus."""
        raise NotImplementedError


def _say(error: OSError) -> str:
    """Say why a connection cannot be had, and with TLS what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted: {error.verify_message}; ca_file names the authority"
            " that signed it, server_name the name in it"
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}; is this a TLS port, and are the certificates right?"
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)
