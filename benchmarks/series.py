"""How small, how fast to ask and how steady the lake is, with a hundred million readings in it.

    python -m benchmarks.series [--json] [--quick]

Readings once a minute at a resolution of 0.1: a daily swing, slow and fast noise, a few
milliseconds of jitter. Days are written by the sealer's own writer. Times are medians. The cost of
a reading is the CPU time of committing a block, sealing it and following the latest values, in turn
on a lake of 10 and one of 200 million readings, so that a busy machine troubles both alike.
--quick takes a thousandth of all that: it shows that the benchmark runs, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cloud.core.columns import Columns
from cloud.ports import SeriesName
from cloud.series import day_files, hot
from cloud.series.lake import LakeStore
from cloud.series.lake_files import LakeFiles
from cloud.series.sealer import Sealer
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from cloud.state.upsert import upsert
from contract.clock import ManualClock

DAY_MS = day_files.DAY_MS
BEGIN_MS = 20_000 * DAY_MS
MINUTES = 1_440
POINTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """series × 1,440 readings a day × days; the small and the large lake of the cost."""

    series: int = 2_315
    days: int = 30
    latest: int = 10_000
    small_days: int = 3
    large_days: int = 60
    rounds: int = 7
    block: int = 50_000


QUICK = Size(series=20, days=2, latest=30, small_days=1, large_days=3, rounds=2, block=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the issue asks for."""

    bytes_per_reading: float
    month_query_ms: float
    latest_10000_ms: float
    restart_s: float
    cost_ratio_200m_to_10m: float


class Lake:
    """A lake in a folder, filled in bulk through the sealer's writer."""

    def __init__(self, folder: Path, series: int) -> None:
        self.folder = folder
        folder.mkdir()
        self.database = Database(sqlite_url(folder / "state.sqlite"))
        migrate(self.database)
        self.names = {
            n: SeriesName(device=f"noise-{n:05d}", measurement="noise_laeq")
            for n in range(1, series + 1)
        }
        self._register()
        self.clock = ManualClock(BEGIN_MS)
        self.block = 0
        self.readings = 0
        self.reopen()

    def reopen(self) -> None:
        """Start anew, as a process does."""
        lake = self.folder / "lake"
        self.store = LakeStore(self.database, lake, self.clock)
        self.files = LakeFiles(self.database, lake, self.clock)
        self.sealer = Sealer(self.database, self.files, self.clock)

    def add_day(self, columns: Columns) -> None:
        """Write a day's file, as merging leaves it."""
        day = day_files.day_name(int(columns.observed_ms[0]) // DAY_MS)
        self.block += 1
        with self.database.write() as connection:
            file = day_files.write_day(
                self.folder / "lake", day, [columns], self.names, (0, 0), self.clock.now_ms()
            )
            day_files.name_files(connection, [file])
        self.readings += len(columns)

    def commit(self, columns: Columns) -> None:
        """Commit a block as intake does, and let it be sealed."""
        with self.database.write() as connection:
            block = hot.append(connection, columns, self.clock.now_ms())
            row = {"id": 1, "block": block, "rules": "", "data": b""}
            upsert(connection, schema.engine_snapshot, row)

    def _register(self) -> None:
        device = {"gateway": "g", "kind": "noise", "profile": "", "name": "", "asset": ""}
        place = {"owner": "", "address": "", "tags": {}, "first_seen_ms": 0}
        with self.database.write() as connection:
            rows = [{"id": name.device, **device, **place} for name in self.names.values()]
            connection.execute(schema.devices.insert(), rows)
            numbered = [{"id": n, **asdict(name)} for n, name in self.names.items()]
            connection.execute(schema.series.insert(), numbered)


def day_of(series: int, day: int) -> Columns:
    """Make a day of readings, sorted: 0.1 dB, a daily swing, noise of two speeds, jitter."""
    dice = np.random.default_rng([series, day])
    minutes = np.arange(MINUTES)
    level = 55 + 8 * np.random.default_rng(series).standard_normal((series, 1))
    swing = 5 * np.sin(2 * np.pi * (minutes / MINUTES - 0.3))
    slow = np.repeat(dice.normal(0, 1.5, (series, MINUTES // 10)), 10, axis=1)
    value = np.round(level + swing + slow + dice.normal(0, 1.5, (series, MINUTES)), 1)
    phase = np.random.default_rng(series + 1).integers(0, 60_000, (series, 1))
    jitter = np.round(dice.gamma(4, 8, (series, MINUTES))).astype(np.int64)  # 32 ± 16 ms
    at = BEGIN_MS + day * DAY_MS + np.minimum(minutes * 60_000 + phase + jitter, DAY_MS - 1)
    return Columns(
        series=np.repeat(np.arange(1, series + 1, dtype=np.int32), MINUTES),
        observed_ms=np.sort(at, axis=1).ravel(),
        value=value.ravel(),
        quality=np.zeros(series * MINUTES, np.uint16),
    )


def run(size: Size, folder: Path) -> Figures:
    """Measure all."""
    month = Lake(folder / "month", max(size.series, size.latest))
    for day in range(size.days):
        month.add_day(day_of(size.series, day))
    month.clock.set_now_ms(BEGIN_MS + size.days * DAY_MS)
    sealed = sum(path.stat().st_size for path in month.folder.glob("lake/day=*/*.parquet"))
    bytes_per_reading = sealed / month.readings
    _hot_and_sealed(month, size)
    month_ms = [_timed(lambda at=at: _month(month, size, at)) for at in range(size.rounds)]  # type: ignore[misc]
    everyone = range(1, size.latest + 1)
    latest_ms = [_timed(lambda: month.store.latest(everyone)) for _ in range(size.rounds)]
    restart_ms = [_timed(lambda: _restart(month, everyone)) for _ in range(3)]
    ratio = _cost_ratio(size, folder, month)
    return Figures(
        bytes_per_reading=round(bytes_per_reading, 3),
        month_query_ms=round(statistics.median(month_ms), 1),
        latest_10000_ms=round(statistics.median(latest_ms), 1),
        restart_s=round(statistics.median(restart_ms) / 1000, 3),
        cost_ratio_200m_to_10m=round(ratio, 3),
    )


def _hot_and_sealed(lake: Lake, size: Size) -> None:
    """Let every series have a newest reading, sealed or hot, as in a cloud that runs."""
    now_ms = lake.clock.now_ms()
    for at in range(2):
        lake.commit(_minute(size.latest, now_ms + at * 60_000))
        if at == 0:
            lake.sealer.seal()


def _minute(series: int, at_ms: int) -> Columns:
    return Columns(
        series=np.arange(1, series + 1, dtype=np.int32),
        observed_ms=np.full(series, at_ms, np.int64),
        value=np.round(np.random.default_rng(at_ms).normal(60, 5, series), 1),
        quality=np.zeros(series, np.uint16),
    )


def _month(lake: Lake, size: Size, at: int) -> None:
    span = size.days * DAY_MS
    series = 1 + at * 331 % size.series
    found = lake.store.stepped(series, BEGIN_MS, BEGIN_MS + span, span // POINTS)
    if len(found.mean) < POINTS - 1:
        raise RuntimeError(f"{len(found.mean)} points, not {POINTS}")


def _restart(lake: Lake, everyone: Sequence[int]) -> None:
    """From nothing in memory to the latest of all, as the web process starts."""
    lake.reopen()
    lake.files.recover()
    if len(lake.store.latest(everyone)) != len(everyone):
        raise RuntimeError("somebody has no latest reading")


def _cost_ratio(size: Size, folder: Path, large: Lake) -> float:
    """Compare what a reading costs on a large lake with what it costs on a small one."""
    small = Lake(folder / "small", len(large.names))
    _hot_and_sealed(small, size)
    for lake, days in ((small, range(size.small_days)), (large, range(size.days, size.large_days))):
        for day in days:
            lake.add_day(day_of(size.series, day))
        lake.clock.set_now_ms(BEGIN_MS + days.stop * DAY_MS)
    lakes = {"small": small, "large": large}
    spent: dict[str, list[float]] = {name: [] for name in lakes}
    for turn in range(size.rounds + 1):
        for name, lake in lakes.items():
            seconds = _cpu(lambda lake=lake, turn=turn: _work(lake, size, turn))  # type: ignore[misc]
            if turn:  # the first warms up
                spent[name].append(seconds)
    for lake in lakes.values():
        lake.database.close()
    return statistics.median(spent["large"]) / statistics.median(spent["small"])


def _work(lake: Lake, size: Size, turn: int) -> None:
    """Take in blocks, seal them, merge, and look at the latest and the counts."""
    for at in range(4):
        minute = _minute(size.series, lake.clock.now_ms() + at * 60_000)
        lake.commit(_stretched(minute, size.block))
        lake.store.latest([1 + turn])
    lake.sealer.seal()
    lake.clock.advance_ms(300_000)
    while lake.files.tidy():
        pass


def _stretched(minute: Columns, block: int) -> Columns:
    """Repeat a minute until it is a block, a second later each time."""
    rows = np.arange(block)
    found = minute.take(rows % len(minute))
    return Columns(
        series=found.series,
        observed_ms=found.observed_ms + rows // len(minute) * 1000,
        value=found.value,
        quality=found.quality,
    )


def _timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return (time.perf_counter() - began) * 1000


def _cpu(what: Callable[[], object]) -> float:
    began = time.process_time()
    what()
    return time.process_time() - began


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--quick", action="store_true", help="small: to see that it runs")
    parser.add_argument("--folder", type=Path, help="where to make the lakes (up to 1 GB)")
    asked = parser.parse_args(arguments)
    size = QUICK if asked.quick else Size()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        figures = run(size, Path(folder))
    readings = size.series * MINUTES * size.days
    print(f"{readings / 1e6:.3g} million readings, {size.series} series, {size.days} days")
    for what, figure, unit in (
        ("sealed", figures.bytes_per_reading, "bytes a reading"),
        (f"one series, {size.days} days in {POINTS} points", figures.month_query_ms, "ms"),
        (f"latest of {size.latest} series", figures.latest_10000_ms, "ms"),
        ("restart, to the latest of all", figures.restart_s, "s"),
        ("a reading's cost, large lake to small", figures.cost_ratio_200m_to_10m, ""),
    ):
        print(f"{what:<44}{figure:10.3f} {unit}")
    if asked.json:
        print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
