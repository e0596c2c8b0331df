"""What every Modbus Line promises, however its peer misbehaves. Subclass it, and give it an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from contract.errors import Disconnected, Timeout, TransportError
from edge.core.modbus import Framing, Refused, Request
from edge.ports import Line
from tests.edge.drivers.fronts import Front
from tests.edge.kit import Reply, ScriptedPeer, frame

TWO = Request(unit_id=1, function=3, address=0, count=2)
DATA = bytes([0, 100, 0, 101])
PATIENT_S = 10.0
HASTY_S = 0.15
Spoil = Callable[[bytes, bytes, bool], bytes]  # request, right answer, whether RTU


def word_of(unit: int, address: int) -> int:
    """Say what each register of the peer holds: no two of a test the same."""
    return (100 * unit + address) % 0x10000


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWorld:
    """A line, and the peer at its other end. restart: makes that end reachable again."""

    line: Line
    peer: ScriptedPeer
    framing: Framing
    restart: Callable[[], Awaitable[None]]

    @property
    def rtu(self) -> bool:
        """Whether frames have a CRC, and no transaction id."""
        return self.framing is Framing.RTU

    def behave(self) -> None:
        """From now on, answer rightly."""
        self.peer.answer = lambda _, right: [(0, right)]

    async def reopen(self) -> None:
        """Open the line, however often it takes."""
        for _ in range(200):
            try:
                await self.line.open()
            except TransportError:
                await asyncio.sleep(0.01)
            else:
                return
        raise AssertionError("it does not open")

    async def ask(self, request: Request) -> bytes:
        """Ask until there is an answer, as a bus does; a wrong one is not asked for again."""
        for _ in range(200):
            await self.reopen()
            try:
                return await self.line.ask(request, PATIENT_S)
            except TransportError:
                await asyncio.sleep(0.02)
        raise AssertionError("it does not recover")


@asynccontextmanager
async def line_world(
    framing: Framing, make: Callable[[int], Line], front: Front | None = None
) -> AsyncIterator[LineWorld]:
    """Have a peer, whatever stands before it, and an open line. make: gets the peer's port."""
    peer = ScriptedPeer(word_of, lambda _, right: [(0, right)], rtu=framing is Framing.RTU)
    await peer.start()

    async def restart() -> None:
        if front is not None:
            await front.stop()
            await front.start(peer.port)

    await restart()
    line = make(peer.port)
    await line.open()
    try:
        yield LineWorld(line=line, peer=peer, framing=framing, restart=restart)
    finally:
        line.close()
        if front is not None:
            await front.stop()
        await peer.stop()


def read(address: int, unit: int = 1) -> Request:
    return Request(unit_id=unit, function=3, address=address)


def body(answer: bytes, *, rtu: bool) -> bytes:
    """Unit id and PDU."""
    return answer[:-2] if rtu else answer[6:]


def reframed(change: Callable[[bytes], bytes]) -> Spoil:
    """Change unit id and PDU, and frame them rightly again."""
    return lambda _, right, rtu: frame(change(body(right, rtu=rtu)), right[:2], rtu=rtu)


NEVER_BELIEVED: dict[str, Spoil] = {
    "another unit": reframed(lambda b: b"\x02" + b[1:]),
    "unit 0": reframed(lambda b: b"\x00" + b[1:]),
    "another function": reframed(lambda b: b[:1] + b"\x04" + b[2:]),
    "one register too few": reframed(lambda b: b[:2] + b"\x02" + b[3:5]),
    "one register too many": reframed(lambda b: b[:2] + b"\x06" + b[3:] + b"\0\7"),
    "no registers": reframed(lambda b: b[:2] + b"\x00"),
    "a byte count too large": reframed(lambda b: b[:2] + b"\x06" + b[3:]),
    "a byte count too small": reframed(lambda b: b[:2] + b"\x02" + b[3:]),
    "an odd byte count": reframed(lambda b: b[:2] + b"\x03" + b[3:6]),
    "another one's exception": reframed(lambda b: b"\x02\x83\x02"),
    "another function's exception": reframed(lambda b: b"\x01\x84\x02"),
    "the request again": lambda q, r, rtu: q,
    "two answers glued": lambda q, r, rtu: r + r,
    "another unit's answer before": lambda q, r, rtu: (
        frame(b"\x02" + body(r, rtu=rtu)[1:], r[:2], rtu=rtu) + r
    ),
    "much noise before": lambda q, r, rtu: b"\x00\xff\x55\xaa\x00" + r,
    "much noise after": lambda q, r, rtu: r + b"\x00\xff\x55\xaa\x00",
    "noise instead": lambda q, r, rtu: bytes(range(64)),
    "HTTP": lambda q, r, rtu: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "backwards": lambda q, r, rtu: r[::-1],
    "its end missing": lambda q, r, rtu: r[:-3],
    "its beginning missing": lambda q, r, rtu: r[3:],
    "one byte": lambda q, r, rtu: r[:1],
    "256 zeros": lambda q, r, rtu: bytes(256),
    "a kilobyte": lambda q, r, rtu: r[:8] * 128,
}
NEVER_BELIEVED_OVER_TCP: dict[str, Spoil] = {
    "transaction id 0": lambda q, r, rtu: b"\0\0" + r[2:],
    "another transaction id": lambda q, r, rtu: b"\xff\x09" + r[2:],
    "another protocol": lambda q, r, rtu: r[:2] + b"\0\1" + r[4:],
    "a length too large": lambda q, r, rtu: r[:4] + b"\0\x09" + r[6:],
    "a length too small": lambda q, r, rtu: r[:4] + b"\0\x03" + r[6:],
    "one byte before": lambda q, r, rtu: b"\0" + r,
    "one byte after": lambda q, r, rtu: r + b"\0",
    "the echo before": lambda q, r, rtu: q + r,
    "a stale answer before": lambda q, r, rtu: b"\0\0\0\0\0\x07" + r[6:] + r,
    "with a CRC": lambda q, r, rtu: frame(r[6:], b"", rtu=True),
}
NEVER_BELIEVED_WITH_RTU: dict[str, Spoil] = {
    "a wrong CRC": lambda q, r, rtu: r[:-1] + bytes([r[-1] ^ 1]),
    "its CRC backwards": lambda q, r, rtu: r[:-2] + r[:-3:-1],
    "a flipped bit": lambda q, r, rtu: r[:4] + bytes([r[4] ^ 0x10]) + r[5:],
    "a byte lost": lambda q, r, rtu: r[:4] + r[5:],
    "a byte doubled": lambda q, r, rtu: r[:4] + r[4:5] + r[4:],
    "with an MBAP header": lambda q, r, rtu: frame(r[:-2], b"\0\1", rtu=False),
    "two echoes": lambda q, r, rtu: q + q + r,
}
BELIEVED_WITH_RTU: dict[str, Spoil] = {
    "the echo before": lambda q, r, rtu: q + r,
    "noise before": lambda q, r, rtu: b"\x00\xff\x55" + r,
    "noise after": lambda q, r, rtu: r + b"\x00\xff",
    "noise, echo, noise": lambda q, r, rtu: b"\xff" + q + b"\x00" + r + b"\xff",
}


class LineSuite:
    """Each test gets the fixture `world`: an opened line, and a peer that behaves."""

    async def test_the_exact_answer_is_taken(self, world: LineWorld) -> None:
        for _ in range(3):
            assert await world.line.ask(TWO, PATIENT_S) == DATA
        assert not await world.line.open()
        assert await world.line.ask(read(7, unit=2), PATIENT_S) == bytes([0, 207])

    async def test_an_answer_in_pieces_is_taken(self, world: LineWorld) -> None:
        world.peer.answer = lambda _, right: [(0.002, right[i : i + 1]) for i in range(len(right))]
        assert await world.line.ask(TWO, PATIENT_S) == DATA

    async def test_the_longest_answer_is_taken(self, world: LineWorld) -> None:
        whole = Request(unit_id=1, function=4, address=0, count=125)
        data = await world.line.ask(whole, PATIENT_S)
        assert data == b"".join(word_of(1, i).to_bytes(2, "big") for i in range(125))

    @pytest.mark.parametrize("name", NEVER_BELIEVED)
    async def test_what_is_not_the_answer_is_never_believed(
        self, world: LineWorld, name: str
    ) -> None:
        await self._never(world, NEVER_BELIEVED[name])

    async def test_what_is_not_the_answer_in_this_framing_is_never_believed(
        self, world: LineWorld
    ) -> None:
        for spoil in (NEVER_BELIEVED_WITH_RTU if world.rtu else NEVER_BELIEVED_OVER_TCP).values():
            await self._never(world, spoil)

    async def _never(self, world: LineWorld, spoil: Spoil) -> None:
        def once(request: bytes, right: bytes) -> Reply:
            world.behave()
            return [(0, spoil(request, right, world.rtu))]

        await world.reopen()
        world.peer.answer = once
        with pytest.raises(TransportError):
            await world.line.ask(TWO, HASTY_S)
        with pytest.raises(Disconnected):
            await world.line.ask(TWO, PATIENT_S)  # not before it is opened again
        assert await world.ask(read(9)) == bytes([0, 109])
        assert await world.ask(TWO) == DATA

    async def test_what_is_surely_no_frame_is_skipped(self, world: LineWorld) -> None:
        if not world.rtu:
            return
        for spoil in BELIEVED_WITH_RTU.values():
            world.peer.answer = lambda q, r, spoil=spoil: [(0, spoil(q, r, True))]  # type: ignore[misc]
            for address in range(3):
                await world.reopen()
                answer = await world.line.ask(read(address), PATIENT_S)
                assert answer == bytes([0, 100 + address])

    async def test_an_answer_delayed_past_the_timeout_is_returned_by_no_later_read(
        self, world: LineWorld
    ) -> None:
        """Every answer would fit every request of the same framing."""
        late = {0, 3, 4, 9}

        def answer(request: bytes, right: bytes) -> Reply:
            address = request[3] if world.rtu else request[9]
            return [(2 * HASTY_S if address in late else 0.0, right)]

        world.peer.answer = answer
        for address in range(14):
            await world.reopen()
            if address in late:
                with pytest.raises(Timeout):
                    await world.line.ask(read(address), HASTY_S)
            else:
                assert await world.ask(read(address)) == bytes([0, 100 + address])

    async def test_a_missing_answer_is_a_timeout_that_costs_the_others_nothing(
        self, world: LineWorld
    ) -> None:
        world.peer.answer = lambda q, right: [(0, right)] if q[0 if world.rtu else 6] == 2 else []
        for address in range(3):
            with pytest.raises(Timeout, match="no answer"):
                await world.line.ask(read(0), HASTY_S)
            assert await world.ask(read(address, unit=2)) == bytes([0, 200 + address])

    async def test_a_second_answer_after_the_first_was_taken_is_nobodys(
        self, world: LineWorld
    ) -> None:
        world.peer.answer = lambda _, right: [(0, right), (0.1, right)]
        assert await world.line.ask(read(5), PATIENT_S) == bytes([0, 105])
        await asyncio.sleep(0.2)
        world.behave()
        for address in range(5):
            assert await world.ask(read(address)) == bytes([0, 100 + address])

    async def test_an_exception_is_a_refusal_and_leaves_the_line_open(
        self, world: LineWorld
    ) -> None:
        world.peer.answer = lambda _, right: [(0, frame(b"\x01\x83\x02", right[:2], rtu=world.rtu))]
        for _ in range(3):
            with pytest.raises(Refused, match="illegal data address"):
                await world.line.ask(TWO, PATIENT_S)
        world.behave()
        assert not await world.line.open()
        assert await world.line.ask(TWO, PATIENT_S) == DATA

    async def test_a_peer_that_goes_away_is_a_disconnection_or_a_timeout(
        self, world: LineWorld
    ) -> None:
        world.peer.answer = lambda *_: [(0, None)]
        with pytest.raises((Disconnected, Timeout)):
            await world.line.ask(TWO, 1.0)
        world.behave()
        await world.restart()
        assert await world.ask(TWO) == DATA
