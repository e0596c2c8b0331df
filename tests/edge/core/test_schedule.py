"""Earliest deadline first, one poll in flight per device, and the dead cost little."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.core.schedule import Backoff, Schedule

PROBING = Backoff(first_s=1.0, most_s=30.0)


def test_a_lone_device_is_polled_on_its_grid() -> None:
    schedule = Schedule({"a": 1.0}, 100.0, PROBING)
    times = []
    now_s = 100.0
    for _ in range(3):
        assert schedule.take(now_s) == "a"
        times.append(now_s)
        schedule.finished("a", now_s + 0.3, answered=True)
        due_s = schedule.next_due_s()
        assert due_s is not None
        now_s = due_s
    assert times == [100.0, 101.0, 102.0]


def test_a_device_in_flight_is_not_taken_again() -> None:
    schedule = Schedule({"a": 1.0}, 0.0, PROBING)
    assert schedule.take(0.0) == "a"
    assert schedule.take(50.0) is None
    assert schedule.next_due_s() is None


def test_the_earliest_deadline_goes_first() -> None:
    schedule = Schedule({"slow": 60.0, "fast": 0.5}, 0.0, PROBING)
    assert schedule.take(1.0) == "fast"
    assert schedule.take(1.0) == "slow"


def test_missed_turns_are_skipped() -> None:
    schedule = Schedule({"a": 1.0}, 0.0, PROBING)
    schedule.take(0.0)
    schedule.finished("a", 7.4, answered=True)
    assert schedule.next_due_s() == 8.0


def test_first_polls_are_spread() -> None:
    schedule = Schedule({"a": 1.0, "b": 1.0}, 0.0, PROBING)
    assert schedule.take(0.0) == "a"
    assert schedule.take(0.0) is None
    assert schedule.next_due_s() == 0.5


def test_a_dead_device_is_probed_ever_more_rarely() -> None:
    schedule = Schedule({"a": 0.1}, 0.0, PROBING)
    now_s, pauses = 0.0, []
    for _ in range(8):
        assert schedule.take(now_s) == "a"
        schedule.finished("a", now_s, answered=False)
        due_s = schedule.next_due_s()
        assert due_s is not None
        pauses.append(due_s - now_s)
        now_s = due_s
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_an_answer_ends_the_backoff() -> None:
    schedule = Schedule({"a": 1.0}, 0.0, PROBING)
    for at_s in (0.0, 1.0, 3.0):
        assert schedule.take(at_s) == "a"
        schedule.finished("a", at_s, answered=False)
    assert schedule.take(7.0) == "a"
    schedule.finished("a", 7.0, answered=True)
    assert schedule.next_due_s() == 8.0


def test_backoff_after_very_many_failures_is_still_a_number() -> None:
    assert PROBING.after(10_000) == 30.0


def test_when_a_bus_comes_back_its_failing_devices_are_probed_at_once() -> None:
    schedule = Schedule({"a": 1.0, "b": 1.0, "c": 1.0}, 0.0, PROBING)
    for device in "abc":
        assert schedule.take(1.0) == device
        schedule.finished(device, 1.0, answered=device == "c")
    schedule.hurry(1.1)
    assert {schedule.take(1.1), schedule.take(1.1)} == {"a", "b"}
    assert schedule.take(1.1) is None
    for device in "ab":
        schedule.finished(device, 1.2, answered=True)
    # What was put into the queue before hurry() is void: nobody is polled twice.
    assert schedule.take(3.5) is not None
    assert schedule.take(3.5) is not None
    assert schedule.take(3.5) is not None
    assert schedule.take(3.5) is None


def test_a_demand_ten_times_over_capacity_is_shared_evenly() -> None:
    periods = {f"d{i}": 1.0 for i in range(100)}
    schedule = Schedule(periods, 0.0, PROBING)
    polls: Counter[str] = Counter()
    for step in range(1_000):  # a poll takes 0.1 s: 10 of 100 devices fit into their second
        now_s = 2.0 + step * 0.1
        device = schedule.take(now_s)
        assert device is not None
        polls[device] += 1
        schedule.finished(device, now_s + 0.1, answered=True)
    assert set(polls.values()) == {10}


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 3)), max_size=200))
def test_never_two_polls_of_one_device_in_flight(steps: list[tuple[bool, bool, float]]) -> None:
    schedule = Schedule({"a": 0.5, "b": 1.0, "c": 7.0}, 0.0, PROBING)
    in_flight: list[str] = []
    now_s = 0.0
    for take, answered, wait_s in steps:
        now_s += wait_s
        if take:
            device = schedule.take(now_s)
            assert device not in in_flight
            if device is not None:
                in_flight.append(device)
        elif in_flight:
            schedule.finished(in_flight.pop(0), now_s, answered=answered)
            schedule.hurry(now_s)
    for device in in_flight:
        schedule.finished(device, now_s, answered=True)
    assert {schedule.take(now_s + 60), schedule.take(now_s + 60), schedule.take(now_s + 60)} == {
        "a",
        "b",
        "c",
    }


def test_the_queue_is_bounded_however_often_a_bus_comes_back() -> None:
    schedule = Schedule({f"d{i}": 1.0 for i in range(10)}, 0.0, PROBING)
    now_s = 1.0
    for _ in range(2_000):
        now_s += 0.001
        schedule.hurry(now_s)
        while (device := schedule.take(now_s)) is not None:
            schedule.finished(device, now_s, answered=False)
        assert len(schedule) <= 50
    schedule.hurry(now_s)
    assert len({schedule.take(now_s) for _ in range(10)}) == 10
