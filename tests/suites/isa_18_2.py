"""What ISA-18.2 asks of an alarm's states: every state by every event. For any implementation.

Subclass the suite and give it `apply`, which takes and returns the names of the standard, and
raises ValueError for what the table has not.
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
