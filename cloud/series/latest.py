"""The newest readings: followed block by block, and after a restart taken from a snapshot.

The sealer writes the snapshot in the transaction of each seal, so that nobody ever has to look
through the cold store for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
import sqlalchemy as sa

from cloud.core.admit import DOUBTED_AHEAD_MS
from cloud.core.columns import Columns
from cloud.core.newest import Newest
from cloud.ports import Latest
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.upsert import upsert
from contract.clock import Clock


class LatestBook:
    """Answers for any series store; threads may share one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._newest = Newest()
        self._block = 0
        self._lock = Lock()

    def latest(self, series: Sequence[int]) -> dict[int, Latest]:
        """Return the newest reading of each series that has any. Raises: StorageError."""
        with self._lock:
            with self._database.read() as connection:
                self._follow(connection)
            found = self._newest.of(np.asarray(series, np.int32))
        rows = zip(
            found.series.tolist(),
            found.observed_ms.tolist(),
            found.value.tolist(),
            found.quality.tolist(),
            strict=True,
        )
        return {
            number: Latest(
                series=number,
                observed_ms=observed_ms,
                value=None if value != value else value,
                quality=quality,
            )
            for number, observed_ms, value, quality in rows
        }

    def _follow(self, connection: sa.Connection) -> None:
        first = connection.scalar(sa.select(sa.func.min(schema.blocks.c.id)))
        if first is None or first > self._block + 1:
            self._restore(connection)
        for block in hot.blocks_after(connection, self._block):
            self._add(block.columns)
            self._block = block.id

    def _restore(self, connection: sa.Connection) -> None:
        """Catch up with what was sealed and forgotten meanwhile."""
        saved = connection.execute(sa.select(schema.latest_snapshot)).one_or_none()
        if saved is not None and saved.block > self._block:
            self._add(hot.decode(saved.data))
            self._block = saved.block

    def _add(self, columns: Columns) -> None:
        self._newest.add(columns, self._clock.now_ms() + DOUBTED_AHEAD_MS)


def snapshot(connection: sa.Connection, sealed: Columns, block: int, now_ms: int) -> None:
    """Bring the snapshot up to a block, in the transaction that seals up to there."""
    newest = Newest()
    saved = connection.execute(sa.select(schema.latest_snapshot)).one_or_none()
    if saved is not None:
        newest.add(hot.decode(saved.data), 2**62)
    newest.add(sealed, now_ms + DOUBTED_AHEAD_MS)
    row = {"id": 1, "block": block, "data": hot.encode(newest.all())}
    upsert(connection, schema.latest_snapshot, row)
