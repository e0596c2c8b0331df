from __future__ import annotations

from cloud.core.case_dues import CaseDues, fresh
from cloud.core.case_steps import State, Step
from cloud.core.gate import Dues
from cloud.core.working_time import Calendar

HOUR = 3_600_000
COVER = fresh(Dues(handle_ms=24 * HOUR, secure_ms=3 * HOUR, close_ms=72 * HOUR, by_clock=True))


def test_a_cover_is_made_safe_first_and_repaired_then() -> None:
    assert COVER.next(State.DISPATCHED) == 3 * HOUR
    safe = CaseDues(secure_due_ms=3 * HOUR, handle_due_ms=24 * HOUR, secured_ms=HOUR)
    assert safe.next(State.DISPATCHED) == 24 * HOUR
    assert safe.next(State.HANDLED) is None
    assert COVER.next(State.VERIFIED) == 72 * HOUR
    assert COVER.next(State.DEFERRED) is None


def test_each_step_has_the_due_time_that_it_meets() -> None:
    assert [COVER.of_step(step) for step in (Step.SECURE, Step.HANDLE, Step.CLOSE)] == [
        3 * HOUR,
        24 * HOUR,
        72 * HOUR,
    ]
    assert COVER.of_step(Step.VERIFY) is None
    assert COVER.of_step(Step.DISPATCH) is None


def test_a_pause_leaves_as_much_as_was_left() -> None:
    after = COVER.paused(Calendar(), 2 * HOUR, 12 * HOUR)
    assert (after.secure_due_ms, after.handle_due_ms) == (13 * HOUR, 34 * HOUR)
    assert after.close_due_ms == 82 * HOUR


def test_extending_moves_closing_by_as_much() -> None:
    after = COVER.extended(30 * HOUR)
    assert (after.handle_due_ms, after.close_due_ms) == (30 * HOUR, 78 * HOUR)


def test_what_has_become_more_urgent_is_due_earlier_and_never_later() -> None:
    calm = CaseDues(handle_due_ms=12 * HOUR, close_due_ms=90 * HOUR)
    assert calm.hurried(COVER) == CaseDues(
        secure_due_ms=3 * HOUR, handle_due_ms=12 * HOUR, close_due_ms=72 * HOUR
    )
