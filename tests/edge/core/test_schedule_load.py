"""A bus in simulated time: overloaded, and with many dead devices on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from edge.core.schedule import PROBE_SPACING, Backoff, Schedule

PROBING = Backoff(first_s=1.0, most_s=30.0)
TIMEOUT_S = 1.0
HOUR_S = 3_600.0


@dataclass
class Bus:
    """What went on: polls answered by device, seconds spent waiting for the dead."""

    polls: Counter[str] = field(default_factory=Counter)
    wasted_s: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    answered_s: dict[str, float] = field(default_factory=dict)  # when first after its revival


def simulate(
    schedule: Schedule,
    until_s: float,
    poll_s: float,
    lives: Callable[[str, float], bool],
    now_s: float = 0.0,
) -> Bus:
    """Run a bus: an answered poll takes poll_s, one in vain TIMEOUT_S."""
    bus = Bus()
    while now_s < until_s:
        device = schedule.take(now_s)
        if device is None:
            due_s = schedule.next_due_s()
            assert due_s is not None
            assert due_s > now_s, "nothing is due, but something would be"
            now_s = due_s
            continue
        answered = lives(device, now_s)
        now_s += poll_s if answered else TIMEOUT_S
        schedule.finished(device, now_s, answered=answered)
        if answered:
            bus.polls[device] += 1
            bus.answered_s.setdefault(device, now_s)
        else:
            bus.failures[device] += 1
            bus.wasted_s += TIMEOUT_S
    return bus


def devices(count: int, period_s: float = 1.0) -> dict[str, float]:
    return {f"d{index}": period_s for index in range(count)}


def dead_below(count: int) -> Callable[[str, float], bool]:
    return lambda device, _: int(device[1:]) >= count


@pytest.mark.parametrize("dead", [1, 3, 10, 29])
def test_however_many_are_dead_the_others_lose_less_than_two_percent(dead: int) -> None:
    """30 devices that fill their bus, where a time-out costs thirty good polls."""
    schedule = Schedule(devices(30), 0.0, PROBING)
    simulate(schedule, HOUR_S, 1 / 30, dead_below(dead))  # until the dead are known to be
    bus = simulate(schedule, 3 * HOUR_S, 1 / 30, dead_below(dead), now_s=HOUR_S)
    assert 0 < bus.wasted_s < 0.02 * 2 * HOUR_S
    for index in range(dead, 30):
        assert bus.polls[f"d{index}"] >= 0.98 * 2 * HOUR_S - 1
    probes = [bus.failures[f"d{index}"] for index in range(dead)]
    assert max(probes) - min(probes) <= 1, "the dead take turns"


def test_a_device_that_dies_costs_the_others_less_than_two_percent_from_the_first_hour_on() -> None:
    schedule = Schedule(devices(10, period_s=0.5), 0.0, PROBING)
    bus = simulate(schedule, HOUR_S, 0.05, lambda device, at_s: device != "d0" or at_s < 60)
    assert bus.wasted_s < 0.02 * HOUR_S
    for index in range(1, 10):
        assert bus.polls[f"d{index}"] >= 0.98 * HOUR_S / 0.5


def test_recovery_is_noticed_within_one_probe() -> None:
    schedule = Schedule(devices(30), 0.0, PROBING)
    back_s = 5_000.0
    bus = simulate(
        schedule, back_s + 200, 0.01, lambda device, at_s: device != "d0" or at_s >= back_s
    )
    assert bus.answered_s["d0"] <= back_s + PROBE_SPACING * TIMEOUT_S + 2
    assert bus.polls["d0"] >= 200 - PROBE_SPACING * TIMEOUT_S - 4  # on its grid again at once


def test_when_one_of_many_dead_comes_back_the_others_are_probed_at_once() -> None:
    """A branch of the line had lost its power: ten devices come back together."""
    schedule = Schedule(devices(30), 0.0, PROBING)
    back_s = 5_000.0

    def lives(device: str, at_s: float) -> bool:
        return int(device[1:]) >= 10 or at_s >= back_s

    simulate(schedule, back_s, 0.01, lives)
    bus = simulate(schedule, back_s + 100, 0.01, lives, now_s=back_s)
    first_s, *_, last_s = sorted(bus.answered_s[f"d{index}"] for index in range(10))
    assert first_s <= back_s + PROBE_SPACING * TIMEOUT_S + 2
    assert last_s - first_s < 1


def test_where_nobody_lives_the_dead_are_probed_as_often_as_they_may() -> None:
    schedule = Schedule(devices(5), 0.0, PROBING)
    bus = simulate(schedule, HOUR_S, 0.01, lambda *_: False)
    for index in range(5):
        assert bus.failures[f"d{index}"] >= HOUR_S / (PROBING.most_s + 5 * TIMEOUT_S) - 5


def test_one_lost_answer_is_asked_for_again_soon() -> None:
    """A device that is not dead yet does not wait for the dead."""
    schedule = Schedule({"d0": 60.0, "d1": 1.0}, 0.0, PROBING)
    lost = iter([False])
    bus = simulate(schedule, 30.0, 0.01, lambda device, _: device != "d0" or next(lost, True))
    assert bus.failures["d0"] == 1
    assert bus.answered_s["d0"] < 3


@pytest.mark.parametrize("times", [1, 2, 10, 100])
def test_overload_delivers_all_that_the_bus_can_evenly(times: int) -> None:
    """100 devices that want `times` as much as 100 polls a second."""
    schedule = Schedule(devices(100, period_s=1 / times), 0.0, PROBING)
    simulate(schedule, 10.0, 0.01, lambda *_: True)
    bus = simulate(schedule, 110.0, 0.01, lambda *_: True, now_s=10.0)
    assert sum(bus.polls.values()) >= 0.95 * 100 / 0.01
    assert max(bus.polls.values()) - min(bus.polls.values()) <= 2


def test_under_overload_the_slow_get_their_share_beside_the_fast() -> None:
    """Nobody gets less, for what he wants, than the bus can give on the whole."""
    periods = devices(10, period_s=0.1) | {f"s{index}": 60.0 for index in range(10)}
    schedule = Schedule(periods, 0.0, PROBING)
    bus = simulate(schedule, HOUR_S, 0.1, lambda *_: True)
    wanted = sum(HOUR_S / period_s for period_s in periods.values())
    share = sum(bus.polls.values()) / wanted
    assert share < 0.11
    for device, period_s in periods.items():
        assert bus.polls[device] >= 0.9 * share * HOUR_S / period_s


def test_overload_and_dead_devices_together_still_deliver() -> None:
    schedule = Schedule(devices(100, period_s=0.1), 0.0, PROBING)
    simulate(schedule, HOUR_S, 0.01, dead_below(20))
    bus = simulate(schedule, 2 * HOUR_S, 0.01, dead_below(20), now_s=HOUR_S)
    assert sum(bus.polls.values()) >= 0.95 * HOUR_S / 0.01
    living = [bus.polls[f"d{index}"] for index in range(20, 100)]
    assert max(living) - min(living) <= 2


def test_a_device_that_rests_after_its_start_is_neither_failing_nor_in_the_way() -> None:
    schedule = Schedule({"a": 1.0, "b": 1.0}, 0.0, PROBING)
    assert schedule.take(0.0) == "a"
    schedule.postpone("a", 12.0)
    assert not schedule.is_failing("a")
    assert schedule.take(1.0) == "b"
    schedule.finished("b", 1.1, answered=False)
    assert schedule.is_failing("b")
    assert schedule.take(11.0) == "b"
    assert schedule.take(11.9) is None
    assert schedule.take(12.0) == "a"
