"""The station's own encoding: the standard's frames to the byte, and the catalogue read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import Quality
from device_profiles.core.hj212 import compile_factor_decoder, crc, observed_ms, parse_frame
from device_profiles.loader import catalog, load_profile
from simulators.devices import Sensor
from simulators.hj212_frames import (
    Identity,
    answer,
    checksum,
    local,
    read,
    report,
    upload,
    utc_ms,
    with_units,
    wrap,
)
from simulators.signals import Street

NOON_MS = 1_795_320_000_000
MN = "010000A8900016F000169DC0"
PROFILES = {name: load_profile(name) for name in catalog()}
STATIONS = sorted(name for name, profile in PROFILES.items() if profile.protocol == "hj212")
DUST = PROFILES["dust/hj212-dust-station"]


def test_the_standards_frames_are_written_to_the_byte() -> None:
    """HJ 212-2017 annex A and table C.25."""
    centre = Identity(mn=MN, password="100000", system="32")
    assert upload(centre, "20160801085857223", "1062", "RtdInterval=30") == (
        b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
        b"CP=&&RtdInterval=30&&1C80\r\n"
    )
    noise = Identity(mn=MN, password="123456", system="23")
    words = "DataTime=20160801085857;LA-Rtd=50.1"
    assert upload(noise, "20160801085857223", "2011", words).endswith(b"LA-Rtd=50.1&&0880\r\n")


def test_flags_and_parts_are_written() -> None:
    who = Identity(mn="AB", password="1", system="22", version=2)
    assert b";Flag=11;PNUM=3;PNO=2;CP=&&x=1&&" in upload(who, "1", "2011", "x=1", (2, 3))
    assert b";ST=91;CN=9012;PW=1;MN=AB;Flag=8;CP=&&ExeRtn=1&&" in answer(
        who, "1", "9012", "ExeRtn=1"
    )


@given(st.binary(max_size=200))
def test_both_sides_agree_on_the_check(data: bytes) -> None:
    assert int(checksum(data), 16) == crc(data)


def test_what_the_centre_says_is_read() -> None:
    said = read(wrap("QN=1;ST=23;CN=1012;PW=1;MN=AB;Flag=5;CP=&&PolId=w1;SystemTime=2&&"))
    assert said is not None
    assert (said.qn, said.command) == ("1", "1012")
    assert said.words == {"PolId": "w1", "SystemTime": "2"}


@pytest.mark.parametrize("line", [b"", b"##", b"##00x1", b"##0003QN=1234", b"hello ##0001Q0000"])
def test_what_is_not_sound_is_not_read(line: bytes) -> None:
    assert read(line) is None


def test_times_are_chinas() -> None:
    assert local(1_470_013_137_223) == "20160801085857223"
    assert utc_ms("20160801085857") == 1_470_013_137_000


@pytest.mark.parametrize("name", STATIONS)
@pytest.mark.parametrize("command", ["2011", "2051", "2061", "2031"])
def test_what_a_station_tells_comes_back(name: str, command: str) -> None:
    profile = PROFILES[name]
    decoder = compile_factor_decoder(profile)
    who = Identity(mn=MN, password="123456", system="23")
    assert profile.hj212 is not None
    carried = {n for n, part in profile.hj212.measurements.items() if part.command == command}
    for seed in range(5):
        values = Sensor(profile=profile, street=Street(device="one", seed=seed)).measure(
            NOON_MS, -1.0
        )
        told = report(profile, command, NOON_MS, values)
        if told is None:
            assert not carried
            continue
        assert set(told.values) == carried
        (words,) = told.parts
        frame = parse_frame(upload(who, local(NOON_MS), command, words))
        assert observed_ms(frame) == NOON_MS
        found = {value.measurement: value for value in decoder.decode(frame).values}
        for key, value in told.values.items():
            assert found[key].quality is Quality.NORMAL
            back = found[key].value
            assert back is not None
            assert math.isclose(back, value, rel_tol=1e-9)
            assert abs(value - values[key]) <= 0.05 + 1e-9


def test_a_station_with_other_units_is_read_with_them() -> None:
    units = {"pm10": "ng/m3"}
    told = report(with_units(DUST, units), "2011", NOON_MS, {"pm10": 140.6})
    assert told is not None
    assert "a34002-Rtd=140600.0,a34002-Flag=N" in told.parts[0]
    assert told.values == {"pm10": 140.6}


def test_qualities_are_written() -> None:
    told = report(DUST, "2011", NOON_MS, {"pm10": 5.0}, quality={"pm10": "D"})
    assert told is not None
    assert told.parts == (f"DataTime={local(NOON_MS)[:14]};a34002-Rtd=5.00,a34002-Flag=D",)


def test_long_reports_are_split_and_each_part_has_its_time() -> None:
    values = Sensor(profile=DUST, street=Street(device="one")).measure(NOON_MS, -1.0)
    told = report(DUST, "2011", NOON_MS, values, most=100)
    assert told is not None
    assert len(told.parts) > 3
    assert all(len(part) <= 100 for part in told.parts)
    assert all(part.startswith("DataTime=20261122120000;") for part in told.parts)
    assert sum(part.count("-Rtd=") for part in told.parts) == len(told.values)


def test_another_protocols_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="no HJ 212 profile"):
        report(PROFILES["noise/rs485-sound"], "2011", NOON_MS, {})
    with pytest.raises(ValueError, match="no HJ 212 profile"):
        with_units(PROFILES["noise/rs485-sound"], {})
