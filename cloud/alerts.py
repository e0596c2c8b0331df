"""Alerts: what the engine found becomes an occurrence with a state, a history, and a message.

Every function works in its caller's transaction. Ids sort by the time the trouble began.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy as sa

from cloud import alert_rows
from cloud.alert_book import NO_LONGER_APPLIES, RAISED, RETURNED, AlertChange, Book, alert_id
from cloud.alert_rows import Alert, AlertEvent
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.isa_18_2 import Event, State, states_with
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, ConditionRose
from cloud.core.rules import RuleSet
from cloud.core.topology import OWN_RULES
from cloud.errors import ConflictError
from cloud.state import schema

__all__ = [
    "RAISED",
    "RETURNED",
    "Alert",
    "AlertChange",
    "AlertDetail",
    "AlertEvent",
    "AlertPage",
    "Record",
    "acknowledge",
    "active_conditions",
    "alert_id",
    "apply",
    "count_alerts",
    "get_alert",
    "list_alerts",
    "people_may",
    "withdraw",
]

MOST_PER_PAGE = 500
RULES_AT_ONCE = 500  # below every engine's limit of bound parameters


class Record(StrEnum):
    """How an alert came to be known: when it happened, from late readings, or not at all."""

    LIVE = "live"
    HISTORICAL = "historical"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail:
    """An alert, its history from the beginning, and the cases it is evidence in."""

    alert: Alert
    events: list[AlertEvent]
    cases: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPage:
    """Alerts, newest first. cursor: for the next page; None at the end."""

    alerts: list[Alert]
    cursor: str | None


def apply(
    connection: sa.Connection,
    events: Sequence[ConditionEvent],
    rules: RuleSet,
    recorded_ms: int,
    policy: AlertPolicy = POLICY,
) -> list[AlertChange]:
    """Open, return and re-raise alerts as the engine's events say, in their order.

    Writes alerts, their history, and the outbox rows that cases are made from. An event that
    changes nothing (raised already, or nothing open to return) is passed over: the engine may have
    been restored from before it.
    """
    if not events:
        return []
    book = Book.load(connection, {event.series for event in events}, recorded_ms, policy)
    for event in events:
        if isinstance(event, ConditionBegan):
            book.began(event, rules.by_id[event.rule])
        elif isinstance(event, ConditionRose):
            book.rose(event)
        else:
            book.ended(event)
    book.write(connection)
    return book.changes


def withdraw(
    connection: sa.Connection,
    notes: Mapping[str, str],
    ended: Sequence[ConditionEnded],
    at_ms: int,
    recorded_ms: int,
    policy: AlertPolicy = POLICY,
) -> list[AlertChange]:
    """Close the open alerts of rules that are gone or changed, and of conditions that ended so.

    Args: notes: by rule, what became of it. ended: what the change of rules ended, also where a
          rule only applies no more. at_ms: the moment of the change.
    """
    table = schema.alerts
    rules = sorted({*notes, *(one.rule for one in ended)})
    pairs = {(one.rule, one.series): one.observed_ms for one in ended}
    query = sa.select(table).where(table.c.state != State.NORM.value).order_by(table.c.id)
    found: list[Alert] = []
    for at in range(0, len(rules), RULES_AT_ONCE):
        some = query.where(table.c.rule.in_(rules[at : at + RULES_AT_ONCE]))
        rows = connection.execute(some.with_for_update())
        found += (
            alert
            for alert in map(alert_rows.alert_of, rows)
            if alert.rule in notes or (alert.rule, alert.series) in pairs
        )
    book = Book.of(connection, found, recorded_ms, policy)
    for alert in found:
        moment_ms = pairs.get((alert.rule, alert.series), max(at_ms, alert.observed_ms))
        book.withdraw(alert, moment_ms, notes.get(alert.rule, NO_LONGER_APPLIES))
    book.write(connection)
    return book.changes


def active_conditions(connection: sa.Connection) -> list[tuple[str, int]]:
    """Return (rule, series) of every alert whose condition holds: what Engine.adopt() is told."""
    table = schema.alerts
    rows = connection.execute(
        sa.select(table.c.rule, table.c.series)
        .where(
            table.c.state != State.NORM.value,
            table.c.returned_ms.is_(None),
            table.c.rule.not_in(OWN_RULES),  # no engine evaluates those
        )
        .order_by(table.c.id)
    )
    return [(row.rule, row.series) for row in rows]


def acknowledge(
    connection: sa.Connection, alert_id: str, by: str, at_ms: int, note: str = ""
) -> Alert:
    """Record that a person has seen an alert.

    Raises: NotFoundError; ConflictError if its state does not allow it, saying which do.
    """
    alert = alert_rows.load(connection, alert_id, to_change=True)
    if alert.state not in states_with(Event.ACKNOWLEDGE):
        allowed = ", ".join(state.value for state in states_with(Event.ACKNOWLEDGE))
        possible = ", ".join(event.value for event in people_may(alert.state))
        raise ConflictError(
            f"alert {alert_id} is {alert.state.value}; it can be acknowledged in {allowed};"
            f" possible now: {possible or 'nothing, it is over'}"
        )
    book = Book.of(connection, [alert], at_ms)
    seen = replace(alert, acknowledged_ms=at_ms, acknowledged_by=by)
    changed = book.turn(seen, Event.ACKNOWLEDGE, at_ms, by=by, note=note)
    book.write(connection)
    return changed


def people_may(state: State) -> list[Event]:
    """Return what a person may do with an alert in this state."""
    if state is State.NORM:
        return []
    return [event for event in (Event.ACKNOWLEDGE, Event.SHELVE) if state in states_with(event)]


def list_alerts(
    connection: sa.Connection,
    *,
    states: Collection[State] = (),
    kind: str = "",
    device: str = "",
    since_ms: int | None = None,
    group: str = "",
    flood: int | None = None,
    assignee: str | None = None,
    records: Collection[Record] = (),
    cursor: str = "",
    limit: int = 50,
) -> AlertPage:
    """Return alerts, newest first by the time they began.

    states, records: none means all. since_ms: began at that time or later. cursor: of the page
    before. limit: 1 to 500.
    """
    limit = max(1, min(limit, MOST_PER_PAGE))
    table = schema.alerts
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit + 1)
    if states:
        query = query.where(table.c.state.in_([state.value for state in states]))
    if kind:
        query = query.where(table.c.kind == kind)
    if device:
        query = query.where(table.c.device == device)
    if since_ms is not None:
        query = query.where(table.c.began_ms >= since_ms)
    if group:
        query = query.where(table.c.group_id == group)
    if flood is not None:
        query = query.where(table.c.flood == flood)
    if assignee is not None:
        query = query.where(table.c.assignee == assignee)
    if records:
        query = query.where(sa.or_(*(_recorded(record) for record in records)))
    if cursor:
        query = query.where(table.c.id < cursor)
    found = [alert_rows.alert_of(row) for row in connection.execute(query)]
    more = found[limit - 1].id if len(found) > limit else None
    return AlertPage(alerts=found[:limit], cursor=more)


def _recorded(record: Record) -> sa.ColumnElement[bool]:
    table = schema.alerts
    if record is Record.REFUTED:
        return table.c.refuted_ms.is_not(None)
    return table.c.refuted_ms.is_(None) & (table.c.historical == (record is Record.HISTORICAL))


def get_alert(connection: sa.Connection, alert_id: str) -> AlertDetail:
    """Return an alert with its history and cases. Raises: NotFoundError."""
    alert = alert_rows.load(connection, alert_id)
    events, attached = schema.alert_events, schema.case_alerts
    history = sa.select(events).where(events.c.alert == alert_id).order_by(events.c.id)
    cases = sa.select(attached.c.case).where(attached.c.alert == alert_id).order_by("case")
    return AlertDetail(
        alert=alert,
        events=[alert_rows.event_of(row) for row in connection.execute(history)],
        cases=list(connection.scalars(cases)),
    )


def count_alerts(connection: sa.Connection) -> dict[tuple[str, State], int]:
    """Return how many alerts there are of each kind in each state, but for the refuted."""
    table = schema.alerts
    rows = connection.execute(
        sa.select(table.c.kind, table.c.state, sa.func.count().label("n"))
        .where(table.c.refuted_ms.is_(None))
        .group_by(table.c.kind, table.c.state)
    )
    return {(row.kind, State(row.state)): row.n for row in rows}
