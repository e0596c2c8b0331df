from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.intervals import IntervalSet

stretches = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=30
)


@given(stretches)
def test_holds_exactly_what_was_added(added: list[tuple[int, int]]) -> None:
    numbers = {n for first, last in added for n in range(first, last + 1)}
    intervals = IntervalSet(added)
    assert {n for n in range(80) if n in intervals} == numbers
    assert {n for first, last in intervals for n in range(first, last + 1)} == numbers


@given(stretches)
def test_intervals_are_sorted_disjoint_and_never_adjacent(added: list[tuple[int, int]]) -> None:
    found = list(IntervalSet(added))
    assert all(first <= last for first, last in found)
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(found))


@given(stretches)
def test_holes_are_what_is_missing_below_the_highest(added: list[tuple[int, int]]) -> None:
    intervals = IntervalSet(added)
    highest = max((last for _, last in added), default=0)
    missing = {n for n in range(1, highest + 1) if n not in intervals}
    assert {n for first, last in intervals.holes() for n in range(first, last + 1)} == missing


def test_covered_to_is_the_end_of_the_first_unbroken_run() -> None:
    assert IntervalSet().covered_to() == 0
    assert IntervalSet([(2, 5)]).covered_to() == 0
    assert IntervalSet([(1, 5), (7, 9)]).covered_to() == 5


def test_order_does_not_matter() -> None:
    assert IntervalSet([(5, 5), (1, 3), (4, 4)]) == IntervalSet([(1, 5)])


@given(stretches, st.tuples(st.integers(1, 60), st.integers(0, 8)))
def test_what_an_interval_took_in_is_told(
    added: list[tuple[int, int]], last: tuple[int, int]
) -> None:
    intervals = IntervalSet(added)
    before = set(intervals)
    taken = intervals.add(last[0], last[0] + last[1])
    assert set(intervals) == before - set(taken) | {intervals.interval_of(last[0])}


def test_a_backward_interval_is_refused() -> None:
    with pytest.raises(ValueError, match=r"backwards: 5\.\.4"):
        IntervalSet([(5, 4)])
