"""`gridwarden edge scan`: who answers on a bus, unit id by unit id, at one baud rate or several."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from contract.errors import TransportError
from edge.cabinet.progress import Progress, bar
from edge.cabinet.visit import Visit, baud_of, unless_told, wait_for_caller, wire_of
from edge.cabinet.witness import Exchange, Witness
from edge.checks import BusPlan
from edge.core.advice import Wire
from edge.core.modbus import Refused, Request
from edge.core.scan import (
    OF_GATEWAY,
    Found,
    Sign,
    Try,
    conclusions,
    plan_scan,
    say_sign,
    sign_of,
)

GIVE_UP_CONNECTING = 3  # in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every unit id is asked, and how long its answer may take."""

    function: int
    address: int
    timeout_s: float


@dataclass(slots=True, kw_only=True)
class Scan:
    """What a scan came to, so far. no_connection: why the bus itself cannot be had."""

    plan: BusPlan
    tries: Sequence[Try]
    found: list[Found] = field(default_factory=list)
    asked: int = 0
    gateway_said_nobody: bool = False
    interrupted: bool = False
    no_connection: TransportError | None = None
    took_s: float = 0.0


async def scan_bus(
    told: asyncio.Event,
    visit: Visit,
    plan: BusPlan,
    question: Question,
    *,
    units: Sequence[int],
    bauds: Sequence[int],
    only_first: bool,
    progress: Progress,
) -> Scan:
    """Ask until all is asked, somebody is found (only_first), or told to end."""
    rates = bauds or ((baud_of(plan.bus),) if wire_of(plan.bus) is Wire.SERIAL else (None,))
    scan = Scan(plan=plan, tries=plan_scan(units, rates))
    asker = _Asker(visit, plan, question)
    began_s = visit.clock.monotonic_s()
    refused = 0
    try:
        await unless_told(told, asker.wait_for_caller(progress))
        for attempt in scan.tries:
            _show(scan, attempt, visit.clock.monotonic_s() - began_s, progress)
            exchange = await asker.ask(attempt, told)
            scan.took_s = visit.clock.monotonic_s() - began_s
            if told.is_set():
                scan.interrupted = True
                break
            refused = refused + 1 if exchange is None else 0
            scan.no_connection = asker.no_connection
            if refused == GIVE_UP_CONNECTING:
                break
            _note(scan, attempt, exchange, progress)
            if only_first and any(each.sign is not Sign.GARBLED for each in scan.found):
                break
    finally:
        asker.close()
    scan.found.sort(key=lambda each: (each.baud or 0, each.unit_id))
    return scan


class _Asker:
    """Asks on a bus, opened anew for every baud rate."""

    def __init__(self, visit: Visit, plan: BusPlan, question: Question) -> None:
        self._visit, self._plan, self._question = visit, plan, question
        self._baud: int | None = None
        self._line: Witness | None = None
        self._exchange: Exchange | None = None
        self.no_connection: TransportError | None = None

    async def wait_for_caller(self, progress: Progress) -> None:
        """Give a DTU time to dial in."""
        bus, clock = self._plan.bus, self._visit.clock
        if wire_of(bus) is Wire.DIALS_IN:
            await wait_for_caller(bus, self._at(None), clock, progress)

    async def ask(self, attempt: Try, told: asyncio.Event) -> Exchange | None:
        """Return what came of it; None if there is no connection."""
        line = self._at(attempt.baud)
        question = self._question
        request = Request(
            unit_id=attempt.unit_id, function=question.function, address=question.address
        )
        self._exchange = self.no_connection = None
        asking = asyncio.ensure_future(self._once(line, request))
        telling = asyncio.ensure_future(told.wait())
        try:
            await asyncio.wait((asking, telling), return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            asking.cancel()
            await asyncio.wait((asking,))
        if not asking.cancelled():
            asking.result()
        return self._exchange

    async def _once(self, line: Witness, request: Request) -> None:
        try:
            await line.open()
            await line.ask(request, self._question.timeout_s)
        except TransportError:
            self.no_connection = line.no_connection

    def _at(self, baud: int | None) -> Witness:
        if self._line is None or baud != self._baud:
            self.close()
            bus = self._plan.bus
            settings = {} if baud is None or baud == baud_of(bus) else {"baud": baud}
            source = self._visit.polled(bus.model_copy(update=settings))
            self._line = Witness(source.line, self._visit.clock, self._note)
            self._baud = baud
        return self._line

    def _note(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def close(self) -> None:
        if self._line is not None:
            self._line.close()


def _show(scan: Scan, attempt: Try, elapsed_s: float, progress: Progress) -> None:
    left_s = elapsed_s / scan.asked * (len(scan.tries) - scan.asked) if scan.asked else 0.0
    left = f", {left_s:.0f} s left" if scan.asked > 4 else ""
    at = "" if attempt.baud is None else f" at {attempt.baud} baud"
    found = f", found {len(scan.found)}"
    drawn = bar(scan.asked, len(scan.tries))
    progress.show(f"{drawn} unit {attempt.unit_id}{at}{found}{left}")


def _note(scan: Scan, attempt: Try, exchange: Exchange | None, progress: Progress) -> None:
    scan.asked += 1
    if exchange is None:
        return
    problem = exchange.problem
    if isinstance(problem, Refused) and problem.code in OF_GATEWAY:
        scan.gateway_said_nobody = True
    if sign_of(problem) is Sign.NOBODY:
        return
    found = Found(
        unit_id=attempt.unit_id,
        baud=attempt.baud,
        sign=sign_of(problem),
        what=say_sign(problem),
        took_s=exchange.took_s,
    )
    scan.found.append(found)
    progress.say(f"found {_line(found)}")


def is_success(scan: Scan) -> bool:
    """Whether any device was found."""
    return any(each.sign is not Sign.GARBLED for each in scan.found)


def as_text(scan: Scan, visit: Visit) -> Iterator[str]:
    """Yield the lines for a terminal."""
    bus = scan.plan.bus
    cut = ", interrupted" if scan.interrupted else ""
    yield (
        f"bus {bus.id} ({bus.driver}): asked {scan.asked} of {len(scan.tries)} in"
        f" {scan.took_s:.1f} s{cut}; found {_count(scan)}"
    )
    for found in scan.found:
        yield f"  {_line(found)}"
    if scan.no_connection is not None:
        yield f"problem: {scan.no_connection}"
    for line in said(scan):
        yield f"  {line}"
    if is_success(scan):
        unit = next(each.unit_id for each in scan.found if each.sign is not Sign.GARBLED)
        yield f"next: gridwarden edge probe {visit.config.path} {bus.id} --unit {unit}"


def said(scan: Scan) -> tuple[str, ...]:
    """Return what the scan means, and what to try."""
    if scan.interrupted or scan.no_connection is not None:
        return ()
    return conclusions(
        scan.found,
        {each.unit_id for each in scan.tries[: scan.asked]},
        serial=wire_of(scan.plan.bus) is Wire.SERIAL,
        gateway=scan.gateway_said_nobody,
    )


def _line(found: Found) -> str:
    at = "" if found.baud is None else f" at {found.baud} baud"
    return f"unit id {found.unit_id}{at}: {found.what}   {1000 * found.took_s:.0f} ms"


def _count(scan: Scan) -> str:
    signs = Counter(each.sign for each in scan.found)
    garbled = f" and {signs[Sign.GARBLED]} garbled" if signs[Sign.GARBLED] else ""
    return f"{len(scan.found) - signs[Sign.GARBLED]}{garbled}"


def as_json(scan: Scan) -> str:
    """Return the one JSON object."""
    found = [
        {
            "unit_id": each.unit_id,
            "baud": each.baud,
            "sign": each.sign,
            "what": each.what,
            "took_ms": round(1000 * each.took_s, 1),
        }
        for each in scan.found
    ]
    return json.dumps(
        {
            "bus": scan.plan.bus.id,
            "driver": scan.plan.bus.driver,
            "asked": scan.asked,
            "of": len(scan.tries),
            "took_s": round(scan.took_s, 2),
            "interrupted": scan.interrupted,
            "found": found,
            "problem": "" if scan.no_connection is None else str(scan.no_connection),
            "try": said(scan),
        },
        ensure_ascii=False,
    )
