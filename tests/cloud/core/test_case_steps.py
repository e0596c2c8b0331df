from __future__ import annotations

from pathlib import Path

import pytest

from cloud.core.case_steps import (
    OPEN_STATES,
    STATES,
    STEPS,
    TRANSITIONS,
    NotAllowedError,
    State,
    Step,
    apply,
    mermaid,
    next_steps,
)
from cloud.core.model import Role

DOCS = Path(__file__).parents[3] / "docs"
OURS = ("attach", "sensor normal", "sensor abnormal")

# Written out, not computed. What is not here is not allowed.
_PEOPLE = {
    "opened": {"dispatch": "dispatched", "void": "void"},
    "dispatched": {"return": "opened", "handle": "handled", "void": "void"},
    "handled": {"verify": "verified", "rework": "dispatched"},
    "verified": {"close": "closed", "rework": "dispatched"},
    "closed": {},
    "void": {},
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_every_state_by_every_step(state: State, step: Step) -> None:
    expected = _PEOPLE[state.value].get(step.value)
    if step.value in OURS and state in OPEN_STATES:
        expected = state.value
    if expected is None:
        with pytest.raises(NotAllowedError, match="is not possible"):
            apply(state, step)
    else:
        assert apply(state, step).value == expected


def test_no_sensor_closes_a_case() -> None:
    people = {step for step in Step if STEPS[step].least is not None}
    assert {step for (_, step), to in TRANSITIONS.items() if to is State.CLOSED} <= people
    for state in OPEN_STATES:
        assert apply(state, Step.SENSOR_NORMAL) is state


def test_a_case_is_verified_before_it_is_closed() -> None:
    assert [at for (at, _), to in TRANSITIONS.items() if to is State.CLOSED] == [State.VERIFIED]


def test_next_steps_are_those_of_the_role() -> None:
    assert next_steps(State.OPENED, Role.MANAGER) == [Step.DISPATCH, Step.VOID]
    assert next_steps(State.OPENED, Role.OPERATOR) == [Step.DISPATCH]
    assert next_steps(State.OPENED, Role.VIEWER) == []
    assert next_steps(State.CLOSED) == []


def test_what_is_not_possible_says_what_is() -> None:
    with pytest.raises(NotAllowedError, match=r"possible: verify, rework"):
        apply(State.HANDLED, Step.CLOSE)
    with pytest.raises(NotAllowedError, match=r"possible: none, it is final"):
        apply(State.CLOSED, Step.REWORK)


def test_everything_has_its_names() -> None:
    assert set(STATES) == set(State)
    assert set(STEPS) == set(Step)
    assert all(label.zh and label.en for label in STATES.values())


def test_the_documentation_holds_the_same_diagram() -> None:
    drawn = f"```mermaid\n{mermaid()}```"
    assert drawn in (DOCS / "cases.md").read_text(encoding="utf-8"), f"docs/cases.md wants\n{drawn}"
