"""What is right in rules and yet not as meant: days of a calendar that nobody gave."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cloud.core.calendar import DayKind
from cloud.core.rules import Rule

CALENDAR_DAYS = {DayKind.WORKDAY, DayKind.DAY_OFF, DayKind.HOLIDAY}


def warnings(rules: Iterable[Rule], on: date) -> list[str]:
    """Return a line for each rule that asks for days which no calendar tells for this year."""
    return [
        f"rule {rule.id!r}: times.days asks for {', '.join(sorted(asked))}, but no calendar names"
        f" a holiday of {on.year}: {_meaning(asked)}; give one, e.g. china-{on.year}"
        for rule in rules
        if rule.times is not None
        and (asked := set(rule.times.days) & CALENDAR_DAYS)
        and not any(day.year == on.year for day in rule.times.holidays.days)
        and (rule.until is None or rule.until > on)
    ]


def _meaning(asked: set[DayKind]) -> str:
    if asked == {DayKind.HOLIDAY}:
        return "it is never in force"
    return "every Monday to Friday counts as a workday"
