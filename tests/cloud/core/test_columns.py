from __future__ import annotations

import numpy as np

from cloud.core.columns import Columns, concatenate


def columns(*rows: tuple[int, int, float]) -> Columns:
    return Columns(
        series=np.array([row[0] for row in rows], np.int32),
        observed_ms=np.array([row[1] for row in rows], np.int64),
        value=np.array([row[2] for row in rows], np.float64),
        quality=np.zeros(len(rows), np.uint16),
    )


def test_sorted_by_series_then_time_and_equal_ones_keep_their_order() -> None:
    found = columns((2, 1, 0), (1, 9, 1), (1, 3, 2), (1, 3, 3)).by_series_and_time()
    assert list(found.value) == [2, 3, 1, 0]


def test_nothing_joins_to_nothing() -> None:
    nothing = concatenate([])
    assert len(nothing) == 0
    assert nothing.series.dtype == np.int32
    assert nothing.quality.dtype == np.uint16


def test_joined_end_to_end_and_taken_by_mask() -> None:
    joined = concatenate([columns((1, 1, 1)), columns((2, 2, 2), (3, 3, 3))])
    assert list(joined.take(joined.series > 1).series) == [2, 3]


def test_a_slice_shares_its_memory() -> None:
    whole = columns((1, 1, 1), (2, 2, 2), (3, 3, 3))
    part = whole.slice(1, 3)
    assert list(part.series) == [2, 3]
    assert np.shares_memory(part.value, whole.value)
