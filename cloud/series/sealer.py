"""The sealer: hands committed blocks to the cold store, and only then lets go of them.

The store makes them durable first; then one transaction moves the cursor past them and makes them
visible there. A kill anywhere leaves them hot or sealed, and never both in sight. Sealed blocks
stay for a while in the state database, out of sight, so that a damaged file can be repaired.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud.core.columns import concatenate
from cloud.ports import ColdStore, Sealing, SeriesName
from cloud.series import hot, latest
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError

MAX_READINGS = 5_000_000  # in one go: bounds the memory
FORGET_BLOCKS = 500  # in one transaction: intake waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What one run moved, and into how many parts (files, or requests)."""

    readings: int = 0
    parts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much of what is sealed stays in the state database too, for repairs."""

    for_ms: int = 0
    readings: int = 20_000_000


class Sealer:
    """The only one who moves the cursor."""

    def __init__(
        self, database: Database, cold: ColdStore, clock: Clock, keep: Keep | None = None
    ) -> None:
        self._database = database
        self._cold = cold
        self._clock = clock
        self._keep = keep or Keep()

    def waiting(self) -> int:
        """Return how many readings are hot. Raises: StorageError."""
        with self._database.read() as connection:
            return hot.waiting(connection)

    def seal(self) -> Sealed:
        """Move what the rule engine's snapshot no longer needs, up to a bound; then forget.

        Raises: StorageError if the disk or a database failed; nothing is lost, try again.
        """
        with self._database.read() as connection:
            sealing = due(connection)
        if sealing is None:
            self.forget()
            return Sealed()
        written = self._cold.write(sealing)
        with self._database.write() as connection:
            if hot.sealed_upto(connection) >= sealing.first_block:
                raise StorageError("another sealer was quicker; one at a time")
            written.commit(connection)
            now_ms = self._clock.now_ms()
            latest.snapshot(connection, sealing.columns, sealing.last_block, now_ms)
            connection.execute(
                schema.seals.insert().values(
                    first_block=sealing.first_block,
                    last_block=sealing.last_block,
                    readings=len(sealing.columns),
                    sealed_ms=now_ms,
                )
            )
        self.forget()
        return Sealed(readings=len(sealing.columns), parts=written.parts)

    def forget(self) -> int:
        """Delete sealed blocks that have been kept long enough, or are too many; return how many.

        Raises: StorageError.
        """
        with self._database.read() as connection:
            upto = _forgettable(connection, self._clock.now_ms() - self._keep.for_ms, self._keep)
        forgotten = 0
        while upto:
            with self._database.write() as connection:
                deleted = _forget_some(connection, upto)
            forgotten += deleted
            if deleted < FORGET_BLOCKS:
                break
        return forgotten


def due(connection: sa.Connection) -> Sealing | None:
    """Return the oldest hot blocks that the rule engine's snapshot covers, if there are any."""
    table = schema.blocks
    after = hot.sealed_upto(connection)
    upto = connection.scalar(sa.select(schema.engine_snapshot.c.block)) or 0
    ids: list[int] = []
    readings = 0
    for row in connection.execute(
        sa.select(table.c.id, table.c.readings)
        .where(table.c.id > after, table.c.id <= upto)
        .order_by(table.c.id)
    ):
        readings += row.readings
        if ids and readings > MAX_READINGS:
            break
        ids.append(row.id)
    if not ids:
        return None
    blocks = [block.columns for block in hot.blocks_after(connection, after, upto=ids[-1])]
    return Sealing(
        columns=concatenate(blocks).by_series_and_time(),
        names=series_names(connection),
        first_block=ids[0],
        last_block=ids[-1],
    )


def series_names(connection: sa.Connection) -> dict[int, SeriesName]:
    """Return what each series is called outside."""
    return {
        row.id: SeriesName(device=row.device, measurement=row.measurement)
        for row in connection.execute(sa.select(schema.series))
    }


def _forgettable(connection: sa.Connection, before_ms: int, keep: Keep) -> int:
    """Return the last block that need not be kept; 0 for none."""
    kept = 0
    for row in connection.execute(
        sa.select(schema.seals).order_by(schema.seals.c.last_block.desc())
    ):
        kept += row.readings
        if row.sealed_ms <= before_ms or kept > keep.readings:
            return int(row.last_block)
    return 0


def _forget_some(connection: sa.Connection, upto: int) -> int:
    """Delete some blocks; with the last of them go the marks, but for the cursor itself."""
    table, seals = schema.blocks, schema.seals
    oldest = connection.scalars(
        sa.select(table.c.id).where(table.c.id <= upto).order_by(table.c.id).limit(FORGET_BLOCKS)
    ).all()
    if oldest:
        connection.execute(table.delete().where(table.c.id <= oldest[-1]))
    if len(oldest) < FORGET_BLOCKS:
        cursor = hot.sealed_upto(connection)
        connection.execute(
            seals.delete().where(seals.c.last_block <= upto, seals.c.last_block < cursor)
        )
    return len(oldest)
