"""Whether a bus's time suffices, in numbers."""

from __future__ import annotations

import pytest

from edge.core.budget import FULL, Load, say_blocking, say_overload, share_of, stretching


def load(name: str, poll_s: float, period_s: float) -> Load:
    return Load(device=name, poll_s=poll_s, period_s=period_s)


def test_the_share_is_that_of_all_devices() -> None:
    assert share_of([load("a", 0.1, 1), load("b", 0.5, 10)]) == pytest.approx(0.15)
    assert share_of([]) == 0


def test_stretching_fills_the_bus_and_never_shortens() -> None:
    loads = [load("a", 0.9, 1), load("b", 5, 10)]
    factor = stretching(loads)
    stretched = [load(x.device, x.poll_s, x.period_s * factor) for x in loads]
    assert share_of(stretched) == pytest.approx(FULL)
    assert stretching([load("a", 0.1, 1)]) == 1


def test_overload_names_those_who_ask_for_most() -> None:
    loads = [load("a", 0.12, 1), load("b", 0.5, 1), load("c", 3, 10), load("d", 0.9, 1)]
    assert say_overload(loads) == (
        "its polls take 182% of the bus's time (d 0.9 s every 1 s, b 0.5 s every 1 s, c 3 s every"
        " 10 s and 1 more)"
    )


def test_a_long_poll_beside_a_short_period_is_told() -> None:
    assert say_blocking([load("slow", 12, 60), load("fast", 0.01, 1)]) == (
        "one poll of slow takes 12 s, and fast is due every 1 s: it will miss polls meanwhile"
    )
    assert say_blocking([load("slow", 12, 60), load("other", 1, 30)]) == ""
    assert say_blocking([load("alone", 12, 6)]) == ""
