"""Who is on call: a weekly table, dates of their own, and exchanges, all in local time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

DAY_MIN = 1_440


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """From a minute of a day to another; one that is not later is the next day's."""

    from_min: int
    to_min: int

    def hold(self, day: date, at: datetime) -> bool:
        """Whether the hours that begin on this day have a local moment in them."""
        minute = (at.date() - day).days * DAY_MIN + at.hour * 60 + at.minute
        end = self.to_min if self.to_min > self.from_min else self.to_min + DAY_MIN
        return self.from_min <= minute < end


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Every week on these days (Monday is 0); a night counts as the day it begins on."""

    days: frozenset[int]
    hours: Hours
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DateShift:
    """On one date, before what the week says."""

    day: date
    hours: Hours
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Somebody else from a local moment to another, before everything else."""

    begins: datetime
    ends: datetime
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """Who is on call for some units."""

    name: str
    units: tuple[str, ...] = ()
    week: tuple[Shift, ...] = ()
    dates: tuple[DateShift, ...] = ()
    exchanges: tuple[Exchange, ...] = ()


class How(StrEnum):
    """What named the people that are told."""

    NAMED = "named"  # the route itself
    WEEK = "week"
    DATE = "date"
    EXCHANGE = "exchange"
    NOBODY_ON_CALL = "nobody on call"  # so the default is told
    NO_ROTA = "no rota"  # of the unit; so the default is told
    TOLD = "told before"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCall:
    """Who is on call, and what says so. Nobody: people is empty."""

    people: tuple[str, ...]
    how: How


def on_call(rota: Rota, at: datetime) -> OnCall:
    """Return who is on call at a local moment (without zone).

    Exchanges go before dates, dates before the week. Where several entries of one table hold, all
    their people are on call.
    """
    exchanged = _people(each.people for each in rota.exchanges if each.begins <= at < each.ends)
    if exchanged:
        return OnCall(people=exchanged, how=How.EXCHANGE)
    dated = _people(each.people for each in rota.dates if each.hours.hold(each.day, at))
    if dated:
        return OnCall(people=dated, how=How.DATE)
    days = (at.date(), at.date() - timedelta(days=1))
    weekly = _people(
        shift.people
        for shift in rota.week
        if any(day.weekday() in shift.days and shift.hours.hold(day, at) for day in days)
    )
    return OnCall(people=weekly, how=How.WEEK if weekly else How.NOBODY_ON_CALL)


def rota_of(rotas: Iterable[Rota], unit: str) -> Rota | None:
    """Return the rota of a responsible unit."""
    return next((rota for rota in rotas if unit and unit in rota.units), None)


def _people(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))
