"""RTU frames over a wire that is a stream of bytes: a serial port, or a DTU's connection.

What is believed is decided in core.answers; here is the timing. Frames are kept apart by silence.
A unit that did not answer in time is left alone for a while, so that what it says late is no answer
to a later question; the others are asked meanwhile, and what it says then is skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from contract.errors import Disconnected, Timeout
from edge.core.answers import ECHOED, MOST_NOISE, Clutter, echoed, read_answer, split_at_answer
from edge.core.modbus import Disturbed, Framing, Refused, Request, build_adu
from edge.core.plan import silence_s, transfer_s

# Adapters hand bytes on in lumps, up to 16 ms apart: after a disturbance, wait for longer.
STILL_S = 0.05
NEVER_STILL_S = 2.0
MOST_KEPT = 320  # more than the longest frame and its clutter


class Wire(Protocol):
    """Bytes to and fro."""

    async def open(self, receive: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """Have a connection; call `receive` with what comes, and `lost` once when it is gone.

        Raises: Timeout, Disconnected.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send a frame. Raises: Disconnected."""
        ...

    def close(self) -> None:
        """Drop the connection, if there is one; `lost` is not called."""
        ...


class RtuLine:
    """A Line; see edge.ports. After an error the wire stays; open() waits until it is still.

    settle_s: how long a unit that did not answer is left alone. still_s: how long the wire must be
    silent after a disturbance. packets: what comes of itself and is skipped.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        baud: int,
        settle_s: float,
        pause_s: float = 0.0,
        still_s: float = STILL_S,
        packets: tuple[bytes, ...] = (),
    ) -> None:
        self._wire, self._baud = wire, baud
        self._settle_s, self._still_s, self._packets = settle_s, still_s, packets
        self._silence_s = max(silence_s(baud), pause_s)
        self._up = self._sound = self._echoes = False
        self._heard_s = 0.0  # when the latest byte came or went
        self._late: dict[int, tuple[Request, float]] = {}  # unit id -> what it owes, until when
        self._request: Request | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._received = b""  # since the request; without one, what nobody asked for
        self._write = b""  # the latest request, if its answer is the same again

    async def open(self) -> bool:
        """Connect, unless connected; wait until an earlier disturbance is over."""
        fresh = not self._up
        if fresh:
            await self._wire.open(self._receive, self._lose)
            self._up, self._sound, self._received = True, True, b""
        if not self._sound or self._is_disturbed():
            await self._still(self._still_s)
            self._sound = True
        return fresh

    async def ask(self, request: Request, timeout_s: float) -> bytes:
        """Send a request and wait for exactly its answer, besides the time that its bytes need."""
        if not self._up or not self._sound:
            raise Disconnected("the line is not open")
        self._check_owing(request.unit_id)
        await self._still(self._silence_s)
        fine = False
        try:
            answer = await self._exchange(request, timeout_s)
            fine = True
        except Refused:
            fine = True
            raise
        finally:
            self._sound = fine
            self._request = self._answer = None
        return answer

    def close(self) -> None:
        """Drop the connection, if there is one."""
        self._wire.close()
        self._up = False

    async def _exchange(self, request: Request, timeout_s: float) -> bytes:
        loop = asyncio.get_running_loop()
        adu = build_adu(request, Framing.RTU)
        self._request, self._answer, self._received = request, loop.create_future(), b""
        try:
            self._wire.write(adu)
        except Disconnected:
            self._up = False
            raise
        self._heard_s = loop.time() + transfer_s(len(adu), self._baud)
        wire_s = transfer_s(len(adu) + request.size + MOST_NOISE, self._baud)
        answer, refusal = b"", None
        try:
            async with asyncio.timeout(timeout_s + wire_s):
                answer = await self._answer
        except Refused as refused:
            refusal = refused  # an answer like any other, as far as the line is concerned
        except TimeoutError:
            self._late[request.unit_id] = (request, loop.time() + self._settle_s)
            self._echoes = self._echoes or echoed(request, self._received)
            raise Timeout(self._say_timeout(adu, timeout_s)) from None
        finally:
            self._answer = None
        self._write = adu if request.function in ECHOED and refusal is None else b""
        if not self._write:
            self._echoes = echoed(request, self._received)
        _, self._received = split_at_answer(request, self._received) or (b"", b"")
        await asyncio.sleep(self._silence_s)
        if self._is_disturbed():
            raise Disturbed("bytes after the answer")
        if refusal is not None:
            raise refusal
        return answer

    def _check_owing(self, unit_id: int) -> None:
        """Ask nothing of a unit whose last answer may still come: it would fit this request."""
        if unit_id not in self._late:
            return
        left_s = self._late[unit_id][1] - asyncio.get_running_loop().time()
        if left_s > 0:
            raise Timeout(f"no answer; left alone for {left_s:.1f} s, lest a late one be mistaken")
        del self._late[unit_id]

    async def _still(self, for_s: float) -> None:
        """Wait until nothing has come or gone for so long, and forget what came."""
        loop = asyncio.get_running_loop()
        patience_s = loop.time() + NEVER_STILL_S + for_s
        while (pause_s := self._heard_s + for_s - loop.time()) > 0:
            if loop.time() > patience_s:
                self._sound = False
                raise Disturbed("the line is never silent; is there another master on it?")
            await asyncio.sleep(pause_s)
            if not self._up:
                raise Disconnected("the connection was lost")
        self._received = b""

    def _receive(self, data: bytes) -> None:
        self._received = (self._received + data)[-MOST_KEPT:]
        if self._answer is None or self._answer.done():
            self._receive_unasked()
            return
        self._heard_s = asyncio.get_running_loop().time()
        if self._request is None:
            return
        late = tuple(r for r, _ in self._late.values() if r.unit_id != self._request.unit_id)
        clutter = Clutter(echoes=self._echoes, late=late, packets=self._packets)
        try:
            answer = read_answer(self._request, Framing.RTU, self._received, 0, clutter)
        except Exception as error:  # also a bug: it is for whoever asks, not for asyncio's log
            self._answer.set_exception(error)
            return
        if answer is not None:
            self._answer.set_result(answer)

    def _receive_unasked(self) -> None:
        self._forgive_late()
        self._learn_echo()
        if Clutter(packets=self._packets).without_packets(self._received):
            self._heard_s = asyncio.get_running_loop().time()
        else:
            self._received = b""  # a heartbeat is no disturbance

    def _forgive_late(self) -> None:
        """A unit whose late answer has come may be asked again."""
        for unit_id, (request, _) in tuple(self._late.items()):
            around = split_at_answer(request, self._received)
            if around is not None:
                self._received = b"".join(around)
                del self._late[unit_id]

    def _lose(self, why: str) -> None:
        self._up = self._sound = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Disconnected(why))

    def _is_disturbed(self) -> bool:
        """Whether what came unasked may be a frame."""
        unasked = Clutter(packets=self._packets).without_packets(self._received)
        return len(unasked) > MOST_NOISE

    def _learn_echo(self) -> None:
        """Notice that what was taken for a write's answer was its echo, and this is the answer."""
        if self._received and self._received == self._write:
            self._echoes, self._received = True, b""

    def _say_timeout(self, adu: bytes, timeout_s: float) -> str:
        came = self._received.replace(adu, b"", 1)
        if not came:
            return f"no answer in {timeout_s} s"
        return f"no whole answer in {timeout_s} s, but {len(came)} bytes: {came[:16].hex(' ')}"
