"""What a case counts for by its due times, one way after the other."""

from __future__ import annotations

import pytest

from cloud.core.assessment import Count, Line
from cloud.core.assessment_dues import by_dues
from cloud.core.assessment_steps import by_steps
from cloud.core.case_steps import State, Step

S = State
FROM, UNTIL = 100, 200
HANDLING = {Count.DUE_HANDLING, Count.DUE_HANDLING_DONE, Count.DUE_HANDLING_IN_TIME}
LATE = {Count.DUE_HANDLING, Count.DUE_HANDLING_DONE}
LEFT = {Count.DUE_HANDLING, Count.DUE_HANDLING_LEFT}
CLOSING = {Count.DUE_CLOSING, Count.DUE_CLOSING_DONE, Count.DUE_CLOSING_IN_TIME}


def line(
    at_ms: int,
    step: Step,
    state: State,
    handle: int | None = None,
    verify: int | None = None,
    close: int | None = None,
) -> Line:
    return Line(at_ms, step, state, "A", None, None, handle, verify, close)


def opened(at_ms: int, handle: int, close: int = 900) -> Line:
    return line(at_ms, Step.OPEN, S.OPENED, handle, None, close)


def handled(at_ms: int, handle: int, close: int = 900) -> Line:
    return line(at_ms, Step.HANDLE, S.HANDLED, handle, 900, close)


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        ((opened(90, 150), handled(95, 150)), HANDLING),  # done in the period before
        ((opened(90, 150), handled(150, 150)), HANDLING),  # at the last moment
        ((opened(90, 150), handled(151, 150)), LATE),
        ((opened(90, 150), handled(200, 150)), LEFT),  # done in the period after
        ((opened(90, 99), handled(150, 99)), set()),  # was due in the period before
        ((opened(90, 200), handled(150, 200)), set()),  # is due in the period after
        ((opened(90, 100),), LEFT),
        ((opened(90, 150), line(140, Step.VOID, S.VOID, 150, None, 900)), set()),
        ((opened(90, 150), line(151, Step.VOID, S.VOID, 150, None, 900)), LEFT),
        ((opened(90, 150), line(149, Step.ATTACH, S.OPENED, 120, None, 900)), LEFT),  # is past
        ((line(90, Step.REPORT, S.REPORTED),), set()),
    ],
)
def test_a_case_counts_in_the_period_in_which_it_is_due(
    lines: tuple[Line, ...], counts: set[Count]
) -> None:
    assert set(by_dues([each for each in lines if each.at_ms < UNTIL], FROM, UNTIL)) == counts


def test_a_due_time_that_was_moved_before_it_came_never_came() -> None:
    sent = line(91, Step.DISPATCH, S.DISPATCHED, 150, None, 900)
    longer = line(149, Step.EXTEND, S.DISPATCHED, 180, None, 900)
    found = by_dues([opened(90, 150), sent, longer, handled(179, 180)], FROM, UNTIL)
    assert set(found) == HANDLING | {Count.DUE_HANDLING_EXTENDED}
    too_late = line(151, Step.EXTEND, S.DISPATCHED, 180, None, 900)
    found = by_dues([opened(90, 150), sent, too_late, handled(179, 180)], FROM, UNTIL)
    assert set(found) == LATE | {Count.DUE_HANDLING_EXTENDED}


def test_nothing_is_due_while_a_case_is_deferred() -> None:
    waits = line(140, Step.DEFER, S.DEFERRED, 150, None, 900)
    goes_on = line(190, Step.RESUME, S.DISPATCHED, 200, None, 950)
    assert by_dues([opened(90, 150), waits, goes_on], FROM, UNTIL) == {}
    overdue_then = [
        opened(90, 130),
        line(140, Step.DEFER, S.DEFERRED, 130, None, 900),
        line(190, Step.RESUME, S.DISPATCHED, 130, None, 900),
    ]
    assert set(by_dues(overdue_then, FROM, UNTIL)) == LEFT
    assert by_dues(overdue_then, 150, UNTIL) == {}


def test_rework_counts_where_closing_is_due_at_last() -> None:
    lines = [
        opened(10, 90, 120),
        handled(50, 90, 120),
        line(60, Step.REWORK, S.DISPATCHED, 110, None, 150),
        handled(105, 110, 150),
        line(106, Step.VERIFY, S.VERIFIED, 110, 180, 150),
        line(107, Step.CLOSE, S.CLOSED, 110, 180, 150),
    ]
    verified = {Count.DUE_VERIFYING, Count.DUE_VERIFYING_IN_TIME}
    expected = HANDLING | verified | CLOSING | {Count.DUE_CLOSING_REWORKED}
    assert set(by_dues(lines, FROM, UNTIL)) == expected
    assert by_dues(lines, 0, FROM) == {}
    again = line(155, Step.REOPEN, S.OPENED, 300, None, 400)
    once_more = {Count.DUE_CLOSING_REWORKED} & set(by_dues([*lines, again], UNTIL, 500))
    assert once_more == set()


def test_the_task_of_a_unit_that_helps_is_not_the_case() -> None:
    helps = Line(95, Step.OVERDUE, S.OPENED, "police", 95, None, 150, None, 900)
    assert set(by_dues([opened(90, 150), helps], FROM, UNTIL)) == LEFT


@pytest.mark.parametrize(
    ("step", "state", "due_ms", "counts"),
    [
        (Step.HANDLE, S.HANDLED, 150, HANDLING),
        (Step.HANDLE, S.HANDLED, 110, LATE),
        (Step.CLOSE, S.CLOSED, 190, CLOSING),
        (Step.OVERDUE, S.DISPATCHED, 110, LEFT),
        (Step.EXTEND, S.DISPATCHED, 180, LEFT | {Count.DUE_HANDLING_EXTENDED}),
        (Step.RETURN, S.OPENED, 150, set()),
    ],
)
def test_trails_from_before_due_times_tell_what_they_can(
    step: Step, state: State, due_ms: int, counts: set[Count]
) -> None:
    lines = [Line(90, Step.OPEN, S.OPENED, "A", 100), Line(120, step, state, "A", due_ms)]
    assert set(by_dues(lines, FROM, UNTIL)) == counts


def test_what_was_done_is_counted_by_steps() -> None:
    counts, unit = by_steps([opened(90, 150), handled(120, 150)], FROM)
    assert (set(counts), unit) == ({Count.HANDLED, Count.HANDLED_IN_TIME, Count.TO_HANDLE}, "A")
