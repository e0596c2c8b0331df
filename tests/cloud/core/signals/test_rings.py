from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.signals.rings import Rings, countdown
from cloud.core.signals.tables import pack

BOTH = np.arange(2)


def rings(*room: int) -> Rings:
    made = Rings()
    made.grow(len(room))
    made.fit(np.arange(len(room)), np.array(room, np.int32))
    return made


def newest(of: Rings, track: int, size: int) -> list[float]:
    ordered = of.newest(np.array([track]), np.array([size]))
    return [float(ordered.at(np.array([place]))[0]) for place in range(size)]


values = st.one_of(st.decimals(-99, 99, places=1).map(float), st.floats(-1e9, 1e9))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.lists(values, max_size=9)), max_size=12),
    st.integers(0, 12),
    st.integers(3, 9),
)
def test_the_newest_readings_are_those_written(
    writes: list[tuple[int, list[float]]], at: int, room: int
) -> None:
    made, told = rings(5, 7), ([], [])  # type: ignore[var-annotated]
    sizes = [5, 7]
    for turn, (track, some) in enumerate(writes):
        if turn == at:
            made.fit(BOTH, np.array([room, 7], np.int32))
            told[0][:] = told[0][-5:]
            sizes = [room, 7]
        before = made.written(BOTH)[track]
        fresh = np.array(some)
        mine = np.full(len(some), track)
        told[track].extend(some)
        size = min(len(told[track]), sizes[track])
        if size:
            stream = made.stream(
                np.array([track]), np.array([before + len(some)]), np.array([size]), mine, fresh
            )
            assert stream.at(np.array([size - 1])).tolist() == [max(told[track][-size:])]
        made.write(mine, fresh)
        if size:
            assert newest(made, track, size) == sorted(told[track][-size:])


def test_readings_are_packed_the_oldest_first_and_taken_as_far_as_there_is_room() -> None:
    made = rings(4, 3)
    made.write(np.array([0, 0, 1, 1, 1, 1]), np.array([1.5, 2.0, 3.0, 4.0, 5.0, 6.123456]))
    packed = made.pack(BOTH)
    other = rings(2, 8)
    kept, told = other.told(packed, BOTH[::-1])
    assert (kept.tolist(), told.tolist()) == ([3, 2], [4.0, 5.0, 6.123456, 1.5, 2.0])
    other.take_over(BOTH, kept, told)
    assert newest(other, 0, 2) == [5.0, 6.123456]
    assert newest(other, 1, 2) == [1.5, 2.0]
    assert other.written(BOTH).tolist() == [2, 2]
    with pytest.raises(ValueError, match="not as many"):
        other.told(packed | {"kept": pack(np.array([1]))}, BOTH[:1])


def test_a_ring_that_is_given_other_room_leaves_no_waste_for_ever() -> None:
    made = rings(10, 20)
    made.write(np.array([0, 1]), np.array([1.0, 2.0]))
    for room in range(11, 200):
        made.fit(BOTH[:1], np.array([room], np.int32))
    assert made.nbytes() < 4_000
    assert (newest(made, 0, 1), newest(made, 1, 1)) == ([1.0], [2.0])
    assert made.room(BOTH).tolist() == [199, 20]
    made.reset(BOTH[:1])
    assert made.written(BOTH).tolist() == [0, 1]


def test_countdown() -> None:
    assert countdown(np.array([2, 0, 3])).tolist() == [1, 0, 2, 1, 0]
