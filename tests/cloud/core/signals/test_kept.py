"""What windows keep of their panes, in small."""

from __future__ import annotations

import numpy as np

from cloud.core.arrivals import NEVER
from cloud.core.signals.kept import join, move_on, steps
from cloud.core.signals.sums import MAXIMUM, MEANS
from contract.quantities import Averaging

LAST = MEANS[Averaging.LAST]


def test_steps_are_panes_since_the_last_and_no_more_than_matter() -> None:
    begin_ms = np.array([100, 300, 9_000, 100])
    done_ms = np.array([0, 0, 0, NEVER])
    assert steps(begin_ms, done_ms, 100, 3).tolist() == [1, 3, 4, 4]


def test_move_on_leaves_holes_where_nothing_closed() -> None:
    rows = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    moved = move_on(rows, np.array([1, 2, 4]), np.array([7.0, 8.0, 9.0]), 0.0)
    assert moved.tolist() == [[2.0, 3.0, 7.0], [3.0, 0.0, 8.0], [0.0, 0.0, 9.0]]


def test_join_takes_what_is_within_the_window_and_has_readings() -> None:
    kept = np.array([[9.0, 5.0, 6.0], [9.0, 5.0, 6.0]])
    counts = np.array([[1, 1, 1], [1, 1, 0]], np.uint32)
    newest = [np.array([1.0, 1.0])], np.array([2, 2])
    (highest,), readings = join(MAXIMUM, newest, ([kept], counts), np.array([1, 2]))
    assert (highest.tolist(), readings.tolist()) == ([9.0, 5.0], [5, 3])


def test_join_takes_the_newest_value_where_that_is_what_counts() -> None:
    kept, counts = np.array([[3.0, 4.0]]), np.array([[1, 1]], np.uint32)
    for reads, value in ((0, 4.0), (1, 5.0)):
        newest = [np.array([5.0])], np.array([reads])
        (last,), _ = join(LAST, newest, ([kept], counts), np.array([1]))
        assert last.tolist() == [value]
