"""Means and levels, against the formulas written out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.quantities import Averaging
from edge.core.statistics import (
    average,
    equivalent_level,
    mean,
    mean_direction,
    percentile_level,
)

LEVELS = st.lists(st.integers(250, 1350).map(lambda tenths: tenths / 10), min_size=1, max_size=200)


def test_two_equal_sources_and_one_that_is_silent() -> None:
    assert equivalent_level([60.0, 60.0]) == pytest.approx(60.0)
    assert equivalent_level([60.0, 0.0]) == pytest.approx(60 - 10 * math.log10(2), abs=1e-4)
    assert equivalent_level([60.0, 70.0]) == pytest.approx(67.404, abs=1e-3)


def test_percentiles_of_a_hundred_levels() -> None:
    """The tenth, fiftieth and ninetieth highest."""
    descending = [float(level) for level in range(100, 0, -1)]
    assert [percentile_level(descending, n) for n in (10, 50, 90)] == [91.0, 51.0, 11.0]
    assert percentile_level([60.0], 10) == 60.0


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_the_equivalent_level_is_the_energy_mean(levels: list[float]) -> None:
    energy = sum(10 ** (0.1 * level) for level in levels) / len(levels)
    assert equivalent_level(levels) == pytest.approx(10 * math.log10(energy), abs=1e-9)
    assert mean(levels) - 1e-9 <= equivalent_level(levels) <= max(levels)


@settings(max_examples=60, deadline=None)
@given(LEVELS, st.sampled_from([1, 5, 10, 50, 90, 95, 100]))
def test_a_percentile_level_is_reached_n_percent_of_the_time(
    levels: list[float], percent: int
) -> None:
    level = percentile_level(sorted(levels, reverse=True), percent)
    reached = sum(each >= level for each in levels)
    exceeded = sum(each > level for each in levels)
    assert 100 * reached >= percent * len(levels) > 100 * exceeded


def test_directions_average_around_north() -> None:
    assert mean_direction([350.0, 10.0]) == pytest.approx(0.0, abs=1e-9) or mean_direction(
        [350.0, 10.0]
    ) == pytest.approx(360.0)
    assert mean_direction([80.0, 100.0]) == pytest.approx(90.0)


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (Averaging.ARITHMETIC, 65.0),
        (Averaging.ENERGY, 67.404),
        (Averaging.MAXIMUM, 70.0),
        (Averaging.MINIMUM, 60.0),
        (Averaging.SUM, 130.0),
        (Averaging.LAST, 70.0),
        (Averaging.VECTOR, 65.0),
    ],
)
def test_each_quantity_averages_its_own_way(way: Averaging, expected: float) -> None:
    assert average(way, [60.0, 70.0]) == pytest.approx(expected, abs=0.001)
