from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.flood import Bounds, Turn, desk_of, turn, within

BOUNDS = Bounds(begins=10, ends=5, window_ms=600_000)


def test_a_flood_begins_with_more_than_ten_and_ends_with_fewer_than_five() -> None:
    assert [turn(False, number, BOUNDS) for number in (10, 11)] == [None, Turn.BEGINS]
    assert [turn(True, number, BOUNDS) for number in (11, 5, 4)] == [None, None, Turn.ENDS]


def test_the_window_has_its_end_and_not_its_beginning() -> None:
    assert within([0, 1, 300, 600, 601], 600, 600) == 3


@given(st.lists(st.integers(0, 20), max_size=40))
@settings(max_examples=100, deadline=None)
def test_between_the_bounds_nothing_changes(numbers: list[int]) -> None:
    flooded = False
    for number in numbers:
        became = turn(flooded, number, BOUNDS)
        assert became is not (Turn.BEGINS if flooded else Turn.ENDS)
        flooded = flooded if became is None else became is Turn.BEGINS
        assert flooded or number <= 10
        assert not flooded or number >= 5


def test_a_desk_is_a_person_before_it_is_a_tag_or_a_unit() -> None:
    tags = {"shift": "north"}
    assert desk_of(tags, "gas", "shift", by_unit=True, assignee="li") == "@li"
    assert desk_of(tags, "gas", "shift", by_unit=True, assignee="") == "north"
    assert desk_of({}, "gas", "shift", by_unit=True, assignee="") == "gas"
    assert desk_of(tags, "gas", "", by_unit=False, assignee="") == ""
