from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.decimals import scale, unscale

ROWS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.one_of(
            st.floats(allow_nan=True, allow_infinity=True),
            st.decimals(-10_000, 10_000, places=3).map(float),
        ),
    ),
    max_size=50,
)


@settings(max_examples=200)
@given(ROWS)
def test_what_is_exact_comes_back_to_the_bit(rows: list[tuple[int, float]]) -> None:
    rows.sort(key=lambda row: row[0])
    value = np.array([row[1] for row in rows], np.float64)
    found = scale(np.array([row[0] for row in rows], np.int32), value)
    again = unscale(found.scaled, found.decimals)
    assert again[found.exact].tobytes() == value[found.exact].tobytes()


def test_every_value_of_a_resolution_is_exact() -> None:
    for decimals in range(5):
        value = np.array([float(f"{n / 10**decimals:.{decimals}f}") for n in range(-5000, 5001)])
        assert scale(np.ones(len(value), np.int32), value).exact.all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.0, 1 / 3, 1e300, 2.0**31, 0.1 + 0.2, 5e-324])
def test_what_has_no_few_decimals_is_told_to_be_so(value: float) -> None:
    found = scale(np.array([1, 1], np.int32), np.array([61.3, value]))
    assert found.exact.tolist() == [True, False]
    assert (found.scaled[0], found.decimals[0]) == (613, 1)


def test_each_series_has_its_own_decimals() -> None:
    found = scale(np.array([1, 1, 2], np.int32), np.array([60.0, 60.25, 7.0]))
    assert found.decimals.tolist() == [2, 2, 0]
    assert found.scaled.tolist() == [6000, 6025, 7]


def test_nothing_is_nothing() -> None:
    assert len(scale(np.empty(0, np.int32), np.empty(0)).exact) == 0
