"""Readings as all devices have them."""

from __future__ import annotations

import pytest

from contract.quality import Quality
from contract.readings import Reading
from device_profiles.core.values import Value
from edge.core.normalise import NEWEST_MS, OLDEST_MS, normalise, observed

NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("own_ms", "chosen_ms"),
    [
        pytest.param(None, NOW_MS, id="none told"),
        pytest.param(NOW_MS - 1_500, NOW_MS - 1_500, id="a moment ago"),
        pytest.param(NOW_MS - OLDEST_MS, NOW_MS - OLDEST_MS, id="stored and forwarded"),
        pytest.param(NOW_MS - OLDEST_MS - 1, NOW_MS, id="too old"),
        pytest.param(0, NOW_MS, id="1970"),
        pytest.param(NOW_MS + NEWEST_MS, NOW_MS + NEWEST_MS, id="a little fast"),
        pytest.param(NOW_MS + NEWEST_MS + 1, NOW_MS, id="from the future"),
    ],
)
def test_a_devices_own_time_is_believed_if_it_is_sane(own_ms: int | None, chosen_ms: int) -> None:
    assert observed(own_ms, NOW_MS) == chosen_ms


def test_values_get_their_device_and_time() -> None:
    values = [Value("pm10", 12.0), Value("pm25", None, Quality.FAULT)]
    assert normalise("dust-01", NOW_MS, values) == [
        Reading("dust-01", "pm10", NOW_MS, 12.0),
        Reading("dust-01", "pm25", NOW_MS, None, Quality.FAULT),
    ]
