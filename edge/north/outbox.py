"""What a platform is to be told, on disk until it has acknowledged it: samples and reports.

A file of its own, with the buffer's discipline: one connection in one thread, WAL,
synchronous=FULL. Samples stay until all periods that they belong to are told; reports until they
are acknowledged and kept_ms old, so that a platform may ask for them again. Beyond max_bytes
reports go sooner: the acknowledged first, then the oldest.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

import msgspec

from contract.errors import StorageError
from contract.quality import Quality
from edge.core.hj212_messages import local_text
from edge.core.hj212_report import (
    DAYS,
    HOURS,
    MINUTES,
    REAL_TIME,
    Factor,
    Sample,
    parts,
    period,
    real_time,
)
from edge.core.hj212_upload import Report

LATE_MS = 30_000  # so long a period waits for samples that come late
FRESH_S = 3  # real-time data of so many intervals of the device is not old
MOST_TEXT = 850  # of the 1,024 bytes of a data segment; the rest is its head
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MOST_HISTORY = 1_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    at_ms INTEGER NOT NULL, code TEXT NOT NULL, value REAL, quality INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS by_time ON samples (at_ms);
CREATE TABLE IF NOT EXISTS reports (
    id INTEGER PRIMARY KEY, qn TEXT NOT NULL UNIQUE, command TEXT NOT NULL, at_ms INTEGER NOT NULL,
    part INTEGER NOT NULL, parts INTEGER NOT NULL, cp TEXT NOT NULL, acknowledged INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS waiting ON reports (id) WHERE acknowledged = 0;
CREATE INDEX IF NOT EXISTS of_time ON reports (command, at_ms);
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""
WAITING = (
    "SELECT qn, command, cp, part, parts FROM reports WHERE acknowledged = 0 ORDER BY id LIMIT ?"
)
HISTORY = (
    "SELECT qn, command, cp, part, parts FROM reports WHERE command = ? AND at_ms BETWEEN ? AND ?"
    " ORDER BY at_ms, part LIMIT ?"
)
# What is not acknowledged stays, whatever its age: a clock that jumps ahead makes all of it old.
TOO_OLD = "DELETE FROM reports WHERE at_ms < ? AND acknowledged RETURNING acknowledged"
SURPLUS = (
    "DELETE FROM reports WHERE id IN"
    " (SELECT id FROM reports ORDER BY acknowledged DESC, id LIMIT ?) RETURNING acknowledged"
)
AT_ONCE = 100


class DamagedError(StorageError):
    """The file is no sound database."""


class Figures(msgspec.Struct, frozen=True):
    """How it stands: reports not acknowledged, and ever acknowledged and given up."""

    held: int
    acknowledged: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is reported, and how often. minutes: of one 2051. kept_ms, max_bytes: of reports."""

    factors: tuple[Factor, ...]
    zone: tzinfo
    real_time_s: int
    minutes: int
    kept_ms: int
    max_bytes: int


class Outbox:
    """One file. Every method is one transaction, and raises StorageError."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._plan = plan
        with _translated():
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(SCHEMA)
        self._lengths_ms = {
            MINUTES: plan.minutes * 60_000,
            HOURS: HOUR_MS,
            DAYS: DAY_MS,
        }

    @property
    def interval_s(self) -> int:
        """Seconds between two real-time reports, as the platform has set it last."""
        return self._number("interval_s", self._plan.real_time_s)

    def set_interval(self, interval_s: int) -> None:
        """Have real-time data reported so often."""
        with self._transaction():
            self._set("interval_s", interval_s)

    def take(self, samples: Sequence[tuple[str, Sample]], now_ms: int) -> int:
        """Take samples by factor code, and make the reports that are due; return how many."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO samples (code, at_ms, value, quality) VALUES (?, ?, ?, ?)",
                [(code, s.at_ms, s.value, int(s.quality)) for code, s in samples],
            )
            made = self._make_real_time(now_ms)
            for command in self._lengths_ms:
                made += self._make_periods(command, now_ms)
            self._forget(now_ms)
        return made

    def waiting(self, limit: int = 1) -> list[Report]:
        """Return reports that are not acknowledged, the oldest first."""
        with _translated():
            rows = self._db.execute(WAITING, (limit,))
            return [Report(qn=r[0], command=r[1], cp=r[2], part=r[3], of=r[4]) for r in rows]

    def acknowledge(self, qn: str) -> None:
        """Note that the platform has a report."""
        with self._transaction():
            found = self._db.execute(
                "UPDATE reports SET acknowledged = 1 WHERE qn = ? AND acknowledged = 0", (qn,)
            )
            self._set("acknowledged", self._number("acknowledged", 0) + found.rowcount)

    def history(self, command: str, begin_ms: int, end_ms: int) -> list[Report]:
        """Return what is held of a stretch of DataTimes, both ends included."""
        with _translated():
            rows = self._db.execute(HISTORY, (command, begin_ms, end_ms, MOST_HISTORY))
            return [Report(qn=r[0], command=r[1], cp=r[2], part=r[3], of=r[4]) for r in rows]

    def figures(self) -> Figures:
        """Return how it stands."""
        with _translated():
            (held,) = self._db.execute(
                "SELECT count(*) FROM reports WHERE acknowledged = 0"
            ).fetchone()
        return Figures(held, self._number("acknowledged", 0), self._number("dropped", 0))

    def close(self) -> None:
        """Close the file."""
        with _translated():
            self._db.close()

    def _make_real_time(self, now_ms: int) -> int:
        step_ms = self.interval_s * 1000
        due_ms = self._number(REAL_TIME, now_ms // step_ms * step_ms + step_ms)
        if now_ms < due_ms:
            self._set(REAL_TIME, min(due_ms, now_ms // step_ms * step_ms + step_ms))
            return 0
        at_ms = now_ms // step_ms * step_ms  # one that was missed is not made up
        self._set(REAL_TIME, at_ms + step_ms)
        latest = {}
        for factor in self._plan.factors:
            since_ms = at_ms - max(step_ms, round(FRESH_S * factor.every_s * 1000))
            row = self._db.execute(
                "SELECT at_ms, value, quality FROM samples WHERE code = ? AND at_ms > ?"
                " AND at_ms <= ? ORDER BY at_ms DESC LIMIT 1",
                (factor.code, since_ms, at_ms),
            ).fetchone()
            if row is not None:
                latest[factor.code] = _sample(*row)
        return self._write(REAL_TIME, at_ms, real_time(latest), now_ms)

    def _make_periods(self, command: str, now_ms: int) -> int:
        length_ms, made = self._lengths_ms[command], 0
        from_ms = self._number(command, self._start_of(now_ms, length_ms))
        if from_ms > now_ms + length_ms:  # the clock was wrong; not for a step of seconds
            from_ms = self._start_of(now_ms, length_ms)
        while from_ms + length_ms + LATE_MS <= now_ms:
            groups = period(
                self._plan.factors, self._samples(from_ms, from_ms + length_ms), length_ms // 1000
            )
            made += self._write(command, from_ms, groups, now_ms)
            from_ms = self._next(from_ms + length_ms, length_ms, now_ms)
        self._set(command, from_ms)
        return made

    def _next(self, from_ms: int, length_ms: int, now_ms: int) -> int:
        """Return where the next period with samples begins, at most the present one."""
        (first_ms,) = self._db.execute(
            "SELECT min(at_ms) FROM samples WHERE at_ms >= ?", (from_ms,)
        ).fetchone()
        present_ms = max(from_ms, self._start_of(now_ms - LATE_MS, length_ms))
        if first_ms is None:
            return present_ms
        return min(present_ms, self._start_of(first_ms, length_ms))

    def _start_of(self, at_ms: int, length_ms: int) -> int:
        """Return where a period of the local clock begins."""
        offset = datetime.fromtimestamp(at_ms / 1000, self._plan.zone).utcoffset()
        offset_ms = round(offset.total_seconds() * 1000) if offset is not None else 0
        return (at_ms + offset_ms) // length_ms * length_ms - offset_ms

    def _samples(self, from_ms: int, to_ms: int) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = defaultdict(list)
        for code, *row in self._db.execute(
            "SELECT code, at_ms, value, quality FROM samples WHERE at_ms >= ? AND at_ms < ?"
            " ORDER BY at_ms",
            (from_ms, to_ms),
        ):
            found[code].append(_sample(*row))
        return found

    def _write(self, command: str, at_ms: int, groups: Sequence[str], now_ms: int) -> int:
        if not groups:
            return 0
        texts = parts(local_text(at_ms, self._plan.zone)[:14], groups, MOST_TEXT)
        for number, text in enumerate(texts, 1):
            qn_ms = max(now_ms, self._number("qn_ms", 0) + 1)
            self._set("qn_ms", qn_ms)
            self._db.execute(
                "INSERT INTO reports (qn, command, at_ms, part, parts, cp, acknowledged)"
                " VALUES (?, ?, ?, ?, ?, ?, 0)",
                (local_text(qn_ms, self._plan.zone), command, at_ms, number, len(texts), text),
            )
        return len(texts)

    def _forget(self, now_ms: int) -> None:
        told_ms = min(self._number(command, now_ms) for command in self._lengths_ms)
        # None is from beyond tomorrow but by a clock that was wrong; it would stay for good.
        self._db.execute(
            "DELETE FROM samples WHERE at_ms < ? OR at_ms > ?", (told_ms - DAY_MS, now_ms + DAY_MS)
        )
        old_ms = now_ms - self._plan.kept_ms
        self._delete(TOO_OLD, old_ms)
        while self._used_bytes() > self._plan.max_bytes and self._delete(SURPLUS, AT_ONCE):
            pass  # without any report there are two days of samples at most

    def _delete(self, query: str, number: int) -> int:
        """Delete reports, and count those that are lost by that; return how many went."""
        gone: list[tuple[int]] = self._db.execute(query, (number,)).fetchall()
        if lost := sum(not acknowledged for (acknowledged,) in gone):
            self._set("dropped", self._number("dropped", 0) + lost)
        return len(gone)

    def _used_bytes(self) -> int:
        pages, free, size = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _number(self, name: str, default: int) -> int:
        with _translated():
            row = self._db.execute("SELECT value FROM numbers WHERE name = ?", (name,)).fetchone()
        return default if row is None else int(row[0])

    def _set(self, name: str, value: int) -> None:
        if self._number(name, value + 1) == value:
            return  # what writes nothing costs no flash
        self._db.execute("INSERT OR REPLACE INTO numbers VALUES (?, ?)", (name, value))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _sample(at_ms: int, value: float | None, quality: int) -> Sample:
    return Sample(at_ms, value, Quality(quality))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        raise (DamagedError if damaged else StorageError)(str(error)) from error
