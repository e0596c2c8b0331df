"""Reports into values, with their time."""

from __future__ import annotations

import pytest

from contract.errors import DecodeError
from contract.quality import Quality
from device_profiles.core.hj212 import Frame
from device_profiles.core.values import Value
from device_profiles.loader import load_profile
from edge.devices import build_device
from edge.options import DeviceOptions
from edge.ports import Message, Report
from edge.reports import ReportReader, as_message

NOW_MS = 1_795_320_000_000
DUST = "dust/hj212-dust-station"
STATION = build_device(
    DeviceOptions(id="dust-01", profile=DUST, bus="b", address="AB", units={"tsp": "ng/m3"}),
    load_profile(DUST),
    None,
)


def report(own_ms: int = NOW_MS, cn: str = "2011", **cp: str) -> Report:
    items = {key.replace("_", "-"): value for key, value in cp.items()}
    frame = Frame(header={"CN": cn, "MN": "AB"}, cp={"DataTime": "20261122120000", **items})
    return Report("b", "dust-01", NOW_MS, own_ms, frame)


def test_values_are_read_with_the_stations_own_units() -> None:
    device, at_ms, values = ReportReader([STATION]).read(
        report(a34001_Rtd="1000", a34002_Rtd="72", a34002_Flag="M")
    )
    assert (device, at_ms) == (STATION, NOW_MS)
    assert list(values) == [Value("tsp", 1.0), Value("pm10", 72.0, Quality.MAINTENANCE)]


def test_a_time_that_cannot_be_is_flagged_and_the_value_kept() -> None:
    _, at_ms, (value,) = ReportReader([STATION]).read(report(NOW_MS + 10**9, a34002_Rtd="72"))
    assert at_ms == NOW_MS
    assert value == Value("pm10", 72.0, Quality.CLOCK_UNSURE)


def test_an_unknown_flag_can_be_quarantined() -> None:
    strange = report(a34002_Rtd="72", a34002_Flag="Q")
    with pytest.raises(DecodeError, match="flag 'Q'"):
        ReportReader([STATION]).read(strange)
    assert as_message(strange) == Message(
        "b",
        NOW_MS,
        "ab",
        b"CN=2011;CP=&&DataTime=20261122120000;a34002-Rtd=72;a34002-Flag=Q&&",
    )
