"""Gap records name every number that was given up, in few words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contract.readings import NOT_RUNNING, Gap
from edge.core.gaps import merge_gaps


def gap(
    first_seq: int, last_seq: int, readings: int = 1, reason: str = "full", at_ms: int = 1_000
) -> Gap:
    return Gap(
        first_seq=first_seq,
        last_seq=last_seq,
        first_ms=at_ms,
        last_ms=at_ms + 5,
        readings=readings,
        reason=reason,
    )


def test_neighbours_join() -> None:
    (joined,) = merge_gaps([gap(3, 3, 5, at_ms=9_000), gap(1, 2, 10, at_ms=1_000)])
    assert joined == Gap(
        first_seq=1, last_seq=3, first_ms=1_000, last_ms=9_005, readings=15, reason="full"
    )


def test_others_stay_apart() -> None:
    apart = [gap(1, 2), gap(4, 4), gap(5, 5, reason="too old")]
    assert merge_gaps(apart) == apart


def test_a_replaced_gap_record_joins_anyone_and_stretches_no_time() -> None:
    empty = gap(3, 3, readings=0, reason="too old", at_ms=1)
    (joined,) = merge_gaps([gap(1, 2, 4), empty, gap(4, 4, 2, at_ms=2_000)])
    assert joined == Gap(
        first_seq=1, last_seq=4, first_ms=1_000, last_ms=2_005, readings=6, reason="full"
    )


def test_a_time_without_an_agent_keeps_its_time() -> None:
    down = gap(3, 3, readings=0, reason=NOT_RUNNING, at_ms=9_000)
    apart = [gap(1, 2, 4), down, gap(4, 4, 2, at_ms=20_000)]
    assert merge_gaps(apart) == apart
    replaced = gap(4, 4, readings=0, reason="full", at_ms=1)
    (joined,) = merge_gaps([down, replaced])
    assert (joined.reason, joined.first_ms, joined.last_ms) == (NOT_RUNNING, 9_000, 9_005)


ABOUT = st.tuples(st.integers(0, 5), st.sampled_from(["full", "old"]))


@given(
    st.sets(st.integers(1, 60), min_size=1),
    st.lists(ABOUT, min_size=60, max_size=60),
)
def test_no_number_and_no_reading_is_lost_or_doubled(
    numbers: set[int], about: list[tuple[int, str]]
) -> None:
    gaps = [gap(n, n, *about[n - 1]) for n in numbers]
    merged = merge_gaps(gaps)
    told = [n for g in merged for n in range(g.first_seq, g.last_seq + 1)]
    assert told == sorted(numbers)
    assert sum(g.readings for g in merged) == sum(g.readings for g in gaps)
