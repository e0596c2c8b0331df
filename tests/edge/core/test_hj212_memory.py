"""Data that came before, and parts that have not come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from device_profiles.core.hj212 import Frame
from edge.core.hj212_memory import LATE_MS, REMEMBERED, Memory, Missed, Part, Taken

TIME = "20261122120000"


def data(cn: str = "2051", time: str = TIME, /, **items: str) -> Frame:
    """A frame; items: LA_Rtd="50" for LA-Rtd=50."""
    cp = {key.replace("_", "-"): value for key, value in items.items()}
    return Frame(header={"CN": cn, "MN": "AB"}, cp={"DataTime": time, **cp})


def told(fresh: Frame | None) -> dict[str, str]:
    assert fresh is not None
    return fresh.cp


def test_data_is_handed_on_once() -> None:
    memory = Memory()
    frame = data(LA_Rtd="50")
    assert memory.take(frame, None, 0) == (Taken.NEW, frame)
    for _ in range(3):
        assert memory.take(frame, None, 10_000) == (Taken.REPEATED, None)


@pytest.mark.parametrize("other", [data("2011", LA_Rtd="50"), data("2051", "20261122120100")])
def test_another_command_or_time_is_other_data(other: Frame) -> None:
    memory = Memory()
    memory.take(data(LA_Rtd="50"), None, 0)
    assert memory.take(other, None, 0)[0] is Taken.NEW


def test_other_factors_of_the_same_time_are_not_lost() -> None:
    """A logger sends dust with ST=22 and noise with ST=23, of one time, unsplit."""
    memory = Memory()
    memory.take(data(a34001_Rtd="1", a34001_Flag="N"), None, 0)
    taken, fresh = memory.take(data(LA_Rtd="2", LA_Flag="D"), None, 0)
    assert taken is Taken.NEW
    assert told(fresh) == {"DataTime": TIME, "LA-Rtd": "2", "LA-Flag": "D"}


def test_a_new_figure_keeps_the_flag_that_was_told_before() -> None:
    memory = Memory()
    memory.take(data(a34001_Min="1", a34001_Flag="D"), None, 0)
    _, fresh = memory.take(data(a34001_Avg="2", a34001_Min="1", a34001_Flag="D"), None, 0)
    assert told(fresh) == {"DataTime": TIME, "a34001-Avg": "2", "a34001-Flag": "D"}


def test_another_value_of_the_same_time_contradicts() -> None:
    memory = Memory()
    memory.take(data(LA_Rtd="50"), None, 0)
    assert memory.take(data(LA_Rtd="51", L5_Data="1"), None, 0) == (Taken.CONTRADICTS, None)
    assert memory.take(data(LA_Rtd="50"), None, 0) == (Taken.REPEATED, None)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 2, 1, 3, 1)])
def test_each_part_is_handed_on_once_in_any_order(order: tuple[int, ...]) -> None:
    memory = Memory()
    handed: list[str] = []
    for number in order:
        _, fresh = memory.take(data(**{f"a{number}_Avg": "1"}), Part(number, 3), 0)
        handed += fresh.cp if fresh else ()
    assert sorted(handed) == [*["DataTime"] * 3, "a1-Avg", "a2-Avg", "a3-Avg"]
    assert memory.take(data(a2_Avg="1"), Part(2, 3), 0)[0] is Taken.REPEATED
    assert memory.missed(LATE_MS) == []


def test_parts_that_say_otherwise_are_refused() -> None:
    memory = Memory()
    memory.take(data(a1_Avg="1"), Part(1, 3), 0)
    with pytest.raises(DecodeError, match="PNUM is 2, of another part it was 3"):
        memory.take(data(a2_Avg="1"), Part(2, 2), 0)


def test_parts_that_stay_away_are_told_once() -> None:
    memory = Memory()
    assert memory.take(data(a1_Avg="1"), Part(1, 3), 0)[0] is Taken.NEW
    assert memory.missed(LATE_MS - 1) == []
    assert memory.missed(LATE_MS) == [Missed("2051", TIME, 2)]
    assert memory.missed(LATE_MS) == []
    taken, fresh = memory.take(data(a3_Avg="1"), Part(3, 3), LATE_MS + 1)
    assert taken is Taken.NEW
    assert told(fresh) == {"DataTime": TIME, "a3-Avg": "1"}


def test_memory_is_bounded() -> None:
    memory = Memory()
    for minute in range(10 * REMEMBERED):
        time = f"20260101{minute // 60:02d}{minute % 60:02d}00"
        assert memory.take(data("2051", time, LA_Avg="1"), None, 0)[0] is Taken.NEW
    assert sum(len(times) for times in memory._told.values()) == REMEMBERED


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 3)), max_size=60))
def test_every_item_is_handed_on_exactly_once(steps: list[tuple[int, int, int]]) -> None:
    """Whatever is repeated, split, late or out of order."""
    memory = Memory()
    sent: set[tuple[str, str]] = set()
    handed: list[tuple[str, str]] = []
    for now, (minute, factor, number) in enumerate(steps):
        time = f"2026010100{minute:02d}00"
        key = f"a{factor}{number}-Avg"
        frame = Frame(header={"CN": "2051"}, cp={"DataTime": time, key: "1"})
        _, fresh = memory.take(frame, Part(number, 3) if factor else None, now * 30_000)
        sent.add((time, key))
        handed += [(time, k) for k in fresh.cp if k != "DataTime"] if fresh else []
    assert sorted(handed) == sorted(sent)
