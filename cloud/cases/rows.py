"""The rows of cases and of their trails, as the state database has them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.alerts import Alert
from cloud.cases import sealing
from cloud.core.case_dues import CaseDues
from cloud.core.case_steps import OPEN_STATES, REPORTED, State, Step
from cloud.core.chain import Kind
from cloud.core.model import Severity
from cloud.errors import NotFoundError
from cloud.state import schema
from cloud.state.upsert import count
from cloud.state.values import values_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case. The fields are the table's columns, explained there. device: "" for none."""

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
    secure_due_ms: int | None = None
    handle_due_ms: int | None = None
    verify_due_ms: int | None = None
    close_due_ms: int | None = None
    by_clock: bool = True
    secured_ms: int | None = None
    deferred_ms: int | None = None
    resume_ms: int | None = None
    warned_due_ms: int | None = None
    overdue_due_ms: int | None = None
    source: str = "alert"
    cell: str = ""
    occurrences: int = 1
    singled_ms: int | None = None
    merged_into: str | None = None
    satisfaction: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def dues(self) -> CaseDues:
        """Its due times."""
        return CaseDues(
            secure_due_ms=self.secure_due_ms,
            handle_due_ms=self.handle_due_ms,
            verify_due_ms=self.verify_due_ms,
            close_due_ms=self.close_due_ms,
            secured_ms=self.secured_ms,
            by_clock=self.by_clock,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """One line of a case's trail. by: "" for the product itself.

    about: the step that was asked for, approved or declined; of a closure, the score.
    unit: responsible at that time. due_ms: the due time that the step met or missed.
    """

    at_ms: int
    step: Step
    from_state: State
    to_state: State
    by: str
    note: str
    about: str = ""
    unit: str = ""
    due_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A step that takes approval, asked for. until_ms: the new due time, or when it goes on."""

    id: int
    case: str
    step: Step
    by: str
    at_ms: int
    note: str
    until_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDetail:
    """A case, its trail from the beginning, the alerts that are its evidence, and what waits."""

    case: Case
    trail: list[CaseEvent]
    alerts: list[Alert]
    request: Request | None = None


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
            "device": row.device or "",
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
        about=row.about,
        unit=row.unit,
        due_ms=row.due_ms,
    )


def insert_case(connection: sa.Connection, case: Case) -> None:
    """Write a new case, and begin its chain."""
    row = values_of(case) | {"device": case.device or None}
    connection.execute(sa.insert(schema.cases), [row])
    sealing.add(connection, case.id, Kind.CASE, case.id, row)


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
    about: str = "",
    due_ms: int | None = None,
    dues: CaseDues | None = None,
) -> None:
    """Append a line to a case's trail, and seal it. dues: after it; None: as the case has them."""
    standing = dues or case.dues
    row = {
        "case": case.id,
        "at_ms": at_ms,
        "step": step.value,
        "from_state": case.state.value,
        "to_state": to_state.value,
        "by": by,
        "note": note,
        "about": about,
        "unit": case.unit,
        "due_ms": due_ms,
        "handle_due_ms": standing.handle_due_ms,
        "verify_due_ms": standing.verify_due_ms,
        "close_due_ms": standing.close_due_ms,
    }
    table = schema.case_events
    number = connection.scalar(sa.insert(table).values(row).returning(table.c.id))
    sealing.add(connection, case.id, Kind.EVENT, number, row)


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


def named_asset(case: Case) -> str:
    """Return the asset that a report names and nobody has accepted yet; "" if there is none."""
    return case.asset.removeprefix(REPORTED) if case.asset.startswith(REPORTED) else ""


def is_evidence(connection: sa.Connection, case: str, alert: str) -> bool:
    """Whether an alert is attached to a case."""
    attached = schema.case_alerts
    known = sa.select(attached.c.alert).where(attached.c.case == case, attached.c.alert == alert)
    return connection.scalar(known) is not None


def attach_evidence(connection: sa.Connection, case: str, alert: str, at_ms: int) -> None:
    """Attach an alert to a case, and seal it."""
    row = {"case": case, "alert": alert, "attached_ms": at_ms}
    connection.execute(sa.insert(schema.case_alerts), [row])
    sealing.add_alert(connection, case, alert)


def change(connection: sa.Connection, case: Case, **values: object) -> None:
    """Write changed columns and count the version up. The row is locked, or the database is."""
    table = schema.cases
    connection.execute(
        sa.update(table).where(table.c.id == case.id).values(version=table.c.version + 1, **values)
    )


def waiting_request(connection: sa.Connection, case: str) -> Request | None:
    """Return the request of a case that waits for a decision."""
    table = schema.case_requests
    row = connection.execute(
        sa.select(table).where(table.c.case == case, table.c.decided_ms.is_(None))
    ).one_or_none()
    if row is None:
        return None
    return Request(
        id=row.id,
        case=row.case,
        step=Step(row.step),
        by=row.by,
        at_ms=row.at_ms,
        note=row.note,
        until_ms=row.until_ms,
    )


def columns_of(dues: CaseDues, state: State) -> dict[str, object]:
    """Return due times as the columns of a case that is in a state."""
    return {**asdict(dues), "due_ms": dues.next(state)}


def next_id(connection: sa.Connection, at_ms: int, zone: ZoneInfo) -> str:
    """Return the day's next number, e.g. 20261122-000017; a rolled back one is given again."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%Y%m%d")
    table, name = schema.counters, f"cases.{day}"
    count(connection, {name: 1})  # two writers may begin the day at once
    number = connection.scalar(sa.select(table.c.value).where(table.c.name == name))
    return f"{day}-{number:06d}"
