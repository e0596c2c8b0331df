from __future__ import annotations

from pathlib import Path

import pytest

from cloud.core.case_roles import Actor, CaseRole, parse_roles, roles_of, spell_roles
from cloud.core.case_steps import (
    OPEN_STATES,
    ROLES,
    STATES,
    STEPS,
    TRANSITIONS,
    NotAllowedError,
    State,
    Step,
    apply,
    may,
    mermaid,
    next_steps,
)
from cloud.core.model import Role

DOCS = Path(__file__).parents[3] / "docs"
ANY = Actor(name="ming", roles=frozenset(CaseRole))
OPERATOR = Actor(name="op", roles=roles_of(Role.OPERATOR))

# Written out, not computed. What is not here is not allowed.
_STAYING = (
    "attach",
    "sensor normal",
    "sensor abnormal",
    "elsewhere",
    "singled out",
    "due soon",
    "overdue",
    "supervise",
    "request",
    "approve",
    "decline",
    "absorb",
    "split",
    "invite",
    "task done",
    "file",
)
_LEADING = {
    "reported": {"accept": "opened", "refuse": "refused", "merge": "merged"},
    "opened": {"dispatch": "dispatched", "void": "void", "merge": "merged"},
    "dispatched": {
        "secure": "dispatched",
        "return": "opened",
        "handle": "handled",
        "extend": "dispatched",
        "defer": "deferred",
        "void": "void",
        "merge": "merged",
    },
    "deferred": {"resume": "dispatched", "void": "void", "merge": "merged"},
    "handled": {"verify": "verified", "rework": "dispatched"},
    "verified": {"close": "closed", "rework": "dispatched"},
    "closed": {"reopen": "opened", "relapse": "dispatched"},
    "refused": {},
    "void": {},
    "merged": {},
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_every_state_by_every_step(state: State, step: Step) -> None:
    expected = _LEADING[state.value].get(step.value)
    if step.value in _STAYING and state in OPEN_STATES:
        expected = state.value
    if expected is None:
        with pytest.raises(NotAllowedError, match="is not possible"):
            apply(state, step)
    else:
        assert apply(state, step).value == expected


def test_no_sensor_closes_a_case() -> None:
    people = {step for step in Step if STEPS[step].who}
    assert {step for (_, step), to in TRANSITIONS.items() if to is State.CLOSED} <= people
    for state in OPEN_STATES:
        assert apply(state, Step.SENSOR_NORMAL) is state


def test_a_case_is_verified_before_it_is_closed() -> None:
    assert [at for (at, _), to in TRANSITIONS.items() if to is State.CLOSED] == [State.VERIFIED]


def test_next_steps_are_those_of_the_roles() -> None:
    voids = [Step.DISPATCH, Step.VOID, Step.SUPERVISE]
    assert next_steps(State.OPENED, ANY) == voids
    assert next_steps(State.OPENED, OPERATOR) == voids[:2]
    assert next_steps(State.OPENED, Actor(name="v", roles=frozenset())) == []
    assert next_steps(State.CLOSED, ANY) == []
    assert next_steps(State.OPENED, ANY, asked_for=True)[-2:] == [Step.APPROVE, Step.DECLINE]


def test_a_handling_unit_acts_in_its_own_cases() -> None:
    crew = Actor(name="crew", roles=frozenset({CaseRole.HANDLER}), unit="燃气公司")
    assert may(crew, Step.HANDLE, "燃气公司")
    assert not may(crew, Step.HANDLE, "排水管理所")
    assert not may(crew, Step.DISPATCH, "燃气公司")
    both = Actor(name="b", roles=crew.roles | {CaseRole.DISPATCHER}, unit="燃气公司")
    assert may(both, Step.RETURN, "排水管理所")
    assert not may(both, Step.HANDLE, "排水管理所")


def test_a_manager_may_take_what_takes_approval() -> None:
    manager = Actor(name="m", roles=frozenset({CaseRole.MANAGER}))
    asked = {step for step in Step if STEPS[step].approval}
    assert asked == {Step.RETURN, Step.VOID, Step.EXTEND, Step.DEFER}
    assert all(may(manager, step) for step in asked)
    assert not may(manager, Step.HANDLE)


def test_what_is_not_possible_says_what_is() -> None:
    with pytest.raises(NotAllowedError, match=r"possible: verify, rework"):
        apply(State.HANDLED, Step.CLOSE)
    with pytest.raises(NotAllowedError, match=r"possible: none, it is final"):
        apply(State.CLOSED, Step.REWORK)


def test_everything_has_its_names() -> None:
    assert set(STATES) == set(State)
    assert set(STEPS) == set(Step)
    assert set(ROLES) == set(CaseRole)
    assert all(label.zh and label.en for label in STATES.values())


def test_the_documentation_holds_the_same_diagram() -> None:
    drawn = f"```mermaid\n{mermaid()}```"
    assert drawn in (DOCS / "cases.md").read_text(encoding="utf-8"), f"docs/cases.md wants\n{drawn}"


def test_roles_are_those_of_the_account_unless_told() -> None:
    told = frozenset({CaseRole.HANDLER})
    assert roles_of(Role.OPERATOR, told) == told
    assert CaseRole.MANAGER not in roles_of(Role.OPERATOR)
    assert roles_of(Role.VIEWER, told) == frozenset()
    assert roles_of(Role.ADMIN, told) == frozenset(CaseRole)
    assert Actor(name="c", roles=told, unit="u").only_handles
    assert not Actor(name="c", roles=told).only_handles


def test_roles_are_written_in_the_order_of_the_steps() -> None:
    roles = parse_roles("verifier, collector")
    assert spell_roles(roles) == "collector,verifier"
    assert parse_roles("") == frozenset()
    with pytest.raises(ValueError, match="case role 'boss'; allowed: collector, acceptor"):
        parse_roles("boss")


def test_a_handling_units_person_has_a_unit_of_their_own_and_nobody_else() -> None:
    crew = Actor(name="li", roles=frozenset({CaseRole.HANDLER}), unit="gas")
    assert (crew.only_handles, crew.own_unit) == (True, "gas")
    for actor in (
        Actor(name="li", roles=frozenset({CaseRole.HANDLER})),
        Actor(name="li", roles=frozenset({CaseRole.HANDLER, CaseRole.VERIFIER}), unit="gas"),
    ):
        assert (actor.only_handles, actor.own_unit) == (False, "")
