"""Which cases had something due in a period, and what became of it: counted by their due times.

A due time counts in the period that it lies in, if it still stood when it came: one that was moved
before (延期, 缓办, 返工), or whose case was void or merged by then, never came. So each due time is
counted in one period, and no later than that period's end is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cloud.core.assessment_counts import Count, Line
from cloud.core.case_steps import State, Step

S = State


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is due in a case: the step that does it, and the states it is due in, and done in."""

    step: Step
    done_in: frozenset[State]
    due_in: frozenset[State]
    counted: Count
    in_time: Count
    done: Count | None = None
    left: Count | None = None


_DUE = frozenset({S.OPENED, S.DISPATCHED, S.HANDLED, S.VERIFIED, S.CLOSED})
_HANDLING = _Part(
    step=Step.HANDLE,
    done_in=frozenset({S.HANDLED, S.VERIFIED, S.CLOSED}),
    due_in=_DUE,
    counted=Count.DUE_HANDLING,
    in_time=Count.DUE_HANDLING_IN_TIME,
    done=Count.DUE_HANDLING_DONE,
    left=Count.DUE_HANDLING_LEFT,
)
_VERIFYING = _Part(
    step=Step.VERIFY,
    done_in=frozenset({S.VERIFIED, S.CLOSED}),
    due_in=frozenset({S.HANDLED, S.VERIFIED, S.CLOSED}),
    counted=Count.DUE_VERIFYING,
    in_time=Count.DUE_VERIFYING_IN_TIME,
)
_CLOSING = _Part(
    step=Step.CLOSE,
    done_in=frozenset({S.CLOSED}),
    due_in=_DUE,
    counted=Count.DUE_CLOSING,
    in_time=Count.DUE_CLOSING_IN_TIME,
    done=Count.DUE_CLOSING_DONE,
)
_PARTS = (_HANDLING, _VERIFYING, _CLOSING)

_BEGINS = frozenset({Step.OPEN, Step.ACCEPT, Step.REOPEN})
_FRESH = _BEGINS | {Step.REWORK, Step.RELAPSE}
_MOVES = _FRESH | {Step.RESUME}
# What lines from before due times were carried tell of them, by their step; overdue by its state.
_TOLD: dict[Step | State, _Part] = {
    Step.EXTEND: _HANDLING,
    Step.HANDLE: _HANDLING,
    Step.VERIFY: _VERIFYING,
    Step.CLOSE: _CLOSING,
    S.OPENED: _HANDLING,
    S.DISPATCHED: _HANDLING,
    S.HANDLED: _VERIFYING,
    S.VERIFIED: _CLOSING,
}
# What carries due times, or tells of them; ATTACH may bring them forward.
FOLLOWED = frozenset({*_TOLD, *_MOVES, Step.ATTACH, Step.OVERDUE, Step.DISPATCH, Step.RETURN}) | {
    Step.DEFER,
    Step.SECURE,
    Step.REFUSE,
    Step.VOID,
    Step.MERGE,
}


@dataclass(slots=True)
class _Due:
    """One part of a case. came: the due time that stands has come.

    in_period: how many came in the period; late: how many of them were not met by then; done:
    whether the last of them was met since.
    """

    part: _Part
    due_ms: int | None = None
    since_ms: int = 0
    came: bool = False
    in_period: int = 0
    late: int = 0
    done: bool = False


@dataclass(slots=True)
class _Case:
    """A case while its trail is read."""

    dues: tuple[_Due, ...]
    state: State = State.REPORTED
    unit: str = ""
    extended: bool = False
    reworked: bool = False
    counts: dict[Count, int] = field(default_factory=dict)


def by_dues(lines: Iterable[Line], from_ms: int, until_ms: int) -> dict[Count, int]:
    """Return what a case counts for by its due times of a period: from_ms <= t < until_ms."""
    case = _Case(tuple(_Due(part) for part in _PARTS))
    for line in lines:
        _pass(case, line.at_ms, from_ms)
        _take(case, line)
    _pass(case, until_ms, from_ms)
    for due in case.dues:
        _conclude(case.counts, due)
    return case.counts


def _pass(case: _Case, now_ms: int, from_ms: int) -> None:
    """Let time go on to a moment: due times before it come, if they still stand."""
    for due in case.dues:
        if due.due_ms is None or due.came or due.due_ms >= now_ms:
            continue
        if case.state in due.part.due_in:
            due.came = True
            if max(due.due_ms, due.since_ms) >= from_ms:  # past when it was set, it came then
                _come(case, due)


def _come(case: _Case, due: _Due) -> None:
    met = case.state in due.part.done_in
    due.in_period += 1
    due.late += not met or due.due_ms is None or due.due_ms < due.since_ms
    due.done = met
    if due.part is _HANDLING and case.extended:
        case.counts[Count.DUE_HANDLING_EXTENDED] = 1
    if due.part is _CLOSING and case.reworked:
        case.counts[Count.DUE_CLOSING_REWORKED] = 1


def _take(case: _Case, line: Line) -> None:
    step = line.step
    if step is Step.OVERDUE and case.unit and line.unit != case.unit:
        return  # the task of a unit that helps
    case.state, case.unit = line.state, line.unit
    handling, verifying, closing = case.dues
    for due in case.dues:
        due.done |= step is due.part.step
    if line.handle_due_ms is None and line.close_due_ms is None:
        _take_told(case, line)
    else:
        _set(handling, line.handle_due_ms, line.at_ms)
        _set(verifying, line.verify_due_ms, line.at_ms)
        _set(closing, line.close_due_ms, line.at_ms)
    if step in _FRESH:
        case.extended = False
        case.reworked = step not in _BEGINS
    elif step is Step.EXTEND:
        case.extended = True


def _take_told(case: _Case, line: Line) -> None:
    """Take what a line without due times tells of them: the one that it met or missed."""
    if line.step in _MOVES:
        for due in case.dues:
            _set(due, None, line.at_ms)
    part = _TOLD.get(line.state if line.step is Step.OVERDUE else line.step)
    if part is not None and line.due_ms is not None:
        due = next(due for due in case.dues if due.part is part)
        _set(due, line.due_ms, line.at_ms)


def _set(due: _Due, due_ms: int | None, at_ms: int) -> None:
    if due_ms != due.due_ms:
        due.due_ms, due.since_ms, due.came = due_ms, at_ms, False


def _conclude(counts: dict[Count, int], due: _Due) -> None:
    if not due.in_period:
        return
    part = due.part
    counts[part.counted] = 1
    if not due.late:
        counts[part.in_time] = 1
    if due.done and part.done is not None:
        counts[part.done] = 1
    if not due.done and part.left is not None:
        counts[part.left] = 1
