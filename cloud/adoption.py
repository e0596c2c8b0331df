"""What people decide about devices that wait. Intake does it within a second, or when it runs."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from cloud.core.waiting import UNKNOWN_PERIOD_S, State, guess_kind, may_decide
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.state import ledger, schema
from contract.messages import DeviceBirth
from contract.quantities import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """A device of the inbox. sender: its gateway, or "" where it spoke for itself.

    readings: that wait; dropped: that there was no room for, or too old. kind: "" if unknown.
    """

    device: str
    sender: str
    state: State
    first_ms: int
    last_ms: int
    readings: int
    dropped: int
    measurements: tuple[str, ...]
    kind: str
    told: DeviceBirth | None
    decided_by: str
    decided_ms: int | None


def waiters(connection: sa.Connection, *, with_refused: bool = True) -> list[Waiter]:
    """Return who waits or was refused, the latest to speak first."""
    table = schema.inbox
    query = sa.select(table).order_by(table.c.last_ms.desc(), table.c.device)
    if not with_refused:
        query = query.where(table.c.state != State.REFUSED.value)
    return [_waiter(row) for row in connection.execute(query)]


def adopt(
    connection: sa.Connection,
    device: str,
    *,
    by: str,
    now_ms: int,
    sender: str | None = None,
    kind: str = "",
    name: str = "",
    period_s: float | None = None,
) -> Waiter:
    """Let a device in: what it said goes into the store, and what it says from now on.

    Args:   sender: which, if several brought it. What is left out is what its birth said of it,
            or is guessed from what it measures.
    Raises: NotFoundError; ConflictError if its state does not allow it; InvalidError if it must
            be said who brought it, or what kind it is.
    """
    found = _find(connection, device, sender, adopt=True)
    kind = kind or found.kind
    if kind not in list(Kind):
        raise InvalidError(
            f"kind of {device}: {kind or 'not clear from what it measures'!r};"
            f" allowed: {', '.join(Kind)}"
        )
    if period_s is not None and not 0 < period_s <= 10_000_000:
        raise InvalidError(f"period of {device}: {period_s} s; allowed: above 0, to 10,000,000")
    told = found.told or DeviceBirth(
        id=device, kind=kind, profile="", period_s=period_s or UNKNOWN_PERIOD_S, measurements=()
    )
    told = msgspec.structs.replace(
        told, kind=kind, name=name or told.name, period_s=period_s or told.period_s
    )
    _decide(connection, found, State.ADOPTING, "device.adopted", by, now_ms, told)
    return found


def refuse(
    connection: sa.Connection, device: str, *, by: str, now_ms: int, sender: str | None = None
) -> Waiter:
    """Keep a device out: what it said is dropped, and what it says from now on is rejected.

    Raises: as adopt().
    """
    found = _find(connection, device, sender, adopt=False)
    _decide(connection, found, State.REFUSING, "device.refused", by, now_ms, found.told)
    return found


def _find(connection: sa.Connection, device: str, sender: str | None, *, adopt: bool) -> Waiter:
    table = schema.inbox
    query = sa.select(table).where(table.c.device == device).order_by(table.c.sender)
    if sender is not None:
        query = query.where(table.c.sender == sender)
    found = [_waiter(row) for row in connection.execute(query)]
    if not found:
        raise NotFoundError(f"no device {device!r} waits in the inbox")
    if len(found) > 1:
        senders = ", ".join(each.sender or "itself" for each in found)
        raise InvalidError(f"{device} was brought by several: {senders}; say by which it is meant")
    (only,) = found
    if not may_decide(only.state, adopt=adopt):
        raise ConflictError(f"{device} is {only.state} already")
    return only


def _decide(
    connection: sa.Connection,
    found: Waiter,
    state: State,
    action: str,
    by: str,
    now_ms: int,
    told: DeviceBirth | None,
) -> None:
    table = schema.inbox
    connection.execute(
        table.update()
        .where(table.c.device == found.device, table.c.sender == found.sender)
        .values(
            state=state.value,
            told=msgspec.to_builtins(told) if told else None,
            decided_ms=now_ms,
            decided_by=by,
        )
    )
    note = f"{found.readings} readings waited, brought by {found.sender or 'itself'}"
    ledger.audit(connection, who=by, action=action, subject=found.device, note=note, at_ms=now_ms)


def _waiter(row: sa.Row[tuple[object, ...]]) -> Waiter:
    told = msgspec.convert(row.told, DeviceBirth) if row.told else None
    return Waiter(
        device=row.device,
        sender=row.sender,
        state=State(row.state),
        first_ms=row.first_ms,
        last_ms=row.last_ms,
        readings=row.readings,
        dropped=row.dropped,
        measurements=tuple(row.measurements),
        kind=told.kind if told else (guess_kind(row.measurements) or ""),
        told=told,
        decided_by=row.decided_by,
        decided_ms=row.decided_ms,
    )
