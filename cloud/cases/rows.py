"""The rows of cases and of their trails, as the state database has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.alerts import Alert
from cloud.core.case_steps import OPEN_STATES, State, Step
from cloud.core.model import Severity
from cloud.errors import NotFoundError
from cloud.state import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case. The fields are the table's columns, explained there."""

    id: str
    asset: str
    category: str
    title: str
    title_en: str
    kind: str
    device: str
    severity: Severity
    state: State
    unit: str
    sensor_normal_ms: int | None
    opened_ms: int
    due_ms: int | None
    closed_ms: int | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """One line of a case's trail. by: "" for the product itself."""

    at_ms: int
    step: Step
    from_state: State
    to_state: State
    by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDetail:
    """A case, its trail from the beginning, and the alerts that are its evidence."""

    case: Case
    trail: list[CaseEvent]
    alerts: list[Alert]


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """Cases, newest first. cursor: for the next page; None at the end."""

    cases: list[Case]
    cursor: str | None


def case_of(row: sa.Row[tuple[object, ...]]) -> Case:
    """Return the case that a row of `cases` is."""
    return Case(
        **{
            **row._mapping,
            "severity": Severity(row.severity),
            "state": State(row.state),
        }
    )


def event_of(row: sa.Row[tuple[object, ...]]) -> CaseEvent:
    """Return the line of a trail that a row of `case_events` is."""
    return CaseEvent(
        at_ms=row.at_ms,
        step=Step(row.step),
        from_state=State(row.from_state),
        to_state=State(row.to_state),
        by=row.by,
        note=row.note,
    )


def load(connection: sa.Connection, case_id: str, *, to_change: bool = False) -> Case:
    """Return one case, locked against other writers if it is to be changed.

    Raises: NotFoundError.
    """
    table = schema.cases
    query = sa.select(table).where(table.c.id == case_id)
    row = connection.execute(query.with_for_update() if to_change else query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no case {case_id!r}")
    return case_of(row)


def trace(
    connection: sa.Connection,
    case: Case,
    step: Step,
    to_state: State,
    at_ms: int,
    *,
    by: str = "",
    note: str = "",
) -> None:
    """Append a line to a case's trail."""
    connection.execute(
        sa.insert(schema.case_events).values(
            case=case.id,
            at_ms=at_ms,
            step=step.value,
            from_state=case.state.value,
            to_state=to_state.value,
            by=by,
            note=note,
        )
    )


def find_open(connection: sa.Connection, asset: str, category: str) -> Case | None:
    """Return the open case of an asset and category, locked against other writers."""
    table = schema.cases
    query = sa.select(table).where(
        table.c.asset == asset,
        table.c.category == category,
        table.c.state.in_([state.value for state in OPEN_STATES]),
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    return None if row is None else case_of(row)


def is_evidence(connection: sa.Connection, case: str, alert: str) -> bool:
    """Whether an alert is attached to a case."""
    attached = schema.case_alerts
    known = sa.select(attached.c.alert).where(attached.c.case == case, attached.c.alert == alert)
    return connection.scalar(known) is not None


def attach_evidence(connection: sa.Connection, case: str, alert: str, at_ms: int) -> None:
    """Attach an alert to a case."""
    row = {"case": case, "alert": alert, "attached_ms": at_ms}
    connection.execute(sa.insert(schema.case_alerts), [row])


def change(connection: sa.Connection, case: Case, **values: object) -> None:
    """Write changed columns and count the version up. The row is locked, or the database is."""
    table = schema.cases
    connection.execute(
        sa.update(table).where(table.c.id == case.id).values(version=table.c.version + 1, **values)
    )


def next_id(connection: sa.Connection, at_ms: int, zone: ZoneInfo) -> str:
    """Return the day's next number, e.g. 20261122-000017; a rolled back one is given again."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%Y%m%d")
    table, name = schema.counters, f"cases.{day}"
    count_up = (
        sa.update(table)
        .where(table.c.name == name)
        .values(value=table.c.value + 1)
        .returning(table.c.value)
    )
    number = connection.scalar(count_up)
    if number is None:
        # Two writers may both begin the day: the loser's savepoint fails, and it tries again.
        connection.execute(sa.insert(table), [{"name": name, "value": 1}])
        number = 1
    return f"{day}-{number:06d}"
