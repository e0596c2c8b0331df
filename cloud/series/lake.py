"""The lake: Parquet files by UTC day, sorted by series and time, read by DuckDB with the hot log.

A file's columns: series (int32), device and measurement (text), observed_at (timestamp, ms, UTC),
value (double, canonical unit; null for none), quality (uint16, contract.quality). The state
database's `lake_files` says which files there are; what it does not name is a stray of a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import duckdb
import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from cloud.core.admit import DOUBTED_AHEAD_MS
from cloud.core.columns import Columns
from cloud.ports import Count, Latest, Stepped
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError
from contract.quality import UNUSABLE
from contract.quantities import Averaging, quantity_of

MAX_POINTS = 20_000

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

_COLD = """
    SELECT series, epoch_ms(observed_at) AS observed_ms, coalesce(value, 'nan'::DOUBLE) AS value,
           quality
    FROM read_parquet(?)"""


class LakeStore:
    """The default SeriesStore."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._hot = hot.HotLog()
        self._duckdb = duckdb.connect(config={"threads": 2})
        self._latest: dict[int, Latest] = {}
        self._latest_block = 0
        self._latest_lock = Lock()

    def range(self, series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        rows = self._query(
            "SELECT series, observed_ms, value, quality FROM readings"
            " WHERE list_contains(?, series) AND observed_ms >= ? AND observed_ms < ?"
            " ORDER BY series, observed_ms",
            [list(series), from_ms, to_ms],
            between=(from_ms, to_ms),
        )
        return _columns(rows)

    def stepped(self, series: int, from_ms: int, to_ms: int, step_ms: int) -> Stepped:
        if step_ms < 1:
            raise ValueError(f"step is {step_ms} ms; it must be at least 1")
        if (to_ms - from_ms) / step_ms > MAX_POINTS:
            raise ValueError(f"more than {MAX_POINTS} points; ask for a wider step")
        rows = self._query(
            f"SELECT ? + (observed_ms - ?) // ? * ? AS step, {MEANS[self._averaging(series)]}"  # noqa: S608
            " AS mean, min(value) AS low, max(value) AS high, count(*) AS readings FROM readings"
            " WHERE series = ? AND observed_ms >= ? AND observed_ms < ?"
            " AND NOT isnan(value) AND (quality & ?) = 0 GROUP BY step ORDER BY step",
            [from_ms, from_ms, step_ms, step_ms, series, from_ms, to_ms, int(UNUSABLE)],
            between=(from_ms, to_ms),
        )
        return Stepped(
            from_ms=rows.column("step").to_pylist(),
            mean=rows.column("mean").to_pylist(),
            minimum=rows.column("low").to_pylist(),
            maximum=rows.column("high").to_pylist(),
            readings=rows.column("readings").to_pylist(),
        )

    def latest(self, series: Sequence[int]) -> dict[int, Latest]:
        with self._latest_lock:
            self._follow()
            return {wanted: self._latest[wanted] for wanted in series if wanted in self._latest}

    def count(self) -> Count:
        with self._database.read() as connection:
            files, _ = self._files(connection, None)
            hot_readings = len(self._hot.columns(connection))
            cold = connection.scalar(sa.select(sa.func.sum(schema.lake_files.c.readings)))
            rows = self._run(
                "SELECT count(*) AS stored, count(DISTINCT (series, observed_ms)) AS distinct_ones"
                " FROM readings",
                [],
                files,
                self._hot.columns(connection),
            ).to_pylist()[0]
        stored = int(cold or 0) + hot_readings
        if stored != rows["stored"]:
            raise StorageError(
                f"the lake holds {rows['stored']} readings where its list names {stored}"
            )
        return Count(
            stored=stored,
            duplicates=stored - rows["distinct_ones"],
            hot=hot_readings,
            cold=int(cold or 0),
        )

    def _follow(self) -> None:
        """Bring the newest readings up to date with what was committed since."""
        with self._database.read() as connection:
            files, last_sealed = self._files(connection, None, after_block=self._latest_block)
            blocks = hot.blocks_after(connection, self._latest_block)
        if files:
            self._newer(
                self._run(
                    "SELECT series, max(observed_ms) AS observed_ms,"
                    " arg_max(value, observed_ms) AS value,"
                    " arg_max(quality, observed_ms) AS quality"
                    " FROM readings WHERE observed_ms <= ? GROUP BY series",
                    [self._clock.now_ms() + DOUBTED_AHEAD_MS],
                    files,
                    None,
                )
            )
        for block in blocks:
            self._newer(pa.table(hot.to_arrow(block.columns)))
        self._latest_block = max([self._latest_block, last_sealed, *(block.id for block in blocks)])

    def _newer(self, rows: pa.Table) -> None:
        """Note what is newest; what claims to be from the future would hide all that follows."""
        latest_ms = self._clock.now_ms() + DOUBTED_AHEAD_MS
        for series, observed_ms, value, quality in zip(
            *(rows.column(name).to_pylist() for name in hot.SCHEMA.names), strict=True
        ):
            known = self._latest.get(series)
            if observed_ms <= latest_ms and (known is None or observed_ms >= known.observed_ms):
                self._latest[series] = Latest(
                    series=series,
                    observed_ms=observed_ms,
                    value=None if value is None or value != value else value,
                    quality=quality,
                )

    def _averaging(self, series: int) -> Averaging:
        with self._database.read() as connection:
            measurement = connection.scalar(
                sa.select(schema.series.c.measurement).where(schema.series.c.id == series)
            )
        return quantity_of(measurement).averaging if measurement else Averaging.ARITHMETIC

    def _files(
        self, connection: sa.Connection, between: tuple[int, int] | None, after_block: int = 0
    ) -> tuple[list[str], int]:
        """Return the paths that may hold such readings, and the last block sealed into them."""
        table = schema.lake_files
        query = sa.select(table.c.path, table.c.last_block).where(table.c.last_block > after_block)
        if between:
            query = query.where(table.c.first_ms < between[1], table.c.last_ms >= between[0])
        rows = connection.execute(query).all()
        return (
            [str(self._folder / row.path) for row in rows],
            max((row.last_block for row in rows), default=0),
        )

    def _query(self, sql: str, values: list[object], between: tuple[int, int]) -> pa.Table:
        with self._database.read() as connection:
            files, _ = self._files(connection, between)
            fresh = self._hot.columns(connection)
        return self._run(sql, values, files, fresh)

    def _run(
        self, sql: str, values: list[object], files: list[str], fresh: Columns | None
    ) -> pa.Table:
        """Run a query over `readings`: the files' and the fresh ones'."""
        cursor = self._duckdb.cursor()
        parts = [_COLD] if files else []
        if fresh is not None:
            cursor.register("fresh", pa.table(hot.to_arrow(fresh)))
            parts.append("SELECT series, observed_ms, value, quality FROM fresh")
        given: list[object] = [files] if files else []
        try:
            return cursor.sql(
                f"WITH readings AS ({' UNION ALL '.join(parts)}) {sql}", params=given + values
            ).to_arrow_table()
        except duckdb.Error as error:
            raise StorageError(f"the lake cannot be read: {error}") from error
        finally:
            cursor.close()


def _columns(rows: pa.Table) -> Columns:
    return Columns(
        series=rows.column("series").to_numpy().astype(np.int32),
        observed_ms=rows.column("observed_ms").to_numpy().astype(np.int64),
        value=rows.column("value").to_numpy().astype(np.float64),
        quality=rows.column("quality").to_numpy().astype(np.uint16),
    )
