"""What windows keep of their closed panes: a row a track, the newest last.

For tracks that close one pane each, which is what live readings do. Panes are joined from the
newest to the oldest, as cloud.core.signals.panes does for any others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER
from cloud.core.signals.sums import Sum, Values

Number = TypeVar("Number", bound=np.generic)


def steps(
    begin_ms: NDArray[np.int64], done_ms: NDArray[np.int64], step_ms: int, width: int
) -> NDArray[np.int64]:
    """Return by how many panes each window has moved on since the last that closed.

    done_ms: when that one began, NEVER for none. width + 1 at the most: nothing kept is within.
    """
    known = done_ms != NEVER
    on = np.where(known, (begin_ms - np.where(known, done_ms, 0)) // step_ms, width + 1)
    return np.minimum(on, width + 1)


def join(
    sums: Sum,
    newest: tuple[Sequence[Values], NDArray[np.int64]],
    kept: tuple[Sequence[Values], NDArray[np.uint32]],
    on: NDArray[np.int64],
) -> tuple[list[Values], NDArray[np.int64]]:
    """Return the numbers and counts of readings of windows that end with a pane each.

    Args: newest: numbers and counts of those panes, shape (n,). kept: the same of those before
          them, shape (n, width). on: as of steps().
    """
    numbers, readings = list(newest[0]), newest[1]
    for column in range(kept[1].shape[1] - 1, -1, -1):
        count = kept[1][:, column]
        within = (column >= on - 1) & (count > 0)
        for i, part in enumerate(kept[0]):
            joined = sums.merge(numbers[i], part[:, column])
            if sums.join is None:  # the newest that has a value
                joined = np.where(readings > 0, joined, part[:, column])
            numbers[i] = np.where(within, joined, numbers[i])
        readings = readings + np.where(within, count, 0)
    return numbers, readings


def move_on(
    rows: NDArray[Number], on: NDArray[np.int64], newest: NDArray[Any], empty: float
) -> NDArray[Number]:
    """Return rows moved back by so many panes each, with the one that closed at the end."""
    width = rows.shape[1]
    moved = np.full_like(rows, empty)
    single = on == 1
    moved[single, :-1] = rows[single, 1:]
    if not single.all():
        column = np.arange(width) + on[~single, np.newaxis]
        found = np.take_along_axis(rows[~single], np.minimum(column, width - 1), axis=1)
        moved[~single] = np.where(column < width, found, moved[~single])
    moved[:, -1] = newest
    return moved
