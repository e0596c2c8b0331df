from __future__ import annotations

from math import nan

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.recent import ALWAYS, Recent, same

times = st.integers(0, 40)


def test_what_was_said_is_known_from_a_moment_on() -> None:
    recent = Recent()
    assert not recent.knows(1, 10)
    recent.learn(1, 10, {10: 1.5})
    assert recent.knows(1, 10)
    assert not recent.knows(1, 9)
    assert (recent.said(1, 10), recent.said(1, 11)) == (1.5, None)
    recent.add(1, [(11, 2.0), (9, 7.0)])
    recent.add(2, [(11, 2.0)])
    assert recent.said(1, 11) == 2.0
    assert (recent.knows(1, 9), recent.knows(2, 11), len(recent)) == (False, False, 2)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 3), times), max_size=120))
def test_it_never_takes_what_was_said_for_new(said: list[tuple[int, int]]) -> None:
    """Bounded, it may say that it does not know; it may not be wrong."""
    recent = Recent(per_series=8, in_all=16)
    truth: set[tuple[int, int]] = set()
    for series, at in said:
        if recent.knows(series, at):
            assert (recent.said(series, at) is not None) == ((series, at) in truth)
            recent.add(series, [(at, 1.0)])
        else:
            of_series = {t: 1.0 for s, t in truth if s == series and t >= at}
            recent.learn(series, at, {**of_series, at: 1.0})
        truth.add((series, at))
        assert len(recent) <= 17


def test_a_series_without_a_past_needs_no_store() -> None:
    recent = Recent()
    recent.learn(1, ALWAYS, {})
    assert recent.knows(1, -(2**60))
    assert recent.said(1, -(2**60)) is None


def test_values_are_the_same_to_the_last_digit_but_one() -> None:
    assert same(0.1 + 0.2, 0.3)
    assert same(nan, nan)
    assert not same(21.5, 21.6)
    assert not same(nan, 0.0)
