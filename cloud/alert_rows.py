"""The rows of alerts and of their histories, as the state database has them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from cloud.core.isa_18_2 import Event, State
from cloud.core.model import Severity
from cloud.core.reminders import Lasting
from cloud.errors import ConflictError, NotFoundError
from cloud.state import schema
from cloud.state.values import values_of

# What is as it was when the alert began is not written again.
CHANGING = (
    "severity",
    "limit_value",
    "state",
    "returned_ms",
    "acknowledged_ms",
    "acknowledged_by",
    "ended_ms",
    "version",
    "assignee",
    "desk",
    "flood",
    "first_out",
    "held_by",
    "told_ms",
    "next_ms",
)


class Remark(StrEnum):
    """What stands in an alert's history and changes no state."""

    COMMENT = "comment"
    ASSIGN = "assign"
    REMIND = "reminder"
    CORRECT = "corrected"  # late readings changed its times
    REFUTE = "refuted"  # late readings showed that it never was
    SEVERITY = "severity"  # it rose while people had not even seen the alert


_REMARKS = {remark.value: remark for remark in Remark}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One occurrence of a rule on a series. The fields are the table's columns, explained there."""

    id: str
    rule: str
    rule_version: str
    rule_source: str
    rule_source_zh: str = ""
    title: str
    title_en: str
    category: str
    device: str
    series: int
    kind: str
    measurement: str
    severity: Severity
    state: State
    limit_value: float
    first_value: float
    began_ms: int
    due_ms: int
    observed_ms: int
    recorded_ms: int
    returned_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: str | None
    ended_ms: int | None
    version: int
    assignee: str = ""
    area: str = ""
    desk: str = ""
    group_id: str = ""
    flood: int | None = None
    first_out: bool = False
    held_by: str = ""
    told_ms: int = 0
    reminder_s: float = 0.0
    realarm_s: float = 0.0
    next_ms: int | None = None
    historical: bool = False
    refuted_ms: int | None = None

    @property
    def lasting(self) -> Lasting:
        """The alert as far as reminders go."""
        return Lasting(
            state=self.state,
            returned=self.returned_ms is not None,
            told_ms=self.told_ms,
            acknowledged_ms=self.acknowledged_ms,
            reminder_s=self.reminder_s,
            realarm_s=self.realarm_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """One line of an alert's history. by: "" for the engine. value: None where none was read."""

    at_ms: int
    recorded_ms: int
    event: Event | Remark
    from_state: State
    to_state: State
    by: str = ""
    note: str = ""
    value: float | None = None


def alert_of(row: sa.Row[tuple[object, ...]]) -> Alert:
    """Return the alert that a row of `alerts` is."""
    return Alert(
        **{
            **row._mapping,
            "severity": Severity(row.severity),
            "state": State(row.state),
        }
    )


def named(event: str) -> Event | Remark:
    """Return what a line of history is about."""
    return _REMARKS.get(event) or Event(event)


def event_of(row: sa.Row[tuple[object, ...]]) -> AlertEvent:
    """Return the line of history that a row of `alert_events` is."""
    return AlertEvent(
        at_ms=row.at_ms,
        recorded_ms=row.recorded_ms,
        event=named(row.event),
        from_state=State(row.from_state),
        to_state=State(row.to_state),
        by=row.by,
        note=row.note,
        value=row.value,
    )


def load(connection: sa.Connection, alert_id: str, *, to_change: bool = False) -> Alert:
    """Return one alert, locked against other writers if it is to be changed.

    Raises: NotFoundError.
    """
    table = schema.alerts
    query = sa.select(table).where(table.c.id == alert_id)
    row = connection.execute(query.with_for_update() if to_change else query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no alert {alert_id!r}")
    return alert_of(row)


def correct(connection: sa.Connection, alert: Alert) -> None:
    """Write all that there is of an alert that was loaded to be changed."""
    table = schema.alerts
    values = values_of(alert)
    connection.execute(sa.update(table).where(table.c.id == alert.id).values(**values))


def update(connection: sa.Connection, alert: Alert, loaded_version: int) -> None:
    """Write what can change of an alert. Raises: ConflictError if somebody was faster."""
    table, values = schema.alerts, values_of(alert)
    done = connection.execute(
        sa.update(table)
        .where(table.c.id == alert.id, table.c.version == loaded_version)
        .values({name: values[name] for name in CHANGING})
    )
    if done.rowcount != 1:
        raise ConflictError(f"alert {alert.id} was changed by somebody else; load it again")
