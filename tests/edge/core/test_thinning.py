"""The ladder, and what thinning must never hide."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.quality import Quality
from contract.quantities import Kind
from contract.readings import Reading
from edge.core.thinning import Step, Thinner, ladder

NOW_MS = 1_790_000_040_000
ALL = frozenset(Kind)
ORDINARY = ALL - {Kind.GAS, Kind.MANHOLE}
LAST = frozenset((Kind.GAS, Kind.MANHOLE))
EVERY_MINUTE = Step(ALL, 60_000, 0.0)


def kind_of(device: str) -> Kind:
    return Kind(device.partition("-")[0])


def test_all_is_thinned_before_anything_is_dropped_and_alarms_come_last() -> None:
    steps = ladder((60, 600), LAST, ())
    assert [(step.kinds, step.every_ms) for step in steps] == [
        (ORDINARY, 60_000),
        (ORDINARY, 600_000),
        (LAST, 60_000),
        (LAST, 600_000),
        (ORDINARY, 0),
        (LAST, 0),
    ]
    assert [step.newest for step in steps[:2]] == [0.02, 0.2]
    assert [step.newest for step in steps[4:]] == [0, 0]
    assert len({step.name for step in steps}) == 6
    assert [step.how for step in (steps[0], steps[-1])] == [
        ", thinned to one reading in 60 s",
        "",
    ]


def test_kinds_can_be_spared_thinning() -> None:
    steps = ladder((60,), LAST, LAST)
    assert [(step.kinds, step.every_ms) for step in steps] == [
        (ORDINARY, 60_000),
        (ORDINARY, 0),
        (LAST, 0),
    ]


def test_without_thinning_the_oldest_go() -> None:
    assert [step.every_ms for step in ladder((), (), ())] == [0]


def test_the_first_reading_of_a_minute_stays_across_batches() -> None:
    thinner = Thinner(EVERY_MINUTE, kind_of)
    kept = [
        reading.observed_ms
        for at_s in range(180)
        for reading in thinner.keep([Reading("dust-1", "pm10", NOW_MS + at_s * 1000, at_s)])
    ]
    assert kept == [NOW_MS, NOW_MS + 60_000, NOW_MS + 120_000]


def test_a_change_of_state_and_of_quality_stays() -> None:
    readings = [
        Reading("manhole-1", "cover_open", NOW_MS + at * 1000, value)
        for at, value in enumerate((0.0, 0.0, 1.0, 1.0, 0.0))
    ] + [
        Reading("dust-1", "pm10", NOW_MS, 5.0),
        Reading("dust-1", "pm10", NOW_MS + 1000, None, Quality.COMMUNICATION),
        Reading("dust-1", "pm10", NOW_MS + 2000, 6.0),
        Reading("dust-1", "pm10", NOW_MS + 3000, 7.0),
    ]
    kept = Thinner(EVERY_MINUTE, kind_of).keep(readings)
    assert [(r.measurement, r.value) for r in kept] == [
        ("cover_open", 0.0),
        ("cover_open", 1.0),
        ("cover_open", 0.0),
        ("pm10", 5.0),
        ("pm10", None),
        ("pm10", 6.0),
    ]


def test_other_kinds_are_left_alone_and_dropping_leaves_nothing_of_ones_own() -> None:
    dust = [Reading("dust-1", "pm10", NOW_MS + at, at) for at in range(3)]
    gas = [Reading("gas-1", "gas_pressure", NOW_MS + at, at) for at in range(3)]
    assert Thinner(Step(ORDINARY, 0, 0.0), kind_of).keep([*dust, *gas]) == gas
    assert Thinner(Step(ORDINARY, 60_000, 0.0), kind_of).keep([*dust, *gas]) == [dust[0], *gas]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from(["dust-1", "noise-1"]), st.integers(0, 600)), max_size=60),
    st.integers(1, 20),
)
def test_however_it_is_cut_into_batches_each_minute_keeps_one(
    taken: list[tuple[str, int]], size: int
) -> None:
    """Readings in order of time, as a bus gives them."""
    readings = [
        Reading(device, "pm10", NOW_MS + at_s * 1000, 1.0)
        for device, at_s in sorted(taken, key=lambda each: each[1])
    ]
    thinner = Thinner(EVERY_MINUTE, kind_of)
    kept = [
        reading
        for at in range(0, len(readings), size)
        for reading in thinner.keep(readings[at : at + size])
    ]
    minutes = [(r.device, r.observed_ms // 60_000) for r in kept]
    assert len(minutes) == len(set(minutes))
    assert set(minutes) == {(r.device, r.observed_ms // 60_000) for r in readings}
