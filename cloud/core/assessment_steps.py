"""What a case did in a period, and whether it stands overdue at its end: counted by its steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cloud.core.assessment_counts import Count, Line
from cloud.core.case_steps import OPEN_STATES, STAYING, State, Step


@dataclass(slots=True)
class _Case:
    """A case while its trail is read."""

    counts: dict[Count, int] = field(default_factory=dict)
    state: State = State.REPORTED
    unit: str = ""
    overdue: bool = False
    late: set[Count] = field(default_factory=set)


# What changes the due time, or makes it be met: nothing stands overdue after it.
_SETTLES = frozenset(Step) - {*STAYING, Step.DISPATCH, Step.RETURN}
ASSESSED = _SETTLES | {Step.DISPATCH, Step.RETURN, Step.OVERDUE, Step.SINGLED_OUT}
_COUNTED: dict[Step, Count] = {
    Step.OPEN: Count.OPENED,
    Step.ACCEPT: Count.OPENED,
    Step.REOPEN: Count.OPENED,
    Step.DISPATCH: Count.DISPATCHED,
    Step.HANDLE: Count.HANDLED,
    Step.VERIFY: Count.TO_VERIFY,
    Step.CLOSE: Count.CLOSED,
    Step.REWORK: Count.REWORKED,
    Step.RELAPSE: Count.REWORKED,
    Step.EXTEND: Count.EXTENDED,
    Step.SINGLED_OUT: Count.RECURRING,
}
_IN_TIME: dict[Step, Count] = {
    Step.HANDLE: Count.HANDLED_IN_TIME,
    Step.VERIFY: Count.VERIFIED_IN_TIME,
    Step.CLOSE: Count.CLOSED_IN_TIME,
}
_NOT_HANDLED = (State.OPENED, State.DISPATCHED)


def by_steps(lines: Iterable[Line], from_ms: int) -> tuple[dict[Count, int], str]:
    """Return what a case counts for from a moment to the end of its lines, and its unit then."""
    case = _Case()
    for line in lines:
        if line.step not in ASSESSED:
            continue
        _follow(case, line)
        if line.at_ms >= from_ms:
            _count(case, line)
    _conclude(case)
    return case.counts, case.unit


def _follow(case: _Case, line: Line) -> None:
    if line.step is Step.OVERDUE:
        case.overdue |= line.unit == case.unit  # else it is the task of a unit that helps
        return
    case.state = line.state
    case.unit = line.unit
    if line.step in _SETTLES:
        case.overdue = False


def _count(case: _Case, line: Line) -> None:
    counts = case.counts
    counted = _COUNTED.get(line.step)
    if counted is not None:
        counts[counted] = 1
    in_time = _IN_TIME.get(line.step)
    if in_time is not None and line.due_ms is not None and line.at_ms > line.due_ms:
        case.late.add(in_time)
    if in_time is not None:
        counts[in_time] = 1
    if line.step is Step.DISPATCH:
        counts[Count.DISPATCHED_RIGHT] = 1
    if line.step is Step.RETURN and Count.DISPATCHED in counts:
        case.late.add(Count.DISPATCHED_RIGHT)
    if line.step is Step.CLOSE and line.score is not None:
        counts[Count.SCORED], counts[Count.SCORE] = 1, line.score


def _conclude(case: _Case) -> None:
    """Add what stands overdue at the end; one lateness or return takes the good away."""
    counts = case.counts
    for count in case.late:
        counts.pop(count, None)
    if Count.HANDLED in counts:
        counts[Count.TO_HANDLE] = 1
    if Count.CLOSED in counts:
        counts[Count.TO_CLOSE] = 1
    if case.overdue and case.state in OPEN_STATES and case.state is not State.REPORTED:
        counts[Count.TO_CLOSE] = counts[Count.OPEN_OVERDUE] = 1
        if case.state in _NOT_HANDLED:
            counts[Count.TO_HANDLE] = 1
        if case.state is State.HANDLED:
            counts[Count.TO_VERIFY] = 1
