"""The parts that Engine is made of, each by itself."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from cloud.core import snapshots
from cloud.core.arrivals import NEVER, arrange
from cloud.core.condition import ACTIVE, IDLE, PENDING, RETURNING, advance, count
from cloud.core.model import Series, Severity
from cloud.core.monitors import Monitors, RuleColumns, bands, conditions_of, numbers_of
from cloud.core.register import NO_ERA, Register
from cloud.core.rules import Direction, Level, Rule
from cloud.core.schedule import DayHours
from cloud.core.watching import Watch
from contract.errors import DecodeError
from contract.quality import Quality
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.rule_kit import LAEQ, NOISE, columns_of, make_rule


@pytest.mark.parametrize(
    ("phase", "beyond", "gap", "delay_ms", "expected"),
    [
        (IDLE, False, False, 0, (IDLE, 5, False)),
        (IDLE, True, False, 0, (ACTIVE, 100, True)),
        (IDLE, True, False, 10, (PENDING, 100, False)),
        (PENDING, True, False, 95, (ACTIVE, 5, True)),
        (PENDING, True, False, 96, (PENDING, 5, False)),
        (PENDING, True, True, 95, (PENDING, 100, False)),
        (PENDING, False, False, 0, (IDLE, 5, False)),
        (ACTIVE, True, True, 0, (ACTIVE, 5, False)),
        (ACTIVE, False, False, 0, (IDLE, 100, True)),
        (ACTIVE, False, False, 10, (RETURNING, 100, False)),
        (RETURNING, True, False, 0, (ACTIVE, 5, False)),
        (RETURNING, False, False, 95, (IDLE, 5, True)),
        (RETURNING, False, True, 95, (RETURNING, 100, False)),
    ],
)
def test_advance(
    phase: int, beyond: bool, gap: bool, delay_ms: int, expected: tuple[int, int, bool]
) -> None:
    """Since 5, a reading at 100."""
    assert advance(phase, 5, 100, beyond=beyond, gap=gap, delay_ms=delay_ms) == expected


def register_of(*series: Series) -> Register:
    register = Register()
    register.enter(series)
    return register


def test_a_register_numbers_series_as_they_come() -> None:
    register = register_of(replace(LAEQ, id=40), LAEQ, LAEQ)
    assert (len(register), register.slot(40), register.slot(7), register.slot(8)) == (2, 0, 1, -1)
    assert register.slot(10_000) == -1
    assert register.slots(["noise-1"]).tolist() == [0, 1]
    assert register.last_ms.tolist() == [NEVER, NEVER]


def test_a_register_takes_a_device_as_it_is_now_for_all_its_series() -> None:
    register = register_of(LAEQ, replace(LAEQ, id=8, measurement="noise_la"))
    moved = replace(NOISE, tags={"area_class": "1"})
    assert register.enter([replace(LAEQ, device=moved)]) == {"noise-1": moved}
    assert all(series.device == moved for series in register.series)


def test_a_register_forgets_bands() -> None:
    register = register_of(LAEQ)
    register.band_of[:] = 5
    register.forget_bands(slice(None))
    assert register.band_of.tolist() == [NO_ERA]


def test_arrange_sorts_by_slot_and_drops_what_is_late() -> None:
    slot_of = np.array([-1, 1, 0], np.int32)
    last_ms = np.array([10, NEVER])
    readings = [
        Plain(1, 5, 1.0),
        Plain(2, 10, 2.0),
        Plain(2, 12, None),
        Plain(1, 5, 3.0),
        Plain(0, 7, 4.0),
        Plain(9, 7, 4.0),
        Plain(2, 11, 5.0),
        Plain(1, 6, 6.0, Quality.FAULT),
    ]
    arrivals, late = arrange(columns_of(readings), slot_of, last_ms)
    assert late.at_ms.tolist() == [10, 11, 5]
    assert arrivals.slot.tolist() == [0, 1, 1]
    assert arrivals.at_ms.tolist() == [12, 5, 6]
    assert arrivals.usable.tolist() == [False, True, False]
    assert arrivals.row.tolist() == [2, 0, 7]
    assert arrivals.take(slice(1, 2)).row.tolist() == [0]


def test_arrange_takes_many_series_and_any_time() -> None:
    count = 70_000  # more than 16 bits
    readings = [Plain(count - 1, 2**62, 1.0), Plain(3, -(2**62), 1.0), Plain(3, 2**62, 1.0)]
    slot_of = np.arange(count, dtype=np.int32)
    arrivals, late = arrange(columns_of(readings), slot_of, np.full(count, NEVER))
    assert (arrivals.slot.tolist(), len(late)) == ([3, 3, count - 1], 0)


RULES = [
    make_rule(id="high", limit=60.0, deadband=3.0),
    make_rule(id="low", limit=10.0, deadband=1.0, direction=Direction.BELOW),
]
NUMBERS = RuleColumns.of([numbers_of(rule) for rule in RULES])
SLOTS = np.array([0, 1])


def monitors_of(high: int, low: int) -> Monitors:
    """Return the two monitors of series 1; series 0 has none."""
    return Monitors.build(
        2,
        np.array([1, 1]),
        np.array([1, 0], np.int32),
        np.array([low, high], np.uint8),
        np.array([0, 0]),
        np.zeros(2, np.uint64),
    )


def test_monitors_stand_by_series_then_rule() -> None:
    monitors = monitors_of(ACTIVE, IDLE)
    assert monitors.rule.tolist() == [0, 1]
    assert monitors.phase.tolist() == [ACTIVE, IDLE]
    assert monitors.slots().tolist() == [1, 1]
    mine, starts = monitors.of(SLOTS)
    assert (mine.tolist(), starts.tolist()) == ([0, 1], [0, 0])
    assert len(Monitors.none().rule) == 0


def test_monitors_of_new_series_follow_those_that_are_there() -> None:
    some = Monitors.build(
        2,
        np.array([1, 0, 0], np.intp),
        np.array([0, 2, 1], np.int32),
        np.array([2, 0, 1], np.uint8),
        np.array([30, 10, 20]),
        np.zeros(3, np.uint64),
    )
    both = some.followed_by(5, np.array([3, 3]), np.array([1, 2]))
    assert both.slots().tolist() == [0, 0, 1, 3, 3]
    assert both.rule.tolist() == [1, 2, 0, 1, 2]
    assert both.phase.tolist() == [1, 0, 2, IDLE, IDLE]
    assert both.first.tolist() == [0, 2, 3, 3, 5, 5]
    assert both.since_ms.tolist() == [20, 10, 30, 0, 0]


@pytest.mark.parametrize(
    ("high", "low", "in_force", "quiet", "restless"),
    [
        (IDLE, IDLE, [True, True], [10.0, 60.0], [9.999, 60.001]),
        (ACTIVE, IDLE, [True, True], [57.001, 1000.0], [57.0]),
        (IDLE, ACTIVE, [True, True], [10.999, -5.0], [11.0]),
        (PENDING, IDLE, [True, True], [], [-1.0, 50.0, 70.0]),
        (RETURNING, IDLE, [True, True], [], [-1.0, 50.0, 70.0]),
        (IDLE, IDLE, [False, False], [-9.0, 99.0], []),
        (ACTIVE, IDLE, [False, True], [], [50.0, 70.0]),
    ],
)
def test_a_band_is_what_changes_nothing(
    high: int, low: int, in_force: list[bool], quiet: list[float], restless: list[float]
) -> None:
    lows, highs = bands(monitors_of(high, low), NUMBERS, SLOTS, in_force)
    assert (lows[0], highs[0]) == (-np.inf, np.inf)
    assert all(lows[1] <= value <= highs[1] for value in quiet)
    assert not any(lows[1] <= value <= highs[1] for value in restless)


def watch_of(rules: list[Rule], *series: Series) -> tuple[Register, Watch]:
    register = register_of(*series)
    watch = Watch(rules, register, ZoneInfo("Asia/Shanghai"), DayHours())
    wanted = {(slot, rule) for slot in range(len(series)) for rule in range(len(rules))}
    assert watch.rebuild(np.arange(len(series)), wanted) == []
    return register, watch


REST = snapshots.Rest(late=3, watermark_ms=5, signals=b"")


def test_a_snapshot_is_read_into_what_is_bound() -> None:
    register, watch = watch_of(RULES, LAEQ)
    register.last_ms[0], register.usable_ms[0] = 20, 10
    (high,) = watch.monitors_of(0, 0)
    watch.monitors.phase[high], watch.monitors.since_ms[high] = PENDING, 9
    watch.monitors.seen[high] = 5
    saved = snapshots.read(snapshots.write(register, watch, REST))
    assert (saved.late, saved.watermark_ms) == (3, 5)
    other, found = watch_of(RULES[::-1], replace(LAEQ, id=50), LAEQ)
    snapshots.apply(saved, other, found)
    assert other.last_ms.tolist() == [NEVER, 20]
    assert other.usable_ms.tolist() == [NEVER, 10]
    (there,) = found.monitors_of(1, 1)
    assert found.rule_of(there) == "high"
    assert np.flatnonzero(found.monitors.phase).tolist() == [there]
    assert (found.monitors.since_ms[there], found.monitors.seen[there]) == (9, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"slot_series": b"12345678"},
        {"last_ms": b""},
        {"phase": b"\1"},
        {"slot_rule": b"\7\0\0\0"},
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused(change: dict[str, object]) -> None:
    saved = msgspec.msgpack.decode(snapshots.write(*watch_of(RULES, LAEQ), REST))
    changed = {**saved, **change}
    with pytest.raises(DecodeError):
        snapshots.read(msgspec.msgpack.encode(changed))


@pytest.mark.parametrize(
    ("beyond", "turns"),
    [("1101", [3]), ("1010", []), ("10101", []), ("0111", [3]), ("1110", [2]), ("11001", [])],
)
def test_count_wants_three_of_the_last_four(beyond: str, turns: list[int]) -> None:
    phase, since_ms, seen = IDLE, 0, 0
    turned: list[int] = []
    for at, letter in enumerate(beyond):
        phase, since_ms, seen, began = count(
            phase, since_ms, seen, at, beyond=letter == "1", gap=False, n=3, of=4
        )
        turned += [at] if began else []
        if began:
            assert since_ms == beyond.index("1")
            break
    assert turned == turns


def test_count_forgets_before_a_gap() -> None:
    state = (PENDING, 1, 0b11, False)
    assert count(*state[:3], 9, beyond=True, gap=True, n=3, of=4) == (PENDING, 9, 0b1, False)
    assert count(*state[:3], 9, beyond=False, gap=True, n=3, of=4) == (IDLE, 1, 0, False)


def test_conditions_are_one_a_level() -> None:
    rule = make_rule(higher=(Level(limit=70.0, severity=Severity.HIGH),), deadband=2.0)
    low, high, other = conditions_of([rule, RULES[1]])
    assert (low.level, high.level, other.rule) == (0, 1, 1)
    assert (high.numbers.limit, high.numbers.hold) == (70.0, 68.0)


def test_a_signal_has_a_slot_of_its_own() -> None:
    register = register_of(LAEQ)
    slot = register.signal("stuck", register.series[0])
    assert (slot, register.signal("stuck", register.series[0])) == (1, 1)
    assert (register.slots_of("noise-1"), register.signals_of("noise-1")) == ([0], [1])
    assert (register.slots_of("x"), register.signals_of("x")) == ([], [])
    assert (register.slot(LAEQ.id), register.place("stuck", LAEQ.id)) == (0, 1)
    assert register.place("loud", LAEQ.id) == 0
    assert register.slots(["noise-1"]).tolist() == [0, 1]
