"""Gateways that are away: one alert each, and their devices' silence suppressed by design."""

from __future__ import annotations

import sqlalchemy as sa

from cloud import hold_rows, own_series
from cloud.alert_book import AlertChange, Book
from cloud.core.alert_policy import AlertPolicy
from cloud.core.holds import Hold, HoldKind
from cloud.core.isa_18_2 import State
from cloud.core.model import ConditionBegan, ConditionEnded
from cloud.core.topology import GATEWAY, OFFLINE_RULE, ONLINE, Link, device_id, outage
from cloud.own_series import Own
from cloud.state import schema

REASON = "网关离线 · gateway offline"


class Outages:
    """What is known of gateways' connections, and what was made of it. Follows the database."""

    def __init__(self, policy: AlertPolicy) -> None:
        self._policy = policy
        self._links: dict[str, Link] = {}
        self._held: dict[str, str] = {}  # by gateway: the hold over its devices
        self._down: set[str] = set()  # gateways with an alert that has not returned
        self._unsettled: set[str] = set()  # those of which something is, or will be, to be done

    @classmethod
    def load(cls, connection: sa.Connection, policy: AlertPolicy) -> Outages:
        """Read who is away since when, and what is open of it."""
        outages = cls(policy)
        states, alerts, holds = schema.gateway_states, schema.alerts, schema.holds
        newest = sa.select(sa.func.max(states.c.id)).group_by(states.c.gateway)
        for row in connection.execute(sa.select(states).where(states.c.id.in_(newest))):
            outages.heard(row.gateway, online=row.online, now_ms=row.at_ms)
        held = sa.select(holds).where(
            holds.c.ended_ms.is_(None), holds.c.kind == HoldKind.TOPOLOGY.value
        )
        outages._held = {row.gateway: row.id for row in connection.execute(held)}
        down = (
            sa.select(schema.devices.c.gateway)
            .join(alerts, alerts.c.device == schema.devices.c.id)
            .where(
                alerts.c.rule == OFFLINE_RULE.id,
                alerts.c.state != State.NORM.value,
                alerts.c.returned_ms.is_(None),
            )
        )
        outages._down = set(connection.scalars(down))
        outages._unsettled |= outages._down | set(outages._held)
        return outages

    def heard(self, gateway: str, *, online: bool, now_ms: int) -> None:
        """Take note that a gateway is there or away; the same again changes nothing."""
        link = self._links.get(gateway)
        if link is None or link.online != online:
            self._links[gateway] = Link(online=online, since_ms=now_ms)
            self._unsettled.add(gateway)

    def is_due(self, now_ms: int) -> bool:
        """Whether step() would do anything."""
        for gateway in self._unsettled:
            link = self._links.get(gateway)
            if link is None:
                continue
            wanted = outage(link, now_ms, self._policy, held=gateway in self._held)
            if wanted.held != (gateway in self._held):
                return True
            if wanted.down is not None and wanted.down != (gateway in self._down):
                return True
        return False

    def step(self, connection: sa.Connection, now_ms: int) -> list[AlertChange]:
        """Hold and release devices, raise and return the gateways' own alerts."""
        began: list[ConditionBegan] = []
        ended: list[ConditionEnded] = []
        for gateway in sorted(self._unsettled):
            link = self._links.get(gateway)
            if link is None:
                continue
            held, down = gateway in self._held, gateway in self._down
            wanted = outage(link, now_ms, self._policy, held=held)
            if wanted.held != held:
                self._hold(connection, gateway, wanted.held, link, now_ms)
            if wanted.down and not down:
                began.append(self._began(connection, gateway, link, now_ms))
                self._down.add(gateway)
            elif wanted.down is False and down:
                ended.append(_ended(connection, gateway, link, now_ms))
                self._down.discard(gateway)
            if link.online and not wanted.held and gateway not in self._down:
                self._unsettled.discard(gateway)
        if not began and not ended:
            return []
        series = {event.series for event in began} | {event.series for event in ended}
        book = Book.load(connection, series, now_ms, self._policy)
        for one in began:
            book.began(one, OFFLINE_RULE)
        for each in ended:
            book.ended(each)
        book.write(connection)
        return book.changes

    def _hold(
        self, connection: sa.Connection, gateway: str, held: bool, link: Link, now_ms: int
    ) -> None:
        """Hold the silence of a gateway's devices, or let it be; Duties has their alerts follow."""
        if not held:
            hold_rows.set_until(connection, self._held.pop(gateway), now_ms)
            return
        hold = Hold(
            id=hold_rows.new_id(now_ms),
            kind=HoldKind.TOPOLOGY,
            gateway=gateway,
            silence_only=True,
            from_ms=min(link.since_ms, now_ms),
            until_ms=None,
            reason=REASON,
            made_by="",
            made_ms=now_ms,
        )
        hold_rows.insert(connection, hold)
        self._held[gateway] = hold.id

    def _began(
        self, connection: sa.Connection, gateway: str, link: Link, now_ms: int
    ) -> ConditionBegan:
        return own_series.began(
            OFFLINE_RULE,
            device_id(gateway),
            series_of(connection, gateway, now_ms),
            from_ms=link.since_ms,
            due_ms=link.since_ms + round(self._policy.gateway_offline_s * 1000),
            now_ms=now_ms,
        )


def _ended(connection: sa.Connection, gateway: str, link: Link, now_ms: int) -> ConditionEnded:
    series = series_of(connection, gateway, now_ms)
    return own_series.ended(
        OFFLINE_RULE, device_id(gateway), series, at_ms=link.since_ms, now_ms=now_ms
    )


def series_of(connection: sa.Connection, gateway: str, now_ms: int) -> int:
    """Return the series that a gateway's alerts are of, entering it on first use."""
    own = Own(
        device=device_id(gateway), kind=GATEWAY, name=gateway, measurement=ONLINE, gateway=gateway
    )
    return own_series.number(connection, own, now_ms)
