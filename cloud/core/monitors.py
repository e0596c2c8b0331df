"""Monitors in columns: one per rule and series it watches, grouped by series.

A series' band is the range of values that change nothing: while a reading lies in it, no monitor
of the series need be looked at. A band holds for one era (cloud/core/schedule.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.core.condition import ACTIVE, IDLE
from cloud.core.rules import Counted, Direction, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What a monitor needs of its rule.

    Signed: a limit below is negated, so that beyond always means sign * value > limit, and not yet
    back within means sign * value > hold.
    """

    sign: float
    limit: float
    hold: float
    on_ms: int
    off_ms: int
    counted: Counted | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One level of one rule: what a monitor watches for. rule: its place among the engine's."""

    rule: int
    level: int
    numbers: Numbers


def conditions_of(rules: Sequence[Rule]) -> list[Condition]:
    """Return the conditions of rules, one a level, by rule, the least severe first."""
    return [
        Condition(rule=place, level=level, numbers=numbers_of(rule, level))
        for place, rule in enumerate(rules)
        for level in range(len(rule.levels))
    ]


def numbers_of(rule: Rule, level: int = 0) -> Numbers:
    """Return the numbers of a rule's level, signed. A count stands in place of the on-delay."""
    sign = 1.0 if rule.direction is Direction.ABOVE else -1.0
    limit = sign * rule.levels[level].limit
    return Numbers(
        sign=sign,
        limit=limit,
        hold=limit - rule.deadband,
        on_ms=0 if rule.counted else round(rule.on_delay_s * 1000),
        off_ms=round(rule.off_delay_s * 1000),
        counted=rule.counted,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleColumns:
    """The same in columns, one row a rule, as far as bands need it."""

    sign: NDArray[np.float64]
    limit: NDArray[np.float64]
    hold: NDArray[np.float64]

    @classmethod
    def of(cls, numbers: Sequence[Numbers]) -> RuleColumns:
        """Put rules' numbers in columns."""
        return cls(
            sign=np.array([one.sign for one in numbers], float),
            limit=np.array([one.limit for one in numbers], float),
            hold=np.array([one.hold for one in numbers], float),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitors:
    """m monitors of n series, sorted by series, then condition.

    rule:  shape (m,), int32, the condition: row of RuleColumns
    first: shape (n + 1,), int64: those of series s are first[s]:first[s + 1]
    phase: shape (m,), uint8, of cloud.core.condition; since_ms: shape (m,), int64
    seen:  shape (m,), uint64: which of the last readings were beyond, the newest in bit 0; for
           those that count readings
    """

    rule: NDArray[np.int32]
    first: NDArray[np.int64]
    phase: NDArray[np.uint8]
    since_ms: NDArray[np.int64]
    seen: NDArray[np.uint64]

    @classmethod
    def none(cls) -> Monitors:
        """Return no monitors of no series."""
        return cls(
            rule=np.empty(0, np.int32),
            first=np.zeros(1, np.int64),
            phase=np.empty(0, np.uint8),
            since_ms=np.empty(0, np.int64),
            seen=np.empty(0, np.uint64),
        )

    @classmethod
    def build(
        cls,
        series: int,
        slot: NDArray[np.intp],
        rule: NDArray[np.int32],
        phase: NDArray[np.uint8],
        since_ms: NDArray[np.int64],
        seen: NDArray[np.uint64],
    ) -> Monitors:
        """Return monitors given in any order, of so many series."""
        order = np.lexsort((rule, slot))
        first = np.zeros(series + 1, np.int64)
        first[1:] = np.cumsum(np.bincount(slot, minlength=series))
        return cls(
            rule=rule[order],
            first=first,
            phase=phase[order],
            since_ms=since_ms[order],
            seen=seen[order],
        )

    def followed_by(self, series: int, slot: NDArray[np.intp], rule: NDArray[np.intp]) -> Monitors:
        """Return these, and idle ones of new series, sorted; of so many series altogether."""
        known, more = len(self.first) - 1, len(slot)
        counts = np.bincount(slot - known, minlength=series - known)
        return Monitors(
            rule=np.concatenate((self.rule, rule.astype(np.int32))),
            first=np.concatenate((self.first, self.first[-1] + np.cumsum(counts))),
            phase=np.concatenate((self.phase, np.full(more, IDLE, np.uint8))),
            since_ms=np.concatenate((self.since_ms, np.zeros(more, np.int64))),
            seen=np.concatenate((self.seen, np.zeros(more, np.uint64))),
        )

    def of(self, slots: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the monitors of some series, and for each series where its own begin in that."""
        counts = self.first[slots + 1] - self.first[slots]
        starts = np.cumsum(counts) - counts
        within = np.arange(int(counts.sum())) - np.repeat(starts, counts)
        return (np.repeat(self.first[slots], counts) + within).astype(np.intp), starts

    def slots(self) -> NDArray[np.intp]:
        """Return each monitor's series, shape (m,)."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


def bands(
    monitors: Monitors, rules: RuleColumns, slots: NDArray[np.intp], in_force: Sequence[bool]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest value that change nothing, for some series.

    Args:    slots: shape (k,), distinct. in_force: a rule each, in the era the bands are for.
    Returns: low, high, each shape (k,), both inclusive; low > high where any value is of interest.
    """
    low = np.full(len(slots), -np.inf)
    high = np.full(len(slots), np.inf)
    watched = monitors.first[slots + 1] > monitors.first[slots]
    if not watched.any():
        return low, high
    mine, starts = monitors.of(slots[watched])
    rule, phase = monitors.rule[mine], monitors.phase[mine]
    applies = np.array(in_force, bool)[rule]
    floor = np.full(len(mine), -np.inf)  # of sign * value
    ceiling = np.full(len(mine), np.inf)
    idle, active = phase == IDLE, phase == ACTIVE
    ceiling[idle & applies] = rules.limit[rule[idle & applies]]
    still = active & applies
    floor[still] = np.nextafter(rules.hold[rule[still]], np.inf)
    floor[~idle & ~still] = np.inf  # pending, returning, or no longer in force: look at it
    above = rules.sign[rule] > 0
    low[watched] = np.maximum.reduceat(np.where(above, floor, -ceiling), starts)
    high[watched] = np.minimum.reduceat(np.where(above, ceiling, -floor), starts)
    return low, high
