"""`gridwarden edge watch`: all devices live. Polls by itself; nothing is buffered or published."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence

from contract.clock import iso_utc
from contract.quality import to_letters
from contract.quantities import quantity_of
from contract.readings import Reading
from edge.cabinet.read import Noted, Nowhere
from edge.cabinet.visit import Visit
from edge.cabinet.witness import Exchange, Witness
from edge.core.live_table import Row, table_lines, update_line
from edge.core.normalise import normalise
from edge.core.validate import validate
from edge.devices import Device
from edge.pipeline import Pipeline
from edge.polling import PolledBus
from edge.ports import Committed, Frame, Source

DRAW_EVERY_S = 0.25
OTHER_SCREEN, OWN_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, END_OF_LINE, END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


class Watching:
    """All devices, and what came of them so far.

    tell: gets each update: device, readings, how long the poll took in seconds if it was one.
    """

    def __init__(
        self,
        visit: Visit,
        devices: Sequence[Device],
        tell: Callable[[str, Mapping[str, Reading], float | None], None],
        *,
        anyway: bool,
    ) -> None:
        self._visit, self._tell = visit, tell
        self._around = visit.surroundings(devices)
        self._devices = {device.id: device for device in devices}
        self._spent_s: dict[str, float] = {}
        self._refusals: dict[str, str] = {}
        self._not_read: dict[str, str] = {}
        self.rows = {device.id: Row(device.id, device.period_s) for device in devices}
        self.updates = 0
        self._pipeline = Pipeline(
            devices, buffer=Nowhere(), quarantine=Noted([]), health=self._around.health
        )
        self.sources = self._open(anyway=anyway)

    def _open(self, *, anyway: bool) -> dict[str, Source]:
        """Open every bus that may be used. Raises: ConfigError if a port to listen on is taken."""
        sources: dict[str, Source] = {}
        for plan in self._visit.config.buses:
            members = [device for device in plan.devices if device.id in self._devices]
            if not members:
                continue
            if not self._visit.may_use(plan.bus, anyway=anyway):
                why = f"not read: the agent (process {self._visit.agent}) has this line for itself"
                self._not_read |= {device.id: why for device in members}
                continue
            source = plan.bus.open(members, self._around)
            if isinstance(source, PolledBus):
                source.line = Witness(source.line, self._visit.clock, self._spender(members))
            sources[f"bus {plan.bus.id}"] = source
        return sources

    def _spender(self, members: Sequence[Device]) -> Callable[[Exchange], None]:
        units = {each.poll.requests[0].unit_id: each.id for each in members if each.poll}

        def spend(exchange: Exchange) -> None:
            device = units.get(exchange.request.unit_id, "")
            self._spent_s[device] = self._spent_s.get(device, 0.0) + exchange.took_s
            self._refusals[device] = str(exchange.problem or "")

        return spend

    def take(self, frame: Frame, committed: Committed | None = None, /) -> None:
        """Take what a driver has read, into the table."""
        if committed is not None:
            committed()
        decoded = self._pipeline.decode(frame)
        if decoded is None:
            return
        device = decoded.device
        values = normalise(device.id, decoded.observed_ms, decoded.values)
        readings = validate(values, device.ranges)
        row = self.rows[device.id]
        spent_s = self._spent_s.pop(device.id, None)
        row.poll_s = row.poll_s if spent_s is None else spent_s
        row.polls += 1
        fresh = {reading.measurement: reading for reading in readings}
        row.readings |= fresh
        self.updates += 1
        self._tell(device.id, fresh, spent_s)

    def refresh(self) -> list[Row]:
        """Bring troubles up to date, and return the rows."""
        health = self._around.health
        for plan in self._visit.config.buses:
            of_bus = health.problems.get(f"bus {plan.bus.id}", "")
            for device in plan.devices:
                row = self.rows.get(device.id)
                if row is not None:
                    row.failures = health.devices[device.id].failures
                    own = health.devices[device.id].problem
                    last = self._refusals.get(device.id, "")
                    own = f"{own}: {last}" if own and last and last not in own else own
                    row.problem = self._not_read.get(device.id) or of_bus or own
        return list(self.rows.values())


class Screen:
    """A terminal that is drawn anew, in place, or lines that follow each other."""

    def __init__(self, title: str, *, live: bool) -> None:
        self._title, self._live = title, live
        self._color = "NO_COLOR" not in os.environ
        self.gone = False

    def __enter__(self) -> Screen:
        if self._live:
            self.write(OTHER_SCREEN)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self.write(OWN_SCREEN)

    def draw(self, rows: Sequence[Row], now_ms: int) -> None:
        """Draw the table over the one before."""
        if self._live:
            lines = self._lines(rows, now_ms, shutil.get_terminal_size().lines - 1)
            text = "".join(f"{line}{END_OF_LINE}\n" for line in lines)
            self.write(f"{HOME}{text}{END_OF_SCREEN}")

    def leave(self, rows: Sequence[Row], now_ms: int) -> None:
        """Leave the last table where it can be read on."""
        if self._live:
            self.write("\n".join(self._lines(rows, now_ms, 1_000)) + "\n")

    def _lines(self, rows: Sequence[Row], now_ms: int, most: int) -> list[str]:
        return table_lines(
            rows,
            now_ms,
            columns=shutil.get_terminal_size().columns,
            lines=most,
            title=f"{self._title}   {iso_utc(now_ms)[:19]}Z   Ctrl-C ends",
            color=self._color,
        )

    def write(self, text: str) -> None:
        """Write; a reader that has gone away is noted, not raised."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self.gone = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def watch_all(
    told: asyncio.Event,
    visit: Visit,
    devices: Sequence[Device],
    *,
    for_s: float | None,
    anyway: bool,
    as_json: bool,
) -> None:
    """Watch until told to end, or for so long."""
    live = sys.stdout.isatty() and not as_json
    agent = f", beside the agent (process {visit.agent})" if visit.agent else ""
    screen = Screen(f"{visit.config.gateway}: {len(devices)} devices{agent}", live=live)
    tell = _nothing if live else _Teller(visit, screen, as_json=as_json)
    watching = Watching(visit, devices, tell, anyway=anyway)
    until_s = None if for_s is None else visit.clock.monotonic_s() + for_s
    with screen:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(source.run(watching.take), name=name)
                for name, source in watching.sources.items()
            ]
            while not told.is_set() and not screen.gone:
                screen.draw(watching.refresh(), visit.clock.now_ms())
                if until_s is not None and visit.clock.monotonic_s() >= until_s:
                    break
                await _rest(told)
            for task in running:
                task.cancel()
    rows = watching.refresh()
    screen.leave(rows, visit.clock.now_ms())
    if as_json:
        screen.write(_summary(watching, rows) + "\n")


async def _rest(told: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(DRAW_EVERY_S):
            await told.wait()
    except TimeoutError:
        return


def _nothing(device: str, readings: Mapping[str, Reading], poll_s: float | None) -> None:
    """The table shows it."""


class _Teller:
    """Writes an update as a line of text or of JSON."""

    def __init__(self, visit: Visit, screen: Screen, *, as_json: bool) -> None:
        self._visit, self._screen, self._as_json = visit, screen, as_json

    def __call__(self, device: str, readings: Mapping[str, Reading], poll_s: float | None) -> None:
        at = iso_utc(self._visit.clock.now_ms())
        if not self._as_json:
            self._screen.write(f"{at} {update_line(device, readings, poll_s)}\n")
            return
        told = {
            "at": at,
            "device": device,
            "poll_ms": None if poll_s is None else round(1000 * poll_s, 1),
            "values": {name: _value(reading) for name, reading in readings.items()},
        }
        self._screen.write(json.dumps(told, ensure_ascii=False) + "\n")


def _value(reading: Reading) -> dict[str, object]:
    return {
        "value": reading.value,
        "unit": quantity_of(reading.measurement).unit,
        "quality": to_letters(reading.quality),
        "observed_at": iso_utc(reading.observed_ms),
    }


def _summary(watching: Watching, rows: Sequence[Row]) -> str:
    devices = {
        row.device: {"updates": row.polls, "failures": row.failures, "problem": row.problem}
        for row in rows
    }
    return json.dumps({"updates": watching.updates, "devices": devices}, ensure_ascii=False)
