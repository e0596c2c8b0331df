"""What goes to a platform in files: prepared in one transaction, kept with its receipt.

The file's name is what a repetition is known by: it never names two contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.assessment import assess, month
from cloud.cases.mapping import FieldMapping, Kind, Record, write
from cloud.core.assessment import By, Count, Formulas, figure_keys
from cloud.errors import ConflictError, NotFoundError
from cloud.state import ledger, schema


class State(StrEnum):
    """Where an upload stands."""

    WAITING = "waiting"
    SENT = "sent"  # it lies there, and no receipt has come yet
    RECEIVED = "received"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file."""

    id: int
    system: str
    name: str
    kind: Kind
    from_ms: int
    to_ms: int
    records: int
    sha256: str
    state: State
    attempts: int
    next_attempt_ms: int
    error: str
    receipt: str


def prepare(
    connection: sa.Connection,
    system: str,
    mapping: FieldMapping,
    every_ms: int,
    zone: ZoneInfo,
    formulas: Sequence[Formulas],
    now_ms: int,
) -> int:
    """Write down the files of the time since the last ones; return how many there are.

    formulas: the city's, every version of them.
    Raises: RejectedError if a record cannot be said in the mapping; nothing is written then.
    """
    table = schema.case_systems
    mine = table.c.name == system
    from_ms = connection.scalar(sa.select(table.c.polled_ms).where(mine))
    if from_ms is None:
        row = {"name": system, "event": 0, "polled_ms": now_ms}
        connection.execute(sa.insert(table), [row])
        return 0
    if now_ms - from_ms < every_ms:
        return 0
    rows_of: dict[Kind, Callable[[], list[Record]]] = {
        Kind.CASES: lambda: _cases(connection, from_ms, now_ms),
        Kind.ALERTS: lambda: _alerts(connection, from_ms, now_ms),
        Kind.ASSESSMENT: lambda: _assessment(connection, from_ms, now_ms, zone, formulas),
    }
    written = 0
    for kind in mapping.kinds:
        rows = rows_of[kind]()
        if rows:
            _add(connection, system, mapping, kind, rows, from_ms, now_ms, zone)
            written += 1
    connection.execute(sa.update(table).where(mine).values(polled_ms=now_ms))
    return written


def _add(
    connection: sa.Connection,
    system: str,
    mapping: FieldMapping,
    kind: Kind,
    rows: list[Record],
    from_ms: int,
    to_ms: int,
    zone: ZoneInfo,
) -> None:
    table = schema.case_uploads
    last = connection.scalar(sa.select(sa.func.max(table.c.number)).where(table.c.system == system))
    number = (last or 0) + 1
    body = write(mapping, kind, rows, zone)
    values = {
        "system": system,
        "number": number,
        "name": f"{system}-{kind.value}-{number:06d}.{mapping.format}",
        "kind": kind.value,
        "from_ms": from_ms,
        "to_ms": to_ms,
        "records": len(rows),
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body,
        "state": State.WAITING.value,
    }
    connection.execute(sa.insert(table), [values])


def _cases(connection: sa.Connection, from_ms: int, to_ms: int) -> list[Record]:
    cases, events = schema.cases, schema.case_events
    touched = sa.select(events.c.case).where(events.c.at_ms >= from_ms, events.c.at_ms < to_ms)
    query = sa.select(cases).where(cases.c.id.in_(touched)).order_by(cases.c.id)
    return [_times(row) for row in connection.execute(query)]


def _alerts(connection: sa.Connection, from_ms: int, to_ms: int) -> list[Record]:
    alerts, events = schema.alerts, schema.alert_events
    touched = sa.select(events.c.alert).where(
        events.c.recorded_ms >= from_ms, events.c.recorded_ms < to_ms
    )
    query = sa.select(alerts).where(alerts.c.id.in_(touched)).order_by(alerts.c.id)
    return [_times(row) for row in connection.execute(query)]


def _times(row: sa.Row[tuple[object, ...]]) -> Record:
    """Our fields by the names that a mapping uses: opened_ms is opened."""
    return {name.removesuffix("_ms"): value for name, value in row._mapping.items()}


def _assessment(
    connection: sa.Connection,
    from_ms: int,
    to_ms: int,
    zone: ZoneInfo,
    formulas: Sequence[Formulas],
) -> list[Record]:
    """The month that ended between two uploads, by unit; nothing while it goes on."""
    first, last = (
        datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone) for at_ms in (from_ms, to_ms)
    )
    if (first.year, first.month) == (last.year, last.month):
        return []
    found = assess(connection, month(f"{first:%Y-%m}", zone), formulas, (By.UNIT,), comparing=False)
    rates = [f"{key}_rate" for key in figure_keys(formulas)]
    return [
        {
            "month": found.period.name,
            "unit": group.key,
            **{count.value: len(cases) for count, cases in group.counts.items()},
            "closed_on_time": len(group.counts[Count.CLOSED_IN_TIME]),
            **dict.fromkeys(rates),  # a version that has not every figure leaves it empty
            **{f"{key}_rate": figure.value for key, figure in group.figures.items()},
        }
        for group in found.groups[By.UNIT]
    ]


# --- on their way ------------------------------------------------------------------------------


def claim(
    connection: sa.Connection, system: str, now_ms: int, until_ms: int
) -> tuple[Upload, bytes] | None:
    """Count an attempt at the next file, if it is its time; none overtakes another."""
    table = schema.case_uploads
    waiting = (State.WAITING.value, State.DEAD.value)
    first = connection.execute(
        sa.select(table)
        .where(table.c.system == system, table.c.state.in_(waiting))
        .order_by(table.c.number)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if first is None or first.state == State.DEAD.value or first.next_attempt_ms > now_ms:
        return None
    row = connection.execute(
        sa.update(table)
        .where(table.c.id == first.id)
        .values(attempts=table.c.attempts + 1, next_attempt_ms=until_ms)
        .returning(table)
    ).one()
    return upload_of(row), bytes(row.body)


def mark(connection: sa.Connection, upload: Upload, **values: object) -> None:
    """Write down what became of an attempt, unless another one has begun."""
    table = schema.case_uploads
    mine = sa.and_(table.c.id == upload.id, table.c.attempts == upload.attempts)
    connection.execute(sa.update(table).where(mine).values(**values))


def without_receipt(connection: sa.Connection, system: str) -> list[Upload]:
    """Return what lies there and has no receipt yet."""
    table = schema.case_uploads
    mine = sa.and_(table.c.system == system, table.c.state == State.SENT.value)
    return [
        upload_of(row)
        for row in connection.execute(sa.select(table).where(mine).order_by(table.c.number))
    ]


def uploads(connection: sa.Connection, *, limit: int = 100) -> list[Upload]:
    """Return the latest files."""
    table = schema.case_uploads
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
    return [upload_of(row) for row in connection.execute(query)]


def retry(connection: sa.Connection, name: str, by: str, now_ms: int) -> Upload:
    """Have a refused file sent again. Raises: NotFoundError; ConflictError if it was not."""
    table = schema.case_uploads
    mine = table.c.name == name
    row = connection.execute(sa.select(table).where(mine).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no upload {name!r}")
    if row.state == State.RECEIVED.value:
        raise ConflictError(f"upload {name} was received: there is nothing to do")
    values = {"state": State.WAITING.value, "next_attempt_ms": now_ms}
    connection.execute(sa.update(table).where(mine).values(**values))
    ledger.audit(
        connection, who=by, action="upload.retried", subject=name, note=row.error, at_ms=now_ms
    )
    return upload_of(row)


def upload_of(row: sa.Row[tuple[object, ...]]) -> Upload:
    """Return the upload that a row is."""
    return Upload(
        id=row.id,
        system=row.system,
        name=row.name,
        kind=Kind(row.kind),
        from_ms=row.from_ms,
        to_ms=row.to_ms,
        records=row.records,
        sha256=row.sha256,
        state=State(row.state),
        attempts=row.attempts,
        next_attempt_ms=row.next_attempt_ms,
        error=row.error,
        receipt=row.receipt,
    )
