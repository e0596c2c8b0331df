"""The reading side: InfluxQL up to the sealer's cursor, and what is hot after it.

Averages are not the server's: decibels average by energy and directions as vectors, so that the
same readings have the same averages in every store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cloud.core.admit import DOUBTED_AHEAD_MS
from cloud.core.averages import merge, of_readings, ways_by_series
from cloud.core.columns import Columns, concatenate
from cloud.core.merge import repeated
from cloud.ports import Count, Latest, SeriesName, Stepped
from cloud.series import hot
from cloud.series.day_files import DAY_MS
from cloud.series.hot_view import HotView
from cloud.series.influx.server import Rows, Server
from cloud.series.rolled_store import stepped_of
from cloud.series.sealer import series_names
from cloud.series.steps import check_steps
from cloud.state.database import Database
from contract.clock import Clock

SERIES_AT_ONCE = 100
FIELDS = '"value", "quality"'


class InfluxStore:
    """A SeriesStore over a server that answers InfluxQL."""

    def __init__(
        self, database: Database, server: Server, clock: Clock, hot_view: HotView | None = None
    ) -> None:
        self._database = database
        self._server = server
        self._clock = clock
        self._hot = hot_view or HotView()
        self._coldest: dict[int, Latest] = {}  # the newest cold readings, as of _cold_block
        self._cold_block = -1

    def range(self, series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        fresh, names, upto = self._look(from_ms, to_ms, series)
        cold = [
            part
            for some in _some(sorted(set(series) & set(names)))
            for part in self._cold({number: names[number] for number in some}, from_ms, to_ms, upto)
        ]
        return concatenate([*cold, fresh]).by_series_and_time()

    def read(self, series: Sequence[int] | None, from_ms: int, to_ms: int) -> Iterator[Columns]:
        with self._database.read() as connection:
            wanted = sorted(series_names(connection)) if series is None else sorted(set(series))
        first_ms, last_ms = self._span(from_ms, to_ms)
        for day in range(first_ms // DAY_MS, last_ms // DAY_MS + 1):
            begin, end = max(from_ms, day * DAY_MS), min(to_ms, (day + 1) * DAY_MS)
            for some in _some(wanted):
                part = self.range(some, begin, end)
                if len(part):
                    yield part

    def stepped(self, series: int, from_ms: int, to_ms: int, step_ms: int) -> Stepped:
        check_steps(from_ms, to_ms, step_ms)
        with self._database.read() as connection:
            names = series_names(connection)
        ways = ways_by_series({number: name.measurement for number, name in names.items()})
        columns = self.range([series], from_ms, to_ms)
        steps = from_ms + (columns.observed_ms - from_ms) // step_ms * step_ms
        return stepped_of(merge(of_readings(columns, ways), ways, steps))

    def latest(self, series: Sequence[int]) -> dict[int, Latest]:
        before_ms = self._clock.now_ms() + DOUBTED_AHEAD_MS + 1
        fresh, names, upto = self._look(0, before_ms, series)
        if upto != self._cold_block:
            self._coldest = self._newest_cold(names, before_ms, upto)
            self._cold_block = upto
        newest = {number: self._coldest[number] for number in series if number in self._coldest}
        ordered = fresh.by_series_and_time()
        last_ones = np.append(ordered.series[1:] != ordered.series[:-1], True)[: len(ordered)]
        for found in _latest(ordered.take(last_ones)):
            known = newest.get(found.series)
            if known is None or found.observed_ms >= known.observed_ms:
                newest[found.series] = found
        return newest

    def count(self) -> Count:
        fresh, names, upto = self._look(0, 2**62, None)
        hot_rows = fresh.by_series_and_time()
        cold = sum(
            int(row[1] or 0)
            for measurement in sorted({name.measurement for name in names.values()})
            for rows in self._server.query(
                f'SELECT count("quality") FROM "{measurement}" WHERE "block" <= {upto}'  # noqa: S608
            )
            for row in rows.values
        )
        twice = repeated(hot_rows, None) + self._hot_and_cold(hot_rows, names, upto)
        return Count(stored=cold + len(hot_rows), duplicates=twice, hot=len(hot_rows), cold=cold)

    def _hot_and_cold(self, fresh: Columns, names: Mapping[int, SeriesName], upto: int) -> int:
        """Count the hot readings that are cold, too."""
        if not len(fresh):
            return 0
        begin, end = int(fresh.observed_ms.min()), int(fresh.observed_ms.max()) + 1
        both = 0
        for some in _some(np.unique(fresh.series).tolist()):
            known = {number: names[number] for number in some if number in names}
            for part in self._cold(known, begin, end, upto):
                mine = fresh.take(fresh.series == part.series[0])
                both += int(np.isin(mine.observed_ms, part.observed_ms).sum())
        return both

    def _look(
        self, from_ms: int, to_ms: int, series: Sequence[int] | None
    ) -> tuple[Columns, dict[int, SeriesName], int]:
        """Return what is hot, what series are called, and the cursor, in one view."""
        with self._database.read() as connection:
            return (
                self._hot.select(connection, from_ms, to_ms, series),
                series_names(connection),
                hot.sealed_upto(connection),
            )

    def _cold(
        self, names: Mapping[int, SeriesName], from_ms: int, to_ms: int, upto: int
    ) -> Iterator[Columns]:
        """Yield cold readings, each part of one series."""
        numbers = {(name.measurement, name.device): number for number, name in names.items()}
        devices: dict[str, list[str]] = defaultdict(list)
        for name in names.values():
            devices[name.measurement].append(name.device)
        for measurement, some in devices.items():
            asked = " OR ".join(f"\"device\" = '{device}'" for device in some)
            statement = (
                f'SELECT {FIELDS} FROM "{measurement}" WHERE ({asked})'  # noqa: S608  checked names
                f' AND "block" <= {upto} AND time >= {from_ms}ms AND time < {to_ms}ms'
                ' GROUP BY "device"'
            )
            for rows in self._server.query(statement):
                yield _columns(rows, numbers[measurement, rows.tags["device"]])

    def _newest_cold(
        self, names: Mapping[int, SeriesName], before_ms: int, upto: int
    ) -> dict[int, Latest]:
        numbers = {(name.measurement, name.device): number for number, name in names.items()}
        newest: dict[int, Latest] = {}
        for measurement in sorted({name.measurement for name in names.values()}):
            statement = (
                f'SELECT {FIELDS} FROM "{measurement}" WHERE "block" <= {upto}'  # noqa: S608
                f' AND time < {before_ms}ms GROUP BY "device" ORDER BY time DESC LIMIT 1'
            )
            for rows in self._server.query(statement):
                number = numbers.get((measurement, rows.tags["device"]))
                if number is not None:
                    newest |= {each.series: each for each in _latest(_columns(rows, number))}
        return newest

    def _span(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return the first and the last time that has readings, within what is asked."""
        fresh, names, upto = self._look(from_ms, to_ms, None)
        times: list[int] = fresh.observed_ms.tolist()
        for measurement in sorted({name.measurement for name in names.values()}):
            for order in ("ASC", "DESC"):
                statement = (
                    f'SELECT "quality" FROM "{measurement}" WHERE "block" <= {upto}'  # noqa: S608
                    f" AND time >= {from_ms}ms AND time < {to_ms}ms"
                    f" ORDER BY time {order} LIMIT 1"
                )
                for rows in self._server.query(statement):
                    times += [int(row[0] or 0) for row in rows.values]
        return (min(times), max(times)) if times else (0, -DAY_MS)


def _columns(rows: Rows, number: int) -> Columns:
    times, values, qualities = zip(*rows.values, strict=True)
    return Columns(
        series=np.full(len(times), number, np.int32),
        observed_ms=np.array(times, np.int64),
        value=np.array([np.nan if value is None else value for value in values], np.float64),
        quality=np.array(qualities, np.uint16),
    )


def _latest(columns: Columns) -> Iterator[Latest]:
    for series, observed_ms, value, quality in zip(
        columns.series.tolist(),
        columns.observed_ms.tolist(),
        columns.value.tolist(),
        columns.quality.tolist(),
        strict=True,
    ):
        yield Latest(
            series=series,
            observed_ms=observed_ms,
            value=None if value != value else value,
            quality=quality,
        )


def _some(series: Sequence[int]) -> Iterator[list[int]]:
    for begin in range(0, len(series), SERIES_AT_ONCE):
        yield list(series[begin : begin + SERIES_AT_ONCE])
