"""综合评价: what became of the cases of a period, counted from their trails, and its figures.

A count is a set of cases, a figure is made of counts, and both name their cases. What a case did is
read from the lines of its trail up to the period's end and nothing else, so that a past month gives
the same figures whenever it is asked for. Source: the project's facts of the field, §9.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from cloud.core.assessment_counts import PART_OF, By, Count, Line, Tally, Trail
from cloud.core.assessment_dues import FOLLOWED, by_dues
from cloud.core.assessment_steps import ASSESSED as STEPPED
from cloud.core.assessment_steps import by_steps
from cloud.core.case_steps import Label

__all__ = [
    "ASSESSED",
    "By",
    "Compared",
    "Count",
    "Figure",
    "Form",
    "Formula",
    "Formulas",
    "Group",
    "Line",
    "Tally",
    "Trail",
    "compared",
    "figure",
    "figure_keys",
    "grouped",
    "in_force",
    "outside",
    "renamed",
    "score_of",
    "scored",
    "tallies",
    "tally",
    "whole",
]
SCORE_PREFIX = "satisfaction "


class Form(StrEnum):
    """What a figure is: so many, a share of them, or a mean."""

    COUNT = "count"
    SHARE = "share"
    MEAN = "mean"


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
    """One version of the formulas, in force from a day on. units: old names, and those of now."""

    version: str
    effective: date
    figures: tuple[Formula, ...]
    units: Mapping[str, str] = field(default_factory=dict)


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

    def value(self, figure: str) -> float | None:
        """Return a figure's value."""
        return self.figures[figure].value


ASSESSED = STEPPED | FOLLOWED


def tally(trail: Trail, from_ms: int, until_ms: int) -> Tally:
    """Count one case in a period: from_ms <= t < until_ms; later lines are not looked at."""
    lines = [line for line in trail.lines if line.at_ms < until_ms]
    counts, unit = by_steps(lines, from_ms)
    keys = {
        By.UNIT: unit,
        By.CELL: trail.cell,
        By.CATEGORY: trail.category,
        By.SOURCE: trail.source,
    }
    return Tally(trail.case, keys, counts | by_dues(lines, from_ms, until_ms))


def tallies(trails: Iterable[Trail], from_ms: int, until_ms: int) -> list[Tally]:
    """Count the cases of a period; those that count for nothing are left out."""
    found = (tally(trail, from_ms, until_ms) for trail in trails)
    return [each for each in found if each.counts]


def renamed(found: Iterable[Tally], units: Mapping[str, str]) -> list[Tally]:
    """Give units that were renamed, or merged into another, the name that they have now."""

    def now(each: Tally) -> Tally:
        unit = units.get(each.keys[By.UNIT])
        return each if unit is None else replace(each, keys={**each.keys, By.UNIT: unit})

    return [now(each) for each in found] if units else list(found)


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


Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The values of a period that another is compared with, whole and by group, without its cases.

    total: None, and groups without the key, where there was no case.
    """

    total: Values | None
    groups: Mapping[By, Mapping[str, Values]]

    def value(self, figure: str, by: By | None = None, key: str = "") -> float | None:
        """Return a figure's value then; None where there were no cases, not 0."""
        values = self.total if by is None else self.groups[by].get(key)
        return None if values is None else values[figure]


def compared(formulas: Formulas, found: Sequence[Tally], groups: Iterable[By]) -> Compared:
    """Return the values of the cases of a period. found: as tallies() returns them."""
    kinds: dict[frozenset[tuple[Count, int]], Mapping[str, tuple[int, int]]] = {}
    sums: defaultdict[tuple[By | None, str], dict[str, list[int]]] = defaultdict(
        lambda: {formula.key: [0, 0] for formula in formulas.figures}
    )
    for each in found:
        kind = frozenset(each.counts.items())  # few are different
        shares = kinds.get(kind)
        if shares is None:
            shares = kinds[kind] = _shares(formulas, each.counts)
        for by in (None, *groups):
            mine = sums[by, "" if by is None else each.keys[by]]
            for key, (top, bottom) in shares.items():
                mine[key][0] += top
                mine[key][1] += bottom
    values = {where: _values(formulas, mine) for where, mine in sums.items()}
    return Compared(
        total=values.get((None, "")),
        groups={
            by: {key: found for (each, key), found in values.items() if each is by} for by in groups
        },
    )


def _shares(formulas: Formulas, counts: Mapping[Count, int]) -> Mapping[str, tuple[int, int]]:
    """Return what one case adds to each figure's numerator and denominator, where it does."""

    def weight(of: Sequence[Count]) -> int:
        return next((counts[count] for count in reversed(of) if count in counts), 0)

    added = {
        formula.key: (weight(formula.numerator), weight(formula.denominator))
        for formula in formulas.figures
    }
    return {key: each for key, each in added.items() if any(each)}


def _values(formulas: Formulas, sums: Mapping[str, Sequence[int]]) -> Values:
    return {formula.key: _value(formula, *sums[formula.key]) for formula in formulas.figures}


def _value(formula: Formula, top: int, bottom: int) -> float | None:
    if formula.form is Form.COUNT:
        return top
    return top / bottom if bottom else None


def figure(formula: Formula, weights: Mapping[Count, Mapping[str, int]]) -> Figure:
    """Compute a figure from counts, each the weights of its cases."""
    above = _union(formula.numerator, weights)
    below = _union(formula.denominator, weights)
    top, bottom = sum(above.values()), sum(below.values())
    return Figure(
        key=formula.key,
        value=_value(formula, top, bottom),
        numerator=top,
        denominator=bottom,
        cases=tuple(sorted(above)),
        of=tuple(sorted(below)),
    )


def _union(
    counts: Sequence[Count], weights: Mapping[Count, Mapping[str, int]]
) -> Mapping[str, int]:
    if len(counts) == 1:
        return weights[counts[0]]
    return {case: weight for count in counts for case, weight in weights[count].items()}


def outside(formula: Formula) -> list[Count]:
    """Return the counts of a share's numerator that may hold cases its denominator has not."""
    if formula.form is not Form.SHARE:
        return []
    below = set(formula.denominator)
    return [
        count
        for count in formula.numerator
        if not below.intersection((count, *PART_OF.get(count, ())))
    ]


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
