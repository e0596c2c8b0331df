"""The lake's files, one a day in the end: written whole, then named in `lake_files`, then seen.

Temp file, fsync, rename, fsync of the folder, and then the transaction that names it and unnames
what it replaces: what a crash leaves is named nowhere, and removed at the next start.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from cloud.core.columns import Columns
from cloud.ports import SeriesName
from cloud.series.parquet import FileWriter
from cloud.state import schema
from cloud.state.database import Database
from contract.errors import StorageError
from contract.folders import sync_folder

DAY_MS = 86_400_000
LOCK = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """A row of `lake_files`: a file, what it holds, and which blocks that came from."""

    path: str
    day: str
    readings: int
    bytes: int
    sha256: str
    first_ms: int
    last_ms: int
    first_block: int
    last_block: int
    sealed_ms: int
    duplicates: int
    measurements: Sequence[str]


def listed(connection: sa.Connection, day: str | None = None) -> list[LakeFile]:
    """Return the files there are, by day and in the order of their blocks."""
    table = schema.lake_files
    query = sa.select(table).order_by(table.c.day, table.c.first_block, table.c.last_block)
    if day is not None:
        query = query.where(table.c.day == day)
    return [LakeFile(**row._mapping) for row in connection.execute(query)]


def write_day(
    folder: Path,
    day: str,
    parts: Iterable[Columns],
    names: Mapping[int, SeriesName],
    blocks: tuple[int, int],
    sealed_ms: int,
) -> LakeFile:
    """Write a file durably; nobody sees it before it is named. Nothing is left if it fails.

    Raises: StorageError.
    """
    home = folder / f"day={day}"
    temporary = home / f"{blocks[0]:012d}-{blocks[1]:012d}.tmp"
    try:
        home.mkdir(parents=True, exist_ok=True)
        writer = FileWriter(temporary, names)
        try:
            for part in parts:
                writer.add(part)
            content = writer.close()
        except BaseException:
            with suppress(OSError):
                writer.abandon()
            raise
        # Never a name that was there before: who reads the old file must not find the new one.
        path = home / f"{blocks[0]:012d}-{blocks[1]:012d}-{content.sha256[:8]}.parquet"
        temporary.rename(path)
        sync_folder(home)
        sync_folder(folder)
    except OSError as error:
        raise StorageError(f"the lake cannot be written: {error}") from error
    return LakeFile(
        path=path.relative_to(folder).as_posix(),
        day=day,
        readings=content.readings,
        bytes=content.bytes,
        sha256=content.sha256,
        first_ms=content.first_ms,
        last_ms=content.last_ms,
        first_block=blocks[0],
        last_block=blocks[1],
        sealed_ms=sealed_ms,
        duplicates=content.duplicates,
        measurements=content.measurements,
    )


def name_files(connection: sa.Connection, files: Iterable[LakeFile]) -> None:
    """Make files visible, in the caller's transaction."""
    rows = [asdict(file) for file in files]
    if rows:
        connection.execute(schema.lake_files.insert(), rows)


def replace(
    database: Database,
    folder: Path,
    old: Sequence[LakeFile],
    new: Sequence[LakeFile],
    also: Callable[[sa.Connection], None] | None = None,
) -> None:
    """Put new files in the place of old ones, in one transaction, and delete the old ones.

    also: what else belongs to the transaction. Raises: StorageError; the new files are deleted,
    and the old ones are as they were.
    """
    table = schema.lake_files
    try:
        with held(folder):
            for file in new:
                if not (folder / file.path).exists():
                    raise StorageError(f"the lake's {file.path} was removed meanwhile; try again")
            with database.write() as connection:
                for file in old:
                    gone = connection.execute(
                        table.delete().where(
                            table.c.path == file.path, table.c.sha256 == file.sha256
                        )
                    ).rowcount
                    if not gone:
                        raise StorageError(f"the lake's {file.path} was replaced meanwhile")
                name_files(connection, new)
                if also is not None:
                    also(connection)
            kept = {file.path for file in new}  # a repaired file is named as the damaged one was
            remove(folder, [file for file in old if file.path not in kept])
    except StorageError:
        remove(folder, new)
        raise


def remove(folder: Path, files: Iterable[LakeFile]) -> None:
    """Delete files that are not named; what resists is a stray, and goes at the next start."""
    for file in files:
        path = folder / file.path
        with suppress(OSError):
            path.unlink()
        with suppress(OSError):  # as a rule it is not empty
            path.parent.rmdir()


def strays(database: Database, folder: Path) -> list[Path]:
    """Return the files that a crash left unnamed. Raises: StorageError."""
    with database.read() as connection:
        named = set(connection.scalars(sa.select(schema.lake_files.c.path)))
    return [
        path
        for pattern in ("day=*/*.parquet", "day=*/*.tmp")
        for path in folder.glob(pattern)
        if path.relative_to(folder).as_posix() not in named
    ]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Wait for, and have, the right to delete files of the lake; a backup wants none to go."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise StorageError(f"the lake cannot be written: {error}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def by_day(columns: Columns) -> Iterator[tuple[str, Columns]]:
    """Yield each UTC day's name and rows, in order."""
    days = columns.observed_ms // DAY_MS
    for day in np.unique(days):
        yield day_name(int(day)), columns.take(days == day)


def day_name(day: int) -> str:
    """Write a day, counted from 1970-01-01, as 2026-11-22."""
    return str(np.datetime64(day, "D"))


def day_begin_ms(day: str) -> int:
    """Return when a day of that name begins."""
    return int(np.datetime64(day, "D").astype(np.int64)) * DAY_MS
