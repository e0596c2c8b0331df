from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.calendar import (
    NO_HOLIDAYS,
    DayKind,
    Holidays,
    Times,
    clocks,
    day_fits,
    is_workday,
    time_fits,
)
from cloud.core.evaluate import Engine
from cloud.core.schedule import DayHours, cut_for, era_at, in_force
from tests.cloud.core.rule_kit import LAEQ, T0_MS, make_rule, told

SHANGHAI = ZoneInfo("Asia/Shanghai")
THURSDAY, FRIDAY, SATURDAY, SUNDAY = (date(2026, 1, day) for day in (1, 2, 3, 4))
NEW_YEAR = Holidays(days=(THURSDAY, FRIDAY, SATURDAY), made_up=(SUNDAY,))
NIGHT = (time(22), time(6))


def test_a_holiday_is_no_workday_and_a_sunday_made_up_is() -> None:
    assert [is_workday(NEW_YEAR, day) for day in (THURSDAY, SATURDAY, SUNDAY)] == [
        False,
        False,
        True,
    ]
    assert is_workday(NO_HOLIDAYS, THURSDAY)
    assert not is_workday(NO_HOLIDAYS, SUNDAY)


@pytest.mark.parametrize(
    ("days", "fits"),
    [
        ((), [True, True, True]),
        ((DayKind.WORKDAY,), [False, False, True]),
        ((DayKind.DAY_OFF,), [True, True, False]),
        ((DayKind.HOLIDAY, DayKind.SUNDAY), [True, True, True]),
        ((DayKind.THURSDAY,), [True, False, False]),
    ],
)
def test_days(days: tuple[DayKind, ...], fits: list[bool]) -> None:
    times = Times(days=days, holidays=NEW_YEAR)
    assert [day_fits(times, day) for day in (THURSDAY, SATURDAY, SUNDAY)] == fits


def test_hours_over_midnight_belong_to_the_evening() -> None:
    times = Times(days=(DayKind.FRIDAY,), hours=(NIGHT,))
    assert time_fits(times, FRIDAY, time(23))
    assert time_fits(times, SATURDAY, time(5, 59))
    assert not time_fits(times, SATURDAY, time(6))
    assert not time_fits(times, FRIDAY, time(3))
    assert not time_fits(times, SATURDAY, time(22))


def test_clocks_are_those_of_all_rules_in_order() -> None:
    noon = Times(hours=((time(12), time(14)),))
    assert clocks([None, Times(hours=(NIGHT,)), noon]) == (time(6), time(12), time(14), time(22))


@given(st.integers(1_760_000_000_000, 1_800_000_000_000))
def test_within_an_era_no_rule_comes_into_force(at_ms: int) -> None:
    rule = make_rule(times=Times(days=(DayKind.WORKDAY,), hours=((time(12, 30), time(1, 15)),)))
    era = era_at(at_ms, SHANGHAI, cut_for(DayHours(), [rule, make_rule()]))
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(SHANGHAI)
    assert rule.times is not None
    assert in_force(rule, era) == time_fits(rule.times, local.date(), local.time())


def test_the_line_opens_and_closes_rules_at_their_own_hours() -> None:
    rule = make_rule(times=Times(hours=((time(12), time(14)),)))
    engine = Engine([rule], SHANGHAI, cut_for(DayHours(), [rule]))
    engine.bind([LAEQ])
    ten = [(hour * 3600.0, 70.0) for hour in (1, 2, 3, 4, 5)]  # 11:00 to 15:00 in Shanghai
    began, ended = engine.evaluate(told(*ten))
    assert began.observed_ms == T0_MS + 2 * 3_600_000
    assert ended.observed_ms == T0_MS + 4 * 3_600_000
