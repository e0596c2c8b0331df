"""Days rolled up anew: those that were sealed before there were rollups, or that somebody asks for.

Until that is done, nobody reads the rollups of such a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from cloud.core.averages import Rolled
from cloud.core.columns import Columns, concatenate
from cloud.core.rollup import DAY_MS, Tier, bucket_end, bucket_of
from cloud.ports import SeriesName, SeriesStore
from cloud.series import hot
from cloud.series.rollup_files import Folder
from cloud.series.rollup_list import File, day_begins_ms, due_days, is_hot, listed, swap
from cloud.series.sealer import series_names
from cloud.state import schema
from cloud.state.database import Database

AT_ONCE = 2_000_000  # readings rolled up at once: bounds the memory


class DayMaker:
    """Makes the rollups of due days, one at a time."""

    def __init__(self, database: Database, folder: Folder, series: SeriesStore) -> None:
        self._database = database
        self._folder = folder
        self._series = series

    def make_next(self) -> list[File] | None:
        """Make one due day whose readings are all sealed; return the files it replaced.

        Returns: None if there is no such day. Raises: StorageError.
        """
        with self._database.read() as connection:
            names = series_names(connection)
            spans = {day: self._span(day) for day in due_days(connection)}
            ready = [day for day, span in spans.items() if not is_hot(connection, *span)]
            cursor = hot.sealed_upto(connection)
        if not ready:
            return None
        return self._make(ready[0], spans[ready[0]], names, cursor)

    def _span(self, day: str) -> tuple[int, int]:
        """Return the local days that a UTC day lies in, from their begin to their end."""
        zone, first_ms = self._folder.zone, day_begins_ms(day)
        last = bucket_of(Tier.DAY, first_ms + DAY_MS - 1, zone)
        return bucket_of(Tier.DAY, first_ms, zone), bucket_end(Tier.DAY, last, zone)

    def _make(
        self, day: str, span: tuple[int, int], names: Mapping[int, SeriesName], cursor: int
    ) -> list[File] | None:
        fresh: list[File] = []
        seen = np.empty(0, np.int32)
        for columns in gathered(self._series.read(None, *span)):
            fresh += self._folder.roll(columns, names, span)
            seen = np.union1d(seen, columns.series)
        old, kept = self._without(span, seen, names)
        with self._database.write() as connection:
            if is_hot(connection, *span) or hot.sealed_upto(connection) != cursor:
                self._folder.delete(fresh + kept)  # readings came meanwhile: later
                return None
            swap(connection, old, fresh + kept)
            connection.execute(schema.rollup_due.delete().where(schema.rollup_due.c.day == day))
        return old

    def _without(
        self, span: tuple[int, int], seen: NDArray[np.int32], names: Mapping[int, SeriesName]
    ) -> tuple[list[File], list[File]]:
        """Write the files that overlap a stretch again, without it; return the old and the new.

        A series without any reading stays as it is: its readings are past their retention.
        """
        with self._database.read() as connection:
            old = listed(connection, between=span)
        new: list[File] = []
        for file in old:
            begin_ms, end_ms = self._folder.buckets_within(Tier(file.tier), *span)

            def known(rows: Rolled, begin: int = begin_ms, end: int = end_ms) -> NDArray[np.bool_]:
                inside = (rows.from_ms >= begin) & (rows.from_ms < end)
                return inside & np.isin(rows.series, seen)

            parts = self._folder.merged([file], names, known)
            new += self._folder.write(Tier(file.tier), file.period, file.level, parts, names)
        return old, new


def gathered(parts: Iterable[Columns]) -> Iterator[Columns]:
    """Join parts until they are worth the while, and sort them."""
    held: list[Columns] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= AT_ONCE:
            yield concatenate(held).by_series_and_time()
            held = []
    if held:
        yield concatenate(held).by_series_and_time()
