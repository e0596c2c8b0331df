from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.commanding import State, answered
from contract.commands import Reply, Status


def reply(status: Status, *, parts: int = 1, repeated: bool = False) -> Reply:
    return Reply(id="0" * 32, at_ms=1, status=status, parts=parts, repeated=repeated)


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        (State.SENT, "accepted", State.ACCEPTED),
        (State.ACCEPTED, "done", State.DONE),
        (State.SENT, "refused", State.REFUSED),
        (State.UNANSWERED, "done", State.DONE),
        (State.WAITING, "failed", State.FAILED),  # it was sent, and we were killed
        (State.DONE, "refused", State.DONE),
    ],
)
def test_an_answer_settles_it(before: State, status: Status, after: State) -> None:
    assert answered(before, reply(status), 1) is after


def test_it_is_done_when_all_its_parts_are_here() -> None:
    assert answered(State.SENT, reply("done", parts=3), 2) is State.SENT
    assert answered(State.SENT, reply("done", parts=3), 3) is State.DONE


def test_what_came_twice_was_answered_the_first_time() -> None:
    assert answered(State.ACCEPTED, reply("refused", repeated=True), 1) is State.ACCEPTED


@given(st.lists(st.sampled_from(["accepted", "done", "refused", "failed"]), max_size=9))
def test_what_is_settled_stays_so(statuses: list[Status]) -> None:
    state, settled = State.SENT, None
    for status in statuses:
        state = answered(state, reply(status), 1)
        assert settled is None or state is settled
        settled = state if state.final else None
