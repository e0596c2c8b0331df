from __future__ import annotations

from pathlib import Path

import pytest

from cloud.core.isa_18_2 import (
    Event,
    NotAllowedError,
    State,
    apply,
    events_of,
    mermaid,
    states_with,
)
from tests.suites.isa_18_2 import EVENTS, STATES, Isa182Suite

DOCS = Path(__file__).parents[3] / "docs"


class TestTheTable(Isa182Suite):
    @staticmethod
    def apply(state: str, event: str) -> str:
        return apply(State(state), Event(event)).value


def test_the_names_are_the_suites() -> None:
    assert [state.value for state in State] == list(STATES)
    assert [event.value for event in Event] == list(EVENTS)


def test_what_is_not_possible_says_what_is() -> None:
    with pytest.raises(NotAllowedError, match=r"'acknowledge' is not possible in ACKED; possible"):
        apply(State.ACKED, Event.ACKNOWLEDGE)


def test_events_and_states_of_each_other() -> None:
    assert Event.RETURN in events_of(State.UNACK)
    assert states_with(Event.ACKNOWLEDGE) == [State.UNACK, State.RTNUN]


def test_the_documentation_holds_the_same_diagram() -> None:
    drawn = f"```mermaid\n{mermaid()}```"
    assert drawn in (DOCS / "alerts.md").read_text(encoding="utf-8"), (
        f"docs/alerts.md wants\n{drawn}"
    )
