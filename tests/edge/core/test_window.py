"""In flight until the cloud says it has it; sent again with growing patience."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Ack
from edge.core.window import MOST_S, Window


def test_what_is_acknowledged_leaves() -> None:
    window = Window(10, 5.0)
    for seq in (1, 2, 3, 5):
        window.sent(seq, 0.0)
    assert window.acknowledged(Ack(epoch="e", seq=2, ranges=((5, 9),)).covers) == 3
    assert window.numbers() == {3}
    assert 3 in window
    assert 2 not in window


def test_the_window_is_bounded_and_keeps_a_reserve() -> None:
    window = Window(4, 5.0)
    for seq in (1, 2, 3):
        window.sent(seq, 0.0)
    assert window.has_room()
    assert not window.has_room(reserve=1)
    window.sent(4, 0.0)
    assert not window.has_room()
    assert len(window) == 4


def test_what_waits_too_long_is_to_be_sent_again() -> None:
    window = Window(4, 5.0)
    window.sent(1, 0.0)
    window.sent(2, 3.0)
    assert window.next_expiry_s() == 5.0
    assert window.expire(4.9) == 0
    assert window.expire(5.0) == 1
    assert window.numbers() == {2}


def test_patience_doubles_while_nothing_is_acknowledged() -> None:
    window = Window(4, 10.0)
    now_s, waits = 0.0, []
    for _ in range(5):
        window.sent(1, now_s)
        due_s = window.next_expiry_s()
        assert due_s is not None
        waits.append(due_s - now_s)
        now_s = due_s
        assert window.expire(now_s) == 1
    assert waits == [10, 20, 40, MOST_S, MOST_S]
    window.sent(1, now_s)
    window.acknowledged(lambda _: True)
    window.sent(2, now_s)
    assert window.next_expiry_s() == now_s + 10


def test_a_new_connection_forgets_all() -> None:
    window = Window(1, 10.0)
    window.sent(1, 0.0)
    window.clear()
    assert window.has_room()
    assert window.next_expiry_s() is None


@given(st.lists(st.tuples(st.sampled_from("sae"), st.integers(1, 30)), max_size=200))
def test_the_window_never_holds_what_was_acknowledged_since_it_was_sent(
    steps: list[tuple[str, int]],
) -> None:
    window, model, now_s = Window(8, 5.0), set[int](), 0.0
    for step, number in steps:
        now_s += 1
        if step == "s" and window.has_room():
            window.sent(number, now_s)
            model.add(number)
        elif step == "a":
            window.acknowledged(lambda seq, upto=number: seq <= upto)  # type: ignore[misc]
            model = {seq for seq in model if seq > number}
        elif step == "e":
            window.expire(now_s)
            model &= window.numbers()
        assert window.numbers() == model
        assert len(window) <= 8


def test_what_is_taken_out_is_not_in_flight_any_more() -> None:
    window = Window(10, 5.0)
    for seq in range(1, 6):
        window.sent(seq, 0.0)
    window.take_out({2, 4, 9})
    assert window.numbers() == {1, 3, 5}
