"""What falls due of alerts as time goes by: a step of the Line, about once a second.

Windows begin and end, shelving expires, gateways are away or back, people are reminded, floods end.
All of it is read from the database, so that a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from cloud import alert_crowds, alert_rows, hold_rows
from cloud.alert_book import AlertChange, Book
from cloud.alert_rows import Alert, Remark
from cloud.channel_alerts import Channels
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.holds import Hold
from cloud.core.isa_18_2 import Event, State
from cloud.core.reminders import next_due_ms, realarm_due_ms
from cloud.core.rules import Rule, RuleSet
from cloud.core.topology import OWN_RULES
from cloud.gateway_alerts import Outages
from cloud.state import schema

MOST_AT_ONCE = 500  # reminders a step; what is left is due in the next one


class Duties:
    """Owned by the Line; works in its transactions."""

    def __init__(self, rules: RuleSet, policy: AlertPolicy, outages: Outages) -> None:
        self._rules = dict(rules.by_id) | OWN_RULES
        self._policy = policy
        self._outages = outages
        self._channels = Channels(policy)

    @classmethod
    def load(
        cls, connection: sa.Connection, rules: RuleSet, policy: AlertPolicy = POLICY
    ) -> Duties:
        """Read which gateways are away."""
        return cls(rules, policy, Outages.load(connection, policy))

    def change(self, rules: RuleSet) -> None:
        """Take other rules, which are in force from now on."""
        self._rules = dict(rules.by_id) | OWN_RULES

    def heard(self, gateway: str, *, online: bool, now_ms: int) -> None:
        """Take note that a gateway came or went."""
        self._outages.heard(gateway, online=online, now_ms=now_ms)

    def told(self, gateway: str, health: Mapping[str, float], now_ms: int) -> None:
        """Take note of what a gateway says of its mains and its modem."""
        self._outages.told(gateway, health, now_ms)

    def is_due(self, connection: sa.Connection, now_ms: int) -> bool:
        """Whether step() would do anything; costs a look at three indexes and the channels."""
        if self._outages.is_due(now_ms) or self._channels.is_due(connection):
            return True
        holds, alerts = schema.holds, schema.alerts
        begins = sa.and_(~holds.c.begun, holds.c.from_ms <= now_ms)
        turned = sa.select(holds.c.id).where(
            holds.c.ended_ms.is_(None), sa.or_(begins, holds.c.until_ms <= now_ms)
        )
        late = sa.select(alerts.c.id).where(alerts.c.next_ms <= now_ms)
        flooded = sa.select(schema.floods.c.id).where(schema.floods.c.ended_ms.is_(None))
        return any(
            connection.execute(query.limit(1)).first() is not None
            for query in (turned, late, flooded)
        )

    def step(self, connection: sa.Connection, now_ms: int) -> list[AlertChange]:
        """Do what is due."""
        changes = self._outages.step(connection, now_ms)
        changes += self._channels.step(connection, now_ms)
        turned = self._turned(connection, now_ms)
        changes += follow(connection, turned, now_ms, self._rules, self._policy)
        changes += self._remind(connection, now_ms)
        alert_crowds.end_floods(connection, self._policy, now_ms)
        return changes

    def _turned(self, connection: sa.Connection, now_ms: int) -> list[Hold]:
        """Begin and end the holds whose time has come, and return them."""
        turned = []
        for hold in hold_rows.not_ended(connection):
            if hold.until_ms is not None and hold.until_ms <= now_ms:
                hold_rows.end(connection, hold, now_ms)
            elif not hold.begun and hold.from_ms <= now_ms:
                hold_rows.begin(connection, hold, now_ms)
            else:
                continue
            turned.append(hold)
        return turned

    def _remind(self, connection: sa.Connection, now_ms: int) -> list[AlertChange]:
        """Raise acknowledged alerts again whose time has come; remind people of the others."""
        table = schema.alerts
        due = (
            sa.select(table)
            .where(table.c.next_ms <= now_ms)
            .order_by(table.c.next_ms)
            .limit(MOST_AT_ONCE)
        )
        rows = connection.execute(due.with_for_update()).all()
        if not rows:
            return []
        alerts = [alert_rows.alert_of(row) for row in rows]
        book = Book.of(connection, alerts, now_ms, self._policy)
        for alert in alerts:
            _tell_again(book, alert, now_ms)
        book.write(connection)
        return book.changes


def follow(
    connection: sa.Connection,
    holds: Sequence[Hold],
    now_ms: int,
    rules: Mapping[str, Rule],
    policy: AlertPolicy = POLICY,
    by: str = "",
) -> list[AlertChange]:
    """Suppress or release the open alerts that these holds, begun or ended, are about."""
    alerts = _about(connection, holds) if holds else []
    if not alerts:
        return []
    book = Book.of(connection, alerts, now_ms, policy)
    for alert in alerts:
        book.follow_holds(alert, rules.get(alert.rule), by)
    book.write(connection)
    return book.changes


def _about(connection: sa.Connection, holds: Sequence[Hold]) -> list[Alert]:
    """Return the open alerts that any of these holds may be about, locked."""
    table, devices = schema.alerts, schema.devices
    query = (
        sa.select(table)
        .join(devices, devices.c.id == table.c.device)
        .where(table.c.state != State.NORM.value, sa.or_(*map(_scope, holds)))
        .order_by(table.c.id)
        .with_for_update(of=table)
    )
    return [alert_rows.alert_of(row) for row in connection.execute(query)]


def _scope(hold: Hold) -> sa.ColumnElement[bool]:
    """Say in SQL what a hold is about; tags are JSON, and looked at by Hold.covers() alone."""
    table, devices = schema.alerts, schema.devices
    named = (
        (table.c.id, hold.alert),
        (table.c.rule, hold.rule),
        (table.c.device, hold.device),
        (devices.c.gateway, hold.gateway),
    )
    fits = [column == wanted for column, wanted in named if wanted]
    return sa.or_(table.c.held_by == hold.id, sa.and_(sa.true(), *fits))


def _tell_again(book: Book, alert: Alert, now_ms: int) -> None:
    realarm_ms = realarm_due_ms(alert.lasting)
    if realarm_ms is not None and realarm_ms <= now_ms:
        book.turn(alert, Event.REALARM, now_ms)
        return
    told = replace(alert, told_ms=now_ms)
    if next_due_ms(told.lasting) == alert.next_ms:  # nothing is due: it was the clock that moved
        return
    book.remark(alert, told, Remark.REMIND)
