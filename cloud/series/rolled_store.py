"""The reading side of rollups: a SeriesStore whose steps come from the coarsest tier that fits.

A step is then the merge of rolled-up parts and of readings that are hot: what a query over the
readings themselves would return, for all that it need not read them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud.core.averages import Rolled, join, merge, of_readings, ways_by_series
from cloud.core.columns import Columns
from cloud.core.rollup import DAY_MS, Tier, bucket_of, tier_for
from cloud.ports import Count, Latest, SeriesStore, Stepped
from cloud.series.hot_view import HotView
from cloud.series.rollup_files import of_table
from cloud.series.rollup_list import File, day_begins_ms, due_days, kept_from_ms, listed
from cloud.series.steps import MAX_POINTS
from cloud.state import schema
from cloud.state.database import Database
from contract.errors import StorageError

log = logging.getLogger("gridwarden.rollups")

LOOKS = 3  # at a list of files that changes while it is looked at

_SQL = """
    SELECT series, epoch_ms("from") AS "from", readings, excluded, quality,
           coalesce(mean, 'nan'::DOUBLE) AS mean, coalesce(low, 'nan'::DOUBLE) AS low,
           coalesce(high, 'nan'::DOUBLE) AS high, coalesce(aux, 0) AS aux
    FROM read_parquet(?)
    WHERE series = ? AND "from" >= make_timestamptz(? * 1000)
      AND "from" < make_timestamptz(? * 1000)
"""


class _UnreadableError(StorageError):
    """A file of rollups is not there, or damaged."""


class RolledStore:
    """A SeriesStore over another one."""

    def __init__(
        self,
        series: SeriesStore,
        database: Database,
        folder: Path,
        zone: ZoneInfo,
        hot: HotView,
    ) -> None:
        self._series = series
        self._database = database
        self._folder = folder
        self._zone = zone
        self._hot = hot
        self._duckdb = duckdb.connect(config={"threads": 2})

    def range(self, series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        return self._series.range(series, from_ms, to_ms)

    def read(self, series: Sequence[int] | None, from_ms: int, to_ms: int) -> Iterator[Columns]:
        return self._series.read(series, from_ms, to_ms)

    def latest(self, series: Sequence[int]) -> dict[int, Latest]:
        return self._series.latest(series)

    def count(self) -> Count:
        return self._series.count()

    def stepped(self, series: int, from_ms: int, to_ms: int, step_ms: int) -> Stepped:
        tier = None
        if step_ms >= 1 and from_ms < to_ms and (to_ms - from_ms) / step_ms <= MAX_POINTS:
            tier = tier_for(from_ms, step_ms, self._zone)
        if tier is None:
            return self._series.stepped(series, from_ms, to_ms, step_ms)
        for _ in range(LOOKS):
            try:
                return self._from_tier(tier, series, from_ms, to_ms, step_ms)
            except _UnreadableError as error:  # perhaps it was merged into another just now
                failed = error
        log.error("%s; the readings answer. To repair: gridwarden cloud series roll", failed)
        return self._series.stepped(series, from_ms, to_ms, step_ms)

    def _from_tier(
        self, tier: Tier, series: int, from_ms: int, to_ms: int, step_ms: int
    ) -> Stepped:
        whole_ms = max(from_ms, bucket_of(tier, to_ms, self._zone))
        with self._database.read() as connection:
            if not _is_whole(connection, tier, from_ms, whole_ms):
                return self._series.stepped(series, from_ms, to_ms, step_ms)
            files = listed(connection, (from_ms, whole_ms), tier)
            fresh = self._hot.select(connection, from_ms, whole_ms, [series])
            ways = _ways(connection, series)
        parts = [of_readings(fresh, ways)]
        if files:
            parts.append(self._rolled(files, series, from_ms, whole_ms))
        if whole_ms < to_ms:
            parts.append(of_readings(self._series.range([series], whole_ms, to_ms), ways))
        rows = join(parts)
        return stepped_of(
            merge(rows, ways, from_ms + (rows.from_ms - from_ms) // step_ms * step_ms)
        )

    def _rolled(self, files: Sequence[File], series: int, from_ms: int, to_ms: int) -> Rolled:
        cursor = self._duckdb.cursor()
        paths = [str(self._folder / file.path) for file in files]
        try:
            found = cursor.sql(_SQL, params=[paths, series, from_ms, to_ms]).to_arrow_table()
        except duckdb.Error as error:
            raise _UnreadableError(f"the rollups cannot be read: {error}") from error
        finally:
            cursor.close()
        return of_table(found)


def stepped_of(rows: Rolled) -> Stepped:
    """Return one series' rows, one a step, as points."""
    some = rows.readings > 0

    def told(values: NDArray[np.float64]) -> list[float | None]:
        return [
            value if usable else None
            for value, usable in zip(values.tolist(), some.tolist(), strict=True)
        ]

    return Stepped(
        from_ms=rows.from_ms.tolist(),
        mean=told(rows.mean),
        minimum=told(rows.low),
        maximum=told(rows.high),
        readings=rows.readings.tolist(),
        excluded=rows.excluded.tolist(),
        quality=rows.quality.tolist(),
    )


def _is_whole(connection: sa.Connection, tier: Tier, from_ms: int, to_ms: int) -> bool:
    """Whether a tier has all of a stretch."""
    if kept_from_ms(connection, tier) > from_ms:
        return False
    due = (day_begins_ms(day) for day in due_days(connection))
    # A day that is due is made with the local days it lies in.
    return not any(begin - DAY_MS < to_ms and from_ms < begin + 2 * DAY_MS for begin in due)


def _ways(connection: sa.Connection, series: int) -> NDArray[np.int8]:
    measurement = connection.scalar(
        sa.select(schema.series.c.measurement).where(schema.series.c.id == series)
    )
    return ways_by_series({series: measurement or ""})
