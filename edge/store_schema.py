"""The buffer file's tables, and how an older file comes to have them."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from contract.errors import StorageError

VERSION = 2

TABLES = """
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
"""
# bytes_per_s: what is committed, lately. sure_ms: a time of a reading taken by a clock that was
# right. aside, moved_through: the file that is being moved over from, and how far that has come.
# place: of a gap record, the first number that it names. thinned: how many readings have been
# taken out of a batch. boot, offset_ms, floor_ms: on what times in doubt rest.
TO_VERSION_2 = """
ALTER TABLE meta ADD COLUMN bytes_per_s REAL;
ALTER TABLE meta ADD COLUMN sure_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN aside TEXT NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN moved_through INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE batches ADD COLUMN offset_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN floor_ms INTEGER NOT NULL DEFAULT 0;
DROP INDEX IF EXISTS by_priority;
CREATE INDEX urgent ON batches (seq) WHERE priority = 1;
CREATE INDEX gap_records ON batches (place, seq) WHERE readings = 0;
CREATE INDEX in_doubt ON batches (boot, last_ms) WHERE doubt = 1;
CREATE TABLE thinned (step TEXT PRIMARY KEY, through INTEGER NOT NULL) STRICT;
PRAGMA user_version = 2;
"""


class CorruptError(StorageError):
    """The file is no buffer, or a damaged one; it must be set aside."""


class DiskFullError(StorageError):
    """There is no room for what was to be written."""


# What SQLite says when it cannot write a file, or one that it needs beside it.
NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_CANTOPEN)


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables, or bring them up to date."""
    db.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version < VERSION:
        db.executescript(f"BEGIN IMMEDIATE; {TO_VERSION_2} COMMIT;")
    db.execute(
        "INSERT OR IGNORE INTO meta (one, epoch, next_seq, published_readings, published_batches)"
        " VALUES (1, ?, 1, 0, 0)",
        (secrets.token_hex(8),),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Say what SQLite raises in the house's words."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _kind_of(error)(str(error)) from error


def _kind_of(error: sqlite3.DatabaseError) -> type[StorageError]:
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptError
    return DiskFullError if code in NO_ROOM else StorageError
