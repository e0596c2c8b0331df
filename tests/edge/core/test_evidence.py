"""The probabilities behind the ranking."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.evidence import chance, chance_of_half, density, likelihood, movement
from edge.core.usual import USUAL

LEVEL, DUST = USUAL["noise_la"], USUAL["pm10"]


def test_chance_is_a_probability_over_all_words() -> None:
    assert sum(math.exp(chance([word])) for word in range(65_536)) == pytest.approx(1, abs=0.05)
    assert sum(math.exp(chance_of_half(byte)) for byte in range(256)) == pytest.approx(1)


def test_chance_prefers_zeros_and_small_numbers() -> None:
    assert chance([0]) > chance([3]) > chance([9600]) > chance([43_210])
    assert chance([0xFFFF]) > chance([0x8123])
    assert chance([7, 7]) == pytest.approx(2 * chance([7]))


@pytest.mark.parametrize("name", ["noise_la", "pm10", "air_temperature", "gas_pressure"])
def test_density_is_one_in_all(name: str) -> None:
    usual = USUAL[name]
    low, high = (0.0, 20_000.0) if usual.decades else (-60.0, 160.0)
    step = (high - low) / 400_000
    total = sum(density(low + step * at, usual, low, high) for at in range(400_001)) * step
    assert total == pytest.approx(1, abs=0.15)


def test_density_is_nothing_outside_and_most_at_the_typical() -> None:
    assert density(161, LEVEL, 0, 160) == 0
    assert density(-1, LEVEL, 0, 160) == 0
    assert density(58, LEVEL, 0, 160) > density(100, LEVEL, 0, 160) > density(5, LEVEL, 0, 160) > 0
    assert density(0, DUST, 0, 20_000) > 0


@given(st.floats(1e-300, 1e300, allow_subnormal=False))
def test_likelihood_is_a_probability_above_zero(raw: float) -> None:
    assert 0 < likelihood(raw, "float64", 1e-3, 1.0, zero=False) <= 1
    assert 0 < likelihood(raw, "uint32", 1e-3, 0.1, zero=False) <= 1


def test_rounded_floats_are_likelier_even_with_the_dust_of_computing() -> None:
    round_, dusty, odd = (
        likelihood(raw, "float64", 0.01, 1.0, zero=False)
        for raw in (10.0, 9.999999999999998, 9.876543210123456)
    )
    assert round_ > dusty > 1_000 * odd


def test_nothing_is_likely_only_where_it_is_ordinary() -> None:
    assert likelihood(0, "uint16", 0.01, 0.1, zero=True) > likelihood(
        0, "uint16", 0.01, 0.1, zero=False
    )


def test_movement() -> None:
    assert movement([59.9], LEVEL) == movement([59.9, 59.9], LEVEL) == 0
    assert movement([59.9, 60.4], LEVEL) > 0
    assert movement([59.9, 85.5], LEVEL) < movement([59.9, 62.0], LEVEL)
    assert movement([30.1, 101.0, 30.1], LEVEL) < 0
    assert movement([60, 66], DUST) > 0 > movement([60, 6_000], DUST)
    assert math.isfinite(movement([0.0, 1e300], DUST))
