"""The lake's writing side: a file a day, made whole elsewhere and then named in `lake_files`.

Temp file, fsync, rename, fsync of the folder, and then the transaction that names it: what a crash
leaves is named nowhere, and removed at the next start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from cloud.core.columns import Columns
from cloud.ports import Sealing, SeriesName, Written
from cloud.series.parquet import Content, FileWriter
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError

DAY_MS = 86_400_000


class LakeFiles:
    """The ColdStore of the lake, and the only writer of its folder."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock

    def recover(self) -> int:
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

    def write(self, sealing: Sealing) -> Written:
        rows: list[dict[str, object]] = []
        blocks = sealing.first_block, sealing.last_block
        try:
            for day, columns in by_day(sealing.columns):
                rows.append(self._write_day(day, [columns], sealing.names, blocks))
        except (OSError, StorageError) as error:
            self._remove(str(row["path"]) for row in rows)  # a full disk needs the room
            raise StorageError(f"the lake cannot be written: {error}") from error

        def commit(connection: sa.Connection) -> None:
            connection.execute(schema.lake_files.insert(), rows)

        return Written(parts=len(rows), commit=commit)

    def tidy(self) -> bool:
        return False

    def _write_day(
        self,
        day: str,
        parts: Iterable[Columns],
        names: Mapping[int, SeriesName],
        blocks: tuple[int, int],
    ) -> dict[str, object]:
        """Write a file durably; return its row for `lake_files`. Raises: OSError."""
        folder = self._folder / f"day={day}"
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f"{blocks[0]:012d}-{blocks[1]:012d}.tmp"
        writer = FileWriter(temporary, names)
        try:
            for part in parts:
                writer.add(part)
            content = writer.close()
        except BaseException:
            with suppress(OSError):
                writer.abandon()
            raise
        # Never a name that was there before: what reads the old file must not find the new one.
        path = folder / f"{blocks[0]:012d}-{blocks[1]:012d}-{content.sha256[:8]}.parquet"
        temporary.rename(path)
        fsync_folder(folder)
        fsync_folder(self._folder)
        return self._row(path, day, blocks, content)

    def _row(
        self, path: Path, day: str, blocks: tuple[int, int], content: Content
    ) -> dict[str, object]:
        return {
            "path": path.relative_to(self._folder).as_posix(),
            "day": day,
            "readings": content.readings,
            "bytes": content.bytes,
            "sha256": content.sha256,
            "first_ms": content.first_ms,
            "last_ms": content.last_ms,
            "first_block": blocks[0],
            "last_block": blocks[1],
            "sealed_ms": self._clock.now_ms(),
            "duplicates": content.duplicates,
            "measurements": list(content.measurements),
        }

    def _remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            with suppress(OSError):
                (self._folder / path).unlink()


def by_day(columns: Columns) -> Iterator[tuple[str, Columns]]:
    """Yield each UTC day's name and rows, in order."""
    days = columns.observed_ms // DAY_MS
    for day in np.unique(days):
        yield day_name(int(day)), columns.take(days == day)


def day_name(day: int) -> str:
    """Write a day, counted from 1970-01-01, as 2026-11-22."""
    return str(np.datetime64(day, "D"))


def fsync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
