"""The buffer file: batches on disk, in SQLite, until the cloud has them.

One connection, used by one thread, both writes and checkpoints: SQLite before 3.51.3 may corrupt a
WAL database that two connections reset. Every change is one transaction, synchronous=FULL.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Container, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from contract.codec import decode_batch, encode_batch
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.readings import Batch, Gap, Reading
from edge.core.gaps import merge_gaps
from edge.core.heard import REMEMBERED
from edge.ports import Held, Loss, Stored

log = logging.getLogger(__name__)

MAX_READINGS = 1_000
# What a row costs in the file beside its payload, about.
ROW_BYTES = 64
# When full, a part in so many is cleared at once.
SPARE = 64
# A larger file is not read through at the start, which may take a minute on flash; SQLite finds
# damage when it meets it.
CHECKED_BYTES = 64_000_000
FAR_MS = 2**62
# Gap records are joined up to this size; beyond it a new one is begun.
MAX_GAPS = 500

NORMAL, URGENT = 0, 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    next_seq INTEGER NOT NULL,
    published_readings INTEGER NOT NULL,
    published_batches INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY,
    priority INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS heard (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS by_priority ON batches (priority DESC, seq);
"""
WAITING = "SELECT seq, priority, readings, payload FROM batches ORDER BY priority DESC, seq"
DELETE = "DELETE FROM batches WHERE seq BETWEEN ? AND ? RETURNING readings, bytes"
OLDEST = (
    "SELECT seq, first_ms, last_ms, readings, bytes FROM batches"
    " WHERE readings > 0 AND seq < ? ORDER BY seq"
)
INSERT = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)"
FORGET = "DELETE FROM heard WHERE id <= (SELECT max(id) FROM heard) - ?"
FIGURES = """
SELECT epoch, published_readings, published_batches,
       (SELECT count(*) FROM batches), (SELECT coalesce(sum(readings), 0) FROM batches),
       (SELECT coalesce(sum(bytes), 0) FROM batches), (SELECT min(first_ms) FROM batches)
FROM meta
"""


COUNTERS = """
SELECT published_readings, published_batches, (SELECT first_ms FROM batches ORDER BY seq LIMIT 1)
FROM meta
"""


class Count(NamedTuple):
    """How much is held: batches, their readings, their size in bytes."""

    batches: int
    readings: int
    size: int

    def plus(self, batches: int, readings: int, size: int) -> Count:
        """Return the sum."""
        return Count(self.batches + batches, self.readings + readings, self.size + size)


class CorruptError(StorageError):
    """The file is no buffer, or a damaged one; it must be set aside."""


class SqliteStore:
    """The store port over one SQLite file. Use from one thread only."""

    def __init__(self, path: Path, *, max_bytes: int, max_age_ms: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_age_ms = max_age_ms
        self._acked = IntervalSet()
        with _translated():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with _translated():
                self._prepare()
        except StorageError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=4194304"):
            self._db.execute(f"PRAGMA {pragma}")
        if self._path.stat().st_size <= CHECKED_BYTES:
            (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise CorruptError(f"{self._path}: {verdict}")
        self._db.executescript(SCHEMA)
        self._db.execute(
            "INSERT OR IGNORE INTO meta VALUES (1, ?, 1, 0, 0)", (secrets.token_hex(8),)
        )
        (self.epoch,) = self._db.execute("SELECT epoch FROM meta").fetchone()
        held = _held(self._db, self._max_bytes)
        self._count = Count(held.held_batches, held.held_readings, held.held_bytes)

    def commit(
        self,
        urgent: Sequence[Reading],
        normal: Sequence[Reading],
        now_ms: int,
        loss: Loss | None,
        heard: Sequence[bytes] = (),
    ) -> list[Stored]:
        """Put readings on disk as batches, urgent ones first; see edge.ports.Store."""
        with self._transaction():
            self._delete_acknowledged()
            self._remember(heard)
            if loss is not None:
                self._record_loss(loss)
            batches = [
                self._insert(part, priority)
                for readings, priority in ((urgent, URGENT), (normal, NORMAL))
                for part in _parts(readings)
            ]
            if batches:
                batches += self._enforce_bounds(now_ms, batches[0].seq)
        return batches

    def acknowledge(self, numbers: IntervalSet) -> None:
        """Remember what the cloud has; deleted within the next transaction."""
        for first, last in numbers:
            self._acked.add(first, last)

    def waiting(self, excluded: Container[int], limit: int) -> list[Stored]:
        """Return held batches to be sent, urgent ones first, then the oldest."""
        found: list[Stored] = []
        with _translated():
            # Read row by row: what is excluded stands at the front, and is few.
            for seq, priority, readings, payload in self._db.execute(WAITING):
                if seq not in excluded and seq not in self._acked:
                    found.append(Stored(seq, priority == URGENT, readings, payload))
                    if len(found) == limit:
                        break
        return found

    def heard(self) -> list[bytes]:
        """Return the keys of messages that were committed, oldest first."""
        with _translated():
            return [key for (key,) in self._db.execute("SELECT key FROM heard ORDER BY id")]

    def figures(self) -> Held:
        """Return what is held, and the counters, without counting rows."""
        with _translated():
            readings, batches, oldest_ms = self._db.execute(COUNTERS).fetchone()
        return Held(
            self.epoch,
            readings,
            batches,
            self._count.batches,
            self._count.readings,
            self._count.size,
            oldest_ms,
            self._max_bytes,
        )

    def close(self) -> None:
        """Delete what is acknowledged, checkpoint, and close."""
        try:
            with self._transaction():
                self._delete_acknowledged()
        finally:
            with _translated():
                self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        acked, count = IntervalSet(self._acked), self._count
        with _translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._acked, self._count = acked, count
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _delete_acknowledged(self) -> None:
        for first, last in self._acked:
            self._delete(first, last)
        self._acked = IntervalSet()

    def _remember(self, heard: Sequence[bytes]) -> None:
        if heard:
            self._db.executemany("INSERT INTO heard (key) VALUES (?)", [(key,) for key in heard])
            self._db.execute(FORGET, (REMEMBERED,))

    def _delete(self, first_seq: int, last_seq: int) -> None:
        for readings, size in self._db.execute(DELETE, (first_seq, last_seq)).fetchall():
            self._count = self._count.plus(-1, -readings, -size)

    def _next_seq(self) -> int:
        row = self._db.execute(
            "UPDATE meta SET next_seq = next_seq + 1 RETURNING next_seq - 1"
        ).fetchone()
        return int(row[0])

    def _insert(self, readings: Sequence[Reading], priority: int) -> Stored:
        batch = Batch(epoch=self.epoch, seq=self._next_seq(), readings=tuple(readings))
        first_ms = min(reading.observed_ms for reading in readings)
        last_ms = max(reading.observed_ms for reading in readings)
        return self._write(batch, priority, first_ms, last_ms)

    def _write(self, batch: Batch, priority: int, first_ms: int, last_ms: int) -> Stored:
        payload = encode_batch(batch)
        size, n = len(payload) + ROW_BYTES, len(batch.readings)
        self._db.execute(INSERT, (batch.seq, priority, first_ms, last_ms, n, size, payload))
        self._db.execute(
            "UPDATE meta SET published_readings = published_readings + ?,"
            " published_batches = published_batches + 1",
            (n,),
        )
        self._count = self._count.plus(1, n, size)
        return Stored(batch.seq, priority == URGENT, n, payload)

    def _enforce_bounds(self, now_ms: int, first_new: int) -> list[Stored]:
        """Give up the oldest batches beyond the bounds, never the new, and say so in a gap."""
        gaps = self._drop("too old", last_ms_below=now_ms - self._max_age_ms, below=first_new)
        if self._count.size > self._max_bytes:
            # Somewhat more than needed: one gap record for many, not one for each.
            surplus = self._count.size - self._max_bytes + self._max_bytes // SPARE
            gaps += self._drop("buffer full", surplus=surplus, below=first_new)
        return [self._write_gaps(gaps)] if gaps else []

    def _drop(
        self, reason: str, *, below: int, last_ms_below: int = FAR_MS, surplus: int = FAR_MS
    ) -> list[Gap]:
        """Delete the oldest batches until `surplus` bytes are free; return what that loses."""
        gaps: list[Gap] = []
        for seq, first_ms, last_ms, readings, size in self._db.execute(OLDEST, (below,)):
            if surplus <= 0 or last_ms >= last_ms_below:
                break
            surplus -= size
            gaps.append(_gap(seq, first_ms, last_ms, readings, reason))
        for gap in merge_gaps(gaps):
            self._delete(gap.first_seq, gap.last_seq)
        return gaps

    def _write_gaps(self, gaps: list[Gap]) -> Stored:
        """Write one gap record, taking in those still held: they must not fill the buffer."""
        held = self._db.execute("SELECT seq, payload FROM batches WHERE readings = 0").fetchall()
        old = [gap for _, payload in held for gap in decode_batch(payload).batch.gaps]
        replaced = [_gap(seq, old[0].first_ms, old[0].last_ms, 0, old[0].reason) for seq, _ in held]
        joined = merge_gaps([*gaps, *old, *replaced])
        if len(joined) > MAX_GAPS:
            joined = merge_gaps(gaps)
        else:
            for seq, _ in held:
                self._delete(seq, seq)
        first_ms = min(gap.first_ms for gap in joined)
        last_ms = max(gap.last_ms for gap in joined)
        batch = Batch(epoch=self.epoch, seq=self._next_seq(), readings=(), gaps=tuple(joined))
        return self._write(batch, NORMAL, first_ms, last_ms)

    def _record_loss(self, loss: Loss) -> None:
        """Give readings that never reached the disk a number, so that their hole can be named."""
        seq = self._next_seq()
        self._write_gaps([_gap(seq, loss.first_ms, loss.last_ms, loss.readings, loss.reason)])


def open_store(path: Path, *, max_bytes: int, max_age_ms: int, fresh: bool) -> SqliteStore:
    """Open a buffer file; a damaged one is set aside, and a new one begun.

    Raises: StorageError if the disk will not have it.
    """
    if fresh:
        set_aside(path)
    try:
        return SqliteStore(path, max_bytes=max_bytes, max_age_ms=max_age_ms)
    except CorruptError as error:
        log.error("%s is damaged: %s", path, error)
        set_aside(path)
    return SqliteStore(path, max_bytes=max_bytes, max_age_ms=max_age_ms)


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that a person may look at it.

    Raises: StorageError.
    """
    for number in range(1, 1_000):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            break
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise StorageError(f"{path}: cannot be set aside: {error}") from error
    log.error("the damaged buffer was set aside as %s; its readings are lost here", aside)


def read_figures(path: Path, max_bytes: int) -> Held:
    """Look into a buffer file, also while its agent runs: read-only, never checkpointing.

    Raises: StorageError if there is no such file, or it is no buffer.
    """
    with (
        _translated(),
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db,
    ):
        return _held(db, max_bytes)


def _held(db: sqlite3.Connection, max_bytes: int) -> Held:
    row = db.execute(FIGURES).fetchone()
    return Held(*(*row, max_bytes))


def _gap(seq: int, first_ms: int, last_ms: int, readings: int, reason: str) -> Gap:
    return Gap(
        first_seq=seq,
        last_seq=seq,
        first_ms=first_ms,
        last_ms=last_ms,
        readings=readings,
        reason=reason,
    )


def _parts(readings: Sequence[Reading]) -> list[Sequence[Reading]]:
    return [readings[i : i + MAX_READINGS] for i in range(0, len(readings), MAX_READINGS)]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        )
        raise (CorruptError if damaged else StorageError)(str(error)) from error
