"""What has come, what was given up, and what could not be taken: design.md §3's proof."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from cloud.state import schema
from cloud.state.upsert import upsert_all
from contract.codec import Rejected
from contract.intervals import IntervalSet
from contract.readings import Batch

DAY_MS = 86_400_000
SAMPLE_BYTES = 512
QUARANTINE_ROWS = 10_000
QUARANTINE_PER_MESSAGE = 20
EPOCHS_IN_MEMORY = 10_000


@dataclass(slots=True)
class _Epoch:
    """One epoch's numbers, and which rows of `epoch_intervals` are no longer as they are stored."""

    have: IntervalSet
    readings: int
    changed: dict[int, int] = field(default_factory=dict)  # first → last
    gone: set[int] = field(default_factory=set)  # first

    def add(self, first: int, last: int) -> None:
        for taken, _ in self.have.add(first, last):
            self.changed.pop(taken, None)
            self.gone.add(taken)
        first, last = self.have.interval_of(first)
        self.changed[first] = last
        self.gone.discard(first)


class BatchLedger:
    """The sets of committed batch numbers, kept in memory and saved in the caller's transaction.

    Memory holds the epochs that batches came of last; the others wait in the database.
    """

    def __init__(self, most_in_memory: int = EPOCHS_IN_MEMORY) -> None:
        self._most = most_in_memory
        self._epochs: OrderedDict[tuple[str, str], _Epoch] = OrderedDict()

    def load(self, connection: sa.Connection, gateway: str, epoch: str) -> IntervalSet:
        """Return the numbers of an epoch, read on first use."""
        key = gateway, epoch
        if key not in self._epochs:
            self._epochs[key] = _read(connection, gateway, epoch)
        self._epochs.move_to_end(key)
        return self._epochs[key].have

    def have(self, gateway: str, epoch: str) -> IntervalSet:
        """Return a set that load() has read since the last forget()."""
        return self._epochs[gateway, epoch].have

    def add(self, gateway: str, batch: Batch, readings: int) -> None:
        """Note a batch as come, and what it says was given up as never to come."""
        kept = self._epochs[gateway, batch.epoch]
        kept.add(batch.seq, batch.seq)
        for gap in batch.gaps:
            kept.add(gap.first_seq, gap.last_seq)
        kept.readings += readings

    def save(
        self, connection: sa.Connection, touched: Iterable[tuple[str, str]], now_ms: int
    ) -> None:
        """Write what changed of the sets: as much as came, however many holes they have."""
        rows, gone, changed = [], [], []
        for gateway, epoch in touched:
            kept = self._epochs[gateway, epoch]
            key = {"gateway": gateway, "epoch": epoch}
            rows.append({**key, "readings": kept.readings, "first_ms": now_ms, "last_ms": now_ms})
            gone += [{"gone_" + k: v for k, v in key.items()} | {"gone": n} for n in kept.gone]
            changed += [{**key, "first_seq": a, "last_seq": b} for a, b in kept.changed.items()]
            kept.gone.clear()
            kept.changed.clear()
        upsert_all(connection, schema.epochs, rows, keep=["first_ms"])
        if gone:
            connection.execute(_DELETE_INTERVAL, gone)
        upsert_all(connection, schema.epoch_intervals, changed)

    def forget(self) -> None:
        """Keep in memory only what came last; after the commit, when nothing is unsaved."""
        while len(self._epochs) > self._most:
            self._epochs.popitem(last=False)


_INTERVALS = schema.epoch_intervals
_DELETE_INTERVAL = _INTERVALS.delete().where(
    _INTERVALS.c.gateway == sa.bindparam("gone_gateway"),
    _INTERVALS.c.epoch == sa.bindparam("gone_epoch"),
    _INTERVALS.c.first_seq == sa.bindparam("gone"),
)


def _read(connection: sa.Connection, gateway: str, epoch: str) -> _Epoch:
    def of(table: sa.Table) -> sa.ColumnElement[bool]:
        return sa.and_(table.c.gateway == gateway, table.c.epoch == epoch)

    readings = connection.scalar(sa.select(schema.epochs.c.readings).where(of(schema.epochs)))
    rows = connection.execute(
        sa.select(_INTERVALS.c.first_seq, _INTERVALS.c.last_seq).where(of(_INTERVALS))
    )
    return _Epoch(IntervalSet((row.first_seq, row.last_seq) for row in rows), readings or 0)


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


def audit_again(
    connection: sa.Connection,
    *,
    who: str,
    action: str,
    subject: str,
    note: str,
    at_ms: int,
    times: int = 1,
) -> None:
    """Write down what may happen over and over: the same within a day is only counted."""
    table = schema.audit
    lately = sa.select(sa.func.max(table.c.id)).where(
        table.c.subject == subject,
        table.c.action == action,
        table.c.who == who,
        table.c.note == note,
        table.c.at_ms > at_ms - DAY_MS,
    )
    same = connection.scalar(lately)
    if same is None:
        row = {"who": who, "action": action, "subject": subject, "note": note}
        connection.execute(table.insert().values(**row, at_ms=at_ms, times=times))
        return
    connection.execute(
        table.update().where(table.c.id == same).values(times=table.c.times + times, last_ms=at_ms)
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
