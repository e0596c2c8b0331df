"""How long cases have taken to be handled and closed, from the ledger."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa

from cloud.core.case_load import Handlings, Lives
from cloud.core.case_steps import Step
from cloud.core.past import median
from cloud.state import schema

BY_ALERT = "alert"  # a case's source, where no person reported it
MOST = 20_000  # the latest; more would say no more


def handlings(connection: sa.Connection, since_ms: int) -> Handlings:
    """Return how long it took from opening to the first handling, of cases opened since then."""
    cases, events = schema.cases, schema.case_events
    query = (
        sa.select(
            cases.c.category,
            cases.c.unit,
            cases.c.opened_ms,
            sa.func.min(events.c.at_ms).label("at_ms"),
        )
        .join(events, events.c.case == cases.c.id)
        .where(events.c.step == Step.HANDLE.value, cases.c.opened_ms >= since_ms)
        .group_by(cases.c.id, cases.c.category, cases.c.unit, cases.c.opened_ms)
        .order_by(cases.c.opened_ms.desc())
        .limit(MOST)
    )
    found: defaultdict[str, list[int]] = defaultdict(list)
    units: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for row in connection.execute(query):
        took_ms = max(row.at_ms - row.opened_ms, 0)
        found[row.category].append(took_ms)
        units[row.unit, row.category].append(took_ms)
    return Handlings(
        by_category={category: sorted(times) for category, times in found.items()},
        every=sorted(time for times in found.values() for time in times),
        by_unit={key: sorted(times) for key, times in units.items()},
    )


def lives(connection: sa.Connection, since_ms: int, from_ms: int, until_ms: int) -> Lives:
    """Return how long cases were open, of those opened since then; and when reported ones were.

    from_ms, until_ms: the time of which the reported ones are wanted.
    """
    cases = schema.cases
    closed = (
        sa.select(cases.c.category, cases.c.opened_ms, cases.c.closed_ms)
        .where(cases.c.closed_ms.is_not(None), cases.c.opened_ms >= since_ms)
        .order_by(cases.c.opened_ms.desc())
        .limit(MOST)
    )
    took: defaultdict[str, list[int]] = defaultdict(list)
    for row in connection.execute(closed):
        took[row.category].append(max(row.closed_ms - row.opened_ms, 0))
    reported = (
        sa.select(cases.c.asset, cases.c.category, cases.c.opened_ms, cases.c.closed_ms)
        .where(cases.c.source != BY_ALERT, cases.c.opened_ms < until_ms)
        .where(sa.or_(cases.c.closed_ms.is_(None), cases.c.closed_ms > from_ms))
    )
    spans: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for told in connection.execute(reported):
        ends_ms = until_ms if told.closed_ms is None else told.closed_ms
        spans[told.asset, told.category].append((told.opened_ms, ends_ms))
    every = sorted(time for times in took.values() for time in times)
    return Lives(
        median_ms={category: median(sorted(times)) for category, times in took.items()},
        every_ms=median(every) if every else None,
        reported=spans,
    )
