"""Points as InfluxDB's reference has them, and values to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.columns import Columns
from cloud.core.line_protocol import lines

NAMES = {1: ("noise-01", "noise_laeq"), 2: ("gas-07", "gas_pressure.inlet")}


def columns(*rows: tuple[int, int, float, int]) -> Columns:
    return Columns(
        series=np.array([row[0] for row in rows], np.int32),
        observed_ms=np.array([row[1] for row in rows], np.int64),
        value=np.array([row[2] for row in rows], np.float64),
        quality=np.array([row[3] for row in rows], np.uint16),
    )


def test_a_line_a_reading() -> None:
    assert list(lines(columns((1, 1_000, 60.5, 0), (2, 2_000, np.nan, 64)), NAMES, 17)) == [
        "noise_laeq,device=noise-01 value=60.5,quality=0i,block=17i 1000",
        "gas_pressure.inlet,device=gas-07 quality=64i,block=17i 2000",
    ]


def test_a_series_without_a_name_is_refused() -> None:
    with pytest.raises(KeyError):
        list(lines(columns((3, 1_000, 1.0, 0)), NAMES, 17))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_values_to_the_last_bit(value: float) -> None:
    (line,) = lines(columns((1, 1_000, value, 0)), NAMES, 1)
    assert float(line.split("value=")[1].split(",")[0]) == value
