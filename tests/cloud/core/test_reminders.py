from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.isa_18_2 import State
from cloud.core.reminders import Lasting, next_due_ms, realarm_due_ms, reminder_due_ms

ALERT = Lasting(
    state=State.UNACK,
    returned=False,
    told_ms=1_000,
    acknowledged_ms=None,
    reminder_s=60,
    realarm_s=300,
)
ACKED = replace(ALERT, state=State.ACKED, acknowledged_ms=11_000)


def test_people_are_reminded_while_it_lasts_seen_or_not() -> None:
    assert reminder_due_ms(ALERT) == reminder_due_ms(ACKED) == 61_000
    assert reminder_due_ms(replace(ALERT, told_ms=61_000)) == 121_000


def test_only_what_was_acknowledged_alarms_again_counted_from_then() -> None:
    assert realarm_due_ms(ALERT) is None
    assert realarm_due_ms(ACKED) == 311_000
    assert realarm_due_ms(replace(ACKED, acknowledged_ms=None)) == 301_000


def test_the_earlier_one_is_next() -> None:
    assert next_due_ms(ACKED) == 61_000
    assert next_due_ms(replace(ACKED, reminder_s=0)) == 311_000
    assert next_due_ms(replace(ACKED, reminder_s=0, realarm_s=0)) is None


@given(st.sampled_from(list(State)), st.booleans())
def test_nothing_is_due_of_what_is_suppressed_or_back_to_normal(
    state: State, returned: bool
) -> None:
    due = next_due_ms(replace(ACKED, state=state, returned=returned))
    assert (due is not None) == (state in (State.UNACK, State.ACKED) and not returned)
