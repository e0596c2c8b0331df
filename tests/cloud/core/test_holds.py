from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.holds import EVENT_OF, STATE_OF, Hold, HoldKind, Subject, step, strongest
from cloud.core.isa_18_2 import SUPPRESSED, Event, State, apply

SUBJECT = Subject(
    alert="a1", rule="loud", device="noise-1", gateway="g1", tags={"site": "east", "area": "3"}
)


def hold(kind: HoldKind = HoldKind.MAINTENANCE, **named: Any) -> Hold:
    made = Hold(id="h", kind=kind, from_ms=100, until_ms=200, reason="r", made_by="ming", made_ms=0)
    return replace(made, **named)


def test_it_covers_what_fits_all_that_it_names() -> None:
    assert hold(device="noise-1").covers(SUBJECT)
    assert hold(device="noise-1", rule="loud").covers(SUBJECT)
    assert not hold(device="noise-1", rule="faint").covers(SUBJECT)
    assert hold(tag="site", tag_value="east").covers(SUBJECT)
    assert not hold(tag="site", tag_value="west").covers(SUBJECT)
    assert not hold(tag="stage", tag_value="x").covers(SUBJECT)
    assert hold(gateway="g1").covers(SUBJECT)
    assert hold(alert="a1").covers(SUBJECT)


def test_what_names_nothing_covers_nothing() -> None:
    assert not hold().covers(SUBJECT)
    assert not hold(tag="site").covers(SUBJECT)


def test_a_gateway_that_is_away_holds_only_silence() -> None:
    away = hold(HoldKind.TOPOLOGY, gateway="g1", silence_only=True)
    assert not away.covers(SUBJECT)
    assert away.covers(replace(SUBJECT, silence=True))


def test_it_is_in_force_from_its_beginning_until_before_its_end() -> None:
    assert [hold().in_force(at) for at in (99, 100, 199, 200)] == [False, True, True, False]
    assert hold(until_ms=None).in_force(10**15)
    assert not hold(ended_ms=150).in_force(150)


def test_the_strongest_decides_and_of_equals_the_longest() -> None:
    shelved = hold(HoldKind.SHELVED, id="s", alert="a1", until_ms=900)
    away = hold(HoldKind.TOPOLOGY, id="t", device="noise-1")
    short, long = (hold(id=str(until), device="noise-1", until_ms=until) for until in (150, 300))
    for_good = hold(HoldKind.SERVICE, id="o", rule="loud", until_ms=None)
    assert strongest([shelved, away], SUBJECT, 100) == away
    assert strongest([long, shelved, short, away], SUBJECT, 100) == long
    assert strongest([for_good, long], SUBJECT, 100) == for_good
    assert strongest([short, shelved], SUBJECT, 160) == shelved
    assert strongest([short], SUBJECT, 160) is None


kinds = st.one_of(st.none(), st.sampled_from(list(HoldKind)))


@given(st.sampled_from(list(State)), st.booleans(), st.lists(kinds, max_size=6))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_and_goes_the_state_is_what_the_last_hold_says(
    state: State, normal: bool, following: list[HoldKind | None]
) -> None:
    """step() always finds a way that the table has, and one step is enough."""
    for kind in following:
        over = hold(kind) if kind else None
        event = step(state, normal=normal, hold=over)
        before, state = state, apply(state, event) if event else state
        assert step(state, normal=normal, hold=over) is None
        if over is not None:
            assert state is STATE_OF[over.kind]
            assert event in (None, EVENT_OF[over.kind])
        elif before in SUPPRESSED:
            assert state is (State.NORM if normal else State.UNACK)
        else:
            assert state is before


def test_what_still_holds_is_raised_when_it_ends() -> None:
    assert step(State.SHLVD, normal=False, hold=None) is Event.EXIT_ABNORMAL
    assert step(State.OOSRV, normal=True, hold=None) is Event.EXIT_NORMAL
    assert step(State.ACKED, normal=False, hold=None) is None
