"""The sealer: moves hot blocks into the lake's Parquet files, and only then forgets them.

Temp file, fsync, rename, fsync of the folder, and then one transaction that names the file and
deletes the blocks: a kill anywhere leaves either the blocks, or the file, and never both in sight.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from cloud.core.columns import Columns, concatenate
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError

DAY_MS = 86_400_000
MAX_READINGS = 5_000_000  # in one go: bounds the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What one run moved."""

    readings: int = 0
    files: int = 0


class Sealer:
    """The only writer of the lake's folder."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock

    def remove_strays(self) -> int:
        """Delete the files that a crash left unnamed; return how many. Run at start."""
        with self._database.read() as connection:
            named = set(connection.scalars(sa.select(schema.lake_files.c.path)))
        strays = [
            path
            for pattern in ("day=*/*.parquet", "day=*/*.tmp")
            for path in self._folder.glob(pattern)
            if path.relative_to(self._folder).as_posix() not in named
        ]
        for path in strays:
            path.unlink()
        return len(strays)

    def waiting(self) -> int:
        """Return how many readings are hot. Raises: StorageError."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(sa.func.sum(schema.blocks.c.readings))) or 0

    def seal(self) -> Sealed:
        """Move what the rule engine's snapshot no longer needs.

        Raises: StorageError if the disk or the database failed; nothing is lost, try again.
        """
        blocks, names = self._due()
        if not blocks:
            return Sealed()
        columns = concatenate([block.columns for block in blocks]).by_series_and_time()
        rows = self._write_all(columns, names, blocks[0].id, blocks[-1].id)
        with self._database.write() as connection:
            connection.execute(schema.lake_files.insert(), rows)
            table = schema.blocks
            deleted = connection.execute(
                table.delete().where(table.c.id.between(blocks[0].id, blocks[-1].id))
            ).rowcount
            if deleted != len(blocks):
                raise StorageError(f"{len(blocks)} blocks were sealed but {deleted} were there")
        return Sealed(readings=len(columns), files=len(rows))

    def _due(self) -> tuple[list[hot.Block], dict[int, tuple[str, str]]]:
        """Return the oldest blocks that may go, and each series' device and measurement."""
        with self._database.read() as connection:
            upto = connection.scalar(sa.select(schema.engine_snapshot.c.block)) or 0
            table = schema.blocks
            ids: list[int] = []
            readings = 0
            for row in connection.execute(
                sa.select(table.c.id, table.c.readings)
                .where(table.c.id <= upto)
                .order_by(table.c.id)
            ):
                readings += row.readings
                if ids and readings > MAX_READINGS:
                    break
                ids.append(row.id)
            if not ids:
                return [], {}
            blocks = hot.blocks_after(connection, 0, upto=ids[-1])
            names = {
                row.id: (row.device, row.measurement)
                for row in connection.execute(sa.select(schema.series))
            }
        return blocks, names

    def _write_all(
        self,
        columns: Columns,
        names: dict[int, tuple[str, str]],
        first_block: int,
        last_block: int,
    ) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        try:
            for day, part in _by_day(columns):
                rows.append(self._write(day, part, names, first_block, last_block))
        except OSError as error:
            self.remove_strays()  # on a full disk what is half done is in its own way
            raise StorageError(f"the lake cannot be written: {error}") from error
        return rows

    def _write(
        self,
        day: str,
        columns: Columns,
        names: dict[int, tuple[str, str]],
        first_block: int,
        last_block: int,
    ) -> dict[str, object]:
        """Write one day's file durably; return its row for `lake_files`."""
        path = self._folder / f"day={day}" / f"{first_block:012d}-{last_block:012d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        pq.write_table(
            _table(columns, names),
            temporary,
            compression="zstd",
            compression_level=9,
            column_encoding={"observed_at": "DELTA_BINARY_PACKED"},
            use_dictionary=["device", "measurement", "series", "quality", "value"],
        )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        temporary.rename(path)
        _fsync_folder(path.parent)
        _fsync_folder(self._folder)
        return {
            "path": path.relative_to(self._folder).as_posix(),
            "day": day,
            "readings": len(columns),
            "bytes": path.stat().st_size,
            "sha256": digest,
            "first_ms": int(columns.observed_ms.min()),
            "last_ms": int(columns.observed_ms.max()),
            "last_block": last_block,
            "sealed_ms": self._clock.now_ms(),
        }


def _by_day(columns: Columns) -> Iterator[tuple[str, Columns]]:
    days = columns.observed_ms // DAY_MS
    for day in np.unique(days):
        yield str(np.datetime64(int(day), "D")), columns.take(days == day)


def _table(columns: Columns, names: dict[int, tuple[str, str]]) -> pa.Table:
    """Return the rows in the lake's open schema."""
    ids, codes = np.unique(columns.series, return_inverse=True)
    codes = pa.array(codes.astype(np.int32))

    def told(which: int) -> pa.Array:
        words = [names[int(series)][which] for series in ids]
        return pa.DictionaryArray.from_arrays(codes, pa.array(words, pa.string()))

    return pa.table(
        {
            "series": pa.array(columns.series),
            "device": told(0),
            "measurement": told(1),
            "observed_at": pa.array(columns.observed_ms).cast(pa.timestamp("ms", tz="UTC")),
            "value": pa.array(columns.value, mask=np.isnan(columns.value)),
            "quality": pa.array(columns.quality),
        }
    )


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
