"""When rules are in force: local days and nights, and the dates they take effect.

Time falls into eras, between local midnights and the hours at which day and night begin. Within an
era nothing about schedules changes, so the engine asks once an era, not once a reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.core.calendar import clocks, time_fits
from cloud.core.rules import Rule, Schedule

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DayHours:
    """When the day begins and ends, local time; the night is the rest.

    cuts: further clocks at which rules come into force or leave it.
    Source: GB 3096-2008 and GB 12523: 06:00-22:00 unless the local government sets otherwise.
    """

    begins: time = time(6)
    ends: time = time(22)
    cuts: tuple[time, ...] = ()

    def __post_init__(self) -> None:
        if not self.begins < self.ends:
            raise ValueError(f"the day begins at {self.begins} but ends at {self.ends}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """A stretch from_ms <= t < until_ms of one local date, all day or all night.

    clock: the local clock at which it began.
    """

    from_ms: int
    until_ms: int
    on: date
    is_day: bool
    clock: time = time(0)


def parse_clock(text: str) -> time:
    """Read a time of day such as 06:00. Raises: ValueError if it is none."""
    match = _CLOCK.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no time of day; write e.g. 06:00")
    return time(int(match[1]), int(match[2]))


def era_at(at_ms: int, zone: ZoneInfo, hours: DayHours) -> Era:
    """Return the era that a moment lies in.

    Raises: ValueError or OverflowError for a time that no calendar has (beyond the year 9998).
    """
    local = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone).date()
    # A clock set back or forward may put a moment just outside its own date's switches.
    switches = sorted(
        {
            (_utc_ms(day, clock, zone), day, clock)
            for day in (local - timedelta(1), local, local + timedelta(1), local + timedelta(2))
            for clock in (time(0), hours.begins, hours.ends, *hours.cuts)
        }
    )
    at = max(i for i, (from_ms, _, _) in enumerate(switches) if from_ms <= at_ms)
    from_ms, day, clock = switches[at]
    return Era(
        from_ms=from_ms,
        until_ms=switches[at + 1][0],
        on=day,
        is_day=hours.begins <= clock < hours.ends,
        clock=clock,
    )


def in_force(rule: Rule, era: Era) -> bool:
    """Whether a rule applies to readings of an era."""
    if era.on < rule.effective or (rule.until is not None and era.on >= rule.until):
        return False
    if rule.times is not None and not time_fits(rule.times, era.on, era.clock):
        return False
    return rule.schedule is Schedule.ALWAYS or (rule.schedule is Schedule.DAY) == era.is_day


def cut_for(hours: DayHours, rules: Iterable[Rule]) -> DayHours:
    """Return the hours cut at every clock at which one of the rules opens or closes."""
    return replace(hours, cuts=clocks([rule.times for rule in rules]))


def _utc_ms(day: date, clock: time, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, clock, zone).timestamp() * 1000)
