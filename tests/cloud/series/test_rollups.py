from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.core.columns import Columns
from cloud.core.rollup import DAY_MS, HOUR_MS, MINUTE_MS, Tier, bucket_of
from cloud.ports import OpenedStore, SeriesStore, Stepped
from cloud.series import SERIES_STORES, Site, hot, open_store
from cloud.series.rollup_list import due_days, kept_from_ms, listed, make_anew
from cloud.series.rollups import FAN_IN, GRACE_S, SETTLED_MS, Retention
from cloud.series.sealer import Sealer
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from cloud.state.upsert import upsert
from contract.clock import ManualClock
from contract.errors import StorageError
from contract.quality import Quality
from tests.suites.series_store import GAS, LAEQ, OK, T0_MS, WIND, SeriesStoreSuite, columns_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT_MS = bucket_of(Tier.DAY, T0_MS, SHANGHAI)
MEASUREMENTS = {LAEQ: "noise_laeq", WIND: "wind_direction", GAS: "gas_pressure.inlet"}


@dataclass
class RollupBench:
    database: Database
    opened: OpenedStore
    plain: SeriesStore
    clock: ManualClock
    data: Path

    @property
    def store(self) -> SeriesStore:
        return self.opened.series

    def commit(self, columns: Columns) -> None:
        with self.database.write() as connection:
            block = hot.append(connection, columns, T0_MS)
            row = {"id": 1, "block": block, "rules": "", "data": b""}
            upsert(connection, schema.engine_snapshot, row)

    def seal(self) -> None:
        Sealer(self.database, self.opened.cold, self.clock).seal()

    def tidy(self) -> None:
        while self.opened.cold.tidy():
            pass

    def files(self, tier: Tier) -> int:
        with self.database.read() as connection:
            return len(listed(connection, tier=tier))


def make(folder: Path, keep: Retention | None = None) -> RollupBench:
    database = Database(sqlite_url(folder / "state.sqlite"))
    migrate(database)
    with database.write() as connection:
        connection.execute(
            schema.devices.insert().values(
                id="d", gateway="g", kind="", profile="", name="", asset="", owner="", address="",
                tags={}, first_seen_ms=0,
            )
        )  # fmt: skip
        for number, measurement in MEASUREMENTS.items():
            connection.execute(
                schema.series.insert().values(id=number, device="d", measurement=measurement)
            )
    clock = ManualClock(T0_MS + HOUR_MS)
    site = Site(database=database, data=folder, clock=clock)
    opened = open_store("lake", site, SHANGHAI, keep or Retention())
    plain = SERIES_STORES["lake"](Site(database=database, data=folder, clock=clock)).series
    return RollupBench(database, opened, plain, clock, folder)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RollupBench]:
    made = make(tmp_path)
    yield made
    made.database.close()


class TestRolledStore(SeriesStoreSuite):
    """The suite, on the lake with rollups beside it."""


def same(found: Stepped, expected: Stepped) -> None:
    for name in ("from_ms", "readings", "excluded", "quality", "minimum", "maximum"):
        assert getattr(found, name) == getattr(expected, name), name
    assert len(found.mean) == len(expected.mean)
    for mean, exact in zip(found.mean, expected.mean, strict=True):
        if mean is None or exact is None:
            assert mean is exact
        else:
            apart = abs(mean - exact)
            assert min(apart, abs(apart - 360)) < 1e-6


STEPS = (MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS)


def compare(bench: RollupBench, steps: tuple[int, ...] = STEPS) -> None:
    """Every tier answers what the readings themselves come to."""
    to_ms = T0_MS + 3 * HOUR_MS + 1_234
    for series in MEASUREMENTS:
        for step_ms in steps:
            least_ms = max(to_ms - 1_000 * step_ms, MIDNIGHT_MS - DAY_MS)
            from_ms = MIDNIGHT_MS - DAY_MS + -(-(least_ms - MIDNIGHT_MS) // DAY_MS + 1) * DAY_MS
            from_ms = from_ms if from_ms < to_ms else to_ms // step_ms * step_ms - step_ms
            found = bench.store.stepped(series, from_ms, to_ms, step_ms)
            same(found, bench.plain.stepped(series, from_ms, to_ms, step_ms))


READING = st.tuples(
    st.sampled_from(sorted(MEASUREMENTS)),
    st.integers(-20 * 3600, 3 * 3600),
    st.integers(0, 40).map(float),
    st.sampled_from([OK, OK, OK, Quality.FAULT, Quality.STUCK]),
)
BLOCKS = st.lists(
    st.tuples(st.lists(READING, min_size=1, max_size=12), st.sampled_from(["", "seal", "tidy"])),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(blocks=BLOCKS)
def test_whatever_comes_when_a_rollup_is_what_the_readings_come_to(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[tuple[list[object], str]]
) -> None:
    """Late, early and on time, hot, sealed and merged."""
    bench = make(tmp_path_factory.mktemp("rollups"))
    for rows, then in blocks:
        bench.commit(columns_of(rows))  # type: ignore[arg-type]
        if then:
            bench.seal()
        if then == "tidy":
            bench.clock.advance_ms(SETTLED_MS)
            bench.tidy()
    compare(bench, (10 * MINUTE_MS, HOUR_MS, DAY_MS))
    bench.database.close()


def hours(count: int, start: int = 0) -> Columns:
    return columns_of([(LAEQ, start + n * 60, 50.0 + n % 7, OK) for n in range(count * 60)])


def test_a_rollup_is_open_to_any_reader(bench: RollupBench) -> None:
    bench.commit(
        columns_of([(LAEQ, 0, 60.0, OK), (LAEQ, 1, 70.0, OK), (LAEQ, 2, 0.0, Quality.FAULT)])
    )
    bench.seal()
    (path,) = bench.data.glob("rollups/tier=minute/period=2026-09-21/*.parquet")
    names = "device, measurement, readings, excluded, quality, mean, low, high"
    (row,) = duckdb.connect().sql(f"SELECT {names} FROM '{path}'").fetchall()
    assert row[:5] == ("d", "noise_laeq", 2, 1, int(Quality.FAULT))
    assert row[5:] == pytest.approx((10 * np.log10((10**6 + 10**7) / 2), 60.0, 70.0))


def test_a_query_uses_the_rollup_and_not_the_readings(bench: RollupBench) -> None:
    bench.commit(hours(3))
    bench.seal()
    expected = bench.plain.stepped(LAEQ, T0_MS, T0_MS + 3 * HOUR_MS, MINUTE_MS)
    for path in bench.data.glob("lake/*/*.parquet"):
        path.unlink()
    same(bench.store.stepped(LAEQ, T0_MS, T0_MS + 3 * HOUR_MS, MINUTE_MS), expected)
    with pytest.raises(StorageError):
        bench.store.stepped(LAEQ, T0_MS, T0_MS + 3 * HOUR_MS, 1_000)


def test_parts_are_merged_so_that_they_stay_few(bench: RollupBench) -> None:
    for n in range(FAN_IN):
        bench.commit(hours(1, start=n * 3600))
        bench.seal()
    assert bench.files(Tier.HOUR) == FAN_IN
    bench.tidy()
    assert bench.files(Tier.HOUR) == 1
    before = list(bench.data.glob("rollups/tier=hour/*/*.parquet"))
    assert len(before) == FAN_IN + 1  # somebody may be reading them
    bench.clock.advance_ms(round(GRACE_S * 1000))
    bench.tidy()
    assert len(list(bench.data.glob("rollups/tier=hour/*/*.parquet"))) == 1
    compare(bench)


def test_a_period_that_is_over_becomes_one_file(bench: RollupBench) -> None:
    for n in range(2):
        bench.commit(hours(1, start=n * 600))
        bench.seal()
    assert bench.files(Tier.MINUTE) == 2
    bench.tidy()
    assert bench.files(Tier.MINUTE) == 2
    bench.clock.advance_ms(2 * SETTLED_MS)
    bench.tidy()
    assert bench.files(Tier.MINUTE) == 1
    compare(bench)


def test_a_crash_leaves_only_strays(bench: RollupBench) -> None:
    bench.commit(hours(1))
    bench.seal()
    (path,) = bench.data.glob("rollups/tier=day/*/*.parquet")
    path.with_name("0123456789abcdef.parquet").write_bytes(path.read_bytes())
    path.with_name("x.tmp").write_bytes(b"half")
    compare(bench)
    assert bench.opened.cold.recover() == 2
    compare(bench)


def test_a_disk_that_is_full_loses_nothing(bench: RollupBench) -> None:
    (bench.data / "rollups").mkdir()
    blocker = bench.data / "rollups" / "tier=hour"
    blocker.touch()
    bench.commit(hours(1))
    with pytest.raises(StorageError, match="rollups cannot be written"):
        bench.seal()
    assert list(bench.data.glob("rollups/*/*/*")) == []
    compare(bench)
    blocker.unlink()
    bench.seal()
    compare(bench)


def test_days_that_were_sealed_before_are_made_anew(bench: RollupBench) -> None:
    bench.commit(hours(30, start=-20 * 3600))
    bench.seal()
    expected = bench.files(Tier.DAY)
    with bench.database.write() as connection:
        connection.execute(schema.rollup_files.delete())
        days = make_anew(connection, T0_MS - 20 * HOUR_MS, T0_MS + 10 * HOUR_MS)
        assert make_anew(connection, T0_MS, T0_MS + 1) == ["2026-09-21"]
    assert days == ["2026-09-20", "2026-09-21", "2026-09-22"]
    compare(bench)  # from the readings
    bench.tidy()
    with bench.database.read() as connection:
        assert due_days(connection) == []
    assert bench.files(Tier.DAY) >= expected
    compare(bench)


def test_a_rollup_that_is_wrong_is_made_anew_and_nothing_beside_it(bench: RollupBench) -> None:
    bench.commit(hours(60, start=-30 * 3600))
    bench.seal()
    with bench.database.write() as connection:
        make_anew(connection, T0_MS, T0_MS + 1)
    bench.tidy()
    compare(bench)
    with bench.database.read() as connection:
        files = listed(connection, tier=Tier.MINUTE)
    assert sum(file.rows for file in files) == 3_600


def test_a_day_waits_while_some_of_its_readings_are_hot(bench: RollupBench) -> None:
    bench.commit(hours(1))
    with bench.database.write() as connection:
        make_anew(connection, T0_MS, T0_MS + 1)
    assert not bench.opened.cold.tidy()
    compare(bench)
    bench.seal()
    bench.tidy()
    compare(bench)


def test_a_tier_is_kept_as_long_as_it_says_and_then_others_answer(tmp_path: Path) -> None:
    bench = make(tmp_path, Retention(minute=2.0))
    bench.commit(hours(1))
    bench.seal()
    bench.clock.advance_ms(3 * DAY_MS)
    bench.tidy()
    assert (bench.files(Tier.MINUTE), bench.files(Tier.HOUR)) == (0, 1)
    with bench.database.read() as connection:
        assert kept_from_ms(connection, Tier.MINUTE) == T0_MS + HOUR_MS
    compare(bench)
    bench.database.close()


def test_a_damaged_file_costs_time_and_no_answer(
    bench: RollupBench, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(FAN_IN):
        bench.commit(hours(1, start=n * 3600))
        bench.seal()
    for path in bench.data.glob("rollups/tier=hour/*/*.parquet"):
        path.write_bytes(b"damaged")
    compare(bench)
    assert "the readings answer" in caplog.text
    bench.tidy()
    assert "rolled up anew" in caplog.text
    caplog.clear()
    compare(bench)
    assert caplog.text == ""


def test_readings_past_their_retention_leave_their_rollups(bench: RollupBench) -> None:
    bench.commit(hours(1))
    bench.commit(columns_of([(GAS, 5, 2.0, OK)]))
    bench.seal()
    expected = bench.store.stepped(LAEQ, MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, HOUR_MS)
    with bench.database.write() as connection:
        connection.execute(schema.lake_files.delete())
        make_anew(connection, T0_MS, T0_MS + 1)
    bench.commit(columns_of([(GAS, 6, 2.0, OK)]))
    bench.seal()
    bench.tidy()
    same(bench.store.stepped(LAEQ, MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, HOUR_MS), expected)
    assert bench.store.stepped(GAS, MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS, HOUR_MS).readings == [1]


def test_a_query_while_parts_are_merged_sees_each_once(bench: RollupBench) -> None:
    stop, seen = threading.Event(), set()

    def look() -> None:
        while not stop.is_set():
            found = bench.store.stepped(LAEQ, MIDNIGHT_MS, T0_MS + DAY_MS, HOUR_MS)
            seen.add(sum(found.readings))

    looker = threading.Thread(target=look)
    looker.start()
    while not seen:
        stop.wait(0.001)
    for n in range(2 * FAN_IN):
        bench.commit(hours(1, start=n * 1800))
        bench.seal()
        bench.clock.advance_ms(round(GRACE_S * 500))
        bench.tidy()
    stop.set()
    looker.join()
    assert seen <= {60 * n for n in range(2 * FAN_IN + 1)}
    assert max(seen) > 0
    compare(bench)
