"""What ISA-18.2 asks of an alarm's states: every state by every event. For any implementation.

Usable for any implementation, with nothing of this project but this file:

    class TestMine(Isa182Suite):
        apply = staticmethod(my_apply)

my_apply(state, event) takes and returns the names below, and raises ValueError with the words "not
possible" for what the table has not. Pure: the same answer however often it is asked.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

STATES = ("NORM", "UNACK", "ACKED", "RTNUN", "SHLVD", "DSUPR", "OOSRV")
EVENTS = (
    "condition",
    "return",
    "acknowledge",
    "escalate",
    "re-alarm",
    "shelve",
    "suppress",
    "remove",
    "exit, normal",
    "exit, not normal",
)

# Written out, not computed: one row a state, in the order of EVENTS; "-" is not allowed.
_TABLE = """
NORM   UNACK -     -     -     -     SHLVD DSUPR OOSRV -    -
UNACK  -     RTNUN ACKED -     -     SHLVD DSUPR OOSRV -    -
ACKED  -     NORM  -     UNACK UNACK SHLVD DSUPR OOSRV -    -
RTNUN  UNACK -     NORM  -     -     SHLVD DSUPR OOSRV -    -
SHLVD  SHLVD SHLVD -     -     -     SHLVD DSUPR OOSRV NORM UNACK
DSUPR  DSUPR DSUPR -     -     -     SHLVD DSUPR OOSRV NORM UNACK
OOSRV  OOSRV OOSRV -     -     -     SHLVD DSUPR OOSRV NORM UNACK
"""
CELLS = [
    (row.split()[0], event, target)
    for row in _TABLE.strip().splitlines()
    for event, target in zip(EVENTS, row.split()[1:], strict=True)
]


class Isa182Suite:
    """Every state by every event."""

    apply: Callable[[str, str], str]

    @pytest.mark.parametrize(("state", "event", "target"), CELLS)
    def test_cell(self, state: str, event: str, target: str) -> None:
        if target == "-":
            with pytest.raises(ValueError, match=r"not possible"):
                type(self).apply(state, event)
        else:
            assert type(self).apply(state, event) == target

    def test_the_table_is_complete(self) -> None:
        assert {(state, event) for state, event, _ in CELLS} == {
            (state, event) for state in STATES for event in EVENTS
        }

    @pytest.mark.parametrize("state", STATES)
    def test_nothing_but_a_return_or_an_exit_makes_it_normal_unseen(self, state: str) -> None:
        """NORM is reached only when acknowledged and normal, or out of suppression."""
        for at, event, target in CELLS:
            if at == state and target == "NORM":
                assert (at, event) in {
                    ("ACKED", "return"),
                    ("RTNUN", "acknowledge"),
                    (at, "exit, normal"),
                }

    def test_asking_changes_nothing(self) -> None:
        """What was refused or done in between makes no difference to any answer."""
        assert self._answers() == self._answers()

    def test_every_state_is_reached_from_normal_and_leads_back(self) -> None:
        arrows = {(state, target) for state, _, target in CELLS if target != "-"}
        assert {state: self._reached(state, arrows) for state in STATES} == {
            state: set(STATES) for state in STATES
        }

    @pytest.mark.parametrize("event", ["unknown", ""])
    def test_an_event_of_no_standard_is_refused(self, event: str) -> None:
        for state in STATES:
            with pytest.raises(ValueError):
                type(self).apply(state, event)

    def _answers(self) -> list[str]:
        answers = []
        for state, event, _ in CELLS:
            try:
                answers.append(type(self).apply(state, event))
            except ValueError:
                answers.append("-")
        return answers

    @staticmethod
    def _reached(state: str, arrows: set[tuple[str, str]]) -> set[str]:
        found, before = {state}, set[str]()
        while found != before:
            before = set(found)
            found |= {to for source, to in arrows if source in before}
        return found
