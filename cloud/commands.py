"""Commands in the state database: asked by people, sent and answered by the commander.

Every function takes a connection, so that it lives in its caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

import msgspec
import sqlalchemy as sa

from cloud.core.commanding import ANSWERABLE, State, answered
from cloud.errors import InvalidError, NotFoundError
from cloud.state import schema
from cloud.state.ledger import audit
from cloud.state.upsert import upsert
from contract.commands import LONGEST_MS, Done, Order, Reply, What

GOOD_FOR_S = 60
LATE_MS = 60_000  # after it has expired, an answer may still be on its way
ACCEPTED_MS = 2 * 3_600_000  # a configuration may take an hour to prove itself
KEPT_MS = 90 * 86_400_000

_TABLE = schema.commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, and how it stands. done: what the gateway answered, in its parts' order."""

    id: str
    gateway: str
    do: str
    by: str
    created_ms: int
    expires_ms: int
    state: State
    reason: str
    done: tuple[Done, ...] = ()


def ask(
    connection: sa.Connection,
    gateway: str,
    what: What,
    *,
    by: str,
    now_ms: int,
    good_for_s: float = GOOD_FOR_S,
) -> str:
    """Have a command sent; return its id. What is older than 90 days is forgotten.

    Raises: NotFoundError if there is no such gateway; InvalidError if it is good for too long.
    """
    if connection.scalar(sa.select(schema.gateways.c.id).filter_by(id=gateway)) is None:
        raise NotFoundError(f"there is no gateway {gateway!r}")
    if not 1 <= good_for_s <= LONGEST_MS / 1000:
        raise InvalidError(f"good_for_s: {good_for_s:g}; allowed: 1 to {LONGEST_MS // 1000}")
    told = msgspec.to_builtins(what)
    command = token_hex(16)
    connection.execute(
        _TABLE.insert().values(
            id=command,
            gateway=gateway,
            do=told["do"],
            what=told,
            by=by,
            created_ms=now_ms,
            expires_ms=now_ms + round(good_for_s * 1000),
            state=State.WAITING.value,
            reason="",
            changed_ms=now_ms,
        )
    )
    _audit(connection, command, gateway, by, f"asked: {_spell(told)}", now_ms)
    _forget(connection, now_ms - KEPT_MS)
    return command


def waiting(connection: sa.Connection) -> Sequence[Order]:
    """Return the orders to be sent, the oldest first."""
    rows = connection.execute(
        sa.select(_TABLE).where(_TABLE.c.state == State.WAITING.value).order_by(_TABLE.c.created_ms)
    )
    return [
        Order(
            gateway=row.gateway,
            id=row.id,
            issued_ms=row.created_ms,
            expires_ms=row.expires_ms,
            what=msgspec.convert(row.what, What),
            by=row.by,
        )
        for row in rows
    ]


def settle(
    connection: sa.Connection, command: str, state: State, reason: str, *, now_ms: int
) -> None:
    """Note what became of a command; what is final goes to the audit."""
    connection.execute(
        _TABLE.update()
        .where(_TABLE.c.id == command)
        .values(state=state.value, reason=reason, changed_ms=now_ms)
    )
    if state.final:
        row = connection.execute(sa.select(_TABLE).where(_TABLE.c.id == command)).one()
        note = f"{state}: {reason}" if reason else state.value
        _audit(connection, command, row.gateway, row.gateway, note, now_ms)


def take_reply(connection: sa.Connection, gateway: str, reply: Reply, now_ms: int) -> bool:
    """Note a gateway's answer; return False if it is to nothing that was asked of it."""
    row = connection.execute(
        sa.select(_TABLE).where(_TABLE.c.id == reply.id, _TABLE.c.gateway == gateway)
    ).one_or_none()
    if row is None:
        return False
    state = State(row.state)
    if state not in ANSWERABLE or reply.repeated:
        return True
    if reply.done is not None:
        done = msgspec.to_builtins(reply.done)
        upsert(
            connection,
            schema.command_parts,
            {"command": row.id, "part": reply.part, "done": done},
        )
    parts = connection.scalar(
        sa.select(sa.func.count()).select_from(schema.command_parts).filter_by(command=row.id)
    )
    after = answered(state, reply, (parts or 0) if reply.parts > 1 else 1)
    if after is not state:
        settle(connection, row.id, after, reply.reason, now_ms=now_ms)
    return True


def give_up(connection: sa.Connection, now_ms: int) -> None:
    """Say of those that nobody has answered in time that nobody has."""
    late = sa.or_(
        sa.and_(_TABLE.c.state == State.SENT.value, _TABLE.c.expires_ms < now_ms - LATE_MS),
        sa.and_(_TABLE.c.state == State.ACCEPTED.value, _TABLE.c.changed_ms < now_ms - ACCEPTED_MS),
    )
    for command in connection.scalars(sa.select(_TABLE.c.id).where(late)).all():
        why = "the gateway has not said what became of it"
        settle(connection, command, State.UNANSWERED, why, now_ms=now_ms)


def one(connection: sa.Connection, gateway: str, command: str) -> Command:
    """Return a command with what was answered. Raises: NotFoundError."""
    row = connection.execute(
        sa.select(_TABLE).where(_TABLE.c.id == command, _TABLE.c.gateway == gateway)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no command {command!r} to gateway {gateway!r}")
    parts = schema.command_parts
    done = connection.scalars(
        sa.select(parts.c.done).where(parts.c.command == command).order_by(parts.c.part)
    )
    return _command(row, tuple(msgspec.convert(each, Done) for each in done))


def latest(connection: sa.Connection, gateway: str, limit: int) -> Sequence[Command]:
    """Return a gateway's commands without their answers, the newest first."""
    rows = connection.execute(
        sa.select(_TABLE)
        .where(_TABLE.c.gateway == gateway)
        .order_by(_TABLE.c.created_ms.desc(), _TABLE.c.id)
        .limit(limit)
    )
    return [_command(row) for row in rows]


def _command(row: sa.Row[tuple[object, ...]], done: tuple[Done, ...] = ()) -> Command:
    return Command(
        id=row.id,
        gateway=row.gateway,
        do=row.do,
        by=row.by,
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        state=State(row.state),
        reason=row.reason,
        done=done,
    )


def _audit(
    connection: sa.Connection, command: str, gateway: str, who: str, note: str, now_ms: int
) -> None:
    audit(
        connection,
        who=who,
        action="command",
        subject=f"{gateway}/{command}",
        note=note,
        at_ms=now_ms,
    )


def _spell(told: dict[str, object]) -> str:
    return " ".join(
        f"{len(str(value))} characters" if key == "yaml" else f"{key}={value}"
        for key, value in told.items()
    )


def _forget(connection: sa.Connection, before_ms: int) -> None:
    old = sa.select(_TABLE.c.id).where(_TABLE.c.created_ms < before_ms)
    parts = schema.command_parts
    connection.execute(parts.delete().where(parts.c.command.in_(old)))
    connection.execute(_TABLE.delete().where(_TABLE.c.created_ms < before_ms))
