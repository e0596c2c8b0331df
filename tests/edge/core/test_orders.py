from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.commands import LONGEST_MS, Order, Read
from edge.core.orders import AHEAD_MS, MOST_REMEMBERED, Memory, Now, why_not

T = 1_790_000_000_000
ORDER = Order(
    gateway="cabinet-1",
    id="0123456789abcdef" * 2,
    issued_ms=T,
    expires_ms=T + 60_000,
    what=Read(device="noise-1"),
)
NOW = Now(gateway="cabinet-1", now_ms=T + 5, clock_sure=True)
EMPTY = Memory(since_ms=T - 1)


def test_a_good_order_is_carried_out() -> None:
    assert why_not(ORDER, NOW, EMPTY) == ""


def changed(**fields: int | str) -> Order:
    return msgspec.structs.replace(ORDER, **fields)


@pytest.mark.parametrize(
    ("order", "now", "memory", "why"),
    [
        (changed(gateway="cabinet-2"), NOW, EMPTY, "it is for cabinet-2"),
        (ORDER, NOW, EMPTY.plus(ORDER), "it has come before"),
        (ORDER, replace(NOW, clock_sure=False), EMPTY, "clock is not sure"),
        (changed(expires_ms=T), NOW, EMPTY, "expires before"),
        (changed(expires_ms=T + LONGEST_MS + 1), NOW, EMPTY, "longer than 60 minutes"),
        (ORDER, replace(NOW, now_ms=T + 60_001), EMPTY, "it expired at 2026-09-21T"),
        (ORDER, replace(NOW, now_ms=T - AHEAD_MS - 1), EMPTY, "from the future"),
        (ORDER, NOW, Memory(since_ms=T + 1), "began to remember"),
        (ORDER, NOW, Memory(since_ms=0, forgotten_ms=T + 60_000), "it expired"),
        (
            ORDER,
            NOW,
            Memory(since_ms=0, ids=dict.fromkeys(map(str, range(MOST_REMEMBERED)), T)),
            "wait",
        ),
    ],
)
def test_what_is_refused_is_told_why(order: Order, now: Now, memory: Memory, why: str) -> None:
    assert why in why_not(order, now, memory)


def test_what_has_expired_is_forgotten() -> None:
    memory = EMPTY.plus(ORDER)
    assert memory.without_expired(T + 60_000).ids == memory.ids
    assert memory.without_expired(T + 60_001).ids == {}


@given(st.lists(st.integers(T - 200_000, T + 10_000_000), min_size=1, max_size=20))
@settings(max_examples=200)
def test_no_order_is_carried_out_twice_however_the_clock_jumps(times: list[int]) -> None:
    memory, carried_out = Memory(since_ms=0), 0
    for now_ms in times:
        memory = memory.without_expired(now_ms)
        if not why_not(ORDER, replace(NOW, now_ms=now_ms), memory):
            carried_out += 1
            memory = memory.plus(ORDER)
    assert carried_out <= 1
