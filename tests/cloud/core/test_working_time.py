from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.working_time import (
    HOUR_MS,
    Calendar,
    Span,
    Unit,
    add_working,
    after_pause,
    due,
    parse_span,
    working_between,
)

ZONE = ZoneInfo("Asia/Shanghai")
# National Day 2026: 1 to 7 October off, Saturday 10 October made up.
CALENDAR = Calendar(
    holidays=frozenset(date(2026, 10, day) for day in range(1, 8)),
    made_up=frozenset({date(2026, 10, 10)}),
)
MOMENTS = st.integers(1_790_000_000_000, 1_793_000_000_000)
WORK = st.integers(1, 200 * HOUR_MS)


def at(month: int, day: int, hour: int, minute: int = 0) -> int:
    return round(datetime(2026, month, day, hour, minute, tzinfo=ZONE).timestamp() * 1000)


@pytest.mark.parametrize(
    ("begins", "span", "ends"),
    [
        (at(9, 22, 9), "3 h", at(9, 22, 12)),
        (at(9, 22, 9), "4 working hours", at(9, 22, 15)),
        (at(9, 22, 23), "1 working hours", at(9, 23, 9, 30)),
        (at(9, 25, 17), "1 working hours", at(9, 28, 9)),  # Friday evening into Monday
        (at(9, 30, 17), "1工作时", at(10, 8, 9)),  # over the holidays
        (at(9, 22, 9), "1 working days", at(9, 23, 17, 30)),
        (at(9, 30, 9), "2 工作日", at(10, 9, 17, 30)),
        (at(9, 30, 9), "3 working days", at(10, 10, 17, 30)),  # the Saturday that is made up
    ],
)
def test_when_a_span_is_over(begins: int, span: str, ends: int) -> None:
    assert due(CALENDAR, begins, parse_span(span)) == ends


@pytest.mark.parametrize("text", ["", "3", "h", "-1 h", "3 days", "0 working days", "1.5工作日"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match=r"allowed: '3 h'|working days are whole"):
        parse_span(text)


def test_a_span_reads_as_it_was_written() -> None:
    assert parse_span("4 working hours") == Span(4.0, Unit.WORKING_HOURS)
    assert str(parse_span("2工作日")) == "2 working days"
    assert parse_span("24小时").by_clock


@settings(max_examples=60)
@given(MOMENTS, WORK)
def test_as_much_lies_between_as_was_added(begins: int, work: int) -> None:
    ends = add_working(CALENDAR, begins, work)
    assert working_between(CALENDAR, begins, ends) == work
    assert any(a < ends <= b for a, b in CALENDAR.windows(CALENDAR.day_of(ends)))


@settings(max_examples=60)
@given(MOMENTS, WORK, WORK)
def test_adding_twice_is_adding_the_sum(begins: int, first: int, second: int) -> None:
    once = add_working(CALENDAR, begins, first + second)
    assert add_working(CALENDAR, add_working(CALENDAR, begins, first), second) == once


@settings(max_examples=60)
@given(MOMENTS, WORK, st.integers(0, 40 * HOUR_MS), st.integers(0, 400 * HOUR_MS), st.booleans())
def test_after_a_pause_as_much_is_left(
    begins: int, work: int, until: int, pause: int, by_clock: bool
) -> None:
    was_due = add_working(CALENDAR, begins, work)
    paused, resumed = begins + until, begins + until + pause
    now_due = after_pause(CALENDAR, was_due, paused, resumed, by_clock=by_clock)
    assert now_due >= was_due
    if was_due > paused and not by_clock:
        left = working_between(CALENDAR, paused, was_due)
        assert working_between(CALENDAR, resumed, now_due) == left
    elif was_due > paused:
        assert now_due - resumed == was_due - paused
    else:
        assert now_due == was_due


def test_a_calendar_without_work_is_told() -> None:
    never = Calendar(workdays=frozenset())
    with pytest.raises(ValueError, match="ten years"):
        add_working(never, at(9, 22, 9), 1)
    with pytest.raises(ValueError, match="ten years"):
        due(never, at(9, 22, 9), Span(1, Unit.WORKING_DAYS))
    assert Calendar(shifts=((time(0), time(1)),)).works(date(2026, 9, 22))
