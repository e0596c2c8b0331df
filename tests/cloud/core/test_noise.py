"""Deadband and delay from noise, counted by hand."""

from __future__ import annotations

import pytest

from cloud.core.noise import Noise, Suggestion, rounded_up
from cloud.core.rules import Direction
from contract.quality import Quality
from tests.cloud.core.rule_kit import make_rule, told


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.31, 0.4), (0.3, 0.3), (0.7, 0.7), (12.0, 20.0), (10.0, 10.0), (0.0, 0.0), (0.0012, 0.002)],
)
def test_rounding_up_to_one_digit(value: float, rounded: float) -> None:
    assert rounded_up(value) == rounded


def test_deadband_and_delay_of_a_small_series() -> None:
    """Differences 2.3 throughout; nine runs of a single reading, and one of twenty minutes."""
    noise = Noise(gap_ms=60_000)
    noise.feed(told(*((10 * n, 62.3 if n % 2 else 60.0) for n in range(19))))
    noise.feed(told(*((1000 + 10 * n, 62.3) for n in range(121)), (2210, 60.0)))
    assert noise.suggest(make_rule()) == Suggestion(
        readings=141, deadband=3.0, on_delay_s=5.0, exceedances=10, short=9, removed=9
    )
    below = noise.suggest(make_rule(limit=62.0, direction=Direction.BELOW))
    assert below is not None
    assert (below.exceedances, below.removed) == (11, 11)


def test_the_delay_removes_nine_in_ten() -> None:
    """Nine runs over 20 s and one over 200 s: 30 s is the shortest that is enough."""
    noise = Noise(gap_ms=60_000)
    for run in range(9):
        noise.feed(told(*((100 * run + 10 * n, 61.0 if n < 3 else 59.0) for n in range(10))))
    noise.feed(told(*((900 + 10 * n, 61.0) for n in range(21)), (1110, 59.0)))
    found = noise.suggest(make_rule())
    assert found is not None
    assert (found.on_delay_s, found.short, found.removed) == (30.0, 10, 9)


def test_gaps_and_unusable_readings_are_no_noise() -> None:
    noise = Noise(gap_ms=60_000)
    noise.feed(told((0, 10.0), (100, 99.0), (200, 10.0)))
    noise.feed(told((205, 99.0), quality=Quality.CALIBRATION))
    assert noise.suggest(make_rule()) is None
    noise.feed(told((210, 10.5)))
    found = noise.suggest(make_rule())
    assert found is not None
    assert (found.deadband, found.exceedances, found.short, found.on_delay_s) == (0.5, 1, 1, 5.0)


def test_without_exceedances_no_delay() -> None:
    noise = Noise(gap_ms=60_000)
    noise.feed(told((0, 10.0), (10, 10.0)))
    found = noise.suggest(make_rule())
    assert found is not None
    assert (found.deadband, found.on_delay_s, found.short) == (0.0, 0.0, 0)
