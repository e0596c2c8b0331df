"""Holds what a device served against what is stored, reading by reading.

Each served value is stored, or lost unless something accounts for it; each stored one was served,
or is doubled, changed, mis-stamped or invented.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Two ways to the same number may differ in the last bits.
SAME = 1e-9
# A stored value this far from where it was served is mis-stamped; further, it is invented.
MISSTAMPED_MS = 3_600_000
# A poll that times out is told so much later at most.
PATIENCE_MS = 5_000
MAX_FINDINGS = 20


class Verdict(StrEnum):
    """What became of a reading. Those of BAD must not be."""

    STORED = "stored"
    DECLARED = "declared"  # in a gap that the edge told
    SILENT = "silent"  # stored as a communication fault
    SPOILT = "spoilt"  # went out with a fault, and was rightly not believed
    BEFORE = "before"  # when its gateway had not begun
    PENDING = "pending"  # after its gateway's last reading
    LOST = "lost"
    DOUBLED = "doubled"
    CHANGED = "changed"
    MISSTAMPED = "misstamped"
    INVENTED = "invented"


BAD = (
    Verdict.LOST,
    Verdict.DOUBLED,
    Verdict.CHANGED,
    Verdict.MISSTAMPED,
    Verdict.INVENTED,
    Verdict.PENDING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value at a moment (UTC ms). value: None where there is none, a communication fault.

    spoilt: it went out with a fault of the simulator's.
    """

    at_ms: int
    value: float | None
    spoilt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One bad reading: when, what was served, what is stored."""

    verdict: Verdict
    at_ms: int
    served: float | None
    stored: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How many of each verdict, and the first of the bad ones."""

    counts: Counter[Verdict]
    findings: tuple[Finding, ...]


def prove(
    served: Sequence[Value],
    stored: Sequence[Value],
    declared: Sequence[tuple[int, int]],
    *,
    tolerance_ms: int,
    spoken: tuple[int, int],
) -> Proof:
    """Prove one series.

    Args:    served, stored: in any order. declared: the gaps, [first, last] in UTC ms.
             tolerance_ms: how far observed_at may be from when the value was served. spoken: the
             times of the first and the last reading that came from its gateway, of any device.
    Returns: a verdict for each served value, and for each stored one that none was served for.
    """
    return _Matching(served, stored, declared, tolerance_ms, spoken).proof()


class _Matching:
    """Pairs values, the nearest first, so that one that is missing does not shift the others."""

    def __init__(
        self,
        served: Sequence[Value],
        stored: Sequence[Value],
        declared: Sequence[tuple[int, int]],
        tolerance_ms: int,
        spoken: tuple[int, int],
    ) -> None:
        self._served = sorted(served, key=lambda each: each.at_ms)
        self._values = sorted((s for s in stored if s.value is not None), key=lambda s: s.at_ms)
        self._times = [each.at_ms for each in self._values]
        self._silences = sorted(each.at_ms for each in stored if each.value is None)
        self._declared = sorted(declared)
        self._tolerance_ms = tolerance_ms
        self._spoken = spoken
        self._left = set(range(len(self._served)))
        self._free = set(range(len(self._values)))
        self._counts: Counter[Verdict] = Counter()
        self._findings: list[Finding] = []

    def proof(self) -> Proof:
        tolerances = [t for t in (0, 20, 100, 500) if t < self._tolerance_ms]
        for tolerance_ms in (*tolerances, self._tolerance_ms):
            self._pair(Verdict.STORED, tolerance_ms, same=True)
        self._account()
        self._take_out_doubled()
        self._leave_out_what_came_after()
        self._pair(Verdict.CHANGED, self._tolerance_ms, same=False)
        self._pair(Verdict.MISSTAMPED, MISSTAMPED_MS, same=True)
        for index in sorted(self._left):
            self._note(Verdict.LOST, self._served[index], None)
        for place in sorted(self._free):
            self._note(self._surplus(self._values[place]), None, self._values[place])
        return Proof(counts=self._counts, findings=tuple(self._findings))

    def _pair(self, verdict: Verdict, within_ms: int, *, same: bool) -> None:
        for index in sorted(self._left):
            value = self._served[index]
            for place in self._near(value.at_ms, within_ms):
                if place in self._free and (not same or _same(value, self._values[place])):
                    self._left.discard(index)
                    self._free.discard(place)
                    self._note(verdict, value, self._values[place])
                    break

    def _leave_out_what_came_after(self) -> None:
        """Do not judge what is newer than all served: devices may go on meanwhile."""
        last_ms = self._served[-1].at_ms if self._served else -1
        self._free = {place for place in self._free if self._times[place] <= last_ms}

    def _take_out_doubled(self) -> None:
        """Take out what stands twice, before it is taken for another's changed value."""
        paired = {
            (value.at_ms, value.value)
            for place, value in enumerate(self._values)
            if place not in self._free
        }
        for place in sorted(self._free):
            value = self._values[place]
            if (value.at_ms, value.value) in paired:
                self._free.discard(place)
                self._note(Verdict.DOUBLED, None, value)

    def _account(self) -> None:
        """Take out what is missing for a reason that somebody told."""
        for index in sorted(self._left):
            verdict = self._reason(self._served[index])
            if verdict is not None:
                self._left.discard(index)
                self._note(verdict, self._served[index], None)

    def _reason(self, value: Value) -> Verdict | None:
        if value.spoilt:
            return Verdict.SPOILT
        if self._is_declared(value.at_ms):
            return Verdict.DECLARED
        if self._is_silent(value.at_ms):
            return Verdict.SILENT
        first_ms, last_ms = self._spoken
        if value.at_ms < first_ms:
            return Verdict.BEFORE
        return Verdict.PENDING if value.at_ms > last_ms else None

    def _is_declared(self, at_ms: int) -> bool:
        slack_ms = self._tolerance_ms
        return any(first - slack_ms <= at_ms <= last + slack_ms for first, last in self._declared)

    def _is_silent(self, at_ms: int) -> bool:
        """Whether a fault was told for the time, which lasts until the next value."""
        latest = bisect_right(self._silences, at_ms + PATIENCE_MS)
        if not latest:
            return False
        told_ms = self._silences[latest - 1]
        after = bisect_right(self._times, told_ms)
        return after == len(self._times) or at_ms <= self._times[after]

    def _surplus(self, value: Value) -> Verdict:
        near = (
            index
            for index in range(*self._served_near(value.at_ms))
            if _same(self._served[index], value)
        )
        return Verdict.INVENTED if next(near, None) is None else Verdict.DOUBLED

    def _served_near(self, at_ms: int) -> tuple[int, int]:
        first = bisect_left(self._served, at_ms - self._tolerance_ms, key=lambda s: s.at_ms)
        last = bisect_right(self._served, at_ms + self._tolerance_ms, key=lambda s: s.at_ms)
        return first, last

    def _near(self, at_ms: int, within_ms: int) -> Iterator[int]:
        first = bisect_left(self._times, at_ms - within_ms)
        last = bisect_right(self._times, at_ms + within_ms)
        return iter(range(first, last))

    def _note(self, verdict: Verdict, served: Value | None, stored: Value | None) -> None:
        self._counts[verdict] += 1
        either = served or stored
        if verdict in BAD and either is not None and len(self._findings) < MAX_FINDINGS:
            self._findings.append(
                Finding(
                    verdict=verdict,
                    at_ms=either.at_ms,
                    served=served.value if served else None,
                    stored=stored.value if stored else None,
                )
            )


def _same(one: Value, other: Value) -> bool:
    if one.value is None or other.value is None:
        return one.value is other.value
    return math.isclose(one.value, other.value, rel_tol=SAME, abs_tol=1e-12)
