"""What a manual's register number can mean."""

from __future__ import annotations

from edge.core.manual_numbers import places_of


def test_40001_style_says_the_table_and_counts_from_one() -> None:
    first = places_of(40_007)[0]
    assert (first.address, first.counts_from, first.number, first.function) == (6, 1, 7, 3)
    assert places_of(30_001)[0].function == 4
    assert places_of(400_007)[0].address == 6
    assert "registers_count_from: 1, address: 7" in first.say()


def test_a_plain_number_counts_from_zero_or_from_one() -> None:
    assert [(p.address, p.counts_from) for p in places_of(7)] == [(7, 0), (6, 1)]
    assert "counts from 0: address: 7" in places_of(7)[0].say()
    assert [place.address for place in places_of(0)] == [0]


def test_numbers_beyond_all_registers_are_none() -> None:
    assert places_of(465_537) == ()
    assert places_of(70_000) == ()
