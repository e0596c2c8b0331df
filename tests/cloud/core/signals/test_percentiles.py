"""Percentiles of windows against plain ones, however the readings are cut into blocks."""

from __future__ import annotations

import math
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.signals.grids import Aligned, Sliding
from cloud.core.signals.percentiles import MOST_SAMPLES, Percentiles, room_for
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_signals import (
    Spot,
    aligned_spots,
    is_usable,
    percentile_of,
    sliding_spots,
)
from tests.cloud.core.rule_kit import T0_MS

SHANGHAI = ZoneInfo("Asia/Shanghai")


def give(windows: Percentiles, readings: list[Plain]) -> list[tuple[int, Spot]]:
    ordered = sorted(readings, key=lambda r: (r.series, r.at_ms))
    track = np.array([r.series for r in ordered], np.intp)
    at_ms = np.array([r.at_ms for r in ordered], np.int64)
    assert not windows.late(track, at_ms).any()
    closed = windows.take(
        track,
        at_ms,
        np.array([math.nan if r.value is None else r.value for r in ordered], np.float64),
        np.array([is_usable(r) for r in ordered], np.bool_),
    )
    return spots(closed.track.tolist(), closed.end_ms.tolist(), closed.value.tolist())


def spots(tracks: list[int], ends: list[int], values: list[float]) -> list[tuple[int, Spot]]:
    return [
        (track, Spot(end, None if math.isnan(value) else value))
        for track, end, value in zip(tracks, ends, values, strict=True)
    ]


def finish(windows: Percentiles) -> list[tuple[int, Spot]]:
    closed = windows.advance(2**62)
    assert windows.next_end_ms() is None
    return spots(closed.track.tolist(), closed.end_ms.tolist(), closed.value.tolist())


# What fits whole numbers of ten-thousandths is kept so until something does not.
NUMBERS = st.one_of(st.decimals(-50, 150, places=2).map(float), st.floats(-50, 150))
steps = st.lists(
    st.tuples(
        st.sampled_from([1_000, 60_000, 61_000, 300_000, 4_000_000]),
        st.one_of(st.none(), st.sampled_from([1.0, 2.3]), NUMBERS),
    ),
    max_size=40,
)
cuts = st.lists(st.integers(0, 80), max_size=6).map(sorted)


@given(
    st.sampled_from([Sliding(1_200_000), Aligned(3_600_000, SHANGHAI)]),
    st.sampled_from([0.0, 10.0, 50.0, 90.0, 99.0, 100.0]),
    steps,
    steps,
    cuts,
    st.integers(0, 80),
)
@settings(max_examples=200, deadline=None)
def test_percentiles_of_windows_are_plain_percentiles_however_cut(
    grid: Sliding | Aligned,
    percent: float,
    first: list[tuple[int, float | None]],
    second: list[tuple[int, float | None]],
    at: list[int],
    resized: int,
) -> None:
    streams: list[list[Plain]] = []
    for series, stream in enumerate((first, second)):
        now_ms, told = T0_MS, []
        for step_ms, value in stream:
            now_ms += step_ms
            told.append(Plain(series, now_ms, value))
        streams.append(told)
    every = sorted(streams[0] + streams[1], key=lambda r: r.at_ms)
    windows = Percentiles(grid, percent)
    windows.grow(2)
    windows.fit(np.arange(2), [40, 64])
    found = []
    for begin, end in pairwise([0, *(cut for cut in at if cut < len(every)), len(every)]):
        found += give(windows, every[begin:end])
        if end >= resized:
            windows.fit(np.arange(2), [64, 41])
            resized = 1_000
    found += finish(windows)
    for track, told in enumerate(streams):
        args = (told, lambda values: percentile_of(percent, values), grid.span_ms)
        expected = (
            sliding_spots(*args, 1.0, 0.0)
            if isinstance(grid, Sliding)
            else aligned_spots(*args, grid.zone, 1.0, 0.0)
        )
        mine = [spot for of, spot in found if of == track]
        assert [spot.at_ms for spot in mine] == [spot.at_ms for spot in expected]
        for one, other in zip(mine, expected, strict=True):
            assert one.value == pytest.approx(other.value, abs=2e-9)


def test_more_readings_than_there_is_room_for_count_with_the_newest() -> None:
    windows = Percentiles(Aligned(3_600_000, SHANGHAI), 0.0)
    windows.grow(1)
    windows.fit(np.arange(1), [16])
    readings = [Plain(0, T0_MS + minute * 60_000, float(minute)) for minute in range(30)]
    for part in (readings[:10], readings[10:]):
        give(windows, part)
    assert finish(windows) == [(0, Spot(T0_MS + 3_600_000, 14.0))]


def test_the_room_a_window_takes() -> None:
    assert room_for(1_200_000, 60_000) == 30
    assert room_for(1_200_000, 1_000) == 1_800
    assert room_for(86_400_000, 100) == MOST_SAMPLES
    windows = Percentiles(Sliding(1_200_000), 90.0)
    windows.grow(100)
    windows.fit(np.arange(100), [room_for(1_200_000, 60_000)] * 100)
    assert windows.nbytes() / len(windows) < 200
