"""综合评价 of a month, or of any period, from the trails in the state database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.core.assessment import (
    ASSESSED,
    By,
    Formulas,
    Group,
    Line,
    Tally,
    Trail,
    grouped,
    in_force,
    score_of,
    tallies,
    whole,
)
from cloud.core.case_steps import State, Step
from cloud.errors import InvalidError
from cloud.state import schema
from contract.clock import iso_utc

MOST_DAYS = 400
_DAY_MS = 86_400_000
_STEPS = {step.value: step for step in Step}
_STATES = {state.value: state for state in State}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """from_ms <= t < until_ms. before and year_ago: what it is compared with."""

    name: str
    from_ms: int
    until_ms: int
    before: tuple[int, int]
    year_ago: tuple[int, int]
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The figures of a period, whole and in groups, and those of the periods compared with it.

    All are computed by one version of the formulas, or comparing would mean nothing.
    """

    period: Period
    formulas: Formulas
    total: Group
    before: Group
    year_ago: Group
    groups: Mapping[By, Sequence[Group]]


def month(text: str, zone: ZoneInfo) -> Period:
    """Return a month by its name, 2026-10. Raises: InvalidError."""
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=zone)
    except ValueError:
        raise InvalidError(f"month {text!r}: write it as 2026-10") from None
    if not 2000 <= first.year <= 2200:
        raise InvalidError(f"month {text!r}; allowed: 2000-01 to 2200-12")
    return Period(
        name=f"{first:%Y-%m}",
        from_ms=_ms(first),
        until_ms=_ms(_months(first, 1)),
        before=(_ms(_months(first, -1)), _ms(first)),
        year_ago=(_ms(_months(first, -12)), _ms(_months(first, -11))),
        day=first.date(),
    )


def between(from_ms: int, until_ms: int, zone: ZoneInfo) -> Period:
    """Return any period; it is compared with as long a one before it, and with 365 days earlier.

    Raises: InvalidError for a period of nothing or over 400 days.
    """
    length = until_ms - from_ms
    if not 0 < length <= MOST_DAYS * _DAY_MS:
        raise InvalidError(
            f"from {iso_utc(from_ms)} to {iso_utc(until_ms)}: the period must end after it begins"
            f" and be of at most {MOST_DAYS} days"
        )
    begins, ends = (
        datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone) for at_ms in (from_ms, until_ms)
    )
    return Period(
        name=f"{begins:%Y-%m-%d %H:%M} – {ends:%Y-%m-%d %H:%M}",
        from_ms=from_ms,
        until_ms=until_ms,
        before=(from_ms - length, from_ms),
        year_ago=(from_ms - 365 * _DAY_MS, until_ms - 365 * _DAY_MS),
        day=begins.date(),
    )


def assess(
    connection: sa.Connection,
    period: Period,
    versions: Sequence[Formulas],
    groups: Sequence[By] = tuple(By),
    unit: str = "",
) -> Assessment:
    """Compute the figures of a period under the formulas in force when it began.

    Args:   unit: only the cases this unit is responsible for at the period's end; "" for all.
    Raises: InvalidError if no formulas were in force.
    """
    formulas = in_force(versions, period.day)
    if formulas is None:
        first = min(each.effective for each in versions)
        raise InvalidError(f"no formulas were in force on {period.day}; the first are of {first}")

    def of(span: tuple[int, int]) -> list[Tally]:
        found = tallies(trails(connection, *span), *span)
        return [each for each in found if not unit or each.keys[By.UNIT] == unit]

    found = of((period.from_ms, period.until_ms))
    return Assessment(
        period=period,
        formulas=formulas,
        total=whole(formulas, found),
        before=whole(formulas, of(period.before)),
        year_ago=whole(formulas, of(period.year_ago)),
        groups={by: grouped(formulas, found, by) for by in groups},
    )


def trails(connection: sa.Connection, from_ms: int, until_ms: int) -> Iterator[Trail]:
    """Yield the trails up to the period's end of cases that had not ended for good before it."""
    cases, events = schema.cases.c, schema.case_events.c
    query = (
        sa.select(
            events.case,
            events.at_ms,
            events.step,
            events.from_state,
            events.to_state,
            events.unit,
            events.due_ms,
            events.about,
            cases.category,
            cases.cell,
            cases.source,
        )
        .join(schema.cases, cases.id == events.case)
        .where(
            cases.opened_ms < until_ms,
            sa.or_(cases.closed_ms.is_(None), cases.closed_ms >= from_ms),
            events.at_ms < until_ms,
            events.step.in_(sorted(step.value for step in ASSESSED)),
        )
        .order_by(events.case, events.id)
    )
    for case, rows in groupby(connection.execute(query), key=itemgetter(0)):
        lines = list(rows)
        first = lines[0]
        yield Trail(case, first[8], first[9], first[10], [_line(tuple(row)) for row in lines])


def _line(row: tuple[object, ...]) -> Line:
    _, at_ms, step, begins, ends, unit, due_ms, about = row[:8]
    assert isinstance(at_ms, int)
    return Line(
        at_ms,
        _STEPS[str(step)],
        _STATES[str(begins)],
        _STATES[str(ends)],
        str(unit),
        due_ms if isinstance(due_ms, int) else None,
        score_of(str(about)) if about else None,
    )


def _months(first: datetime, more: int) -> datetime:
    number = first.year * 12 + first.month - 1 + more
    return first.replace(year=number // 12, month=number % 12 + 1)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
