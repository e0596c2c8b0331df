"""A deadband and an on-delay from a series' own noise. The method is our judgement; no standard's.

Deadband: that of which 95 % of the differences between successive usable readings are no greater,
rounded up to one significant digit: what the value does from one reading to the next by itself
then ends nothing. Differences across a gap (over three periods and a minute) do not count.

On-delay: an exceedance is a run of usable readings beyond the limit, without a gap; it lasts from
its first to its last. The short ones last under ten minutes. The delay is the shortest of STEPS_S
that would have removed 90 % of them. Whatever the hour: a rule's schedule is not regarded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.core.averages import usable
from cloud.core.columns import Columns, concatenate
from cloud.core.rules import Direction, Rule

QUANTILE = 0.95
REMOVED = 0.90
SHORT_MS = 600_000
STEPS_S = (0, 5, 10, 15, 30, 60, 90, 120, 180, 240, 300, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What would suit a rule on a series, and what it is taken from; in the canonical unit.

    removed: of the short exceedances, how many last too short for the delay.
    """

    readings: int
    deadband: float
    on_delay_s: float
    exceedances: int
    short: int
    removed: int


class Noise:
    """A series' usable readings, fed in order of time. gap_ms: a longer silence is a gap."""

    def __init__(self, gap_ms: int) -> None:
        self._gap_ms = gap_ms
        self._parts: list[Columns] = []

    def feed(self, columns: Columns) -> None:
        """Take further readings of the series, sorted by time."""
        self._parts.append(columns.take(usable(columns)))

    def suggest(self, rule: Rule) -> Suggestion | None:
        """Suggest for a rule on single values; None with fewer than two readings on end."""
        told = concatenate(self._parts)
        near = np.diff(told.observed_ms) <= self._gap_ms
        differences = np.abs(np.diff(told.value))[near]
        if not len(differences):
            return None
        above = rule.direction is Direction.ABOVE
        beyond = told.value > rule.limit if above else told.value < rule.limit
        lengths = _lengths(told.observed_ms, beyond, near)
        short = lengths[lengths < SHORT_MS]
        delay_s = _delay_s(short)
        return Suggestion(
            readings=len(told),
            deadband=rounded_up(float(np.quantile(differences, QUANTILE, method="higher"))),
            on_delay_s=delay_s,
            exceedances=len(lengths),
            short=len(short),
            removed=int((short < delay_s * 1000).sum()),
        )


def rounded_up(value: float) -> float:
    """Round up to one significant digit: 0.31 is 0.4; 12 is 20; 0 stays."""
    if value <= 0:
        return 0.0
    digits = -math.floor(math.log10(value))
    return round(math.ceil(value * 10.0**digits - 1e-9) / 10.0**digits, max(digits, 0))


def _lengths(
    at_ms: NDArray[np.int64], beyond: NDArray[np.bool_], near: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return how long each run beyond the limit lasts, from its first reading to its last."""
    on = beyond[:-1] & beyond[1:] & near  # the run goes on from this reading to the next
    firsts = beyond & ~np.concatenate([[False], on])
    lasts = beyond & ~np.concatenate([on, [False]])
    lengths: NDArray[np.int64] = at_ms[lasts] - at_ms[firsts]
    return lengths


def _delay_s(short: NDArray[np.int64]) -> float:
    """Return the shortest step that removes enough; an exceedance that lasts as long stays."""
    if not len(short):
        return 0.0
    enough = REMOVED * len(short) - 1e-9
    return float(next(s for s in STEPS_S if (short < s * 1000).sum() >= enough))
