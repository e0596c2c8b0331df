"""What is counted for an assessment: sets of cases, read from the lines of their trails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from cloud.core.case_steps import State, Step


class Count(StrEnum):
    """What is counted, each a set of cases.

    By their steps: what was done in the period, and what stands overdue at its end. By their due
    times, from DUE_HANDLING on: those whose due time lies in the period, and what became of them.
    """

    OPENED = "opened"
    TO_HANDLE = "to_handle"
    HANDLED = "handled"
    HANDLED_IN_TIME = "handled_in_time"
    TO_VERIFY = "to_verify"
    VERIFIED_IN_TIME = "verified_in_time"
    TO_CLOSE = "to_close"
    CLOSED = "closed"
    CLOSED_IN_TIME = "closed_in_time"
    REWORKED = "reworked"
    EXTENDED = "extended"
    DISPATCHED = "dispatched"
    DISPATCHED_RIGHT = "dispatched_right"
    SCORED = "scored"
    SCORE = "score"  # as SCORED, each weighing its score
    OPEN_OVERDUE = "open_overdue"
    RECURRING = "recurring"
    DUE_HANDLING = "due_handling"
    DUE_HANDLING_DONE = "due_handling_done"
    DUE_HANDLING_IN_TIME = "due_handling_in_time"
    DUE_HANDLING_LEFT = "due_handling_left"
    DUE_HANDLING_EXTENDED = "due_handling_extended"
    DUE_VERIFYING = "due_verifying"
    DUE_VERIFYING_IN_TIME = "due_verifying_in_time"
    DUE_CLOSING = "due_closing"
    DUE_CLOSING_DONE = "due_closing_done"
    DUE_CLOSING_IN_TIME = "due_closing_in_time"
    DUE_CLOSING_REWORKED = "due_closing_reworked"


# What each count is a part of, whatever the trail: a share of anything else may exceed 100 %.
PART_OF: dict[Count, tuple[Count, ...]] = {
    Count.HANDLED: (Count.TO_HANDLE,),
    Count.HANDLED_IN_TIME: (Count.HANDLED, Count.TO_HANDLE),
    Count.VERIFIED_IN_TIME: (Count.TO_VERIFY,),
    Count.CLOSED: (Count.TO_CLOSE,),
    Count.CLOSED_IN_TIME: (Count.CLOSED, Count.TO_CLOSE),
    Count.DISPATCHED_RIGHT: (Count.DISPATCHED,),
    Count.SCORED: (Count.CLOSED, Count.TO_CLOSE),
    Count.OPEN_OVERDUE: (Count.TO_CLOSE,),
    Count.DUE_HANDLING_DONE: (Count.DUE_HANDLING,),
    Count.DUE_HANDLING_IN_TIME: (Count.DUE_HANDLING_DONE, Count.DUE_HANDLING),
    Count.DUE_HANDLING_LEFT: (Count.DUE_HANDLING,),
    Count.DUE_HANDLING_EXTENDED: (Count.DUE_HANDLING,),
    Count.DUE_VERIFYING_IN_TIME: (Count.DUE_VERIFYING,),
    Count.DUE_CLOSING_DONE: (Count.DUE_CLOSING,),
    Count.DUE_CLOSING_IN_TIME: (Count.DUE_CLOSING_DONE, Count.DUE_CLOSING),
    Count.DUE_CLOSING_REWORKED: (Count.DUE_CLOSING,),
}


class By(StrEnum):
    """What cases are put together by."""

    UNIT = "unit"
    CELL = "cell"
    CATEGORY = "category"
    SOURCE = "source"


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line of a trail, as far as it is assessed. score: 1 to 5, of a closure.

    due_ms: the due time that the step met or missed. The others: those that stand after it; none of
    them does in a line from before trails carried them.
    """

    at_ms: int
    step: Step
    state: State
    unit: str
    due_ms: int | None = None
    score: int | None = None
    handle_due_ms: int | None = None
    verify_due_ms: int | None = None
    close_due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """A case, and its trail from the beginning."""

    case: str
    category: str
    cell: str
    source: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Tally:
    """What one case counts for in a period. unit: responsible at its end."""

    case: str
    keys: Mapping[By, str]
    counts: Mapping[Count, int]
