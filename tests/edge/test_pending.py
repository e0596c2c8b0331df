"""Who is told that readings are on disk, and when."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.pending import Pending
from tests.suites.buffers import readings


def test_a_promise_is_kept_after_the_commit_and_not_after_a_failed_one() -> None:
    told: list[str] = []
    pending = Pending()
    pending.put(readings(2), partial(told.append, "a"))
    failed = pending.take()
    pending.put(readings(1), partial(told.append, "b"))
    pending.put_back(failed)
    assert told == []
    taken = pending.take()
    assert len(taken.readings) == 3
    taken.keep_promises()
    assert told == ["a", "b"]
    assert not pending


def test_a_promise_without_readings_is_worth_a_commit() -> None:
    pending = Pending()
    assert not pending
    pending.put([], lambda: None)
    assert pending
    assert len(pending) == 0


def test_keys_of_messages_come_back_with_a_failed_commit() -> None:
    pending = Pending()
    pending.put(readings(1), None, [b"a"])
    failed = pending.take()
    pending.put(readings(1), None, [b"b"])
    pending.put_back(failed)
    assert pending.take().heard == [b"a", b"b"]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 40), st.booleans())
def test_every_promise_is_kept_in_order_even_when_readings_are_given_up(
    sizes: list[int], given_up: int, fail_first: bool
) -> None:
    """Their gap is on disk with the next commit; a broker would wait for one for ever."""
    told: list[int] = []
    pending = Pending()
    for number, size in enumerate(sizes):
        pending.put(readings(size), partial(told.append, number))
        if fail_first:
            pending.put_back(pending.take())
    assert pending.promised == len(sizes)
    gone = len(pending.give_up(given_up))
    assert gone == min(given_up, sum(sizes))
    assert len(pending) == sum(sizes) - gone
    pending.take().keep_promises()
    assert told == [*range(len(sizes))]
