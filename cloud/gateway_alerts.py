"""Gateways that are away, on battery or cut off: one alert each, and their devices suppressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sqlalchemy as sa

from cloud import hold_rows, own_series
from cloud.alert_book import AlertChange, Book
from cloud.core.alert_policy import AlertPolicy
from cloud.core.holds import Hold, HoldKind
from cloud.core.isa_18_2 import State
from cloud.core.lifelines import RULE_OF, Cause, Known, cause_of, learn, own_alerts, words
from cloud.core.model import ConditionBegan, ConditionRose, Severity
from cloud.core.rules import Rule
from cloud.core.topology import (
    GATEWAY,
    MODEM_RULE,
    OFFLINE_RULE,
    OWN_RULES,
    POWER_RULE,
    Link,
    device_id,
    outage,
)
from cloud.own_series import Own
from cloud.state import schema

NOTHING = Known()
CAUSE_OF = {rule.id: cause for cause, rule in RULE_OF.items()}


class Outages:
    """What is known of gateways' connections, and what was made of it. Follows the database."""

    def __init__(self, policy: AlertPolicy) -> None:
        self._policy = policy
        self._links: dict[str, Link] = {}
        self._known: dict[str, Known] = {}
        self._held: dict[str, str] = {}  # by gateway: the hold over its devices
        # By gateway and rule: how severe the alert is that has not returned.
        self._raised: dict[str, dict[str, Severity]] = {}
        self._unsettled: set[str] = set()  # those of which something is, or will be, to be done

    @classmethod
    def load(cls, connection: sa.Connection, policy: AlertPolicy) -> Outages:
        """Read who is away since when, what they said last, and what is open of it."""
        outages = cls(policy)
        states, holds, gateways = schema.gateway_states, schema.holds, schema.gateways
        newest = sa.select(sa.func.max(states.c.id)).group_by(states.c.gateway)
        for row in connection.execute(sa.select(states).where(states.c.id.in_(newest))):
            outages.heard(row.gateway, online=row.online, now_ms=row.at_ms)
        for row in connection.execute(sa.select(gateways).where(gateways.c.state_ms.is_not(None))):
            outages.told(row.id, row.health or {}, row.state_ms)
        held = sa.select(holds).where(
            holds.c.ended_ms.is_(None), holds.c.kind == HoldKind.TOPOLOGY.value
        )
        outages._held = {row.gateway: row.id for row in connection.execute(held)}
        for row in connection.execute(_open_alerts()):
            outages._raised.setdefault(row.gateway, {})[row.rule] = Severity(row.severity)
        outages._unsettled |= set(outages._raised) | set(outages._held)
        return outages

    def heard(self, gateway: str, *, online: bool, now_ms: int) -> None:
        """Take note that a gateway is there or away; the same again changes nothing."""
        link = self._links.get(gateway)
        if link is None or link.online != online:
            self._links[gateway] = Link(online=online, since_ms=now_ms)
            self._unsettled.add(gateway)

    def told(self, gateway: str, health: Mapping[str, float], now_ms: int) -> None:
        """Take note of what a gateway says of its mains and its modem."""
        before = self._known.get(gateway, NOTHING)
        known = learn(before, health, now_ms)
        if known != NOTHING or before is not NOTHING:
            self._known[gateway] = known
        if (known.power_ms, known.modem_ms) != (before.power_ms, before.modem_ms):
            self._unsettled.add(gateway)

    def is_due(self, now_ms: int) -> bool:
        """Whether step() would do anything."""
        for gateway in self._unsettled:
            link = self._links.get(gateway)
            if link is None:
                continue
            held = gateway in self._held
            if outage(link, now_ms, self._policy, held=held).held != held:
                return True
            if self._wanting(gateway, link, now_ms):
                return True
        return False

    def step(self, connection: sa.Connection, now_ms: int) -> list[AlertChange]:
        """Hold and release devices, raise and return the gateways' own alerts."""
        turns: list[tuple[str, Rule, Severity | None, int]] = []
        for gateway in sorted(self._unsettled):
            link = self._links.get(gateway)
            if link is None:
                continue
            held = gateway in self._held
            wanted = outage(link, now_ms, self._policy, held=held)
            if wanted.held != held:
                self._hold(connection, gateway, wanted.held, link, now_ms)
            for rule, severity in self._wanting(gateway, link, now_ms).items():
                own = OWN_RULES[rule]
                number = series_of(connection, gateway, now_ms, own)
                turns.append((gateway, own, severity, number))
            self._settle(gateway, link)
        if not turns:
            return []
        book = Book.load(connection, {number for *_, number in turns}, now_ms, self._policy)
        for turn in turns:
            self._turn(book, *turn, now_ms)
            self._settle(turn[0], self._links[turn[0]])
        book.write(connection)
        return book.changes

    def _wanting(self, gateway: str, link: Link, now_ms: int) -> dict[str, Severity | None]:
        """Return what is not as it must be of a gateway's own alerts."""
        known, raised = self._known.get(gateway, NOTHING), self._raised.get(gateway, {})
        wanted = own_alerts(link, known, now_ms, self._policy).alerts
        return {
            rule: severity
            for rule, severity in wanted.items()
            if (severity is None and rule in raised)
            or (severity is not None and not _is_raised(raised.get(rule), severity))
        }

    def _settle(self, gateway: str, link: Link) -> None:
        """Forget a gateway with which all is well."""
        known = self._known.get(gateway, NOTHING)
        well = link.online and not known.on_battery and not known.cut_off
        if well and gateway not in self._held and not self._raised.get(gateway):
            self._unsettled.discard(gateway)

    def _turn(
        self,
        book: Book,
        gateway: str,
        rule: Rule,
        severity: Severity | None,
        number: int,
        now_ms: int,
    ) -> None:
        """Raise a gateway's alert, make it more severe, or return it."""
        raised, device = self._raised.setdefault(gateway, {}), device_id(gateway)
        from_ms = self._from_ms(gateway, rule)
        if severity is None:
            del raised[rule.id]
            book.ended(own_series.ended(rule, device, number, at_ms=from_ms, now_ms=now_ms))
            return
        known = self._known.get(gateway, NOTHING)
        note = "" if rule is OFFLINE_RULE else words(CAUSE_OF[rule.id], known)
        if not self._links[gateway].online and rule is not OFFLINE_RULE:
            note = f"{note}; {words(Cause.AWAY, known)}"
        began = own_series.began(
            rule,
            device,
            number,
            from_ms=from_ms,
            due_ms=self._due_ms(gateway, rule, from_ms),
            now_ms=now_ms,
        )
        if rule.id in raised:
            book.rose(_risen(began, severity), note)
        else:
            book.began(replace(began, severity=severity), rule, note)
        raised[rule.id] = severity

    def _from_ms(self, gateway: str, rule: Rule) -> int:
        link, known = self._links[gateway], self._known.get(gateway, NOTHING)
        if rule is POWER_RULE and known.on_battery:
            return known.power_ms
        if rule is MODEM_RULE and known.cut_off:
            return known.modem_ms
        since = {POWER_RULE.id: known.power_ms, MODEM_RULE.id: known.modem_ms}
        return max(link.since_ms, since.get(rule.id, 0)) if link.online else link.since_ms

    def _due_ms(self, gateway: str, rule: Rule, from_ms: int) -> int:
        """Return when an alert that begins now could be known at the earliest."""
        link, policy = self._links[gateway], self._policy
        if not link.online:
            return link.since_ms + round(policy.gateway_offline_s * 1000)
        waits_s = policy.gateway_battery_s if rule is POWER_RULE else policy.gateway_modem_s
        return from_ms + round(waits_s * 1000)

    def _hold(
        self, connection: sa.Connection, gateway: str, held: bool, link: Link, now_ms: int
    ) -> None:
        """Hold the silence of a gateway's devices, or let it be; Duties has their alerts follow."""
        if not held:
            hold_rows.set_until(connection, self._held.pop(gateway), now_ms)
            return
        known = self._known.get(gateway, NOTHING)
        hold = Hold(
            id=hold_rows.new_id(now_ms),
            kind=HoldKind.TOPOLOGY,
            gateway=gateway,
            silence_only=True,
            from_ms=min(link.since_ms, now_ms),
            until_ms=None,
            reason=words(cause_of(known, self._policy), known),
            made_by="",
            made_ms=now_ms,
        )
        hold_rows.insert(connection, hold)
        self._held[gateway] = hold.id


def _open_alerts() -> sa.Select[tuple[object, ...]]:
    """Select the gateways' own alerts that have not returned."""
    alerts, devices = schema.alerts, schema.devices
    return (
        sa.select(devices.c.gateway, alerts.c.rule, alerts.c.severity)
        .join(alerts, alerts.c.device == devices.c.id)
        .where(
            alerts.c.rule.in_(CAUSE_OF),
            alerts.c.state != State.NORM.value,
            alerts.c.returned_ms.is_(None),
        )
    )


def _is_raised(now: Severity | None, wanted: Severity) -> bool:
    return now is not None and now.at_least(wanted)


def _risen(began: ConditionBegan, severity: Severity) -> ConditionRose:
    return ConditionRose(
        rule=began.rule,
        rule_version=began.rule_version,
        device=began.device,
        series=began.series,
        severity=severity,
        began_ms=began.began_ms,
        observed_ms=began.observed_ms,
        value=began.value,
        limit=began.limit,
    )


def series_of(
    connection: sa.Connection, gateway: str, now_ms: int, rule: Rule = OFFLINE_RULE
) -> int:
    """Return the series that a gateway's alerts of a rule are of, entering it on first use."""
    own = Own(
        device=device_id(gateway),
        kind=GATEWAY,
        name=gateway,
        measurement=rule.measurements[0],
        gateway=gateway,
    )
    return own_series.number(connection, own, now_ms)
