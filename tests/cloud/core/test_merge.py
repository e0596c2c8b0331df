from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.columns import Columns, concatenate
from cloud.core.merge import in_order, merged, repeated


def columns(rows: list[tuple[int, int]]) -> Columns:
    """Make columns of (series, time); the value tells the row's place."""
    return Columns(
        series=np.array([row[0] for row in rows], np.int32),
        observed_ms=np.array([row[1] for row in rows], np.int64),
        value=np.arange(len(rows), dtype=np.float64),
        quality=np.zeros(len(rows), np.uint16),
    )


def keys(found: Columns) -> list[tuple[int, int]]:
    return list(zip(found.series.tolist(), found.observed_ms.tolist(), strict=True))


RUNS = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9))), st.integers(1, 5)),
    max_size=5,
)


@settings(max_examples=200)
@given(RUNS)
def test_any_runs_merge_to_what_sorting_gives(
    runs: list[tuple[list[tuple[int, int]], int]],
) -> None:
    parts = []
    for rows, size in runs:
        run = columns(sorted(rows))
        parts.append([run.slice(at, at + size) for at in range(0, len(run), size)])
    found = list(merged(parts))
    assert all(len(part) and in_order(part) for part in found)
    everything = concatenate(found)
    assert keys(everything) == sorted(row for rows, _ in runs for row in rows)
    assert in_order(everything)


def test_only_a_part_of_each_run_is_asked_for_ahead() -> None:
    asked = []

    def run(name: str, series: int) -> object:
        for at in range(3):
            asked.append(name)
            yield columns([(series, at)])

    first = next(merged([run("a", 1), run("b", 2)]))  # type: ignore[list-item]
    assert keys(first) == [(1, 0)]
    assert asked == ["a", "b"]


def test_what_is_told_again_is_counted_also_across_parts() -> None:
    rows = columns([(1, 5), (1, 5), (1, 6), (2, 6), (2, 6)])
    assert repeated(rows) == 2
    assert repeated(rows, before=(1, 5)) == 3
    assert repeated(columns([])) == 0


def test_order_is_by_series_first() -> None:
    assert in_order(columns([(1, 9), (2, 1)]))
    assert not in_order(columns([(2, 1), (1, 9)]))
    assert not in_order(columns([(1, 2), (1, 1)]))
    assert in_order(columns([]))
