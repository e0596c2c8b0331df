"""A look into a buffer file from outside, also while its agent runs: read-only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from edge.ports import Held
from edge.store_schema import VERSION, translated

FIGURES = """
SELECT epoch, published_readings, published_batches, next_seq,
       (SELECT count(*) FROM batches), (SELECT coalesce(sum(readings), 0) FROM batches),
       (SELECT coalesce(sum(bytes), 0) FROM batches),
       (SELECT first_ms FROM batches ORDER BY seq LIMIT 1)
FROM meta
"""
CLASSES = """
SELECT priority = 1, count(*), sum(readings), sum(bytes), min(first_ms), max(last_ms),
       sum({thinned})
FROM batches WHERE readings > 0 GROUP BY priority
"""


class HeldClass(msgspec.Struct, frozen=True):
    """What is held of one class. thinned: readings taken out of what is held."""

    batches: int
    readings: int
    bytes: int
    oldest_ms: int | None
    newest_ms: int | None
    thinned: int


NOTHING = HeldClass(0, 0, 0, None, None, 0)


class Inside(msgspec.Struct, frozen=True):
    """What a buffer file holds, as a whole, and urgent or not. held_for_clock: batches."""

    held: Held
    urgent: HeldClass
    normal: HeldClass
    held_for_clock: int


def look_inside(path: Path, max_bytes: int) -> Inside:
    """Look into a buffer file.

    Raises: StorageError if there is no such file, or it is no buffer.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with translated(), closing(sqlite3.connect(uri, uri=True)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        new = version >= VERSION  # an older agent's file stays as it is until it is opened
        epoch, readings, batches, next_seq, *count, oldest_ms = db.execute(FIGURES).fetchone()
        rate = db.execute("SELECT bytes_per_s FROM meta").fetchone()[0] if new else None
        held = Held(
            epoch=epoch,
            published_readings=readings,
            published_batches=batches,
            held_batches=count[0],
            held_readings=count[1],
            held_bytes=count[2],
            oldest_ms=oldest_ms,
            max_bytes=max_bytes,
            next_seq=next_seq,
            bytes_per_s=rate,
        )
        query = CLASSES.format(thinned="thinned" if new else "0")
        classes = {bool(urgent): HeldClass(*rest) for urgent, *rest in db.execute(query)}
        waiting = "SELECT count(*) FROM batches WHERE doubt = 1"
        held_for_clock = db.execute(waiting).fetchone()[0] if new else 0
    return Inside(held, classes.get(True, NOTHING), classes.get(False, NOTHING), held_for_clock)


def read_figures(path: Path, max_bytes: int) -> Held:
    """Return what a buffer file holds as a whole. Raises: StorageError."""
    return look_inside(path, max_bytes).held
