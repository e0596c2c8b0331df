"""An HJ 212 station: dials out, reports, waits for each acknowledgement, resends, asks the time.

What has not been acknowledged is kept, the oldest dropped when there is too much, and sent again
after reconnecting, with the time at which it was measured.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from contract.clock import Clock
from contract.errors import Disconnected, RejectedError, Timeout, TransportError
from simulators.devices import Sensor, Timeline
from simulators.hj212_frames import (
    DAYS,
    HOURS,
    MAX_CP,
    MINUTES,
    REAL_TIME,
    Identity,
    Received,
    Told,
    answer,
    local,
    read,
    report,
    upload,
    utc_ms,
)
from simulators.ledger import Ledger, Served

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0
_CHINA_S = 8 * 3600
_MOST_KEPT = 10_000
_MOST_LINE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a station behaves. The periods of reports in seconds; HJ 212's own by default.

    answer_s, resends: how long it waits for an answer, and how often it asks again.
    deaf_to: so many acknowledgements are not heard, as on a bad link.
    clock_off_s: how wrong its clock is at first. most_in_part: characters of one part.
    """

    real_time_s: float = 30.0
    minutes_s: float = 600.0
    hours_s: float = 3_600.0
    days_s: float = 86_400.0
    answer_s: float = 10.0
    resends: int = 3
    asks_time: bool = True
    clock_off_s: float = 0.0
    most_in_part: int = MAX_CP
    deaf_to: int = 0


class Hj212Station:
    """One station; `run` is its life."""

    def __init__(
        self,
        sensor: Sensor,
        *,
        who: Identity,
        host: str,
        port: int,
        habits: Habits,
        clock: Clock,
        timeline: Timeline,
        ledger: Ledger,
        say: Callable[[str], None] = print,
    ) -> None:
        self._sensor, self._who, self._habits = sensor, who, habits
        self._host, self._port, self._say = host, port, say
        self._clock, self._timeline, self._ledger = clock, timeline, ledger
        self._off_ms = round(habits.clock_off_s * 1000)
        self._deaf_to = habits.deaf_to
        self._kept: deque[Told] = deque(maxlen=_MOST_KEPT)
        self._more = asyncio.Event()
        self._last_qn_ms = 0
        self.connected = asyncio.Event()
        self.acknowledged = 0
        self.resent = 0

    async def run(self) -> None:
        """Measure, report, and connect again when the centre is gone; never returns."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._measure(), name="hj212-measure")
            tasks.create_task(self._report(), name="hj212-report")

    @property
    def waiting(self) -> int:
        """How many reports are not acknowledged yet."""
        return len(self._kept)

    def now_ms(self) -> int:
        """Return the station's own time, right or wrong."""
        return self._clock.now_ms() + self._off_ms

    async def _measure(self) -> None:
        """Keep a report whenever one is due: real-time data at once, averages at their end."""
        habits = self._habits
        periods = {
            REAL_TIME: habits.real_time_s,
            MINUTES: habits.minutes_s,
            HOURS: habits.hours_s,
            DAYS: habits.days_s,
        }
        begun = {command: self._period(command, period) for command, period in periods.items()}
        self._keep(REAL_TIME, self.now_ms() // 1000 * 1000)
        while True:
            for command, period_s in periods.items():
                start_ms = self._period(command, period_s)
                began_ms, begun[command] = begun[command], start_ms
                if start_ms > began_ms:  # less: the clock was set back
                    self._keep(command, start_ms if command == REAL_TIME else began_ms)
            await asyncio.sleep(0.05)

    def _period(self, command: str, period_s: float) -> int:
        """Return when the present period began, in the station's milliseconds; whole seconds."""
        shift_ms = _CHINA_S * 1000 if command == DAYS else 0
        period_ms = max(1, round(period_s)) * 1000
        return (self.now_ms() + shift_ms) // period_ms * period_ms - shift_ms

    def _keep(self, command: str, time_ms: int) -> None:
        now_ms = self._clock.now_ms()
        self._timeline.begin(now_ms)
        values = self._sensor.measure(now_ms, self._timeline.since_s(now_ms))
        most = self._habits.most_in_part
        told = report(self._sensor.profile, command, time_ms, values, most=most)
        if told is None:
            return
        self._ledger.record(
            *(
                Served(
                    device=self._sensor.street.device,
                    measurement=name,
                    value=value,
                    served_ms=time_ms,
                    to=f"{self._host}:{self._port}",
                )
                for name, value in told.values.items()
            )
        )
        self._kept.append(told)
        self._more.set()

    async def _report(self) -> None:
        wait_s = _FIRST_WAIT_S
        loop = asyncio.get_running_loop()
        while True:
            before = self.acknowledged
            try:
                async with asyncio.timeout(self._habits.answer_s):
                    _, line = await loop.create_connection(self._line, self._host, self._port)
                await self._converse(line)
            except (OSError, TimeoutError, TransportError, RejectedError) as error:
                self._say(f"{self._host}:{self._port}: {error}; trying again in {wait_s:.1f} s")
            if self.acknowledged > before:
                wait_s = _FIRST_WAIT_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _line(self) -> _Line:
        return _Line(self._hear, self._more.set)

    async def _converse(self, line: _Line) -> None:
        """Raises: Disconnected when the centre hangs up; Timeout, RejectedError."""
        self.connected.set()
        try:
            await self._send(line)
        finally:
            self.connected.clear()
            line.close()

    async def _send(self, line: _Line) -> None:
        """Ask the time, tell of the start, then report for as long as the line holds."""
        if self._habits.asks_time:
            await self._exchange(line, "1013", "")
        now = local(self.now_ms())[:14]
        await self._exchange(line, "2081", f"DataTime={now};RestartTime={now}")
        while True:
            while self._kept:
                told = self._kept[0]
                await self._tell(line, told)
                if self._kept and self._kept[0] is told:
                    self._kept.popleft()
            self._more.clear()
            line.check()
            await self._more.wait()

    async def _tell(self, line: _Line, told: Told) -> None:
        of = len(told.parts)
        for number, words in enumerate(told.parts, start=1):
            part = (number, of) if of > 1 else None
            try:
                await self._exchange(line, told.command, words, part)
            except RejectedError as error:
                self._say(f"{told.command} of {local(told.time_ms)[:14]} is refused: {error}")
                return
        self.acknowledged += 1

    async def _exchange(
        self, line: _Line, command: str, words: str, part: tuple[int, int] | None = None
    ) -> None:
        """Send until it is answered.

        Raises: Timeout if it never is; RejectedError if the centre refuses it.
        """
        qn = self._next_qn()
        frame = upload(self._who, qn, command, words, part)
        for turn in range(1 + self._habits.resends):
            self.resent += turn > 0
            with suppress(TimeoutError):
                async with asyncio.timeout(self._habits.answer_s):
                    said = await line.ask(qn, frame)
                if said.command == "9011" and said.words.get("QnRtn") != "1":
                    raise RejectedError(f"QnRtn {said.words.get('QnRtn')}")
                return
        raise Timeout(f"{command} was not answered, {self._habits.resends} resends later")

    def _hear(self, said: Received, line: _Line) -> None:
        if said.command == "1012":
            self._set_clock(said, line)
        elif self._deaf_to and said.command == "9014":
            self._deaf_to -= 1
        else:
            line.answered(said)

    def _set_clock(self, said: Received, line: _Line) -> None:
        try:
            right_ms = utc_ms(said.words.get("SystemTime", ""))
        except ValueError:
            line.send(answer(self._who, said.qn, "9011", "QnRtn=2"))
            return
        line.send(answer(self._who, said.qn, "9011", "QnRtn=1"))
        self._off_ms = right_ms - self._clock.now_ms()
        line.send(answer(self._who, said.qn, "9012", "ExeRtn=1"))

    def _next_qn(self) -> str:
        self._last_qn_ms = max(self._last_qn_ms + 1, self.now_ms())
        return local(self._last_qn_ms)


class _Line(asyncio.Protocol):
    """One connection, and the answers that are waited for."""

    def __init__(self, hear: Callable[[Received, _Line], None], lost: Callable[[], None]) -> None:
        self._hear, self._tell_lost = hear, lost
        self._transport: asyncio.Transport | None = None
        self._asked: dict[str, asyncio.Future[Received]] = {}
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what the centre says, line by line."""
        *lines, rest = (self._unread + data).split(b"\r\n")
        self._unread = rest[-_MOST_LINE:]
        for line in lines:
            said = read(line)
            if said is not None:
                self._hear(said, self)

    def connection_lost(self, _: Exception | None) -> None:
        """End what waits."""
        self._transport = None
        for answered in self._asked.values():
            if not answered.done():
                answered.set_exception(Disconnected("the centre closed the connection"))
        self._tell_lost()

    def check(self) -> None:
        """Raises: Disconnected if the line is gone."""
        if self._transport is None:
            raise Disconnected("the centre closed the connection")

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def send(self, frame: bytes) -> None:
        """Send and forget."""
        if self._transport is not None:
            self._transport.write(frame)

    async def ask(self, qn: str, frame: bytes) -> Received:
        """Send, and wait for the answer with the same QN. Raises: Disconnected."""
        self.check()
        answered: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._asked[qn] = answered
        self.send(frame)
        try:
            return await answered
        finally:
            self._asked.pop(qn, None)

    def answered(self, said: Received) -> None:
        """Take an answer; one that nobody waits for is ignored."""
        waiting = self._asked.get(said.qn)
        if waiting is not None and not waiting.done():
            waiting.set_result(said)
