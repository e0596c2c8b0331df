"""Alerts are changed in memory, event by event, then written: rows, histories, outbox."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from cloud import alert_crowds, alert_rows, hold_rows
from cloud.alert_rows import Alert, AlertEvent, Remark
from cloud.alert_topics import RAISED, RETURNED, message_of
from cloud.core import holds
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.flood import desk_of
from cloud.core.grouping import area_of
from cloud.core.holds import EVENT_OF, Hold, Subject
from cloud.core.isa_18_2 import SUPPRESSED, Event, State
from cloud.core.isa_18_2 import apply as next_state
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionRose, Severity
from cloud.core.reminders import next_due_ms
from cloud.core.rules import Rule, looks_for_silence
from cloud.state import schema
from cloud.state.chunks import chunks
from cloud.state.values import values_of

__all__ = ["RAISED", "RETURNED", "AlertChange", "Book", "Watched", "alert_id", "ways_out"]

NO_LONGER_APPLIES = "the rule no longer applies"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """What one event did to one alert, for metrics and for who is watching."""

    alert: str
    rule: str
    device: str
    series: int
    kind: str
    severity: Severity
    event: Event | Remark
    from_state: State
    to_state: State
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a series is of, as far as its alerts need to know."""

    device: str
    kind: str
    measurement: str
    gateway: str
    tags: Mapping[str, str]
    owner: str = ""
    place: tuple[float, float] | None = None  # longitude, latitude


@dataclass(slots=True)
class Book:
    """The open alerts of some series, and what is to be written when the events are through."""

    recorded_ms: int
    policy: AlertPolicy
    watched: dict[int, Watched]
    holds: list[Hold]  # that have not ended
    open: dict[tuple[str, int], Alert]
    versions: dict[str, int]  # as loaded, of alerts that were there before
    written: dict[str, Alert] = field(default_factory=dict)
    history: list[tuple[str, AlertEvent]] = field(default_factory=list)
    changes: list[AlertChange] = field(default_factory=list)

    @classmethod
    def load(
        cls,
        connection: sa.Connection,
        series: Collection[int],
        recorded_ms: int,
        policy: AlertPolicy = POLICY,
    ) -> Book:
        """Read the open alerts of these series, locked against other writers."""
        found: list[Alert] = []
        for some in chunks(sorted(series)):
            table = schema.alerts
            still_open = sa.select(table).where(
                table.c.series.in_(some), table.c.state != State.NORM.value
            )
            found += map(alert_rows.alert_of, connection.execute(still_open.with_for_update()))
        return cls.of(connection, found, recorded_ms, policy, series)

    @classmethod
    def of(
        cls,
        connection: sa.Connection,
        alerts: Sequence[Alert],
        recorded_ms: int,
        policy: AlertPolicy = POLICY,
        series: Collection[int] = (),
    ) -> Book:
        """Return a book of alerts that were loaded to be changed, and of more series."""
        watched: dict[int, Watched] = {}
        for some in chunks(sorted({alert.series for alert in alerts} | set(series))):
            numbers, devices = schema.series.c, schema.devices.c
            measured = (
                sa.select(
                    numbers.id,
                    numbers.device,
                    numbers.measurement,
                    devices.kind,
                    devices.gateway,
                    devices.tags,
                    devices.owner,
                    devices.longitude,
                    devices.latitude,
                )
                .join(schema.devices, devices.id == numbers.device)
                .where(numbers.id.in_(some))
            )
            for row in connection.execute(measured):
                watched[row.id] = Watched(
                    device=row.device,
                    kind=row.kind,
                    measurement=row.measurement,
                    gateway=row.gateway,
                    tags=row.tags,
                    owner=row.owner,
                    place=place_of(row.longitude, row.latitude),
                )
        return cls(
            recorded_ms,
            policy,
            watched,
            hold_rows.not_ended(connection),
            {(alert.rule, alert.series): alert for alert in alerts},
            {alert.id: alert.version for alert in alerts},
        )

    def began(self, event: ConditionBegan, rule: Rule, note: str = "") -> None:
        """Raise an alert, or raise one again that had returned unacknowledged."""
        alert = self.open.get((event.rule, event.series))
        if alert is None:
            alert = self.first(event, rule)
            hold = self.hold_over(alert, rule)
            if hold:
                alert = replace(alert, held_by=hold.id)
                alert = self.turn(alert, EVENT_OF[hold.kind], event.observed_ms, note=hold.reason)
        elif alert.returned_ms is None:
            return
        alert = replace(alert, returned_ms=None)
        self.turn(alert, Event.CONDITION, event.observed_ms, value=event.value, note=note)

    def rose(self, event: ConditionRose, note: str = "") -> None:
        """Make an alert more severe; one that was acknowledged calls again."""
        alert = self.open.get((event.rule, event.series))
        if alert is None or alert.returned_ms is not None:
            return
        if alert.severity.at_least(event.severity):  # it has been that far before
            return
        risen = replace(alert, severity=event.severity, limit_value=event.limit)
        if alert.state is State.ACKED:
            self.turn(risen, Event.ESCALATE, event.observed_ms, value=event.value, note=note)
        else:
            at_ms, value = event.observed_ms, event.value
            self.remark(risen, risen, Remark.SEVERITY, value=value, at_ms=at_ms, note=note)

    def ended(self, event: ConditionEnded) -> None:
        """Return an alert to normal."""
        alert = self.open.get((event.rule, event.series))
        if alert is None or alert.returned_ms is not None:
            return
        value = None if math.isnan(event.value) else event.value
        note = NO_LONGER_APPLIES if value is None else ""
        alert = replace(alert, returned_ms=event.ended_ms)
        self.turn(alert, Event.RETURN, event.observed_ms, value=value, note=note)

    def withdraw(self, alert: Alert, at_ms: int, note: str) -> None:
        """Close an open alert whose rule is there no more, whatever its state."""
        for event in ways_out(alert):
            returned_ms = at_ms if alert.returned_ms is None else alert.returned_ms
            alert = self.turn(replace(alert, returned_ms=returned_ms), event, at_ms, note=note)

    def hold_over(self, alert: Alert, rule: Rule | None) -> Hold | None:
        """Return the hold that decides an alert's state now. rule: None if it is gone."""
        if not self.holds:
            return None
        of = self.watched[alert.series]
        subject = Subject(
            alert=alert.id,
            rule=alert.rule,
            device=alert.device,
            gateway=of.gateway,
            tags=of.tags,
            silence=rule is not None and looks_for_silence(rule),
        )
        return holds.strongest(self.holds, subject, self.recorded_ms)

    def follow_holds(self, alert: Alert, rule: Rule | None, by: str = "") -> Alert:
        """Suppress or release an open alert, as its holds say now."""
        hold = self.hold_over(alert, rule)
        event = holds.step(alert.state, normal=alert.returned_ms is not None, hold=hold)
        held_by = hold.id if hold else ""
        if event is None:
            if held_by != alert.held_by:  # the same state for another reason
                self.remember(replace(alert, held_by=held_by, version=alert.version + 1))
            return self.written.get(alert.id, alert)
        note = hold.reason if hold else ""
        alert = replace(alert, held_by=held_by)
        return self.turn(alert, event, self.recorded_ms, by=by, note=note)

    def turn(
        self,
        alert: Alert,
        event: Event,
        at_ms: int,
        *,
        by: str = "",
        note: str = "",
        value: float | None = None,
    ) -> Alert:
        """Take an alert along the table, and return it. Raises: NotAllowedError."""
        state = next_state(alert.state, event)
        anew = state is State.UNACK and alert.state is not State.UNACK
        changed = replace(
            alert,
            state=state,
            ended_ms=at_ms if state is State.NORM else None,
            held_by=alert.held_by if state in SUPPRESSED else "",
            told_ms=self.recorded_ms if anew else alert.told_ms,
            version=alert.version + 1,
        )
        return self._note(alert, changed, event, at_ms, by=by, note=note, value=value)

    def remark(
        self,
        alert: Alert,
        changed: Alert,
        remark: Remark,
        *,
        by: str = "",
        note: str = "",
        value: float | None = None,
        at_ms: int | None = None,
    ) -> Alert:
        """Note what changes no state, now or at a reading's time, and return the alert."""
        changed = replace(changed, version=alert.version + 1)
        at_ms = self.recorded_ms if at_ms is None else at_ms
        return self._note(alert, changed, remark, at_ms, by=by, note=note, value=value)

    def remember(self, changed: Alert) -> None:
        """Have an alert written, with nothing in its history."""
        self.written[changed.id] = changed
        key = (changed.rule, changed.series)
        self.open[key] = changed
        if changed.state is State.NORM:
            del self.open[key]

    def first(self, event: ConditionBegan, rule: Rule) -> Alert:
        """Return the alert that a condition's beginning makes, before anything happened to it."""
        of, policy = self.watched[event.series], self.policy
        return Alert(
            id=alert_id(event.began_ms, event.rule, event.series, event.rule_version),
            rule=event.rule,
            rule_version=event.rule_version,
            rule_source=rule.provenance,
            rule_source_zh=rule.provenance_zh,
            title=rule.title_zh,
            title_en=rule.title_en,
            category=rule.category,
            device=event.device,
            series=event.series,
            kind=of.kind,
            measurement=of.measurement,
            severity=event.severity,
            state=State.NORM,
            limit_value=event.limit,
            first_value=event.value,
            began_ms=event.began_ms,
            due_ms=event.due_ms,
            observed_ms=event.observed_ms,
            recorded_ms=self.recorded_ms,
            returned_ms=None,
            acknowledged_ms=None,
            acknowledged_by=None,
            ended_ms=None,
            version=0,
            area=area_of(of.tags, policy.group_tags),
            desk=self.desk(event.series),
            reminder_s=policy.reminder_s if rule.reminder_s is None else rule.reminder_s,
            realarm_s=policy.realarm_s if rule.realarm_s is None else rule.realarm_s,
        )

    def desk(self, series: int, assignee: str = "") -> str:
        """Return whose alerts of a series are, in whose flood they count."""
        of, policy = self.watched[series], self.policy
        tag, by_unit = policy.desk_tag, policy.desk_by_unit
        return desk_of(of.tags, of.owner, tag, by_unit=by_unit, assignee=assignee)

    def given(self) -> list[str]:
        """Return the alerts that another desk has now, which called for people of late."""
        since_ms = self.recorded_ms - round(self.policy.flood_window_s * 1000)
        return [
            alert
            for alert, line in self.history
            if line.event is Remark.ASSIGN and self.written[alert].told_ms > since_ms
        ]

    def _note(
        self,
        before: Alert,
        after: Alert,
        event: Event | Remark,
        at_ms: int,
        *,
        by: str,
        note: str,
        value: float | None,
    ) -> Alert:
        after = replace(after, next_ms=next_due_ms(after.lasting))
        self.remember(after)
        line = AlertEvent(
            at_ms=at_ms,
            recorded_ms=self.recorded_ms,
            event=event,
            from_state=before.state,
            to_state=after.state,
            by=by,
            note=note,
            value=value,
        )
        self.history.append((after.id, line))
        self.changes.append(_change_of(after, line))
        return after

    def fresh(self) -> list[Alert]:
        """Return the alerts that were not there before."""
        return [alert for alert in self.written.values() if alert.id not in self.versions]

    def raised(self) -> list[str]:
        """Return the alerts that people must see now, once for each time."""
        to = State.UNACK
        return [a for a, line in self.history if line.to_state is to and line.from_state is not to]

    def write(self, connection: sa.Connection) -> None:
        """Write alerts, histories and outbox, a statement a table however many there are."""
        alert_crowds.gather(connection, self)
        # Those that end go first: the unique index allows one open alert per rule and series.
        for alert in sorted(self.written.values(), key=lambda a: a.state is not State.NORM):
            if alert.id in self.versions:
                alert_rows.update(connection, alert, self.versions[alert.id])
        new = [values_of(alert) for alert in self.fresh()]
        lines = [{"alert": alert, **values_of(line)} for alert, line in self.history]
        messages = [message_of(self.written[alert], line) for alert, line in self.history]
        tables = ((schema.alerts, new), (schema.alert_events, lines), (schema.outbox, messages))
        for table, rows in tables:
            if rows:
                connection.execute(sa.insert(table), rows)


def alert_id(began_ms: int, rule: str, series: int, version: str = "") -> str:
    """Return an occurrence's id: 20 characters that sort by began_ms, the same in every replay.

    What another version of a rule found is another occurrence, though it began at the same reading.
    """
    digest = hashlib.sha256(f"{rule}\n{series}\n{version}".encode()).digest()[:6]
    packed = max(began_ms, 0).to_bytes(6, "big") + digest
    # base32hex keeps the order of the bytes; 6 bytes of milliseconds reach the year 10889.
    return base64.b32hexencode(packed).decode().rstrip("=").lower()


def ways_out(alert: Alert) -> list[Event]:
    """Return the events that lead an alert to NORM when its condition does not hold."""
    if alert.state in SUPPRESSED:
        return [Event.EXIT_NORMAL]
    holds = alert.state is not State.NORM and alert.returned_ms is None
    steps = [Event.RETURN] if holds else []
    if alert.state in (State.UNACK, State.RTNUN):
        steps.append(Event.ACKNOWLEDGE)
    return steps


def place_of(longitude: float | None, latitude: float | None) -> tuple[float, float] | None:
    """Return a place, if it is known."""
    return None if longitude is None or latitude is None else (longitude, latitude)


def _change_of(alert: Alert, line: AlertEvent) -> AlertChange:
    return AlertChange(
        alert=alert.id,
        rule=alert.rule,
        device=alert.device,
        series=alert.series,
        kind=alert.kind,
        severity=alert.severity,
        event=line.event,
        from_state=line.from_state,
        to_state=line.to_state,
        at_ms=line.at_ms,
    )
