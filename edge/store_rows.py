"""The batches in an open buffer file, within a transaction that is the caller's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from contract.codec import decode_batch, encode_batch
from contract.readings import Batch, Gap, Reading
from edge.core.clock_trust import Doubt, shifted
from edge.core.gaps import merge_gaps
from edge.ports import Stored

# What a row costs in the file beside its payload, about.
ROW_BYTES = 64
MAX_READINGS = 1_000
# Of one gap record: so many numbers may be missing at the cloud until the batches between come.
MAX_GAPS = 500

NORMAL, URGENT = 0, 1


class Time(IntEnum):
    """How sure a batch's times are."""

    SURE = 0
    HELD = 1  # kept back until they are known
    UNSURE = 2  # for good, and flagged


INSERT = (
    "INSERT INTO batches (seq, priority, first_ms, last_ms, readings, bytes, payload, place, doubt,"
    " boot, offset_ms, floor_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
REWRITE = (
    "UPDATE batches SET first_ms = ?, last_ms = ?, readings = ?, bytes = ?, payload = ?,"
    " thinned = thinned + ?, doubt = ? WHERE seq = ?"
)
DELETE = "DELETE FROM batches WHERE seq BETWEEN ? AND ? RETURNING readings, bytes"
PUBLISHED = (
    "UPDATE meta SET published_readings = published_readings + ?,"
    " published_batches = published_batches + 1, sure_ms = max(sure_ms, ?)"
)
GAP_RECORDS = "SELECT seq, payload FROM batches WHERE readings = 0"


class Count(NamedTuple):
    """How much is held: batches, their readings, their size in bytes."""

    batches: int
    readings: int
    size: int

    def plus(self, batches: int, readings: int, size: int) -> Count:
        """Return the sum."""
        return Count(self.batches + batches, self.readings + readings, self.size + size)


class Row(NamedTuple):
    """What is known of a batch without reading it."""

    seq: int
    priority: int
    first_ms: int
    last_ms: int
    readings: int
    size: int
    thinned: int
    doubt: int


ROW = "SELECT seq, priority, first_ms, last_ms, readings, bytes, thinned, doubt FROM batches"


class Rows:
    """Numbers, writes, rewrites and deletes batches, and counts what is held."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        (self.epoch,) = db.execute("SELECT epoch FROM meta").fetchone()
        self.count = Count(
            *db.execute(
                "SELECT count(*), coalesce(sum(readings), 0), coalesce(sum(bytes), 0) FROM batches"
            ).fetchone()
        )
        self.written = 0  # bytes, ever

    def next_seq(self) -> int:
        """Return a number that was never used."""
        row = self.db.execute(
            "UPDATE meta SET next_seq = next_seq + 1 RETURNING next_seq - 1"
        ).fetchone()
        return int(row[0])

    def insert(
        self, readings: Sequence[Reading], priority: int, time: Time, doubt: Doubt | None
    ) -> Stored:
        """Commit readings as a new batch."""
        if time is Time.UNSURE:
            readings = [shifted(reading, 0, unsure=True) for reading in readings]
        batch = Batch(
            epoch=self.epoch,
            seq=self.next_seq(),
            readings=tuple(readings),
            clock_synchronised=time is Time.SURE,
        )
        return self._write(batch, priority, span(readings), 0, time, doubt)

    def write_gaps(self, gaps: Iterable[Gap]) -> list[Stored]:
        """Write gap records, taking in those still held: they must not fill the buffer."""
        gaps = list(gaps)
        if not gaps:
            return []
        held = self.db.execute(GAP_RECORDS).fetchall()
        for seq, payload in held:
            old = decode_batch(payload).batch.gaps
            gaps += old
            gaps.append(gap(seq, (old[0].first_ms, old[0].last_ms), 0, old[0].reason))
            self.delete(seq, seq)
        joined = merge_gaps(gaps)
        return [
            self._write_gap_record(joined[at : at + MAX_GAPS])
            for at in range(0, len(joined), MAX_GAPS)
        ]

    def _write_gap_record(self, gaps: Sequence[Gap]) -> Stored:
        batch = Batch(epoch=self.epoch, seq=self.next_seq(), readings=(), gaps=tuple(gaps))
        times = min(one.first_ms for one in gaps), max(one.last_ms for one in gaps)
        return self._write(batch, NORMAL, times, gaps[0].first_seq, Time.SURE, None)

    def _write(
        self,
        batch: Batch,
        priority: int,
        times: tuple[int, int],
        place: int,
        time: Time,
        doubt: Doubt | None,
    ) -> Stored:
        payload = encode_batch(batch)
        size, n = len(payload) + ROW_BYTES, len(batch.readings)
        rests = (doubt.boot, doubt.offset_ms, doubt.floor_ms) if doubt else ("", 0, 0)
        row = (batch.seq, priority, *times, n, size, payload, place, int(time), *rests)
        self.db.execute(INSERT, row)
        self.db.execute(PUBLISHED, (n, times[1] if n and time is Time.SURE else 0))
        self.count = self.count.plus(1, n, size)
        self.written += size
        return Stored(batch.seq, priority == URGENT, n, payload)

    def read(self, seq: int) -> Batch:
        """Return a batch that is there."""
        (payload,) = self.db.execute("SELECT payload FROM batches WHERE seq = ?", (seq,)).fetchone()
        return decode_batch(payload).batch

    def rewrite(self, row: Row, batch: Batch, time: Time) -> None:
        """Put a batch in the place of that of the same number."""
        payload = encode_batch(batch)
        size, n = len(payload) + ROW_BYTES, len(batch.readings)
        fewer = row.readings - n
        values = (*span(batch.readings), n, size, payload, fewer, int(time), row.seq)
        self.db.execute(REWRITE, values)
        self.count = self.count.plus(0, -fewer, size - row.size)

    def delete(self, first_seq: int, last_seq: int) -> None:
        """Forget the batches between, inclusive."""
        for readings, size in self.db.execute(DELETE, (first_seq, last_seq)).fetchall():
            self.count = self.count.plus(-1, -readings, -size)

    def each(self, condition: str, *values: int | str) -> Iterator[Row]:
        """Yield rows; the condition is SQL after WHERE."""
        return map(Row._make, self.db.execute(f"{ROW} WHERE {condition}", values))


def span(readings: Sequence[Reading]) -> tuple[int, int]:
    """Return the first and the last time."""
    times = [reading.observed_ms for reading in readings]
    return min(times), max(times)


def gap(seq: int, times: tuple[int, int], readings: int, reason: str) -> Gap:
    """Return the gap of one number."""
    return Gap(
        first_seq=seq,
        last_seq=seq,
        first_ms=times[0],
        last_ms=times[1],
        readings=readings,
        reason=reason,
    )


def parts(readings: Sequence[Reading]) -> list[Sequence[Reading]]:
    """Cut readings into batches."""
    return [readings[i : i + MAX_READINGS] for i in range(0, len(readings), MAX_READINGS)]
