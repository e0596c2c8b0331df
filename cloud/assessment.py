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
    Compared,
    Formulas,
    Group,
    Line,
    Tally,
    Trail,
    compared,
    grouped,
    in_force,
    renamed,
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
    groups: Mapping[By, Sequence[Group]]
    before: Compared
    year_ago: Compared


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
    *,
    now_ms: int | None = None,
    comparing: bool = True,
) -> Assessment:
    """Compute the figures of a period under the formulas in force when it began.

    Args:   unit: only the cases this unit is responsible for at the period's end; "" for all.
            now_ms: what is due later is not due yet; None: the period is over.
            comparing: whether the periods before are read as well; else they are empty.
    Raises: InvalidError if no formulas were in force.
    """
    formulas = in_force(versions, period.day)
    if formulas is None:
        first = min(each.effective for each in versions)
        raise InvalidError(f"no formulas were in force on {period.day}; the first are of {first}")

    def of(from_ms: int, until_ms: int) -> list[Tally]:
        ends_ms = until_ms if now_ms is None else max(from_ms, min(until_ms, now_ms))
        if ends_ms <= from_ms:
            return []
        found = tallies(trails(connection, from_ms, ends_ms), from_ms, ends_ms)
        mine = formulas.units.get(unit, unit)
        return [
            each
            for each in renamed(found, formulas.units)
            if not mine or each.keys[By.UNIT] == mine
        ]

    def then(span: tuple[int, int]) -> Compared:
        return compared(formulas, of(*span) if comparing else [], groups)

    found = of(period.from_ms, period.until_ms)
    return Assessment(
        period=period,
        formulas=formulas,
        total=whole(formulas, found),
        groups={by: grouped(formulas, found, by) for by in groups},
        before=then(period.before),
        year_ago=then(period.year_ago),
    )


def trails(connection: sa.Connection, from_ms: int, until_ms: int) -> Iterator[Trail]:
    """Yield the trails up to the period's end of cases that may count in it.

    Those are the ones that had not ended for good before it, or had something due in it.
    """
    cases, events = schema.cases.c, schema.case_events.c
    dues = (cases.handle_due_ms, cases.verify_due_ms, cases.close_due_ms)
    query = (
        sa.select(
            events.case,
            cases.category,
            cases.cell,
            cases.source,
            events.at_ms,
            events.step,
            events.to_state,
            events.unit,
            events.due_ms,
            events.about,
            events.handle_due_ms,
            events.verify_due_ms,
            events.close_due_ms,
        )
        .join(schema.cases, cases.id == events.case)
        .where(
            cases.opened_ms < until_ms,
            sa.or_(
                cases.closed_ms.is_(None),
                cases.closed_ms >= from_ms,
                *(due_ms >= from_ms for due_ms in dues),
            ),
            events.at_ms < until_ms,
            events.step.in_(sorted(step.value for step in ASSESSED)),
        )
        .order_by(events.case, events.id)
    )
    for case, rows in groupby(connection.execute(query), key=itemgetter(0)):
        found = list(rows)
        _, category, cell, source, *_ = found[0]
        lines = [
            Line(
                at_ms,
                _STEPS[step],
                _STATES[state],
                unit,
                due_ms,
                score_of(about) if about else None,
                handle_ms,
                verify_ms,
                close_ms,
            )
            for (
                *_,
                at_ms,
                step,
                state,
                unit,
                due_ms,
                about,
                handle_ms,
                verify_ms,
                close_ms,
            ) in found
        ]
        yield Trail(case, category, cell, source, lines)


def _months(first: datetime, more: int) -> datetime:
    number = first.year * 12 + first.month - 1 + more
    return first.replace(year=number // 12, month=number % 12 + 1)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
