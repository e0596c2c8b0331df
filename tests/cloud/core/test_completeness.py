"""What was due, what came, and why the rest did not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.completeness import (
    HOUR_MS,
    Counts,
    Known,
    Outage,
    Part,
    Stretch,
    Tally,
    bucket_ms,
    buckets,
    due,
    measure,
    overlap_ms,
    short,
    shortest_ms,
)

EDGES = buckets(0, 4 * HOUR_MS, HOUR_MS)
EVERY_MINUTE = [Stretch(from_ms=0, to_ms=4 * HOUR_MS, period_ms=60_000)]


def counts(*each: int) -> Counts:
    return np.array(each, np.int64)


def tally(*answered: int, silent: tuple[int, ...] = (0, 0, 0, 0)) -> Tally:
    return Tally(answered=counts(*answered), silent=counts(*silent))


def total(parts: list[Part]) -> Part:
    return sum(parts, Part())


def test_buckets_are_wide_enough_for_the_slowest_measurement() -> None:
    assert bucket_ms([1000.0]) == bucket_ms([]) == HOUR_MS
    assert bucket_ms([60_000.0, 5_400_000.0]) == 2 * HOUR_MS
    assert buckets(0, 5, 2).tolist() == [0, 2, 4, 5]


def test_due_follows_the_period_that_was_in_force() -> None:
    stretches = [
        Stretch(from_ms=HOUR_MS, to_ms=2 * HOUR_MS, period_ms=60_000),
        Stretch(from_ms=2 * HOUR_MS, to_ms=4 * HOUR_MS, period_ms=600_000),
    ]
    assert due(EDGES, stretches).tolist() == [0, 60, 6, 6]


@given(st.floats(0.1, 1e5), st.integers(0, 10**7), st.integers(1, 20))
def test_however_it_is_cut_as_much_is_due(period_s: float, from_ms: int, pieces: int) -> None:
    stretch = [Stretch(from_ms=from_ms, to_ms=10 * HOUR_MS, period_ms=period_s * 1000)]
    whole = due(counts(0, 10 * HOUR_MS), stretch)
    cut = np.linspace(0, 10 * HOUR_MS, pieces + 1).astype(np.int64)
    assert due(cut, stretch).sum() == whole.sum()


def test_a_reading_that_slipped_over_an_edge_is_not_missing() -> None:
    assert short(counts(60, 60, 60), counts(59, 61, 60)).tolist() == [0, 0, 0]
    assert short(counts(60, 60, 60), counts(61, 59, 60)).tolist() == [0, 0, 0]
    assert short(counts(60, 60, 60), counts(70, 50, 60)).tolist() == [0, 9, 0]


def test_overlapping_outages_count_once() -> None:
    outages = [Outage(from_ms=0, to_ms=100), Outage(from_ms=50, to_ms=HOUR_MS + 7)]
    assert overlap_ms(EDGES, outages).tolist() == [HOUR_MS, 7, 0, 0]


def test_all_that_was_due_came() -> None:
    assert total(measure(EDGES, EVERY_MINUTE, tally(60, 60, 60, 60), Known())) == Part(
        due=240, arrived=240
    )


def test_what_is_missing_is_explained_as_far_as_it_can_be() -> None:
    known = Known(
        given_up=[Outage(from_ms=HOUR_MS, to_ms=HOUR_MS + 600_000)],
        given_up_readings=1000,
        offline=[Outage(from_ms=HOUR_MS, to_ms=2 * HOUR_MS)],
        hole=[Outage(from_ms=2 * HOUR_MS, to_ms=3 * HOUR_MS)],
        hole_readings=5,
    )
    parts = measure(EDGES, EVERY_MINUTE, tally(50, 0, 50, 55, silent=(10, 0, 0, 0)), known)
    assert parts[0] == Part(due=60, arrived=50, missing=10, silent=10)
    assert parts[1] == Part(due=60, arrived=0, missing=60, given_up=11, offline=49)
    assert parts[2] == Part(due=60, arrived=50, missing=10, hole=5, unexplained=5)
    assert parts[3] == Part(due=60, arrived=55, missing=5, unexplained=5)


def test_a_loss_explains_no_more_than_it_declared() -> None:
    known = Known(given_up=[Outage(from_ms=0, to_ms=HOUR_MS)], given_up_readings=7)
    parts = measure(EDGES, EVERY_MINUTE, tally(20, 60, 60, 60), known)
    assert parts[0] == Part(due=60, arrived=20, missing=40, given_up=7, unexplained=33)


def test_a_device_that_says_more_than_it_must_lacks_nothing() -> None:
    assert total(measure(EDGES, EVERY_MINUTE, tally(90, 90, 90, 90), Known())).missing == 0


def test_without_a_period_nothing_is_due() -> None:
    assert total(measure(EDGES, [], tally(1, 0, 0, 0), Known())) == Part(arrived=1)


@pytest.mark.parametrize("hole_readings", [0, 3, 1000])
@given(arrived=st.lists(st.integers(0, 70), min_size=4, max_size=4), data=st.data())
def test_the_reasons_add_up(hole_readings: int, arrived: list[int], data: st.DataObject) -> None:
    times = st.integers(0, 4 * HOUR_MS)
    outages = st.lists(st.builds(lambda a, b: Outage(from_ms=a, to_ms=b), times, times), max_size=3)
    known = Known(
        given_up=data.draw(outages),
        given_up_readings=hole_readings,
        offline=data.draw(outages),
        hole=data.draw(outages),
        hole_readings=hole_readings,
    )
    for part in measure(EDGES, EVERY_MINUTE, tally(*arrived), known):
        reasons = part.silent + part.given_up + part.offline + part.hole + part.unexplained
        assert part.missing == reasons
        assert part.due <= part.arrived + part.missing + 2  # one may have slipped over each edge
        assert min(part.given_up, part.offline, part.hole, part.unexplained) >= 0


def test_what_is_computed_of_nothing_is_silent_as_its_device_is() -> None:
    every_20_minutes = [Stretch(from_ms=0, to_ms=4 * HOUR_MS, period_ms=20 * 60_000)]
    assert shortest_ms(every_20_minutes) == 20 * 60_000
    mute_ms = np.array([0.0, HOUR_MS, 0.0, 0.0])
    parts = measure(EDGES, every_20_minutes, tally(3, 0, 1, 3), Known(), mute_ms)
    assert total(parts) == Part(due=12, arrived=7, missing=5, silent=3, unexplained=2)
