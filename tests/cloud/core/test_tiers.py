from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.tiers import FAN_IN, MOST_AT_ONCE, PATIENCE_MS, QUIET_MS, DayFile, to_merge

END_MS = 86_400_000


def files(*readings: int, sealed_ms: int = 0) -> list[DayFile]:
    return [
        DayFile(path=str(at), readings=count, sealed_ms=sealed_ms)
        for at, count in enumerate(readings)
    ]


def names(chosen: object) -> list[str]:
    return [file.path for file in chosen]  # type: ignore[attr-defined]


def test_one_file_is_left_alone() -> None:
    assert to_merge(files(5), END_MS, END_MS * 9) == ()
    assert to_merge([], END_MS, END_MS * 9) == ()


def test_files_of_like_size_are_merged_when_they_are_many() -> None:
    assert to_merge(files(*[100] * (FAN_IN - 1)), END_MS, 1) == ()
    assert len(to_merge(files(*[100] * FAN_IN), END_MS, 1)) == FAN_IN
    assert names(to_merge(files(10_000, *[100] * FAN_IN), END_MS, 1))[0] == "1"


def test_a_day_that_is_over_becomes_one_file_when_it_is_quiet() -> None:
    both = files(1_000_000, 3, sealed_ms=END_MS)
    assert to_merge(both, END_MS, END_MS + QUIET_MS - 1) == ()
    assert len(to_merge(both, END_MS, END_MS + QUIET_MS)) == 2


def test_what_trickles_in_does_not_put_it_off_for_ever() -> None:
    now_ms = END_MS * 2
    late = [
        *files(1_000_000, sealed_ms=END_MS),
        DayFile(path="a", readings=1, sealed_ms=now_ms - PATIENCE_MS),
        DayFile(path="b", readings=1, sealed_ms=now_ms - 1),
    ]
    assert len(to_merge(late, END_MS, now_ms)) == 3
    assert to_merge(late, END_MS, now_ms - 1) == ()


@settings(max_examples=50)
@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=400))
def test_few_files_at_any_time_and_each_reading_is_moved_seldom(sealed: list[int]) -> None:
    held: list[DayFile] = []
    moved = 0
    for at, readings in enumerate(sealed):
        held.append(DayFile(path=str(at), readings=readings, sealed_ms=at))
        while chosen := to_merge(held, END_MS, 0):
            assert list(chosen) == held[-len(chosen) :]
            assert len(chosen) <= MOST_AT_ONCE
            total = sum(file.readings for file in chosen)
            moved += total
            held[-len(chosen) :] = [DayFile(path=f"{at}+", readings=total, sealed_ms=at)]
    assert len(held) <= 7 * FAN_IN
    assert moved <= 8 * sum(sealed)
    now_ms = END_MS * 3
    while chosen := to_merge(held, END_MS, now_ms):
        total = sum(file.readings for file in chosen)
        held[-len(chosen) :] = [DayFile(path="one", readings=total, sealed_ms=0)]
    assert len(held) == 1
