"""Numbers that the cloud has and this file never sent."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.intervals import IntervalSet
from edge.core.numbering import Sent


def test_what_went_out_or_was_before_this_run_is_no_contradiction() -> None:
    sent = Sent(first=10)
    assert not sent.is_contradicted_by(IntervalSet([(1, 9)]))
    sent.note(10, 12)
    sent.note(3, 3)
    assert not sent.is_contradicted_by(IntervalSet([(1, 12)]))


def test_a_number_that_never_went_out_is_one() -> None:
    sent = Sent(first=10)
    sent.note(10, 12)
    sent.note(14, 14)
    for ack in ([(1, 13)], [(13, 13)], [(14, 15)], [(1, 2), (99, 99)]):
        assert sent.is_contradicted_by(IntervalSet(ack))


@settings(max_examples=60)
@given(st.integers(1, 20), st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)))
def test_it_is_what_the_sets_say(first: int, out: set[int], acknowledged: set[int]) -> None:
    sent = Sent(first)
    for number in out:
        sent.note(number, number)
    told = IntervalSet((number, number) for number in acknowledged)
    expected = any(number >= first and number not in out for number in acknowledged)
    assert sent.is_contradicted_by(told) == expected
