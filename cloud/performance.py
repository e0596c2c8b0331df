"""ISA-18.2's figures of a period, from the alerts and their histories in the state database."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from cloud.core.isa_18_2 import Event, State
from cloud.core.model import Severity
from cloud.core.performance import Annunciation, Performance, Standing, measure
from cloud.errors import InvalidError
from cloud.state import schema
from contract.clock import iso_utc

MOST_DAYS = 400
MOST_OPERATORS = 1_000
_DAY_MS = 86_400_000
# What calls for an operator; leaving suppression while it holds does too.
_CALLS = (Event.CONDITION, Event.ESCALATE, Event.REALARM, Event.EXIT_ABNORMAL)


def performance(
    connection: sa.Connection, from_ms: int, until_ms: int, operators: int = 1
) -> Performance:
    """Measure a period by when the alerts were made known.

    Raises: InvalidError for a period of nothing or over 400 days, or for no operator.
    """
    if not 0 < until_ms - from_ms <= MOST_DAYS * _DAY_MS:
        raise InvalidError(
            f"from {iso_utc(from_ms)} to {iso_utc(until_ms)}: the period must end after it begins"
            f" and be of at most {MOST_DAYS} days"
        )
    if not 1 <= operators <= MOST_OPERATORS:
        raise InvalidError(f"operators: {operators}; allowed: 1 to {MOST_OPERATORS}")
    return measure(
        _calls(connection, from_ms, until_ms),
        _standing(connection, from_ms, until_ms),
        from_ms,
        until_ms,
        operators,
    )


def _calls(connection: sa.Connection, from_ms: int, until_ms: int) -> Iterator[Annunciation]:
    events, alerts = schema.alert_events, schema.alerts
    query = (
        sa.select(
            events.c.recorded_ms,
            alerts.c.id,
            alerts.c.rule,
            alerts.c.device,
            alerts.c.severity,
            alerts.c.assignee,
        )
        .join(alerts, alerts.c.id == events.c.alert)
        .where(
            events.c.recorded_ms >= from_ms,
            events.c.recorded_ms < until_ms,
            events.c.event.in_([event.value for event in _CALLS]),
            events.c.to_state == State.UNACK.value,
            events.c.from_state != State.UNACK.value,
            alerts.c.refuted_ms.is_(None),
            ~alerts.c.historical,
        )
    )
    for row in connection.execute(query):
        yield Annunciation(
            at_ms=row.recorded_ms,
            alert=row.id,
            rule=row.rule,
            device=row.device,
            severity=Severity(row.severity),
            operator=row.assignee,
        )


def _standing(connection: sa.Connection, from_ms: int, until_ms: int) -> Iterator[Standing]:
    table = schema.alerts
    query = sa.select(table).where(
        table.c.recorded_ms < until_ms,
        sa.or_(table.c.returned_ms.is_(None), table.c.returned_ms >= from_ms),
        table.c.refuted_ms.is_(None),
        ~table.c.historical,
    )
    for row in connection.execute(query.order_by(table.c.id)):
        yield Standing(
            alert=row.id,
            rule=row.rule,
            device=row.device,
            from_ms=row.observed_ms,
            until_ms=row.returned_ms,
        )
