"""A Modbus line over TCP, by pymodbus' client. Shared by the drivers of both framings.

pymodbus opens sockets, frames requests and keeps them apart. What comes back it never gets to see:
its trace hook hands every byte to core.modbus, which believes nothing but the exact answer.
(pymodbus 3.16.1 takes answers with transaction id 0, and with fewer registers than asked for.)
"""

from __future__ import annotations

import asyncio

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from contract.errors import Disconnected, Timeout, TransportError
from edge.core.modbus import Disturbed, Framing, Refused, Request, read_answer

FRAMERS = {Framing.TCP: FramerType.SOCKET, Framing.RTU: FramerType.RTU}
# pymodbus' own time-out only backs ours up.
BACKSTOP_S = 3_600.0


class ModbusTcpLine:
    """A Line; see edge.ports. A connection that disappointed once is not used again."""

    def __init__(
        self, host: str, port: int, framing: Framing, *, timeout_s: float, settle_s: float = 0.0
    ) -> None:
        self._host, self._port, self._framing = host, port, framing
        self._timeout_s, self._settle_s = timeout_s, settle_s
        self._connection: _Connection | None = None
        self._late_answer = False

    async def open(self) -> bool:
        """Connect, unless connected and undisturbed."""
        if self._connection is not None and self._connection.sound:
            return False
        self.close()
        connection = _Connection(self._host, self._port, self._framing)
        try:
            async with asyncio.timeout(self._timeout_s):
                connected = await connection.client.connect()
        except TimeoutError:
            raise Timeout(f"no connection to {self._where} in {self._timeout_s} s") from None
        if not connected:
            raise Disconnected(f"no connection to {self._where}")
        self._connection = connection
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
            async with asyncio.timeout(timeout_s):
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
            if not answered:
                self.close()
        return answer

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._connection is not None:
            self._connection.client.close()
            self._connection = None

    async def _settle(self, connection: _Connection) -> None:
        """A serial server may hand what comes late to whoever is connected: let it come."""
        await asyncio.sleep(self._settle_s)
        if not connection.sound:
            self.close()
            raise Disturbed(f"a late answer came from {self._where}")
        self._late_answer = False

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"


class _Connection:
    """One TCP connection, and the exchange that is under way on it."""

    def __init__(self, host: str, port: int, framing: Framing) -> None:
        self._framing = framing
        self._request: Request | None = None
        self._pdu = _Pdu(b"\0")
        self._transaction_id = 0
        self._received = b""
        self._answer = b""
        self._unasked = False
        self.client = AsyncModbusTcpClient(
            host,
            port=port,
            framer=FRAMERS[framing],
            timeout=BACKSTOP_S,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._trace,
            trace_connect=self._connection_changed,
        )

    @property
    def sound(self) -> bool:
        """Whether it is up, and nothing has come that was not asked for."""
        return self.client.connected and not self._unasked

    async def exchange(self, request: Request) -> bytes:
        """Send a request; return its answer's data, or raise what spoils it."""
        self._request, self._received = request, b""
        self._pdu = _Pdu(request.pdu, request.unit_id)
        await self.client.execute(False, self._pdu)
        if self._unasked:
            raise Disturbed("bytes after the answer")
        return self._answer

    def _trace(self, sending: bool, data: bytes) -> bytes:
        """See every packet; pymodbus gets none of what comes, so `data` is all of it."""
        if sending:
            self._transaction_id = int.from_bytes(data[:2], "big")
            return data
        if self._request is None or not data.startswith(self._received):
            self._unasked = True
            self._end(Disturbed("bytes that nobody asked for"))
            return b""
        self._received = data
        try:
            answer = read_answer(self._request, self._framing, data, self._transaction_id)
        except TransportError as error:
            self._end(error)
        else:
            if answer is not None:
                self._answer = answer
                self._end(None)
        return b""

    def _connection_changed(self, connected: bool) -> None:
        if not connected:
            self._end(Disconnected("the peer closed the connection"))

    def _end(self, error: TransportError | None) -> None:
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
