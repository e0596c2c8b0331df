"""`gridwarden edge probe`: reads registers a few times, and tells what they could be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from contract.errors import Timeout, TransportError
from edge.cabinet.progress import Progress, bar
from edge.cabinet.visit import Visit, wait_for_caller
from edge.cabinet.witness import Exchange, Witness
from edge.checks import BusPlan
from edge.core.hexwords import show_address
from edge.core.modbus import Refused, Request

MOST_REGISTERS = 125  # in one answer
MOST_TIMEOUTS = 4
# Refusals that asking for fewer, or other, registers may avoid.
AVOIDABLE = (2, 3, 4)
AGAIN_AFTER_S = 1.0  # a serial line leaves a unit alone for so long that did not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Which registers of whom are read, how often, how fast."""

    unit_id: int
    function: int
    addresses: range
    reads: int
    every_s: float
    timeout_s: float


@dataclass(slots=True, kw_only=True)
class Found:
    """What was read: each time, address -> word. holes: what cannot be read.

    problem: why nothing, or no more, could be read; connecting: whether already that failed.
    """

    reads: list[dict[int, int]] = field(default_factory=list)
    holes: list[range] = field(default_factory=list)
    problem: TransportError | None = None
    connecting: bool = False
    took_s: float = 0.0
    interrupted: bool = False


async def read_map(
    told: asyncio.Event, visit: Visit, plan: BusPlan, wanted: Map, progress: Progress
) -> Found:
    """Read registers as often as wanted; what cannot be read is found out the first time."""
    found = Found()
    reader = _Reader(visit, plan, wanted, found, progress)
    began_s = visit.clock.monotonic_s()
    work, telling = asyncio.ensure_future(reader.read()), asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait((work, telling), return_when=asyncio.FIRST_COMPLETED)
    finally:
        telling.cancel()
        work.cancel()
        await asyncio.wait((work,))
        reader.close()
    found.interrupted = work.cancelled()
    if not work.cancelled():
        work.result()
    found.took_s = visit.clock.monotonic_s() - began_s
    return found


class _Reader:
    """Reads a map; see read_map."""

    def __init__(
        self, visit: Visit, plan: BusPlan, wanted: Map, found: Found, progress: Progress
    ) -> None:
        source = visit.polled(plan.bus)
        self._bus, self._clock = plan.bus, visit.clock
        self._line = Witness(source.line, visit.clock, _forget)
        self._wanted, self._found, self._progress = wanted, found, progress
        self._timeouts = 0
        self._blocks: list[range] = []

    async def read(self) -> None:
        wanted, found = self._wanted, self._found
        await wait_for_caller(self._bus, self._line, self._clock, self._progress)
        try:
            found.reads.append(await self._explore())
            for number in range(1, wanted.reads):
                if not self._blocks:
                    return
                await asyncio.sleep(wanted.every_s)
                drawn = bar(number, wanted.reads)
                self._progress.show(f"{drawn} read {number + 1} of {wanted.reads}")
                found.reads.append(await self._again())
        except TransportError as problem:
            found.problem = problem
            found.connecting = self._line.no_connection is not None

    def close(self) -> None:
        self._line.close()

    async def _explore(self) -> dict[int, int]:
        """Read everything, in ever smaller pieces where the device refuses."""
        words: dict[int, int] = {}
        addresses = self._wanted.addresses
        left = [
            addresses[at : at + MOST_REGISTERS] for at in range(0, len(addresses), MOST_REGISTERS)
        ]
        while left:
            piece = left.pop(0)
            done = len(addresses) - sum(map(len, left)) - len(piece)
            drawn = bar(done, len(addresses))
            self._progress.show(f"{drawn} from {show_address(piece.start)}, {len(piece)} registers")
            try:
                words |= await self._ask(piece)
                self._blocks.append(piece)
            except (Refused, Timeout) as problem:
                self._check_hopeless(problem, words)
                if len(piece) == 1:
                    self._found.holes = _joined([*self._found.holes, piece])
                else:
                    middle = len(piece) // 2
                    left[:0] = [piece[:middle], piece[middle:]]
                self._found.problem = problem
        if words:
            self._found.problem = None
        return words

    def _check_hopeless(self, problem: TransportError, words: dict[int, int]) -> None:
        """Raise what asking for fewer registers will not avoid."""
        if isinstance(problem, Refused) and problem.code not in AVOIDABLE:
            raise problem
        if isinstance(problem, Timeout):
            self._timeouts += 1
            if self._line.no_connection or (self._timeouts >= MOST_TIMEOUTS and not words):
                raise problem

    async def _again(self) -> dict[int, int]:
        words: dict[int, int] = {}
        for block in self._blocks:
            words |= await self._ask(block)
        return words

    async def _ask(self, block: range) -> dict[int, int]:
        request = Request(
            unit_id=self._wanted.unit_id,
            function=self._wanted.function,
            address=block.start,
            count=len(block),
        )
        try:
            await self._line.open()
            data = await self._line.ask(request, self._wanted.timeout_s)
        except Timeout:
            if self._line.no_connection is None:
                await asyncio.sleep(AGAIN_AFTER_S)
            raise
        return {
            at: int.from_bytes(data[2 * index : 2 * index + 2]) for index, at in enumerate(block)
        }


def _forget(exchange: Exchange) -> None:
    """Exchanges are not shown."""


def _joined(pieces: Sequence[range]) -> list[range]:
    joined: list[range] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if joined and joined[-1].stop == piece.start:
            joined[-1] = range(joined[-1].start, piece.stop)
        else:
            joined.append(piece)
    return joined
