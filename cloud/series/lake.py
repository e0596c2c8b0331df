"""The lake's reading side: DuckDB over the Parquet files and what is hot, in one view.

The state database's `lake_files` says which files there are; what it does not name is a stray of a
crash. docs/lake.md describes the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud.core.columns import Columns, concatenate
from cloud.core.merge import merged, repeated
from cloud.ports import Count, Latest, Stepped
from cloud.series import hot
from cloud.series.day_files import DAY_MS, day_begin_ms, day_name
from cloud.series.hot_view import HotView
from cloud.series.latest import LatestBook
from cloud.series.parquet import ROW_GROUP, VALUE_SQL, open_file, parts
from cloud.series.steps import check_steps
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError
from contract.quality import UNUSABLE
from contract.quantities import Averaging, quantity_of

T = TypeVar("T")


# How the values of a step become one; `value` and `observed_ms` are the rows' columns.
MEANS: dict[Averaging, str] = {
    Averaging.ARITHMETIC: "avg(value)",
    Averaging.ENERGY: "10 * log10(avg(power(10, value / 10)))",
    Averaging.VECTOR: "(degrees(atan2(avg(sin(radians(value))), avg(cos(radians(value)))))"
    " + 360) % 360",
    Averaging.MAXIMUM: "max(value)",
    Averaging.MINIMUM: "min(value)",
    Averaging.SUM: "sum(value)",
    Averaging.LAST: "arg_max(value, observed_ms)",
}

_COLD = f"""
    SELECT series, epoch_ms(observed_at) AS observed_ms,
           coalesce({VALUE_SQL}, 'nan'::DOUBLE) AS value, quality
    FROM read_parquet(?)"""  # noqa: S608  our own words
# Aggregates leave NULL out, and so the values that do not count.
_USABLE = """
    SELECT observed_ms, quality,
           CASE WHEN NOT isnan(value) AND (quality & ?) = 0 THEN value END AS value
    FROM readings WHERE series = ? AND observed_ms >= ? AND observed_ms < ?"""
READ_ROWS = 1_000_000  # of all the files of a day together, in memory at a time
CHECK = "; run: gridwarden cloud series check CONFIG"
LOOKS = 3  # at a list of files that changes while it is looked at


class LakeStore:
    """The default SeriesStore."""

    def __init__(
        self, database: Database, folder: Path, clock: Clock, hot_view: HotView | None = None
    ) -> None:
        self._database = database
        self._folder = folder
        self._hot = hot_view or HotView()
        self._duckdb = duckdb.connect(config={"threads": 2})
        self._book = LatestBook(database, clock)

    def range(self, series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        if not series:
            return concatenate([])
        rows = self._query(
            "SELECT series, observed_ms, value, quality FROM readings"
            " WHERE series BETWEEN ? AND ? AND list_contains(?, series)"
            " AND observed_ms >= ? AND observed_ms < ? ORDER BY series, observed_ms",
            [min(series), max(series), list(series), from_ms, to_ms],
            between=(from_ms, to_ms),
            series=series,
        )
        return _columns(rows)

    def read(self, series: Sequence[int] | None, from_ms: int, to_ms: int) -> Iterator[Columns]:
        wanted = None if series is None else np.unique(np.asarray(series, np.int32))
        for day in self._days(from_ms, to_ms):
            begin, end = max(from_ms, day * DAY_MS), min(to_ms, (day + 1) * DAY_MS)
            with ExitStack() as opened:
                for part in _stable(partial(self._open_day, opened, wanted, begin, end)):
                    inside = (part.observed_ms >= begin) & (part.observed_ms < end)
                    if inside.any():
                        yield part if inside.all() else part.take(inside)

    def _days(self, from_ms: int, to_ms: int) -> list[int]:
        """Return the days, counted from 1970, that may have readings."""
        files, blocks = schema.lake_files, schema.blocks
        with self._database.read() as connection:
            spans = [
                *connection.execute(
                    sa.select(files.c.first_ms, files.c.last_ms).where(
                        files.c.first_ms < to_ms, files.c.last_ms >= from_ms
                    )
                ),
                *connection.execute(
                    sa.select(blocks.c.first_ms, blocks.c.last_ms)
                    .where(blocks.c.id > hot.sealed_upto(connection))
                    .where(blocks.c.first_ms < to_ms, blocks.c.last_ms >= from_ms)
                ),
            ]
        days: set[int] = set()
        for first_ms, last_ms in spans:
            begin, end = max(first_ms, from_ms), min(last_ms, to_ms - 1)
            days.update(range(begin // DAY_MS, end // DAY_MS + 1))
        return sorted(days)

    def _open_day(
        self, opened: ExitStack, series: NDArray[np.int32] | None, begin: int, end: int
    ) -> Iterator[Columns]:
        """Return the sorted readings of (part of) a day; its files stay open till they are read."""
        with self._database.read() as connection:
            files = self._files(connection, (begin, end))
            fresh = self._hot.select(
                connection, begin, end, None if series is None else series.tolist()
            )
        rows = max(4_096, min(ROW_GROUP, READ_ROWS // max(1, len(files))))
        runs: list[Iterator[Columns]] = [
            parts(opened.enter_context(open_file(Path(file))), series, rows) for file in files
        ]
        return merged([*runs, [fresh.by_series_and_time()]])

    def stepped(self, series: int, from_ms: int, to_ms: int, step_ms: int) -> Stepped:
        check_steps(from_ms, to_ms, step_ms)
        rows = self._query(
            f"SELECT ? + (observed_ms - ?) // ? * ? AS step, {MEANS[self._averaging(series)]}"  # noqa: S608
            " AS mean, min(value) AS low, max(value) AS high, count(value) AS readings,"
            " count(*) - count(value) AS excluded, bit_or(quality) AS quality"
            f" FROM ({_USABLE}) GROUP BY step ORDER BY step",
            [from_ms, from_ms, step_ms, step_ms, int(UNUSABLE), series, from_ms, to_ms],
            between=(from_ms, to_ms),
            series=[series],
        )
        return Stepped(
            from_ms=rows.column("step").to_pylist(),
            mean=rows.column("mean").to_pylist(),
            minimum=rows.column("low").to_pylist(),
            maximum=rows.column("high").to_pylist(),
            readings=rows.column("readings").to_pylist(),
            excluded=rows.column("excluded").to_pylist(),
            quality=rows.column("quality").to_pylist(),
        )

    def latest(self, series: Sequence[int]) -> dict[int, Latest]:
        return self._book.latest(series)

    def count(self) -> Count:
        return _stable(self._count)

    def _count(self) -> Count:
        table = schema.lake_files
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(
                    table.c.day, table.c.path, table.c.readings, table.c.bytes, table.c.duplicates
                )
            ).all()
            hot_readings = hot.waiting(connection)
            days = _unsettled(connection)
        for row in rows:
            self._is_there(row.path, row.bytes)
        cold = sum(row.readings for row in rows)
        settled = sum(row.duplicates for row in rows if row.day not in days)
        return Count(
            stored=cold + hot_readings,
            duplicates=settled + sum(map(self._repeated, days)),
            hot=hot_readings,
            cold=cold,
        )

    def _is_there(self, path: str, size: int) -> None:
        try:
            found = (self._folder / path).stat().st_size
        except OSError as error:
            raise StorageError(
                f"the lake's {path} cannot be read: {error.strerror}{CHECK}"
            ) from error
        if found != size:
            raise StorageError(f"the lake's {path} has {found} bytes, and had {size}{CHECK}")

    def _repeated(self, day: str) -> int:
        """Count the readings of a day that say a series and time of the day again."""
        begin = day_begin_ms(day)
        before: tuple[int, int] | None = None
        found = 0
        for part in self.read(None, begin, begin + DAY_MS):
            found += repeated(part, before)
            before = int(part.series[-1]), int(part.observed_ms[-1])
        return found

    def _averaging(self, series: int) -> Averaging:
        with self._database.read() as connection:
            measurement = connection.scalar(
                sa.select(schema.series.c.measurement).where(schema.series.c.id == series)
            )
        return quantity_of(measurement).averaging if measurement else Averaging.ARITHMETIC

    def _files(self, connection: sa.Connection, between: tuple[int, int]) -> list[str]:
        """Return the paths that may hold readings of the time."""
        table = schema.lake_files
        query = sa.select(table.c.path).where(
            table.c.first_ms < between[1], table.c.last_ms >= between[0]
        )
        return [str(self._folder / path) for path in connection.scalars(query)]

    def _query(
        self, sql: str, values: list[object], between: tuple[int, int], series: Sequence[int]
    ) -> pa.Table:
        def look() -> pa.Table:
            with self._database.read() as connection:
                files = self._files(connection, between)
                fresh = self._hot.select(connection, *between, series)
            return self._run(sql, values, files, fresh)

        return _stable(look)

    def _run(self, sql: str, values: list[object], files: list[str], fresh: Columns) -> pa.Table:
        """Run a query over `readings`: the files' and the fresh ones'."""
        cursor = self._duckdb.cursor()
        sources = [_COLD] if files else []
        cursor.register("fresh", pa.table(hot.to_arrow(fresh)))
        sources.append("SELECT series, observed_ms, value, quality FROM fresh")
        given: list[object] = [files] if files else []
        try:
            return cursor.sql(
                f"WITH readings AS ({' UNION ALL '.join(sources)}) {sql}", params=given + values
            ).to_arrow_table()
        except duckdb.Error as error:
            raise StorageError(f"the lake cannot be read: {error}") from error
        finally:
            cursor.close()


def _stable(look: Callable[[], T]) -> T:
    """Look again if a file is gone: merging may have put another in its place meanwhile."""
    for _ in range(LOOKS - 1):
        with suppress(StorageError):
            return look()
    return look()


def _unsettled(connection: sa.Connection) -> set[str]:
    """Return the days whose readings are not all in one file."""
    files, blocks = schema.lake_files, schema.blocks
    days = set(
        connection.scalars(sa.select(files.c.day).group_by(files.c.day).having(sa.func.count() > 1))
    )
    spans = connection.execute(
        sa.select(blocks.c.first_ms, blocks.c.last_ms).where(
            blocks.c.id > hot.sealed_upto(connection)
        )
    )
    for first_ms, last_ms in spans:
        days.update(map(day_name, range(first_ms // DAY_MS, last_ms // DAY_MS + 1)))
    return days


def _columns(rows: pa.Table) -> Columns:
    return Columns(
        series=rows.column("series").to_numpy().astype(np.int32),
        observed_ms=rows.column("observed_ms").to_numpy().astype(np.int64),
        value=rows.column("value").to_numpy().astype(np.float64),
        quality=rows.column("quality").to_numpy().astype(np.uint16),
    )
