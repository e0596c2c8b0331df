"""综合评价: what became of the cases of a period, counted from their trails, and its figures.

A count is a set of cases, a figure is made of counts, and both name their cases. What a case did is
read from the lines of its trail up to the period's end and nothing else, so that a past month gives
the same figures whenever it is asked for. Source: the project's facts of the field, §9.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from cloud.core.case_steps import OPEN_STATES, STAYING, Label, State, Step

SCORE_PREFIX = "satisfaction "


class Count(StrEnum):
    """What is counted, each a set of cases."""

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


class Form(StrEnum):
    """What a figure is: so many, a share of them, or a mean."""

    COUNT = "count"
    SHARE = "share"
    MEAN = "mean"


class By(StrEnum):
    """What cases are put together by."""

    UNIT = "unit"
    CELL = "cell"
    CATEGORY = "category"
    SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A figure as numerator and denominator, each the union of counts."""

    key: str
    title: Label
    form: Form
    numerator: tuple[Count, ...]
    denominator: tuple[Count, ...] = ()
    lower_is_better: bool = False
    source: str
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Formulas:
    """One version of the formulas, in force from a day on."""

    version: str
    effective: date
    figures: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a trail, as far as it is assessed. score: 1 to 5, of a closure."""

    at_ms: int
    step: Step
    from_state: State
    to_state: State
    unit: str
    due_ms: int | None = None
    score: int | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. value: None where there is nothing to measure.

    cases and of: those of the numerator and of the denominator.
    """

    key: str
    value: float | None
    numerator: int
    denominator: int
    cases: tuple[str, ...]
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The figures and the counts of the cases that have something in common; key "" for none."""

    key: str
    figures: Mapping[str, Figure]
    counts: Mapping[Count, tuple[str, ...]]


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
ASSESSED = _SETTLES | {Step.DISPATCH, Step.RETURN, Step.OVERDUE}
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
}
_IN_TIME: dict[Step, Count] = {
    Step.HANDLE: Count.HANDLED_IN_TIME,
    Step.VERIFY: Count.VERIFIED_IN_TIME,
    Step.CLOSE: Count.CLOSED_IN_TIME,
}
_NOT_HANDLED = (State.OPENED, State.DISPATCHED)


def tally(trail: Trail, from_ms: int, until_ms: int) -> Tally:
    """Count one case in a period: from_ms <= t < until_ms; later lines are not looked at."""
    case = _Case()
    for line in trail.lines:
        if line.at_ms >= until_ms:
            break
        _follow(case, line)
        if line.at_ms >= from_ms:
            _count(case, line)
    _conclude(case)
    keys = {
        By.UNIT: case.unit,
        By.CELL: trail.cell,
        By.CATEGORY: trail.category,
        By.SOURCE: trail.source,
    }
    return Tally(trail.case, keys, case.counts)


def _follow(case: _Case, line: Line) -> None:
    if line.step is Step.OVERDUE:
        case.overdue |= line.unit == case.unit  # else it is the task of a unit that helps
        return
    case.state = line.to_state
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


def tallies(trails: Iterable[Trail], from_ms: int, until_ms: int) -> list[Tally]:
    """Count the cases of a period; those that count for nothing are left out."""
    found = (tally(trail, from_ms, until_ms) for trail in trails)
    return [each for each in found if each.counts]


def whole(formulas: Formulas, found: Iterable[Tally]) -> Group:
    """Return the figures of all cases together."""
    return _group(formulas, "", found)


def grouped(formulas: Formulas, found: Iterable[Tally], by: By) -> list[Group]:
    """Return the figures by what the cases have in common, in the order of its names."""
    groups: dict[str, list[Tally]] = defaultdict(list)
    for each in found:
        groups[each.keys[by]].append(each)
    return [_group(formulas, key, groups[key]) for key in sorted(groups)]


def _group(formulas: Formulas, key: str, found: Iterable[Tally]) -> Group:
    weights: dict[Count, dict[str, int]] = {count: {} for count in Count}
    for each in found:
        for count, weight in each.counts.items():
            weights[count][each.case] = weight
    return Group(
        key=key,
        figures={formula.key: figure(formula, weights) for formula in formulas.figures},
        counts={count: tuple(sorted(weights[count])) for count in Count},
    )


def figure(formula: Formula, weights: Mapping[Count, Mapping[str, int]]) -> Figure:
    """Compute a figure from counts, each the weights of its cases."""
    above, below = (
        {case: weight for count in counts for case, weight in weights[count].items()}
        for counts in (formula.numerator, formula.denominator)
    )
    top, bottom = sum(above.values()), sum(below.values())
    value: float | None = top
    if formula.form is not Form.COUNT:
        value = top / bottom if bottom else None
    return Figure(
        key=formula.key,
        value=value,
        numerator=top,
        denominator=bottom,
        cases=tuple(sorted(above)),
        of=tuple(sorted(below)),
    )


def in_force(versions: Sequence[Formulas], day: date) -> Formulas | None:
    """Return the version of a day: the latest that has come into effect; None before the first."""
    past = [each for each in versions if each.effective <= day]
    return max(past, key=lambda each: each.effective, default=None)


def figure_keys(versions: Iterable[Formulas]) -> list[str]:
    """Return the keys of the figures of all versions, each once, in their order."""
    return list(dict.fromkeys(one.key for each in versions for one in each.figures))


def score_of(about: str) -> int | None:
    """Return the score that a closure's line of the trail carries; None for none."""
    digits = about.removeprefix(SCORE_PREFIX)
    return int(digits) if about.startswith(SCORE_PREFIX) and digits.isdigit() else None


def scored(satisfaction: int | None) -> str:
    """Return how a closure's line of the trail carries a score; score_of() is its inverse."""
    return "" if satisfaction is None else f"{SCORE_PREFIX}{satisfaction}"
