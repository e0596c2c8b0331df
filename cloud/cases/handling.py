"""How long cases have taken to be handled, from the ledger."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa

from cloud.core.case_load import Handlings
from cloud.core.case_steps import Step
from cloud.state import schema

MOST = 20_000  # the latest; more would say no more


def handlings(connection: sa.Connection, since_ms: int) -> Handlings:
    """Return how long it took from opening to the first handling, of cases opened since then."""
    cases, events = schema.cases, schema.case_events
    query = (
        sa.select(cases.c.category, cases.c.opened_ms, sa.func.min(events.c.at_ms).label("at_ms"))
        .join(events, events.c.case == cases.c.id)
        .where(events.c.step == Step.HANDLE.value, cases.c.opened_ms >= since_ms)
        .group_by(cases.c.id, cases.c.category, cases.c.opened_ms)
        .order_by(cases.c.opened_ms.desc())
        .limit(MOST)
    )
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.category].append(max(row.at_ms - row.opened_ms, 0))
    return Handlings(
        by_category={category: sorted(times) for category, times in found.items()},
        every=sorted(time for times in found.values() for time in times),
    )
