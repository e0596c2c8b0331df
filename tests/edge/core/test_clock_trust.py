"""Times that were guessed, and put right: whatever the clocks did in between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.quality import Quality
from contract.readings import Reading
from edge.core.clock_trust import BUILT_MS, Doubt, Trust, shift_of_boot, shifted

NOW_MS = 1_790_000_000_000


def at(observed_ms: int) -> Reading:
    return Reading("dust-1", "pm10", observed_ms, 1.0)


def test_a_synchronised_clock_is_believed_but_not_before_this_was_built() -> None:
    trust = Trust("boot-1")
    assert trust.look(NOW_MS, 5_000, synchronised=True) is None
    assert trust.look(12_000, 6_000, synchronised=True) == Doubt(
        "boot-1", BUILT_MS - 6_000, BUILT_MS
    )


def test_an_unsynchronised_clock_that_may_be_right_is_the_guess() -> None:
    trust = Trust("boot-1", NOW_MS - 1)
    assert trust.look(NOW_MS, 5_000, synchronised=False) == Doubt(
        "boot-1", NOW_MS - 5_000, NOW_MS - 1
    )
    assert trust.restamp([at(NOW_MS)], 5_000) == [at(NOW_MS)]


def test_one_that_cannot_be_right_is_guessed_from_the_last_time_known() -> None:
    trust = Trust("boot-1")
    trust.raise_floor(NOW_MS)
    trust.look(70_000, 5_000, synchronised=False)  # 1970
    doubt = trust.look(80_000, 15_000, synchronised=False)
    assert doubt == Doubt("boot-1", NOW_MS - 5_000, NOW_MS)
    assert trust.restamp([at(78_000)], 15_000) == [at(NOW_MS + 8_000)]


def test_readings_stamped_before_the_clock_was_set_are_told_apart() -> None:
    trust = Trust("boot-1")
    trust.look(70_000, 5_000, synchronised=False)
    assert trust.look(NOW_MS, 6_000, synchronised=True) is None
    assert trust.restamp([at(70_900), at(NOW_MS)], 6_000) == [at(NOW_MS - 100), at(NOW_MS)]
    # A device that stores and forwards keeps its own time, from before this boot.
    assert trust.restamp([at(NOW_MS - 86_400_000)], 6_000) == [at(NOW_MS - 86_400_000)]
    trust.look(NOW_MS + 120_000, 126_000, synchronised=True)
    trust.committed(126_000)
    readings = [at(NOW_MS)]
    assert trust.restamp(readings, 126_000) is readings


def test_shifting_flags_what_is_still_unsure() -> None:
    assert shifted(at(5), 10) == at(15)
    assert shifted(at(5), 0, unsure=True).quality is Quality.CLOCK_UNSURE


def test_a_boot_whose_time_was_never_known_lies_between_its_neighbours() -> None:
    assert shift_of_boot(100, 200, 50, 300) == 0
    assert shift_of_boot(100, 200, 150, 300) == 50
    assert shift_of_boot(100, 200, 50, 180) == -20
    assert shift_of_boot(100, 200, 190, 180) == -20  # the later bound was measured


@settings(max_examples=100)
@given(
    started_ms=st.integers(NOW_MS, NOW_MS + 10**9),
    # (elapsed, what the wall clock is set to, if it is); then it is synchronised
    steps=st.lists(
        st.tuples(
            st.integers(1_500, 50_000),
            st.none() | st.integers(0, 10**7) | st.integers(NOW_MS - 10**10, NOW_MS + 10**10),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_every_reading_gets_its_true_time_once_the_offset_is_known(
    started_ms: int, steps: list[tuple[int, int | None]]
) -> None:
    """The wall clock starts anywhere and is set again and again; each commit takes one reading."""
    trust = Trust("boot-1")
    monotonic_ms, wall_offset_ms = 1_000, 0
    stored: list[tuple[Reading, Doubt, int]] = []  # reading, doubt, its true time
    for elapsed_ms, set_to_ms in steps:
        monotonic_ms += elapsed_ms
        if set_to_ms is not None:
            wall_offset_ms = set_to_ms - monotonic_ms
        taken_ms = monotonic_ms - 500
        doubt = trust.look(monotonic_ms + wall_offset_ms, monotonic_ms, synchronised=False)
        assert doubt is not None
        (reading,) = trust.restamp([at(taken_ms + wall_offset_ms)], monotonic_ms)
        assert reading.observed_ms >= BUILT_MS - 1_000
        trust.committed(monotonic_ms)
        stored.append((reading, doubt, started_ms + taken_ms))
    monotonic_ms += 1_000
    assert trust.look(started_ms + monotonic_ms, monotonic_ms, synchronised=True) is None
    for reading, doubt, true_ms in stored:
        assert shifted(reading, started_ms - doubt.offset_ms).observed_ms == true_ms
