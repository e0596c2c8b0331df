"""The street's signals: steady for a seed, plausible at any hour, out of bounds when told to."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quantities import QUANTITIES
from simulators.signals import SHAPES, Excursion, Street, nightness

DAY_MS = 86_400_000
SHANGHAI = ZoneInfo("Asia/Shanghai")
BEFORE = -1.0


def at_ms(hour: int, minute: int = 0) -> int:
    return round(datetime(2026, 11, 22, hour, minute, tzinfo=SHANGHAI).timestamp() * 1000)


def test_every_quantity_has_a_shape_within_its_range() -> None:
    assert set(SHAPES) == set(QUANTITIES)
    street = Street(device="one")
    for key, quantity in QUANTITIES.items():
        for step in range(96):
            value = street.value(key, at_ms(0) + step * DAY_MS // 96, BEFORE)
            assert quantity.low <= value <= quantity.high, key


@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 2_000_000_000_000))
def test_the_same_second_has_the_same_value(key: str, now_ms: int) -> None:
    one, same = Street(device="one", seed=3), Street(device="one", seed=3)
    assert one.value(key, now_ms, BEFORE) == same.value(key, now_ms, BEFORE)


def test_seed_and_device_tell_streets_apart() -> None:
    values = {
        Street(device=device, seed=seed).value("pm10", at_ms(12), BEFORE)
        for device in ("one", "two")
        for seed in (0, 1)
    }
    assert len(values) == 4


# What the demo's rules allow; the scenario counts on usual values staying clear of it.
@pytest.mark.parametrize(
    ("key", "hours", "low", "high"),
    [
        ("noise_la", range(6, 22), 28, 57.5),  # class 2: 60 by day
        ("noise_la", [22, 23, 0, 1, 2, 3, 4, 5], 28, 47.5),  # 50 by night
        ("pm10", range(24), 1, 100),
        ("water_do", range(24), 5, 9),
        ("gas_pressure", range(24), 1.65, 2.3),  # 1.5 to 3.0
        ("tilt", range(24), 0, 1),
    ],
)
def test_usual_values_keep_away_from_the_limits(
    key: str, hours: range, low: float, high: float
) -> None:
    for seed in range(5):
        street = Street(device="one", seed=seed)
        for hour in hours:
            for minute in range(0, 60, 3):
                assert low <= street.value(key, at_ms(hour, minute), BEFORE) <= high


def test_night_is_from_22_to_6_with_slopes_outside_it() -> None:
    assert [nightness(hour) for hour in (0, 5.9, 6.5, 7, 12, 21, 21.5, 22, 23.9)] == [
        *(1, 1, 0.5, 0, 0, 0, 0.5, 1, 1)
    ]


def test_an_excursion_leaves_and_comes_back() -> None:
    window = Excursion(peaks={"gas_pressure": 3.6}, start_s=4, end_s=19, ramp_s=1, every_s=180)
    street = Street(device="one", excursions=[window])

    def told(since_s: float) -> float:
        return street.value("gas_pressure", at_ms(12) + round(since_s * 1000), since_s)

    assert told(-1) < 2.3
    assert told(3.9) < 2.3
    assert all(3.5 < told(second) < 3.7 for second in range(5, 19))
    assert told(19.1) < 2.3
    assert 3.5 < told(190) < 3.7
    assert street.value("gas_temperature", at_ms(12), 10) < 30


def test_an_excursion_without_repetition_comes_once() -> None:
    window = Excursion(peaks={"tilt": 25}, start_s=1, end_s=3, ramp_s=0)
    assert [window.share(second) for second in (0, 1, 2, 3, 4, 181, 182)] == [0, 1, 1, 1, 0, 0, 0]
