"""Which days are holidays, and the hours and days in which a rule is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum


class DayKind(StrEnum):
    """A weekday by its name, or what the calendar makes of a date."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"
    WORKDAY = "workday"  # Monday to Friday without holidays, and weekends that are worked 调休
    DAY_OFF = "day-off"  # every other day
    HOLIDAY = "holiday"  # a day the calendar names


WEEKDAYS = tuple(DayKind)[:7]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holidays:
    """Holidays, and days of weekends that are worked to make up for them."""

    days: tuple[date, ...] = ()
    made_up: tuple[date, ...] = ()


NO_HOLIDAYS = Holidays()


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Days and hours, local time; none of either means all.

    hours: from the first clock to before the second; one that ends before it begins ends on the
           next day, and belongs to the day on which it began.
    holidays: the calendar's, so that a rule says all that it means.
    """

    days: tuple[DayKind, ...] = ()
    hours: tuple[tuple[time, time], ...] = ()
    holidays: Holidays = NO_HOLIDAYS


def is_workday(holidays: Holidays, on: date) -> bool:
    """Whether people work on a date."""
    if on in holidays.made_up:
        return True
    return on.weekday() < 5 and on not in holidays.days


def day_fits(times: Times, on: date) -> bool:
    """Whether a date is one of the days."""
    if not times.days:
        return True
    kinds = {WEEKDAYS[on.weekday()]}
    kinds.add(DayKind.WORKDAY if is_workday(times.holidays, on) else DayKind.DAY_OFF)
    if on in times.holidays.days:
        kinds.add(DayKind.HOLIDAY)
    return not kinds.isdisjoint(times.days)


def time_fits(times: Times, on: date, clock: time) -> bool:
    """Whether a local date and clock are within the days and hours."""
    if not times.hours:
        return day_fits(times, on)
    return any(_within(times, span, on, clock) for span in times.hours)


def clocks(times: Sequence[Times | None]) -> tuple[time, ...]:
    """Return the clocks at which any of these hours begin or end, in order."""
    return tuple(sorted({at for one in times if one for span in one.hours for at in span}))


def _within(times: Times, span: tuple[time, time], on: date, clock: time) -> bool:
    begins, ends = span
    if begins < ends:
        return begins <= clock < ends and day_fits(times, on)
    if clock >= begins:
        return day_fits(times, on)
    return clock < ends and day_fits(times, on - timedelta(1))
