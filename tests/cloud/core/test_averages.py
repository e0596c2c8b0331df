from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core import averages, rollup
from cloud.core.averages import WAYS, Rolled, average, averaging_of, join, merge, of_readings
from cloud.core.columns import Columns, concatenate
from cloud.core.rollup import DAY_MS, HOUR_MS, MINUTE_MS, Tier
from cloud.series.lake import MEANS
from contract.quality import UNUSABLE, Quality
from contract.quantities import Averaging

SHANGHAI = ZoneInfo("Asia/Shanghai")
KOLKATA = ZoneInfo("Asia/Kolkata")
T0_MS = 1_790_000_000_000
DUCKDB = duckdb.connect()
EVERY_WAY = np.arange(len(WAYS), dtype=np.int8)  # series n averages in way n


def naive(averaging: Averaging, values: list[float], at: list[int]) -> float:
    """What the formulas say, one value after the other."""
    n = len(values)
    match averaging:
        case Averaging.ARITHMETIC:
            return sum(values) / n
        case Averaging.ENERGY:
            return 10 * math.log10(sum(10 ** (0.1 * level) for level in values) / n)
        case Averaging.VECTOR:
            north = sum(math.cos(math.radians(v)) for v in values)
            east = sum(math.sin(math.radians(v)) for v in values)
            return math.degrees(math.atan2(east, north)) % 360
        case Averaging.MAXIMUM:
            return max(values)
        case Averaging.MINIMUM:
            return min(values)
        case Averaging.SUM:
            return sum(values)
        case Averaging.LAST:
            return max(zip(at, values, strict=True))[1]


def near(averaging: Averaging, found: float, expected: float, tolerance: float = 1e-6) -> bool:
    if averaging is Averaging.VECTOR:
        apart = abs(found - expected) % 360
        return min(apart, 360 - apart) < tolerance
    return found == pytest.approx(expected, rel=tolerance, abs=tolerance)


# A dozen degrees either side: where the mean direction is a matter of rounding nobody compares it.
VALUES = st.lists(st.integers(0, 1_200).map(lambda n: n / 10), min_size=1, max_size=30)
DIRECTIONS = st.lists(st.integers(-60, 60).map(lambda n: n % 360.0), min_size=1, max_size=30)


def values_of(averaging: Averaging) -> st.SearchStrategy[list[float]]:
    return DIRECTIONS if averaging is Averaging.VECTOR else VALUES


@pytest.mark.parametrize("averaging", list(Averaging))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_average_is_what_the_formula_says_and_what_duckdb_says(
    averaging: Averaging, data: st.DataObject
) -> None:
    values = data.draw(values_of(averaging))
    at = data.draw(st.permutations(range(len(values))))
    expected = naive(averaging, values, list(at))
    found = average(averaging, np.array(values), np.array(at, np.int64))
    assert near(averaging, found, expected)
    table = pa.table({"value": values, "observed_ms": list(at)})
    DUCKDB.register("readings", table)
    ((mean,),) = DUCKDB.sql(f"SELECT {MEANS[averaging]} FROM readings").fetchall()
    assert near(averaging, mean, expected)


def test_measurements_average_as_their_quantity() -> None:
    assert averaging_of("noise_laeq") is Averaging.ENERGY
    assert averaging_of("gas_pressure.inlet") is Averaging.ARITHMETIC
    assert averaging_of("forgotten") is Averaging.ARITHMETIC
    ways = averages.ways_by_series({1: "wind_direction", 3: "rainfall"})
    assert [WAYS[way] for way in ways[[1, 3]]] == [Averaging.VECTOR, Averaging.SUM]
    assert len(averages.ways_by_series({})) == 1


QUALITIES = st.sampled_from(
    [0, 0, 0, 0, int(Quality.FAULT), int(Quality.STUCK), int(Quality.STALE | Quality.CLOCK_UNSURE)]
)


@st.composite
def arrivals(draw: st.DrawFn) -> Columns:
    """Readings of all ways over some hours, around a local midnight, in whatever order."""
    count = draw(st.integers(1, 60))
    series = draw(st.lists(st.integers(0, len(WAYS) - 1), min_size=count, max_size=count))
    times = draw(st.lists(st.integers(0, 8 * HOUR_MS), min_size=count, max_size=count, unique=True))
    midnight_ms = rollup.bucket_of(Tier.DAY, T0_MS, SHANGHAI)
    values = [
        (draw(st.integers(-60, 60)) % 360.0)
        if WAYS[number] is Averaging.VECTOR
        else draw(st.integers(200, 1_200)) / 10
        for number in series
    ]
    missing = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    quality = draw(st.lists(QUALITIES, min_size=count, max_size=count))
    return Columns(
        series=np.array(series, np.int32),
        observed_ms=np.array(times, np.int64) + midnight_ms - 4 * HOUR_MS,
        value=np.where(np.array(missing) & (np.array(quality) > 0), np.nan, np.array(values)),
        quality=np.array(quality, np.uint16),
    )


@dataclass
class Naive:
    """A bucket as nobody could get it wrong."""

    values: list[float]
    at: list[int]
    excluded: int = 0
    quality: int = 0


def buckets_of(columns: Columns, tier: Tier, zone: ZoneInfo) -> dict[tuple[int, int], Naive]:
    found: dict[tuple[int, int], Naive] = defaultdict(lambda: Naive([], []))
    for series, at, value, quality in zip(
        columns.series.tolist(),
        columns.observed_ms.tolist(),
        columns.value.tolist(),
        columns.quality.tolist(),
        strict=True,
    ):
        bucket = found[series, rollup.bucket_of(tier, at, zone)]
        bucket.quality |= quality
        if quality & UNUSABLE or math.isnan(value):
            bucket.excluded += 1
        else:
            bucket.values.append(value)
            bucket.at.append(at)
    return found


def same(rolled: Rolled, expected: dict[tuple[int, int], Naive]) -> None:
    rows = list(zip(rolled.series.tolist(), rolled.from_ms.tolist(), strict=True))
    assert rows == sorted(expected)
    for place, key in enumerate(rows):
        bucket, averaging = expected[key], WAYS[key[0]]
        assert rolled.readings[place] == len(bucket.values)
        assert rolled.excluded[place] == bucket.excluded
        assert rolled.quality[place] == bucket.quality
        if bucket.values:
            assert rolled.low[place] == min(bucket.values)
            assert rolled.high[place] == max(bucket.values)
            mean = naive(averaging, bucket.values, bucket.at)
            assert near(averaging, rolled.mean[place], mean)
        else:
            assert np.isnan([rolled.low[place], rolled.high[place], rolled.mean[place]]).all()


@pytest.mark.parametrize("zone", [SHANGHAI, KOLKATA], ids=str)
@settings(max_examples=40, deadline=None)
@given(columns=arrivals(), data=st.data())
def test_whatever_the_order_and_the_blocks_a_rollup_is_what_the_readings_come_to(
    zone: ZoneInfo, columns: Columns, data: st.DataObject
) -> None:
    """Late data is merged, and nobody can tell that it was late."""
    order = np.array(data.draw(st.permutations(range(len(columns)))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(columns)), max_size=4)))
    blocks = [columns.take(part) for part in np.split(order, cuts)]
    parts = [rollup.roll(block.by_series_and_time(), EVERY_WAY, zone) for block in blocks]
    for tier in Tier:
        rows = join([part[tier] for part in parts])
        merged = merge(rows, EVERY_WAY, rows.from_ms)
        same(merged, buckets_of(concatenate(blocks), tier, zone))


def test_rolling_up_nothing_gives_nothing() -> None:
    nothing = rollup.roll(concatenate([]), EVERY_WAY, SHANGHAI)
    assert [len(nothing[tier]) for tier in Tier] == [0, 0, 0]
    assert len(join([])) == 0


def test_a_reading_that_does_not_count_is_excluded_and_leaves_its_flags() -> None:
    columns = Columns(
        series=np.zeros(3, np.int32),
        observed_ms=np.arange(3, dtype=np.int64),
        value=np.array([1.0, np.nan, 5.0]),
        quality=np.array([0, int(Quality.COMMUNICATION), int(Quality.STUCK)], np.uint16),
    )
    assert averages.usable(columns).tolist() == [True, False, True]
    rows = merge(of_readings(columns, EVERY_WAY), EVERY_WAY, np.zeros(3, np.int64))
    assert (rows.readings.tolist(), rows.excluded.tolist()) == ([2], [1])
    assert Quality(int(rows.quality[0])) == Quality.COMMUNICATION | Quality.STUCK
    assert rows.mean.tolist() == [3.0]


def starts(tier: Tier, at: list[int], zone: ZoneInfo) -> list[int]:
    return [int(at) for at in rollup.bucket_starts(tier, np.array(at, np.int64), zone)]


def test_minutes_and_hours_are_utcs_and_days_are_the_citys() -> None:
    at_ms = 1_790_000_000_000  # 2026-09-21T14:13:20Z, 22:13:20 in Shanghai
    assert starts(Tier.MINUTE, [at_ms], SHANGHAI) == [at_ms - 20_000]
    assert starts(Tier.HOUR, [at_ms], SHANGHAI) == [at_ms - 800_000]
    (midnight,) = starts(Tier.DAY, [at_ms], SHANGHAI)
    assert at_ms - midnight == (22 * 60 + 13) * MINUTE_MS + 20_000
    edges = [midnight - 1, midnight, midnight + DAY_MS - 1, midnight + DAY_MS]
    days = [midnight - DAY_MS, midnight, midnight, midnight + DAY_MS]
    assert starts(Tier.DAY, edges, SHANGHAI) == days
    assert starts(Tier.DAY, [], SHANGHAI) == []


def test_a_day_of_23_hours_ends_where_the_next_begins() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = rollup.bucket_of(Tier.DAY, 1_774_747_000_000, berlin)  # 2026-03-29
    assert rollup.bucket_end(Tier.DAY, midnight, berlin) == midnight + 23 * HOUR_MS
    assert rollup.bucket_end(Tier.HOUR, midnight, berlin) == midnight + HOUR_MS
    assert rollup.bucket_end(Tier.MINUTE, midnight, berlin) == midnight + MINUTE_MS


@pytest.mark.parametrize(
    ("offset_ms", "step_ms", "zone", "tier"),
    [
        (0, DAY_MS, SHANGHAI, Tier.DAY),
        (0, 7 * DAY_MS, SHANGHAI, Tier.DAY),
        (HOUR_MS, DAY_MS, SHANGHAI, Tier.HOUR),
        (0, 12 * HOUR_MS, SHANGHAI, Tier.HOUR),
        (MINUTE_MS, HOUR_MS, SHANGHAI, Tier.MINUTE),
        (0, 10 * MINUTE_MS, SHANGHAI, Tier.MINUTE),
        (1, DAY_MS, SHANGHAI, None),
        (0, 1_000, SHANGHAI, None),
        (0, 90_000, SHANGHAI, None),
        (0, DAY_MS, ZoneInfo("Europe/Berlin"), Tier.HOUR),  # its days are not all of one length
    ],
)
def test_a_step_is_made_of_the_coarsest_buckets_that_fit(
    offset_ms: int, step_ms: int, zone: ZoneInfo, tier: Tier | None
) -> None:
    midnight = rollup.bucket_of(Tier.DAY, T0_MS, zone)
    assert rollup.tier_for(midnight + offset_ms, step_ms, zone) is tier


@pytest.mark.parametrize(
    ("span_ms", "points", "step_ms"),
    [
        (HOUR_MS, 360, 10_000),
        (HOUR_MS, 3_600, 1_000),
        (30 * DAY_MS, 500, 2 * HOUR_MS),
        (365 * DAY_MS, 500, DAY_MS),
        (3_650 * DAY_MS, 500, 8 * DAY_MS),
        (1, 1, 1_000),
    ],
)
def test_a_step_is_round_and_there_are_not_too_many(
    span_ms: int, points: int, step_ms: int
) -> None:
    assert rollup.step_for(span_ms, points) == step_ms


def test_steps_begin_where_people_expect_them() -> None:
    midnight = rollup.bucket_of(Tier.DAY, T0_MS, SHANGHAI)
    assert rollup.aligned(T0_MS, DAY_MS, SHANGHAI) == midnight
    assert rollup.aligned(T0_MS, HOUR_MS, SHANGHAI) == T0_MS // HOUR_MS * HOUR_MS
