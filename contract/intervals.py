"""A set of whole numbers kept as intervals: which batch numbers have come, as SACK tells it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class IntervalSet:
    """Numbers as sorted, disjoint, non-adjacent closed intervals. Memory follows the holes."""

    __slots__ = ("_intervals",)

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._intervals: list[tuple[int, int]] = []
        for first, last in intervals:
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._intervals, (number, float("inf"))) - 1
        return at >= 0 and self._intervals[at][1] >= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._intervals)

    def __len__(self) -> int:
        """Return how many intervals there are, not how many numbers."""
        return len(self._intervals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalSet) and self._intervals == other._intervals

    def __repr__(self) -> str:
        return f"IntervalSet({self._intervals})"

    def add(self, first: int, last: int | None = None) -> list[tuple[int, int]]:
        """Add the number, or all from first to last inclusive.

        Returns: the intervals that this one took in, as they were before.
        Raises:  ValueError if last < first.
        """
        last = first if last is None else last
        if last < first:
            raise ValueError(f"interval runs backwards: {first}..{last}")
        start = bisect_right(self._intervals, (first - 1, float("-inf")))
        if start and self._intervals[start - 1][1] >= first - 1:
            start -= 1
        end = start
        while end < len(self._intervals) and self._intervals[end][0] <= last + 1:
            first = min(first, self._intervals[end][0])
            last = max(last, self._intervals[end][1])
            end += 1
        taken = self._intervals[start:end]
        self._intervals[start:end] = [(first, last)]
        return taken

    def interval_of(self, number: int) -> tuple[int, int]:
        """Return the interval that holds the number. Raises: KeyError if none does."""
        at = bisect_right(self._intervals, (number, float("inf"))) - 1
        if at < 0 or self._intervals[at][1] < number:
            raise KeyError(number)
        return self._intervals[at]

    def covered_to(self, start: int = 1) -> int:
        """Return the highest n such that all of start..n are in, or start - 1 if start is not."""
        at = bisect_right(self._intervals, (start, float("inf"))) - 1
        if at < 0 or self._intervals[at][1] < start:
            return start - 1
        return self._intervals[at][1]

    def holes(self, start: int = 1) -> list[tuple[int, int]]:
        """Return the missing stretches between start and the highest number."""
        holes = []
        expected = start
        for first, last in self._intervals:
            if first > expected:
                holes.append((expected, first - 1))
            expected = max(expected, last + 1)
        return holes
