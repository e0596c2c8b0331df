"""When was it, if the station's clock may be wrong?"""

from __future__ import annotations

import pytest

from edge.core.normalise import NEWEST_MS, OLDEST_MS
from edge.core.station_time import FIRST_MS, station_time

NOW_MS = 1_795_320_000_000
LONG_AGO_MS = NOW_MS - OLDEST_MS - 1


@pytest.mark.parametrize(
    ("own_ms", "instant", "chosen"),
    [
        pytest.param(NOW_MS - 500, True, (NOW_MS - 500, True), id="a moment ago"),
        pytest.param(NOW_MS - OLDEST_MS, False, (NOW_MS - OLDEST_MS, True), id="caught up"),
        pytest.param(NOW_MS + NEWEST_MS, True, (NOW_MS + NEWEST_MS, True), id="a little fast"),
        pytest.param(NOW_MS + NEWEST_MS + 1, True, (NOW_MS, False), id="future"),
        pytest.param(NOW_MS + NEWEST_MS + 1, False, (NOW_MS, False), id="future average"),
        pytest.param(LONG_AGO_MS, True, (NOW_MS, False), id="real time of a clock that is wrong"),
        pytest.param(LONG_AGO_MS, False, (LONG_AGO_MS, False), id="an old average stays old"),
        pytest.param(FIRST_MS, False, (NOW_MS, False), id="a clock that never was set"),
        pytest.param(-28_800_000, True, (NOW_MS, False), id="1970 in China"),
    ],
)
def test_station_time(own_ms: int, instant: bool, chosen: tuple[int, bool]) -> None:
    assert station_time(own_ms, NOW_MS, instant=instant) == chosen
