from __future__ import annotations

from edge.core.settled import SettledClock

START_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def test_a_clock_is_believed_after_it_went_along_for_an_hour() -> None:
    clock = SettledClock()
    assert not clock.is_settled(START_MS, 5.0)
    assert not clock.is_settled(START_MS + 3_599_000, 3_604.0)
    assert clock.is_settled(START_MS + 3_600_000, 3_605.0)


def test_a_jump_of_a_second_takes_the_trust_away_and_an_hour_gives_it_back() -> None:
    clock = SettledClock()
    clock.is_settled(START_MS, 0.0)
    assert clock.is_settled(START_MS + 7_200_000, 7_200.0)
    assert not clock.is_settled(START_MS + 40 * DAY_MS, 7_201.0)
    assert not clock.is_settled(START_MS + 7_202_000, 7_202.0)
    assert clock.is_settled(START_MS + 10_802_000, 10_802.0)


def test_slow_drift_is_no_jump() -> None:
    clock = SettledClock()
    clock.is_settled(START_MS, 0.0)
    assert clock.is_settled(START_MS + 3_600_000 + 30_000, 3_600.0)
