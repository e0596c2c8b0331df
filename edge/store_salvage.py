"""A buffer file that was set aside, damaged or a copy: what can be read of it is moved over."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Self

from contract.codec import decode_batch
from contract.errors import DecodeError
from contract.readings import Batch
from edge.core.clock_trust import Doubt
from edge.ports import Loss
from edge.store_rows import Rows, Time

log = logging.getLogger(__name__)

AT_ONCE = 200  # batches in one transaction, which others wait for
TRIED_AT_ONCE = 20_000  # numbers, most of which may not be there
ENDS = (
    "SELECT min(seq) FROM batches",
    "SELECT max(seq) FROM batches",
    "SELECT next_seq - 1 FROM meta",
)
WHOLE = "SELECT priority, doubt, boot, offset_ms, floor_ms, payload FROM batches WHERE seq = ?"
OLD = "SELECT priority, 0, '', 0, 0, payload FROM batches WHERE seq = ?"


class Salvage:
    """Reads a file number by number: damage in one place hides no other."""

    def __init__(self, rows: Rows, aside: Path, through: int) -> None:
        self._rows, self._aside, self._through = rows, aside, through
        self._db = sqlite3.connect(aside, isolation_level=None, check_same_thread=False)
        self._first, self._last = self._range()
        self._query = WHOLE if self._has_times() else OLD
        self._resumed = through > 0
        self._moved = self._unreadable = 0
        self._before = through, 0, 0
        self._losses: dict[str, Loss] = {}
        self._times = 0, 0

    @classmethod
    def resumed(cls, rows: Rows, path: Path) -> Self | None:
        """Return the move that is under way; None if there is none."""
        name, through = rows.db.execute("SELECT aside, moved_through FROM meta").fetchone()
        aside = path.with_name(name) if name else None
        return cls(rows, aside, through) if aside is not None and aside.exists() else None

    @property
    def is_done(self) -> bool:
        """Whether every number has been tried."""
        return self._through >= self._last

    def move_some(self) -> tuple[bool, list[Loss]]:
        """Move some batches into the caller's transaction.

        Returns: whether there were any, and what could not be read, or was lost before.
        """
        self._before = self._through, self._moved, self._unreadable
        self._losses = {}
        if not self._through:
            self._move_heard()
        number = max(self._through, self._first - 1)
        end = min(self._last, number + TRIED_AT_ONCE)
        while number < end and self._moved - self._before[1] < AT_ONCE:
            number += 1
            self._move(number)
        self._through = max(number, self._through)
        name = "" if self.is_done else self._aside.name
        self._rows.db.execute("UPDATE meta SET aside = ?, moved_through = ?", (name, number))
        if unreadable := self._unreadable - self._before[2]:
            self._lose(self._guessed(unreadable))
        return self._moved > self._before[1], list(self._losses.values())

    def rewind(self) -> None:
        """The caller's transaction was rolled back."""
        self._through, self._moved, self._unreadable = self._before

    def finish(self) -> None:
        """Say how it went; a file that could be read as a whole is not needed any more."""
        self.close()
        if self._unreadable or self._resumed or not self._last:
            log.error(
                "%d batches of %s were saved, %d could not be read; it is kept for a person",
                self._moved,
                self._aside,
                self._unreadable,
            )
            return
        log.warning("all %d batches of %s were moved to a new buffer", self._moved, self._aside)
        for suffix in ("-wal", "-shm", ""):
            with suppress(OSError):
                self._aside.with_name(self._aside.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()

    def _range(self) -> tuple[int, int]:
        """Return the first and the last number that may be there."""
        found = []
        for query in ENDS:
            with suppress(sqlite3.Error):
                (number,) = self._db.execute(query).fetchone() or (None,)
                found.append(number)
        known = [number for number in found if isinstance(number, int)]
        return (min(known), max(known)) if known else (1, 0)

    def _has_times(self) -> bool:
        try:
            self._db.execute("SELECT doubt FROM batches LIMIT 0")
        except sqlite3.Error:
            return False
        return True

    def _move_heard(self) -> None:
        """Move the keys of the messages heard: their senders may send them again."""
        with suppress(sqlite3.Error):
            keys = self._db.execute("SELECT key FROM heard ORDER BY id").fetchall()
            self._rows.db.executemany("INSERT INTO heard (key) VALUES (?)", keys)

    def _move(self, number: int) -> None:
        try:
            row = self._db.execute(self._query, (number,)).fetchone()
            if row is None:
                return
            priority, doubt, boot, offset_ms, floor_ms, payload = row
            batch = decode_batch(payload).batch
        except (sqlite3.Error, DecodeError, TypeError):
            self._unreadable += 1
            return
        if batch.readings:
            time = Time(doubt)
            rests = Doubt(boot, offset_ms, floor_ms) if time is not Time.SURE else None
            self._rows.insert(batch.readings, priority, time, rests)
            self._times = _wider(self._times, batch)
        for gap in batch.gaps:
            if gap.readings:
                self._lose(Loss(gap.readings, gap.first_ms, gap.last_ms, gap.reason))
        self._moved += 1

    def _lose(self, loss: Loss) -> None:
        """Join what was lost for the same reason: each needs a number of its own."""
        old = self._losses.get(loss.reason)
        self._losses[loss.reason] = loss if old is None else old.joined(loss)

    def _guessed(self, unreadable: int) -> Loss:
        """How many readings that is, nobody can tell; as many to a batch as in the others."""
        count = self._rows.count
        each = max(1, count.readings // max(1, count.batches))
        reason = f"buffer damaged: {unreadable} batches could not be read, readings estimated"
        return Loss(unreadable * each, *self._times, reason)


def _wider(times: tuple[int, int], batch: Batch) -> tuple[int, int]:
    own = [reading.observed_ms for reading in batch.readings]
    return min([times[0] or own[0], *own]), max([times[1], *own])
