from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud.core.backoff import FIRST_MS, LONGEST_MS, backoff_ms


def test_it_doubles_up_to_a_bound() -> None:
    assert [backoff_ms(n, 0.0) for n in (1, 2, 3, 4)] == [1_000, 2_000, 4_000, 8_000]
    assert backoff_ms(60, 0.0) == backoff_ms(10**6, 0.0) == LONGEST_MS


@given(st.integers(min_value=0, max_value=10_000), st.floats(min_value=0, max_value=1))
def test_chance_takes_off_half_at_most(attempts: int, draw: float) -> None:
    assert FIRST_MS / 2 <= backoff_ms(attempts, draw) <= LONGEST_MS
    assert backoff_ms(attempts, 1.0) * 2 == backoff_ms(attempts, 0.0)
