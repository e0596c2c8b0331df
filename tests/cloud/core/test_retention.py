from __future__ import annotations

from cloud.core.retention import DAY_MS, FOREVER, RawRetention, expired

KEEP = RawRetention(days=400, quantities={"noise_laeq": 90, "gas_pressure": 0})
NAMES = ["noise_laeq", "pm10", "gas_pressure.inlet"]


def test_a_channel_is_kept_as_its_quantity_is() -> None:
    assert KEEP.of("gas_pressure.inlet") == 0
    assert KEEP.of("noise_laeq.c2") == 90
    assert KEEP.of("pm10") == 400


def test_a_day_goes_when_all_of_it_is_past_its_time() -> None:
    assert expired(NAMES, 0, KEEP, 90 * DAY_MS - 1) == frozenset()
    assert expired(NAMES, 0, KEEP, 90 * DAY_MS) == {"noise_laeq"}
    assert expired(NAMES, 0, KEEP, 400 * DAY_MS) == {"noise_laeq", "pm10"}


def test_nothing_goes_unless_somebody_says_so() -> None:
    assert expired(NAMES, 0, FOREVER, 10**9 * DAY_MS) == frozenset()
