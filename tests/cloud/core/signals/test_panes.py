"""Panes against plain windows, however the readings are cut into blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.rollup import midnights
from cloud.core.signals.grids import Aligned, Grid, Sliding
from cloud.core.signals.panes import BY_WATERMARK, Closed, Panes
from cloud.core.signals.sums import MAXIMUM, MEANS, MINIMUM, Sum
from contract.quality import Quality
from contract.quantities import Averaging
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_signals import (
    Spot,
    aligned_spots,
    is_usable,
    mean_of,
    sliding_spots,
)
from tests.cloud.core.rule_kit import T0_MS

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE_MS = 60_000


def panes_of(grid: Grid, sums: Sum, tracks: int = 2) -> Panes:
    panes = Panes(grid, sums)
    panes.grow(tracks)
    return panes


def give(panes: Panes, readings: list[Plain]) -> Closed:
    ordered = sorted(readings, key=lambda r: (r.series, r.at_ms))
    return panes.take(
        np.array([r.series for r in ordered], np.intp),
        np.array([r.at_ms for r in ordered], np.int64),
        np.array([math.nan if r.value is None else r.value for r in ordered], np.float64),
        np.array([is_usable(r) for r in ordered], np.bool_),
    )


def at(minutes: float, value: float | None, series: int = 0) -> Plain:
    return Plain(series, T0_MS + round(minutes * MINUTE_MS), value)


def in_short(closed: Closed) -> list[tuple[float, float, int]]:
    """(minutes after T0 of the end, value, readings)"""
    return [
        ((end - T0_MS) / MINUTE_MS, value, readings)
        for end, value, readings in zip(
            closed.end_ms.tolist(), closed.value.tolist(), closed.readings.tolist(), strict=True
        )
    ]


def test_an_hour_closes_with_the_first_reading_of_the_next() -> None:
    panes = panes_of(Aligned(60 * MINUTE_MS, SHANGHAI), MEANS[Averaging.ENERGY])
    assert in_short(give(panes, [at(0, 50.0), at(59, 60.0)])) == []
    closed = give(panes, [at(61, 99.0)])
    assert in_short(closed) == [(60, round(10 * math.log10((10**5 + 10**6) / 2), 9), 2)]
    assert closed.row.tolist() == [0]


def test_an_hour_closes_when_the_watermark_reaches_its_end() -> None:
    panes = panes_of(Aligned(60 * MINUTE_MS, SHANGHAI), MEANS[Averaging.ARITHMETIC])
    give(panes, [at(5, 1.0)])
    assert panes.next_end_ms() == T0_MS + 60 * MINUTE_MS
    assert in_short(panes.advance(T0_MS + 60 * MINUTE_MS - 1)) == []
    closed = panes.advance(T0_MS + 60 * MINUTE_MS)
    assert in_short(closed) == [(60, 1.0, 1)]
    assert closed.row.tolist() == [BY_WATERMARK]
    assert in_short(panes.advance(T0_MS + 90 * MINUTE_MS)) == []
    assert panes.next_end_ms() is None
    late = panes.late(np.zeros(2, np.intp), np.array([T0_MS + 1, T0_MS + 60 * MINUTE_MS]))
    assert late.tolist() == [True, False]


def test_a_level_that_never_changes_is_its_own_mean() -> None:
    panes = panes_of(Sliding(20 * MINUTE_MS), MEANS[Averaging.ENERGY])
    found = in_short(give(panes, [at(minute, 60.1) for minute in range(60)]))
    assert {value for _, value, _ in found} == {60.1}
    assert [readings for _, _, readings in found] == [*range(1, 20), *[20] * 40]


def test_a_window_without_usable_readings_has_no_value() -> None:
    panes = panes_of(Aligned(60 * MINUTE_MS, SHANGHAI), MEANS[Averaging.ARITHMETIC])
    ((end, value, readings),) = in_short(give(panes, [at(1, None), at(61, 1.0)]))
    assert (end, readings) == (60, 0)
    assert math.isnan(value)


def test_directions_that_cancel_out_have_no_mean() -> None:
    panes = panes_of(Aligned(60 * MINUTE_MS, SHANGHAI), MEANS[Averaging.VECTOR])
    given_ = [at(1, 10.0), at(2, 190.0), at(61, 350.0), at(62, 10.0), at(121, 0.0)]
    (_, first, _), (_, second, _) = in_short(give(panes, given_))
    assert math.isnan(first)
    assert second == 0.0


def test_a_local_day_has_the_hours_it_has() -> None:
    day = 86_400_000
    spring = midnights(1_774_738_800_000, 1_774_738_800_000, BERLIN)  # 2026-03-29
    noon = np.array([spring[0] + day // 2], np.int64)
    begins, ends = Aligned(day, BERLIN).cut(noon)
    assert (ends - begins).tolist() == [23 * 3_600_000]
    assert Aligned(day, BERLIN).cut(noon[:0])[0].tolist() == []


@pytest.mark.parametrize("span_ms", [0, -20, 86_400_001])
def test_windows_that_are_none(span_ms: int) -> None:
    with pytest.raises(ValueError, match="window of"):
        Aligned(span_ms, SHANGHAI)
    with pytest.raises(ValueError, match="window of"):
        Sliding(span_ms)


def test_what_panes_take_is_bounded() -> None:
    for sums, most in ((MEANS[Averaging.ENERGY], 300), (MAXIMUM, 300)):
        panes = panes_of(Sliding(20 * MINUTE_MS), sums, tracks=1_000)
        assert panes.nbytes() / len(panes) <= most


grids: dict[str, Grid] = {
    "sliding": Sliding(20 * MINUTE_MS),
    "20 min": Aligned(20 * MINUTE_MS, SHANGHAI),
    "7 h": Aligned(7 * 60 * MINUTE_MS, BERLIN),
    "day": Aligned(86_400_000, BERLIN),
}
statistics: dict[str, tuple[Sum, Callable[[list[float]], float | None]]] = {
    **{
        way.value: (MEANS[way], lambda values, way=way: mean_of(way, values))  # type: ignore[misc]
        for way in Averaging
    },
    "least": (MINIMUM, min),
    "greatest": (MAXIMUM, max),
}
steps = st.sampled_from([1_000, 59_000, 60_000, 61_000, 300_000, 1_200_000, 40_000_000])
readings_of_one = st.lists(
    st.tuples(
        steps,
        st.one_of(st.none(), st.sampled_from([0.0, 10.0, 45.5, 190.0]), st.floats(-50, 300)),
        st.sampled_from([Quality.NORMAL, Quality.NORMAL, Quality.MAINTENANCE]),
    ),
    max_size=40,
)
cuts = st.lists(st.integers(0, 80), max_size=6).map(sorted)


def told(series: int, steps_: list[tuple[int, float | None, Quality]]) -> list[Plain]:
    now_ms = 1_774_730_000_000  # the evening before Berlin's clocks go forward
    readings = []
    for step_ms, value, quality in steps_:
        now_ms += step_ms
        readings.append(Plain(series, now_ms, value, quality))
    return readings


@given(
    st.sampled_from(sorted(grids)),
    st.sampled_from(sorted(statistics)),
    readings_of_one,
    readings_of_one,
    cuts,
    st.sampled_from([None, 0, 1_800_000]),
)
@settings(max_examples=300, deadline=None)
def test_the_windows_of_panes_are_plain_windows_however_cut(
    grid_name: str,
    statistic_name: str,
    first: list[tuple[int, float | None, Quality]],
    second: list[tuple[int, float | None, Quality]],
    at_: list[int],
    lag_ms: int | None,
) -> None:
    grid, (sums, plain) = grids[grid_name], statistics[statistic_name]
    streams = [told(0, first), told(1, second)]
    every = sorted((r for stream in streams for r in stream), key=lambda r: r.at_ms)
    panes = panes_of(grid, sums)
    found: list[list[Spot]] = [[], []]
    edges = [0, *(cut for cut in at_ if cut < len(every)), len(every)]
    closings = []
    for begin, end in pairwise(edges):
        closings.append(give(panes, every[begin:end]))
        if lag_ms is not None and end:
            closings.append(panes.advance(every[end - 1].at_ms - lag_ms))
    closings.append(panes.advance(2**62))
    for closed in closings:
        for track, end_ms, value in zip(
            closed.track.tolist(), closed.end_ms.tolist(), closed.value.tolist(), strict=True
        ):
            found[track].append(Spot(end_ms, None if math.isnan(value) else value))
    for track, stream in enumerate(streams):
        if isinstance(grid, Sliding):
            expected = sliding_spots(stream, plain, grid.span_ms, 1.0, 0.0)
        else:
            assert isinstance(grid, Aligned)
            expected = aligned_spots(stream, plain, grid.span_ms, grid.zone, 1.0, 0.0)
        assert [spot.at_ms for spot in found[track]] == [spot.at_ms for spot in expected]
        for mine, theirs in zip(found[track], expected, strict=True):
            assert mine.value == pytest.approx(theirs.value, abs=2e-9)
