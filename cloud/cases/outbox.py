"""The outbox drained into a case system: each message and its done mark in one transaction.

A kill between two messages repeats none and skips none. Order is kept per key; a message that fails
waits with a growing delay, and only messages of its own key wait behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud import alert_rows
from cloud.alert_topics import RAISED, REFUTED, RETURNED
from cloud.cases import waiting
from cloud.cases.refuted import note_refuted
from cloud.core.gate import GatePolicy, decide
from cloud.core.model import Device
from cloud.ports import CaseSystem
from cloud.state import schema
from cloud.state.database import Database, retrying
from contract.errors import GridwardenError, RejectedError, StorageError

REJECTED = "rejected: "  # what the error of a message begins with that was refused for good
PER_TRANSACTION = 20  # others write the same database: hold it for milliseconds only
FIRST_BACKOFF_MS = 1_000
LONGEST_BACKOFF_MS = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What one call did.

    rejected: refused for good, kept with done_ms and its error. failed: will be tried again.
    more: whether messages were left that could have been taken now.
    """

    done: int = 0
    rejected: int = 0
    failed: int = 0
    more: bool = False

    def __add__(self, other: DrainReport) -> DrainReport:
        return DrainReport(
            done=self.done + other.done,
            rejected=self.rejected + other.rejected,
            failed=self.failed + other.failed,
            more=other.more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A message that the ledger refused for good. key: the alert it is about."""

    id: int
    topic: str
    key: str
    created_ms: int
    attempts: int
    error: str


def rejected(connection: sa.Connection, limit: int = 100) -> list[Rejected]:
    """Return what the ledger refused, the latest first."""
    table = schema.outbox
    query = sa.select(table).where(_is_rejected()).order_by(table.c.id.desc()).limit(limit)
    return [
        Rejected(
            id=row.id,
            topic=row.topic,
            key=row.key,
            created_ms=row.created_ms,
            attempts=row.attempts,
            error=row.error.removeprefix(REJECTED),
        )
        for row in connection.execute(query)
    ]


def count_rejected(connection: sa.Connection) -> int:
    """Return how many messages the ledger refused."""
    query = sa.select(sa.func.count()).select_from(schema.outbox).where(_is_rejected())
    return connection.scalar(query) or 0


def _is_rejected() -> sa.ColumnElement[bool]:
    table = schema.outbox
    return sa.and_(table.c.done_ms.is_not(None), table.c.error.startswith(REJECTED))


def drain(
    database: Database, case_system: CaseSystem, gate: GatePolicy, now_ms: int, limit: int = 500
) -> DrainReport:
    """Take up to `limit` waiting messages. One caller at a time; call again while `more`.

    Raises: StorageError if the database failed; what was done before is done.
    """
    report = DrainReport(more=True)
    while report.more and report.done + report.rejected + report.failed < limit:
        left = limit - report.done - report.rejected - report.failed
        report += _some(database, case_system, gate, now_ms, min(left, PER_TRANSACTION))
    return report


@retrying
def _some(
    database: Database, case_system: CaseSystem, gate: GatePolicy, now_ms: int, limit: int
) -> DrainReport:
    with database.read() as connection:  # most calls find nothing, and need no lock for it
        if not _waiting(connection, now_ms, 1):
            return DrainReport()
    with database.write() as connection:
        messages = _waiting(connection, now_ms, limit)
        blocked: set[str] = set()
        report = DrainReport()
        for message in messages:
            if message.key not in blocked:
                one = _one(connection, case_system, gate, message, now_ms)
                report += one
                if one.failed:
                    blocked.add(message.key)
    return report + DrainReport(more=len(messages) == limit)


def _waiting(
    connection: sa.Connection, now_ms: int, limit: int
) -> list[sa.Row[tuple[object, ...]]]:
    """Return the oldest messages that are due, without those behind one that is not."""
    table = schema.outbox
    waiting = table.c.done_ms.is_(None)
    later = sa.select(table.c.key).where(waiting, table.c.next_attempt_ms > now_ms)
    query = (
        sa.select(table)
        .where(waiting, table.c.topic.in_((RAISED, RETURNED, REFUTED)), table.c.key.not_in(later))
        .order_by(table.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def _one(
    connection: sa.Connection,
    case_system: CaseSystem,
    gate: GatePolicy,
    message: sa.Row[tuple[object, ...]],
    now_ms: int,
) -> DrainReport:
    """Deliver one message. Its effect and its mark stand or fall together."""
    try:
        with connection.begin_nested():
            _deliver(connection, case_system, gate, message, now_ms)
    except StorageError:
        raise
    except RejectedError as error:
        _mark(connection, message, done_ms=now_ms, error=f"{REJECTED}{error}")
        return DrainReport(rejected=1)
    except (GridwardenError, IntegrityError) as error:
        backoff_ms = min(FIRST_BACKOFF_MS << min(message.attempts, 20), LONGEST_BACKOFF_MS)
        _mark(connection, message, next_attempt_ms=now_ms + backoff_ms, error=str(error))
        return DrainReport(failed=1)
    _mark(connection, message, done_ms=now_ms, error="")
    return DrainReport(done=1)


def _deliver(
    connection: sa.Connection,
    case_system: CaseSystem,
    gate: GatePolicy,
    message: sa.Row[tuple[object, ...]],
    now_ms: int,
) -> None:
    if message.topic == RETURNED:
        case_system.returned(connection, message.key, now_ms)
        return
    if message.topic == REFUTED:
        note_refuted(connection, message.key, now_ms)
        return
    alert = alert_rows.load(connection, message.key)
    if alert.refuted_ms is not None:
        return
    device = device_of(connection, alert.device)
    decision = decide(alert.severity, alert.category, device, now_ms, gate)
    if decision.opens and not waiting.hold(connection, alert, decision, now_ms, gate):
        case_system.raised(connection, alert, decision, now_ms)


def device_of(connection: sa.Connection, device: str) -> Device:
    """Return a device as the gate knows it."""
    table = schema.devices
    row = connection.execute(sa.select(table).where(table.c.id == device)).one()
    return Device(
        id=row.id,
        kind=row.kind,
        asset=row.asset,
        owner=row.owner,
        tags=row.tags,
        period_s=row.period_s,
        latitude=row.latitude,
        longitude=row.longitude,
    )


def _mark(connection: sa.Connection, message: sa.Row[tuple[object, ...]], **values: object) -> None:
    table = schema.outbox
    connection.execute(
        sa.update(table)
        .where(table.c.id == message.id)
        .values(attempts=table.c.attempts + 1, **values)
    )
