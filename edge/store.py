"""The buffer file: batches on disk, in SQLite, until the cloud has them.

One connection, used by one thread, both writes and checkpoints: SQLite before 3.51.3 may corrupt a
WAL database that two connections reset. Every change is one transaction, synchronous=FULL.
"""

from __future__ import annotations

import heapq
import logging
import sqlite3
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.quantities import Kind
from contract.readings import Gap, Reading
from edge.core.clock_trust import Doubt
from edge.core.heard import REMEMBERED
from edge.core.thinning import URGENT_KINDS, Step, ladder
from edge.ports import Held, Loss, Stored
from edge.reserve import Reserve
from edge.set_aside import set_aside
from edge.store_bounds import Bounds
from edge.store_rows import NORMAL, URGENT, Rows, Time, gap, parts
from edge.store_salvage import Salvage
from edge.store_schema import CorruptError, DiskFullError, prepare, translated
from edge.store_times import Times

log = logging.getLogger(__name__)

# A larger file is not read through at the start, which may take a minute on flash; SQLite finds
# damage when it meets it.
CHECKED_BYTES = 64_000_000
# The rate is told anew after such a stretch, the first time sooner.
RATE_S, FIRST_RATE_S = 60.0, 5.0
# Of the write-ahead log, before it is written back; less on a full disk.
LOG_PAGES, CRAMPED_PAGES = 250, 20
PARTS = 8  # on a full disk, an eighth of what is held is given up, or two, until the rest fits
RESERVE_S = 5.0  # between two tries to keep room on the disk again
KEEP_NONE = ladder((), URGENT_KINDS, ())

BATCHES = "SELECT seq, seq FROM batches WHERE readings > 0 AND doubt <> 1 ORDER BY seq"
GAP_RECORDS = "SELECT place, seq FROM batches WHERE readings = 0 ORDER BY place, seq"
LATEST_URGENT = "SELECT seq FROM batches WHERE priority = 1 AND doubt <> 1 ORDER BY seq DESC"
FORGET = "DELETE FROM heard WHERE id <= (SELECT max(id) FROM heard) - ?"
STORED = "SELECT seq, priority = 1, readings, payload FROM batches WHERE seq = ?"
COUNTERS = """
SELECT published_readings, published_batches, next_seq, bytes_per_s,
       (SELECT first_ms FROM batches ORDER BY seq LIMIT 1)
FROM meta
"""


class SqliteStore:
    """The store port over one SQLite file. Use from one thread only.

    steps: what is given up when it is full. kinds: of the devices, by their id.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        max_age_ms: int,
        steps: Sequence[Step] = KEEP_NONE,
        kinds: Mapping[str, Kind] | None = None,
        reserve: Reserve | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._reserve = reserve or Reserve(path, 0)
        self._acked = IntervalSet()
        self._monotonic_s = monotonic_s
        with translated():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with translated():
                self._prepare()
                self._rows = Rows(self._db)
                self._times = Times(self._rows)
                self._salvage = Salvage.resumed(self._rows, path)
        except StorageError:
            self._db.close()
            raise
        self._bounds = Bounds(
            self._rows, max_bytes=max_bytes, max_age_ms=max_age_ms, steps=steps, kinds=kinds or {}
        )
        self.epoch = self._rows.epoch
        self._rated_s, self._rated_bytes = monotonic_s(), 0
        self._rate_in_s = FIRST_RATE_S
        self._reserved = self._reserve.allocate()
        self._allocated_s = monotonic_s()

    def _prepare(self) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"wal_autocheckpoint={LOG_PAGES}",
            f"journal_size_limit={LOG_PAGES * 4096}",
        ):
            self._db.execute(f"PRAGMA {pragma}")
        if self._path.stat().st_size <= CHECKED_BYTES:
            (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise CorruptError(f"{self._path}: {verdict}")
        prepare(self._db)

    def commit(
        self,
        urgent: Sequence[Reading],
        normal: Sequence[Reading],
        now_ms: int,
        loss: Loss | None,
        heard: Sequence[bytes] = (),
        doubt: Doubt | None = None,
        *,
        hold: bool = False,
    ) -> list[Stored]:
        """Put readings on disk as batches, urgent ones first; see edge.ports.Store."""
        time = Time.SURE if doubt is None else Time.HELD if hold else Time.UNSURE
        try:
            return self._commit(urgent, normal, now_ms, loss, heard, time, doubt)
        except DiskFullError:
            if len(urgent) + len(normal) > self._rows.count.readings:
                raise  # what is held could not make room for so many
            held = self._rows.count.size
            for left in range(PARTS - 1, 0, -1):
                self._make_do(held * left // PARTS)
                with suppress(DiskFullError):
                    return self._commit(urgent, normal, now_ms, loss, heard, time, doubt)
            raise

    def _make_do(self, room: int) -> None:
        """Live with the room that there is: the oldest make room for the new."""
        self._reserved = not self._reserve.release() and self._reserved
        self._bounds.disk_bytes = max(1, room)
        with suppress(DiskFullError):
            with translated():
                # Not truncated: what room the log has is the only that is ours for certain.
                self._db.execute(f"PRAGMA wal_autocheckpoint = {CRAMPED_PAGES}")
                self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            next_seq = self.figures().next_seq
            with self._transaction():
                self._delete_acknowledged()
                self._rows.write_gaps(self._bounds.drop(next_seq))

    def _commit(
        self,
        urgent: Sequence[Reading],
        normal: Sequence[Reading],
        now_ms: int,
        loss: Loss | None,
        heard: Sequence[bytes],
        time: Time,
        doubt: Doubt | None,
    ) -> list[Stored]:
        self._restore_reserve()
        with self._transaction():
            self._delete_acknowledged()
            self._remember(heard)
            gaps = [self._number(loss)] if loss is not None else []
            batches = [
                self._rows.insert(part, priority, time, doubt)
                for readings, priority in ((urgent, URGENT), (normal, NORMAL))
                for part in parts(readings)
            ]
            if batches:
                gaps += self._bounds.enforce(now_ms, batches[0].seq)
            told = self._rows.write_gaps(gaps)
            self._note_rate()
        if time is Time.HELD:
            self._times.any_held = self._times.any_held or bool(batches)
            return told
        return batches + told

    def settle(self, boot: str, offset_ms: int | None) -> bool:
        """Give times in doubt their last value; see edge.ports.Store."""
        if not self._times.any_held:
            return False
        with self._transaction():
            return self._times.settle(boot, offset_ms)

    def salvage(self) -> bool:
        """Move some more batches over from a file that was set aside; see edge.ports.Store."""
        if self._salvage is None:
            return False
        try:
            with self._transaction():
                found, lost = self._salvage.move_some()
                self._rows.write_gaps([self._number(loss) for loss in lost])
        except StorageError:
            self._salvage.rewind()
            raise
        if self._salvage.is_done:
            self._salvage.finish()
            self._salvage = None
        return found

    def take_over(self, aside: Path) -> None:
        """Begin to move over what can be read of a file that was set aside."""
        with self._transaction():
            self._db.execute("UPDATE meta SET aside = ?, moved_through = 0", (aside.name,))
        self._salvage = Salvage.resumed(self._rows, self._path)

    def acknowledge(self, numbers: IntervalSet) -> None:
        """Remember what the cloud has; deleted within the next transaction."""
        for first, last in numbers:
            self._acked.add(first, last)

    def waiting(self, excluded: Container[int], limit: int) -> list[Stored]:
        """Return held batches to be sent, the oldest first; see edge.ports.Store."""
        found: list[int] = []
        with translated():
            # Read number by number: what is excluded stands at the front, and is few.
            numbers = heapq.merge(self._db.execute(GAP_RECORDS), self._db.execute(BATCHES))
            for _, seq in numbers:
                if seq not in excluded and seq not in self._acked:
                    found.append(seq)
                    if len(found) == limit:
                        break
            return [self._stored(seq) for seq in found]

    def latest_urgent(self, limit: int) -> list[Stored]:
        """Return the last urgent batches held, in the order of their numbers."""
        with translated():
            numbers = [seq for (seq,) in self._db.execute(f"{LATEST_URGENT} LIMIT ?", (limit,))]
            return [self._stored(seq) for seq in reversed(numbers) if seq not in self._acked]

    def _stored(self, seq: int) -> Stored:
        number, urgent, readings, payload = self._db.execute(STORED, (seq,)).fetchone()
        return Stored(number, bool(urgent), readings, payload)

    def figures(self) -> Held:
        """Return what is held, and the counters, without counting rows."""
        with translated():
            readings, batches, next_seq, rate, oldest_ms = self._db.execute(COUNTERS).fetchone()
        held = self._rows.count
        return Held(
            epoch=self.epoch,
            published_readings=readings,
            published_batches=batches,
            held_batches=held.batches,
            held_readings=held.readings,
            held_bytes=held.size,
            oldest_ms=oldest_ms,
            max_bytes=self._max_bytes,
            next_seq=next_seq,
            bytes_per_s=rate,
            disk_full=not self._reserved,
        )

    def heard(self) -> list[bytes]:
        """Return the keys of messages that were committed, oldest first."""
        with translated():
            return [key for (key,) in self._db.execute("SELECT key FROM heard ORDER BY id")]

    def known_ms(self) -> int:
        """Return a time that is certainly past; see edge.ports.Store."""
        with translated():
            (known_ms,) = self._db.execute("SELECT sure_ms FROM meta").fetchone()
        return int(known_ms)

    def close(self) -> None:
        """Delete what is acknowledged, checkpoint, and close."""
        try:
            with self._transaction():
                self._delete_acknowledged()
        finally:
            if self._salvage is not None:
                self._salvage.close()
            with translated():
                self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        acked, count = IntervalSet(self._acked), self._rows.count
        with translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._acked, self._rows.count = acked, count
                self._bounds.forget()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _delete_acknowledged(self) -> None:
        for first, last in self._acked:
            self._rows.delete(first, last)
        self._acked = IntervalSet()

    def _remember(self, heard: Sequence[bytes]) -> None:
        if heard:
            self._db.executemany("INSERT INTO heard (key) VALUES (?)", [(key,) for key in heard])
            self._db.execute(FORGET, (REMEMBERED,))

    def _number(self, loss: Loss) -> Gap:
        """Give readings that never reached this file a number, so that their hole can be named."""
        times = loss.first_ms, loss.last_ms
        return gap(self._rows.next_seq(), times, loss.readings, loss.reason)

    def _restore_reserve(self) -> None:
        """Look now and then whether the disk has room again."""
        if not self._reserved and self._monotonic_s() - self._allocated_s >= RESERVE_S:
            self._allocated_s = self._monotonic_s()
            self._reserved = self._reserve.allocate()
            if self._reserved:
                self._bounds.disk_bytes = None
                self._db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    def _note_rate(self) -> None:
        """Keep how much is committed, in the commit that is under way anyway."""
        elapsed_s = self._monotonic_s() - self._rated_s
        if elapsed_s < self._rate_in_s:
            return
        rate = (self._rows.written - self._rated_bytes) / elapsed_s
        self._db.execute("UPDATE meta SET bytes_per_s = ?", (rate,))
        self._rated_s, self._rated_bytes = self._monotonic_s(), self._rows.written
        self._rate_in_s = RATE_S


def open_store(
    path: Path,
    *,
    max_bytes: int,
    max_age_ms: int,
    fresh: bool,
    steps: Sequence[Step] = KEEP_NONE,
    kinds: Mapping[str, Kind] | None = None,
    reserve_bytes: int = 0,
) -> SqliteStore:
    """Open a buffer file; of a damaged one what can be read is moved to a new one.

    Raises: StorageError if the disk will not have it.
    """
    reserve = Reserve(path.with_name(f"{path.name}.reserve"), reserve_bytes)

    def opened() -> SqliteStore:
        return SqliteStore(
            path,
            max_bytes=max_bytes,
            max_age_ms=max_age_ms,
            steps=steps,
            kinds=kinds,
            reserve=reserve,
        )

    if not fresh:
        try:
            return opened()
        except DiskFullError:
            if not reserve.release():
                raise
            return opened()
        except CorruptError as error:
            log.error("%s is damaged: %s", path, error)
    aside = set_aside(path)
    log.error("the buffer was set aside as %s; what can be read of it is moved over", aside)
    store = opened()
    store.take_over(aside)
    return store
