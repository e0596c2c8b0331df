"""One channel's messages handed over, one at a time, each attempt written down.

A message is marked after it was taken: a kill -9 between the two sends that one again, with the
same key, and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import sqlalchemy as sa

from cloud.core.channel_life import is_dead
from cloud.core.telling import backoff_ms
from cloud.notify import messages
from cloud.notify.policy import Policy
from cloud.notify.rows import Fate
from cloud.ports import Notice, NotifyChannel, ProbedChannel
from cloud.state import schema
from cloud.state.database import Database, retrying
from contract.clock import Clock
from contract.errors import RejectedError, TransportError

Row: TypeAlias = sa.Row[tuple[object, ...]]
MOST_WORDS = 500  # of an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt went. error: "" if it was taken; final: refused for good."""

    at_ms: int
    took_ms: int
    error: str = ""
    final: bool = False


class Courier:
    """One a channel. Raises: StorageError from step(); what was being sent may be sent again."""

    def __init__(
        self, database: Database, name: str, channel: NotifyChannel, policy: Policy, clock: Clock
    ) -> None:
        self.name = name
        self._database = database
        self._channel = channel
        self._policy = policy
        self._clock = clock
        self._probe_ms = 0

    def step(self) -> bool:
        """Send one message that is due; return whether there was one."""
        with self._database.read() as connection:
            row = self._next(connection, self._clock.now_ms())
        if row is None:
            self._probe()
            return False
        attempt = self._try(row)
        self._settle(row, attempt)
        return True

    @retrying
    def _settle(self, row: Row, attempt: Attempt) -> None:
        # What is sent and not marked would be sent again.
        with self._database.write() as connection:
            self._mark(connection, row, attempt)

    def _probe(self) -> None:
        """Try the channel without a message, when it is time and nothing is to be sent.

        That it can be reached brings no dead channel back: a message that is taken does.
        """
        now_ms, channel = self._clock.now_ms(), self._channel
        if not self._policy.probe_ms or now_ms < self._probe_ms:
            return
        if not isinstance(channel, ProbedChannel):
            return
        error, at_ms = "", now_ms
        try:
            channel.probe()
        except (TransportError, RejectedError) as failure:
            error = str(failure) or type(failure).__name__
        table, now_ms = schema.notify_channels, self._clock.now_ms()
        with self._database.write() as connection:
            row = connection.execute(sa.select(table).where(table.c.name == self.name)).one()
            if error:
                attempt = Attempt(at_ms=at_ms, took_ms=now_ms - at_ms, error=error[:MOST_WORDS])
                self._mark_channel(connection, attempt, now_ms)
            elif row.dead_ms is None and not self._fails(connection):
                self._mark_channel(connection, Attempt(at_ms=at_ms, took_ms=0), now_ms)
        wait_ms = backoff_ms(row.failures + 1) if error else self._policy.probe_ms
        self._probe_ms = now_ms + min(wait_ms, self._policy.probe_ms)

    def _fails(self, connection: sa.Connection) -> bool:
        """Whether a message waits that the channel has not taken."""
        table = schema.notifications
        waiting = sa.select(table.c.id).where(
            table.c.channel == self.name,
            table.c.state == Fate.WAITING.value,
            table.c.attempts > 0,
        )
        return connection.execute(waiting.limit(1)).first() is not None

    def _next(self, connection: sa.Connection, now_ms: int) -> Row | None:
        """Return the oldest that is due and behind no other of its alert to the same person."""
        table, channels = schema.notifications, schema.notify_channels
        rests = sa.select(channels.c.next_ms).where(channels.c.name == self.name)
        if (connection.scalar(rests) or 0) > now_ms:
            return None
        before = table.alias("before")
        waiting = Fate.WAITING.value
        ahead = sa.exists().where(
            before.c.alert == table.c.alert,
            before.c.person == table.c.person,
            before.c.channel == table.c.channel,
            before.c.address == table.c.address,
            before.c.state == waiting,
            before.c.id < table.c.id,
        )
        return connection.execute(
            sa.select(table)
            .where(
                table.c.channel == self.name,
                table.c.state == waiting,
                table.c.hold == "",
                table.c.next_ms <= now_ms,
                sa.or_(table.c.alert == "", ~ahead),
            )
            .order_by(table.c.next_ms, table.c.id)
            .limit(1)
        ).one_or_none()

    def _try(self, row: Row) -> Attempt:
        at_ms, began_s = self._clock.now_ms(), self._clock.monotonic_s()
        error, final = "", False
        try:
            self._channel.send(notice_of(row, self._policy.base_url))
        except TransportError as failure:
            error = str(failure) or type(failure).__name__
        except RejectedError as refusal:
            error, final = str(refusal) or "refused", True
        took_ms = round((self._clock.monotonic_s() - began_s) * 1000)
        return Attempt(at_ms=at_ms, took_ms=took_ms, error=error[:MOST_WORDS], final=final)

    def _mark(self, connection: sa.Connection, row: Row, attempt: Attempt) -> None:
        table, now_ms = schema.notifications, self._clock.now_ms()
        line = {"notification": row.id, "channel": self.name, "at_ms": attempt.at_ms}
        connection.execute(
            sa.insert(schema.notify_attempts).values(
                **line, took_ms=attempt.took_ms, error=attempt.error
            )
        )
        attempts = row.attempts + 1
        values: dict[str, object] = {"attempts": attempts, "error": attempt.error}
        if not attempt.error:
            values |= {"state": Fate.SENT.value, "done_ms": now_ms}
        elif attempt.final:
            values |= {"state": Fate.REFUSED.value, "done_ms": now_ms}
        elif now_ms - row.created_ms > self._policy.give_up_ms:
            values |= {"state": Fate.GIVEN_UP.value, "done_ms": now_ms}
        else:
            values |= {"next_ms": now_ms + backoff_ms(attempts)}
        if values.get("state") in (Fate.REFUSED.value, Fate.GIVEN_UP.value):
            values |= {"followed": False}
        connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
        self._mark_channel(connection, attempt, now_ms)

    def _mark_channel(self, connection: sa.Connection, attempt: Attempt, now_ms: int) -> None:
        """A refusal is of one message; what cannot be reached often, or for long, is dead."""
        table = schema.notify_channels
        mine = table.c.name == self.name
        values: dict[str, object] = {
            "failures": 0,
            "failing_ms": None,
            "ok_ms": now_ms,
            "dead_ms": None,
            "next_ms": 0,
        }
        if attempt.error and not attempt.final:
            row = connection.execute(sa.select(table).where(mine)).one()
            failures = row.failures + 1
            since_ms = now_ms if row.failing_ms is None else row.failing_ms
            values = {"failures": failures, "failed_ms": now_ms, "error": attempt.error}
            values["failing_ms"] = since_ms
            if row.dead_ms or is_dead(failures, now_ms - since_ms, self._policy.dead):
                values["dead_ms"] = row.dead_ms or now_ms
                values["next_ms"] = now_ms + backoff_ms(failures)
        connection.execute(sa.update(table).where(mine).values(**values))


def notice_of(row: Row, base_url: str) -> Notice:
    """Return what goes over the wire."""
    return Notice(
        key=row.key,
        to=row.address,
        language=row.language,
        subject=row.subject,
        body=row.body,
        short=row.short,
        what=row.what,
        severity=row.severity,
        alert=row.alert,
        case=row.case,
        link=messages.link(base_url, row.alert, row.case),
    )
