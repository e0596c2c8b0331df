"""Working time 工作时 and working days 工作日: when something is due, and how long is left.

A working day is due at the end of its last shift; the day that it is counted from does not count
(《民法典》 article 201). Working hours run through shifts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
_SHANGHAI = ZoneInfo("Asia/Shanghai")
_MOST_DAYS = 3_660  # a calendar without any working day is an error, no endless loop


class Unit(StrEnum):
    """What a span is counted in."""

    HOURS = "h"
    WORKING_HOURS = "working hours"
    WORKING_DAYS = "working days"


@dataclass(frozen=True, slots=True)
class Span:
    """So many hours by the clock, working hours, or working days."""

    amount: float
    unit: Unit = Unit.HOURS

    @property
    def by_clock(self) -> bool:
        """Whether it runs at night and on holidays as well."""
        return self.unit is Unit.HOURS

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When people work. workdays: 0 is Monday. Holidays and made-up days 调休 override them."""

    zone: ZoneInfo = _SHANGHAI
    shifts: tuple[tuple[time, time], ...] = ((time(8, 30), time(12)), (time(14), time(17, 30)))
    workdays: frozenset[int] = frozenset(range(5))
    holidays: frozenset[date] = frozenset()
    made_up: frozenset[date] = frozenset()

    def works(self, day: date) -> bool:
        """Whether people work on a day."""
        if day in self.made_up:
            return True
        return day.weekday() in self.workdays and day not in self.holidays

    def windows(self, day: date) -> list[tuple[int, int]]:
        """Return the shifts of a day as milliseconds; none where nobody works."""
        if not self.works(day):
            return []
        return [(self._ms(day, begins), self._ms(day, ends)) for begins, ends in self.shifts]

    def day_of(self, at_ms: int) -> date:
        """Return the local day of a moment."""
        return datetime.fromtimestamp(at_ms / 1000, self.zone).date()

    def _ms(self, day: date, at: time) -> int:
        return round(datetime.combine(day, at, self.zone).timestamp() * 1000)


_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([^\d\s].*)")
_UNITS = {
    "h": Unit.HOURS,
    "hours": Unit.HOURS,
    "小时": Unit.HOURS,
    "working hours": Unit.WORKING_HOURS,
    "工作时": Unit.WORKING_HOURS,
    "working days": Unit.WORKING_DAYS,
    "工作日": Unit.WORKING_DAYS,
}


def parse_span(text: str) -> Span:
    """Read "3 h", "4 working hours" or "2 working days", or the same with 小时, 工作时, 工作日.

    Raises: ValueError saying what is allowed.
    """
    found = _SPAN.fullmatch(text.strip())
    unit = _UNITS.get(found[2].strip()) if found else None
    if found is None or unit is None:
        raise ValueError(
            f"{text!r} is no span of time; allowed: '3 h', '4 working hours', '2 working days'"
        )
    amount = float(found[1])
    if unit is Unit.WORKING_DAYS and (amount != int(amount) or amount < 1):
        raise ValueError(f"{text!r}: working days are whole, from 1")
    return Span(amount, unit)


def due(calendar: Calendar, from_ms: int, span: Span) -> int:
    """Return when a span that begins at a moment is over.

    Raises: ValueError if the calendar has no such working time within ten years.
    """
    match span.unit:
        case Unit.HOURS:
            return from_ms + round(span.amount * HOUR_MS)
        case Unit.WORKING_HOURS:
            return add_working(calendar, from_ms, round(span.amount * HOUR_MS))
        case Unit.WORKING_DAYS:
            return _end_of_day(calendar, from_ms, round(span.amount))


def add_working(calendar: Calendar, from_ms: int, working_ms: int) -> int:
    """Return the moment by which so much working time has passed since another.

    Raises: ValueError if there is not so much within ten years.
    """
    left = working_ms
    for begins, ends in _windows_from(calendar, from_ms):
        starts = max(begins, from_ms)
        if starts + left <= ends:
            return starts + left
        left -= max(ends - starts, 0)
    raise ValueError("the calendar has not so much working time in ten years")


def working_between(calendar: Calendar, from_ms: int, to_ms: int) -> int:
    """Return how much working time lies between two moments; 0 if they are the wrong way round."""
    total = 0
    for begins, ends in _windows_from(calendar, from_ms):
        if begins >= to_ms:
            break
        total += max(min(ends, to_ms) - max(begins, from_ms), 0)
    return total


def after_pause(
    calendar: Calendar, due_ms: int, paused_ms: int, resumed_ms: int, *, by_clock: bool
) -> int:
    """Return the due time after a pause: as much is left as was left when it began.

    What was overdue then stays due when it was.
    """
    if due_ms <= paused_ms or resumed_ms <= paused_ms:
        return due_ms
    if by_clock:
        return due_ms + resumed_ms - paused_ms
    return add_working(calendar, resumed_ms, working_between(calendar, paused_ms, due_ms))


def _end_of_day(calendar: Calendar, from_ms: int, days: int) -> int:
    left = days
    today = calendar.day_of(from_ms)
    for ahead in range(1, _MOST_DAYS):
        windows = calendar.windows(today + timedelta(days=ahead))
        left -= bool(windows)
        if windows and left == 0:
            return windows[-1][1]
    raise ValueError("the calendar has not so many working days in ten years")


def _windows_from(calendar: Calendar, from_ms: int) -> Iterator[tuple[int, int]]:
    """Yield shifts in order, from the first that is not over."""
    today = calendar.day_of(from_ms)
    for ahead in range(_MOST_DAYS):
        for begins, ends in calendar.windows(today + timedelta(days=ahead)):
            if ends > from_ms:
                yield begins, ends
