"""What windows keep of their panes, in small."""

from __future__ import annotations

import numpy as np

from cloud.core.arrivals import NEVER
from cloud.core.signals.kept import Kept, join, move_on, steps
from cloud.core.signals.stretches import Stretch, joined
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


def panes(*told: tuple[int, int, float, int]) -> Stretch:
    """(track, begin, value, readings)"""
    track, begin_ms, value, readings = (np.array([one[i] for one in told]) for i in range(4))
    return Stretch(track, begin_ms, begin_ms + 100, [value], readings, np.arange(len(told)))


def test_windows_are_of_panes_closed_one_by_one_or_many_at_once() -> None:
    told = [(0, 0, 5.0, 1), (0, 100, 3.0, 300), (0, 300, 4.0, 1), (0, 400, 1.0, 1)]
    found = []
    one_by_one, at_once = Kept(MAXIMUM, 100, 3), Kept(MAXIMUM, 100, 3)
    one_by_one.table.grow(1)
    at_once.table.grow(1)
    for pane, done_ms in zip(told, [NEVER, 0, 100, 300], strict=True):
        (value,), readings = one_by_one.windows(panes(pane), np.array([done_ms]))
        found.append((value.tolist()[0], int(readings[0])))
    (value,), readings = at_once.windows(panes(*told), np.full(4, NEVER))
    assert found == [(5.0, 1), (5.0, 301), (5.0, 302), (4.0, 302)]
    assert list(zip(value.tolist(), readings.tolist(), strict=True)) == found
    for kept in (one_by_one, at_once):
        assert kept.table["kept_readings"].tolist() == [[0, 1, 1]]


def test_of_joined_panes_the_first_ones_come_first() -> None:
    both = joined(panes((1, 0, 1.0, 1)), panes((0, 0, 2.0, 1), (1, 100, 3.0, 1)))
    assert both.track.tolist() == [0, 1, 1]
    assert both.numbers[0].tolist() == [2.0, 1.0, 3.0]
    assert both.ends().tolist() == [True, False, True]
