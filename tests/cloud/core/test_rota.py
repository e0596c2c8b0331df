from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.rota import (
    DAY_MIN,
    DateShift,
    Exchange,
    Hours,
    How,
    OnCall,
    Rota,
    Shift,
    on_call,
    rota_of,
)

local = datetime.fromisoformat
DAY = Hours(from_min=8 * 60, to_min=20 * 60)
NIGHT = Hours(from_min=20 * 60, to_min=8 * 60)
WORKDAYS = frozenset(range(5))
MONDAY = date(2026, 11, 23)
ROTA = Rota(
    name="gas",
    units=("燃气公司",),
    week=(
        Shift(days=WORKDAYS, hours=DAY, people=("li",)),
        Shift(days=WORKDAYS, hours=NIGHT, people=("wang", "zhao")),
    ),
    dates=(DateShift(day=date(2026, 11, 24), hours=DAY, people=("chen",)),),
    exchanges=(
        Exchange(
            begins=local("2026-11-24 10:00"), ends=local("2026-11-24 12:00"), people=("zhou",)
        ),
    ),
)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return local(f"2026-11-{day:02} {hour:02}:{minute:02}")


def test_the_week_says_who_is_on_call() -> None:
    assert on_call(ROTA, at(23, 8)) == OnCall(people=("li",), how=How.WEEK)
    assert on_call(ROTA, at(23, 19, 59)).people == ("li",)
    assert on_call(ROTA, at(23, 20)).people == ("wang", "zhao")


def test_a_night_counts_as_the_day_it_begins_on() -> None:
    """Friday's lasts into Saturday; Monday's early hours belong to Sunday, which has none."""
    assert on_call(ROTA, at(28, 7, 59)).people == ("wang", "zhao")
    assert on_call(ROTA, at(28, 8)) == OnCall(people=(), how=How.NOBODY_ON_CALL)
    assert on_call(ROTA, at(23, 7, 59)).people == ()


def test_a_date_goes_before_the_week_in_its_hours_and_an_exchange_before_both() -> None:
    assert on_call(ROTA, at(24, 9)) == OnCall(people=("chen",), how=How.DATE)
    assert on_call(ROTA, at(24, 10)) == OnCall(people=("zhou",), how=How.EXCHANGE)
    assert on_call(ROTA, at(24, 12)).people == ("chen",)
    assert on_call(ROTA, at(24, 21)).people == ("wang", "zhao")


def test_a_rota_is_found_by_its_unit() -> None:
    assert rota_of([ROTA], "燃气公司") is ROTA
    assert rota_of([ROTA], "") is None
    assert rota_of([ROTA], "别的单位") is None


minutes = st.integers(0, DAY_MIN)


@settings(max_examples=60)
@given(minutes, minutes, st.integers(0, 2 * DAY_MIN - 1))
def test_hours_hold_as_a_count_of_minutes_says(begin: int, end: int, minute: int) -> None:
    hours = Hours(from_min=begin, to_min=end)
    moment = datetime.combine(MONDAY, datetime.min.time()) + timedelta(minutes=minute)
    length = end - begin if end > begin else end + DAY_MIN - begin
    assert hours.hold(MONDAY, moment) == (minute in range(begin, begin + length))


@settings(max_examples=60)
@given(st.integers(1, DAY_MIN - 1), st.integers(0, 7 * DAY_MIN - 1))
def test_two_shifts_that_share_the_day_leave_no_minute_out(change: int, minute: int) -> None:
    every_day = frozenset(range(7))
    rota = Rota(
        name="r",
        week=(
            Shift(days=every_day, hours=Hours(from_min=0, to_min=change), people=("a",)),
            Shift(days=every_day, hours=Hours(from_min=change, to_min=DAY_MIN), people=("b",)),
        ),
    )
    moment = datetime.combine(MONDAY, datetime.min.time()) + timedelta(minutes=minute)
    assert on_call(rota, moment).people == (("a",) if minute % DAY_MIN < change else ("b",))
