"""The engine's events written up: alerts are changed in memory, event by event, then written."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from cloud import alert_rows
from cloud.alert_rows import Alert, AlertEvent
from cloud.core.isa_18_2 import Event, State
from cloud.core.isa_18_2 import apply as next_state
from cloud.core.model import ConditionBegan, ConditionEnded, Severity
from cloud.core.rules import Rule
from cloud.state import schema
from cloud.state.values import values_of

RAISED, RETURNED = "alert.raised", "alert.returned"  # topics of the outbox
_CHUNK = 500  # below every engine's limit of bound parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """What one event did to one alert, for metrics and for who is watching."""

    alert: str
    rule: str
    device: str
    kind: str
    severity: Severity
    event: Event
    from_state: State
    to_state: State
    at_ms: int


@dataclass(slots=True)
class Book:
    """The open alerts of some series, and what is to be written when the events are through."""

    recorded_ms: int
    watched: dict[int, tuple[str, str]]  # by series: kind of device, measurement
    open: dict[tuple[str, int], Alert]
    versions: dict[str, int]  # as loaded, of alerts that were there before
    written: dict[str, Alert] = field(default_factory=dict)
    history: list[tuple[str, AlertEvent]] = field(default_factory=list)
    changes: list[AlertChange] = field(default_factory=list)

    @classmethod
    def load(cls, connection: sa.Connection, series: Collection[int], recorded_ms: int) -> Book:
        """Read the open alerts of these series, locked against other writers."""
        watched: dict[int, tuple[str, str]] = {}
        found: list[Alert] = []
        for some in _chunks(sorted(series)):
            measured = (
                sa.select(schema.series.c.id, schema.devices.c.kind, schema.series.c.measurement)
                .join(schema.devices, schema.devices.c.id == schema.series.c.device)
                .where(schema.series.c.id.in_(some))
            )
            rows = connection.execute(measured)
            watched |= {row.id: (row.kind, row.measurement) for row in rows}
            table = schema.alerts
            still_open = sa.select(table).where(
                table.c.series.in_(some), table.c.state != State.NORM.value
            )
            found += map(alert_rows.alert_of, connection.execute(still_open.with_for_update()))
        return cls(
            recorded_ms,
            watched,
            {(alert.rule, alert.series): alert for alert in found},
            {alert.id: alert.version for alert in found},
        )

    def began(self, event: ConditionBegan, rule: Rule) -> None:
        """Raise an alert, or raise one again that had returned unacknowledged."""
        alert = self.open.get((event.rule, event.series))
        if alert is None:
            alert = self._first(event, rule)
        elif alert.returned_ms is None:
            return
        self._change(alert, Event.CONDITION, event.observed_ms, event.value, None)

    def ended(self, event: ConditionEnded) -> None:
        """Return an alert to normal."""
        alert = self.open.get((event.rule, event.series))
        if alert is None or alert.returned_ms is not None:
            return
        value = None if math.isnan(event.value) else event.value
        note = "the rule no longer applies" if value is None else ""
        self._change(alert, Event.RETURN, event.observed_ms, value, event.ended_ms, note)

    def _first(self, event: ConditionBegan, rule: Rule) -> Alert:
        kind, measurement = self.watched[event.series]
        return Alert(
            id=alert_id(event.began_ms, event.rule, event.series),
            rule=event.rule,
            rule_version=event.rule_version,
            rule_source=rule.provenance,
            title=rule.title_zh,
            title_en=rule.title_en,
            category=rule.category,
            device=event.device,
            series=event.series,
            kind=kind,
            measurement=measurement,
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
        )

    def _change(
        self,
        alert: Alert,
        event: Event,
        at_ms: int,
        value: float | None,
        returned_ms: int | None,
        note: str = "",
    ) -> None:
        state = next_state(alert.state, event)
        changed = replace(
            alert,
            state=state,
            returned_ms=returned_ms,
            ended_ms=at_ms if state is State.NORM else None,
            version=alert.version + 1,
        )
        key = (alert.rule, alert.series)
        self.open[key] = changed
        if state is State.NORM:
            del self.open[key]
        self.written[alert.id] = changed
        line = AlertEvent(
            at_ms=at_ms,
            recorded_ms=self.recorded_ms,
            event=event,
            from_state=alert.state,
            to_state=state,
            note=note,
            value=value,
        )
        self.history.append((alert.id, line))
        self.changes.append(_change_of(alert, line))

    def write(self, connection: sa.Connection) -> None:
        """Write alerts, histories and outbox, a statement a table however many there are."""
        # Those that end go first: the unique index allows one open alert per rule and series.
        for alert in sorted(self.written.values(), key=lambda a: a.state is not State.NORM):
            if alert.id in self.versions:
                alert_rows.update(connection, alert, self.versions[alert.id])
        fresh = [alert for alert in self.written.values() if alert.id not in self.versions]
        new = [values_of(alert) for alert in fresh]
        lines = [{"alert": alert, **values_of(line)} for alert, line in self.history]
        messages = [_message(alert, line) for alert, line in self.history]
        tables = ((schema.alerts, new), (schema.alert_events, lines), (schema.outbox, messages))
        for table, rows in tables:
            if rows:
                connection.execute(sa.insert(table), rows)


def alert_id(began_ms: int, rule: str, series: int) -> str:
    """Return an occurrence's id: 20 characters that sort by began_ms, the same in every replay."""
    digest = hashlib.sha256(f"{rule}\n{series}".encode()).digest()[:6]
    packed = max(began_ms, 0).to_bytes(6, "big") + digest
    # base32hex keeps the order of the bytes; 6 bytes of milliseconds reach the year 10889.
    return base64.b32hexencode(packed).decode().rstrip("=").lower()


def _change_of(alert: Alert, line: AlertEvent) -> AlertChange:
    return AlertChange(
        alert=alert.id,
        rule=alert.rule,
        device=alert.device,
        kind=alert.kind,
        severity=alert.severity,
        event=line.event,
        from_state=line.from_state,
        to_state=line.to_state,
        at_ms=line.at_ms,
    )


def _message(alert: str, line: AlertEvent) -> dict[str, object]:
    return {
        "topic": RAISED if line.event is Event.CONDITION else RETURNED,
        "key": alert,
        "payload": {"at_ms": line.at_ms},
        "created_ms": line.recorded_ms,
    }


def _chunks(items: Sequence[int]) -> Iterator[Sequence[int]]:
    return (items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK))
