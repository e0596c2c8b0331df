"""A strange value is data with a flag."""

from __future__ import annotations

import math

import pytest

from contract.quality import Quality
from contract.readings import Reading
from edge.core.validate import validate

RANGES = {"noise_la": (30.0, 130.0)}


def reading(
    value: float | None, quality: Quality = Quality.NORMAL, measurement: str = "noise_la"
) -> Reading:
    return Reading("noise-01", measurement, 1_790_000_000_000, value, quality)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(reading(59.9), reading(59.9), id="plausible"),
        pytest.param(reading(30.0), reading(30.0), id="at the edge"),
        pytest.param(reading(0.0), reading(0.0, Quality.OVER_RANGE), id="below"),
        pytest.param(reading(131.0), reading(131.0, Quality.OVER_RANGE), id="above"),
        pytest.param(
            reading(131.0, Quality.CALIBRATION),
            reading(131.0, Quality.CALIBRATION | Quality.OVER_RANGE),
            id="flags add up",
        ),
        pytest.param(reading(math.nan), reading(None, Quality.FAULT), id="not a number"),
        pytest.param(reading(math.inf), reading(None, Quality.FAULT), id="infinite"),
        pytest.param(reading(None), reading(None, Quality.FAULT), id="missing without a reason"),
        pytest.param(
            reading(None, Quality.COMMUNICATION),
            reading(None, Quality.COMMUNICATION),
            id="missing with a reason",
        ),
        pytest.param(
            reading(-1e9, measurement="other"), reading(-1e9, measurement="other"), id="no range"
        ),
        pytest.param(
            reading(math.inf, measurement="other"),
            reading(None, Quality.FAULT, "other"),
            id="infinite without a range",
        ),
    ],
)
def test_what_cannot_be_is_flagged(before: Reading, after: Reading) -> None:
    good = reading(60.0)
    assert list(validate([good, before, good], RANGES)) == [good, after, good]


def test_zero_is_a_value() -> None:
    zero = reading(0.0, measurement="gas_lel")
    assert list(validate([zero], {"gas_lel": (0.0, 100.0)})) == [zero]
