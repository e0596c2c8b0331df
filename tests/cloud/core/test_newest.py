from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.columns import Columns
from cloud.core.newest import Newest

ROWS = st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.floats(0, 1))))


def columns(rows: list[tuple[int, int, float]]) -> Columns:
    return Columns(
        series=np.array([row[0] for row in rows], np.int32),
        observed_ms=np.array([row[1] for row in rows], np.int64),
        value=np.array([row[2] for row in rows], np.float64),
        quality=np.zeros(len(rows), np.uint16),
    )


@given(ROWS)
def test_the_newest_is_known_however_it_came(blocks: list[list[tuple[int, int, float]]]) -> None:
    newest = Newest()
    expected: dict[int, tuple[int, float]] = {}
    for rows in blocks:
        newest.add(columns(rows), upto_ms=8)
        for series, at, value in rows:
            if at <= 8 and at >= expected.get(series, (-1, 0.0))[0]:
                expected[series] = (at, value)
    found = newest.all()
    assert {
        series: (at, value)
        for series, at, value in zip(
            found.series.tolist(), found.observed_ms.tolist(), found.value.tolist(), strict=True
        )
    } == expected
    assert found.series.tolist() == sorted(expected)


def test_asked_for_some_in_ones_own_order() -> None:
    newest = Newest()
    newest.add(columns([(7, 1, 0.5), (2, 1, 0.25)]), upto_ms=9)
    assert newest.of(np.array([7, 3, 99, 2, -1], np.int32)).series.tolist() == [7, 2]
