"""What has come, what was given up, and what could not be taken: design.md §3's proof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from cloud.state import schema
from contract.codec import Rejected
from contract.intervals import IntervalSet
from contract.readings import Batch

SAMPLE_BYTES = 512
QUARANTINE_ROWS = 10_000
QUARANTINE_PER_MESSAGE = 20


class BatchLedger:
    """The sets of committed batch numbers, kept in memory and saved in the caller's transaction."""

    def __init__(self) -> None:
        self._have: dict[tuple[str, str], IntervalSet] = {}
        self._readings: dict[tuple[str, str], int] = {}

    def load(self, connection: sa.Connection, gateway: str, epoch: str) -> IntervalSet:
        """Return the numbers of an epoch, read on first use."""
        key = gateway, epoch
        if key not in self._have:
            table = schema.epochs
            row = connection.execute(
                sa.select(table.c.intervals, table.c.readings).where(
                    table.c.gateway == gateway, table.c.epoch == epoch
                )
            ).one_or_none()
            self._have[key] = (
                IntervalSet((a, b) for a, b in row.intervals) if row else IntervalSet()
            )
            self._readings[key] = row.readings if row else 0
        return self._have[key]

    def have(self, gateway: str, epoch: str) -> IntervalSet:
        """Return a set that load() has read."""
        return self._have[gateway, epoch]

    def add(self, gateway: str, batch: Batch, readings: int) -> None:
        """Note a batch as come, and what it says was given up as never to come."""
        have = self._have[gateway, batch.epoch]
        have.add(batch.seq)
        for gap in batch.gaps:
            have.add(gap.first_seq, gap.last_seq)
        self._readings[gateway, batch.epoch] += readings

    def save(
        self, connection: sa.Connection, touched: Iterable[tuple[str, str]], now_ms: int
    ) -> None:
        """Write the sets that changed."""
        for gateway, epoch in touched:
            row = {
                "gateway": gateway,
                "epoch": epoch,
                "intervals": [list(interval) for interval in self._have[gateway, epoch]],
                "readings": self._readings[gateway, epoch],
                "last_ms": now_ms,
            }
            table = schema.epochs
            changed = connection.execute(
                table.update()
                .where(table.c.gateway == gateway, table.c.epoch == epoch)
                .values(**row)
            ).rowcount
            if not changed:
                connection.execute(table.insert().values(**row, first_ms=now_ms))


def record_gaps(connection: sa.Connection, gateway: str, batch: Batch, now_ms: int) -> None:
    """Keep the gaps that a batch declares."""
    if batch.gaps:
        connection.execute(
            schema.gaps.insert(),
            [
                {
                    "gateway": gateway,
                    "epoch": batch.epoch,
                    "first_seq": gap.first_seq,
                    "last_seq": gap.last_seq,
                    "first_ms": gap.first_ms,
                    "last_ms": gap.last_ms,
                    "readings": gap.readings,
                    "reason": gap.reason[:500],
                    "recorded_ms": now_ms,
                }
                for gap in batch.gaps
            ],
        )


def quarantine(
    connection: sa.Connection, topic: str, payload: bytes, reason: str, now_ms: int
) -> None:
    """Keep the beginning of a message that could not be read, and why."""
    _keep(connection, topic, payload, [Rejected(-1, "", reason)], now_ms)


def quarantine_records(
    connection: sa.Connection,
    topic: str,
    payload: bytes,
    rejected: Sequence[Rejected],
    now_ms: int,
) -> None:
    """Keep the first of a batch's records that were set aside; all are counted elsewhere."""
    if rejected:
        _keep(connection, topic, payload, rejected[:QUARANTINE_PER_MESSAGE], now_ms)


def audit(
    connection: sa.Connection, *, who: str, action: str, subject: str, note: str, at_ms: int
) -> None:
    """Write down who did or tried what."""
    connection.execute(
        schema.audit.insert().values(
            at_ms=at_ms, who=who, action=action, subject=subject, note=note
        )
    )


def _keep(
    connection: sa.Connection,
    topic: str,
    payload: bytes,
    rejected: Sequence[Rejected],
    now_ms: int,
) -> None:
    table = schema.quarantine
    parts = topic.split("/")
    connection.execute(
        table.insert(),
        [
            {
                "received_ms": now_ms,
                "gateway": parts[3][:63] if len(parts) > 3 else "",
                "topic": topic[:500],
                "record": one.index if one.index >= 0 else None,
                "name": one.name[:200],
                "reason": one.reason[:500],
                "sample": payload[:SAMPLE_BYTES],
            }
            for one in rejected
        ],
    )
    newest = connection.scalar(sa.select(sa.func.max(table.c.id))) or 0
    connection.execute(table.delete().where(table.c.id <= newest - QUARANTINE_ROWS))
