"""Readings that are said again are recognised: lately, long ago, and after a restart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.columns import Columns
from cloud.voices import MOST_LOOKS, Heard, Voices, windows
from contract.readings import Reading

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
NEW = Heard(new=True)


def reading(at_ms: int, value: float | None = 1.0) -> Reading:
    return Reading("noise-1", "noise_laeq", at_ms, value)


class Store:
    """A series store that counts how often it is asked."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], float] = {}
        self.asked = 0

    def past(self, series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        self.asked += 1
        found = sorted(
            (number, at, value)
            for (number, at), value in self.rows.items()
            if number in series and from_ms <= at < to_ms
        )
        return Columns(
            series=np.array([row[0] for row in found], np.int32),
            observed_ms=np.array([row[1] for row in found], np.int64),
            value=np.array([row[2] for row in found], np.float64),
            quality=np.zeros(len(found), np.uint16),
        )

    def keep(self, said: Sequence[tuple[int, Reading]], heard: Sequence[Heard]) -> None:
        for (series, each), what in zip(said, heard, strict=True):
            if what.new:
                assert (series, each.observed_ms) not in self.rows, "stored twice"
                assert each.value is not None
                self.rows[series, each.observed_ms] = each.value


def test_a_live_series_is_looked_up_once() -> None:
    store = Store()
    voices = Voices(store.past)
    for second in range(50):
        said = [(7, reading(NOW_MS + second * 1000))]
        heard = voices.hear(said, (), NOW_MS + second * 1000)
        assert heard == [NEW]
        store.keep(said, heard)
    assert store.asked == 1
    assert voices.hear([(7, reading(NOW_MS))], (), NOW_MS + 50_000) == [Heard(new=False)]
    assert store.asked == 1


def test_another_value_for_the_same_moment_is_a_conflict() -> None:
    voices = Voices(Store().past)
    said = [(7, reading(NOW_MS, 1.0)), (7, reading(NOW_MS, 2.0)), (7, reading(NOW_MS, 1.0))]
    assert voices.hear(said, (), NOW_MS) == [NEW, Heard(new=False, conflict=1.0), Heard(new=False)]


def test_what_was_stored_before_a_restart_is_found() -> None:
    store = Store()
    store.rows = {(7, NOW_MS - 1000): 1.0, (7, NOW_MS - 90 * DAY_MS): 3.0}
    said = [(7, reading(NOW_MS - 1000)), (7, reading(NOW_MS - 90 * DAY_MS, 3.0))]
    assert Voices(store.past).hear(said, (), NOW_MS) == [Heard(new=False)] * 2


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 4000)), max_size=60), st.data())
def test_in_any_order_with_restarts_each_reading_is_new_once(
    told: list[tuple[int, int]], data: st.DataObject
) -> None:
    store = Store()
    voices = Voices(store.past)
    while told:
        size = data.draw(st.integers(1, 20))
        said = [(series, reading(NOW_MS - minutes * 60_000)) for series, minutes in told[:size]]
        told = told[size:]
        store.keep(said, voices.hear(said, (), NOW_MS))
        if data.draw(st.booleans()):
            voices = Voices(store.past)


def test_few_looks_are_enough_for_times_far_apart() -> None:
    times = [day * DAY_MS for day in range(1000)]
    found = list(windows(times))
    assert len(found) == MOST_LOOKS
    assert (found[0][0], found[-1][1]) == (times[0], times[-1])
    assert list(windows([5])) == [(5, 5)]
    assert list(windows([1, 2, DAY_MS])) == [(1, 2), (DAY_MS, DAY_MS)]
