"""HJ 212 frames to the byte, and factors into values."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import DecodeError
from contract.quality import Quality
from device_profiles.core.hj212 import (
    Frame,
    compile_factor_decoder,
    crc,
    item_of,
    observed_ms,
    parse_frame,
    parse_segment,
)
from device_profiles.core.values import Value
from device_profiles.loader import load_profile
from device_profiles.schema import FactorMeasurement, Profile

Build = Callable[..., Profile]

# HJ 212-2017 annex A, and table C.25 with length and check computed.
ANNEX_A = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&RtdInterval=30&&1C80\r\n"
)
NOISE = (
    b"##0122QN=20160801085857223;ST=23;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&DataTime=20160801085857;LA-Rtd=50.1&&0880\r\n"
)
ACK = (
    b"##0087QN=20160801085857223;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;"
    b"CP=&&&&3240\r\n"
)


def framed(segment: str) -> bytes:
    return f"##{len(segment):04d}{segment}{crc(segment.encode()):04X}\r\n".encode()


def station(cp: str, cn: str = "2011") -> Frame:
    return parse_frame(framed(f"QN=20160801085857223;ST=22;CN={cn};MN=AB12;Flag=5;CP=&&{cp}&&"))


@pytest.mark.parametrize(("frame", "check"), [(ANNEX_A, 0x1C80), (NOISE, 0x0880), (ACK, 0x3240)])
def test_the_check_is_the_standards(frame: bytes, check: int) -> None:
    assert crc(frame[6:-6]) == check


def test_a_frame_is_taken_apart() -> None:
    frame = parse_frame(NOISE)
    assert (frame.command, frame.station) == ("2011", "010000a8900016f000169dc0")
    assert frame.header["ST"] == "23"
    assert frame.cp == {"DataTime": "20160801085857", "LA-Rtd": "50.1"}
    assert observed_ms(frame) == 1470013137000
    assert parse_frame(ACK).cp == {}
    assert observed_ms(parse_frame(ACK)) is None


def test_small_letters_of_the_check_and_a_missing_line_end_are_taken() -> None:
    assert parse_frame(ANNEX_A.replace(b"1C80", b"1c80").strip()) == parse_frame(ANNEX_A)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"", "no head"),
        (b"#0101", "no head"),
        (NOISE.replace(b"##0122", b"##01x2"), "no head"),
        (NOISE.replace(b"##0122", b"##0121"), "the head says 121"),
        (NOISE.replace(b"50.1", b"50.2"), "check is b'0880'; computed"),
        (NOISE.replace(b"0880", b"088"), "the head says"),
        (NOISE.replace(b"0880", b"08_0"), "check is"),
        (framed("ST=22;CN=2011;MN=AB;CP=LA-Rtd=1"), "no CP="),
        (framed("ST=22;CN=2011;MN=AB;CP=&&LA-Rtd=1"), "no CP="),
        (framed("ST=22;CN=2011;MN=AB;CP=&&A=1&&B=2&&"), "no CP="),
        (framed("ST=22;CN=2011;CP=&&A=1&&"), "MN is None"),
        (framed("ST=22;CN=2011;MN=A*;CP=&&A=1&&"), "MN is 'A\\*'"),
        (framed("ST=22;CN;MN=AB;CP=&&A=1&&"), "item 'CN' is not key=value"),
        (framed("ST=22;ST=23;MN=AB;CP=&&A=1&&"), "item 'ST=23' is not key=value, or told twice"),
        (framed("ST=22;MN=AB;CP=&&A=1;A=2&&"), "told twice"),
        (framed("ST=22;MN=AB;CP=&&A=1;;B=2&&"), "item ''"),
    ],
)
def test_a_wrong_frame_is_refused_with_its_reason(frame: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        parse_frame(frame)


def test_a_segment_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(DecodeError, match="not ASCII"):
        parse_segment("MN=扬尘;CP=&&&&".encode())


def test_a_segment_may_be_a_thousand_bytes_but_not_more() -> None:
    long = f"MN=AB;CP=&&A={'1' * 1100}&&"
    with pytest.raises(DecodeError, match="the head says"):
        parse_frame(framed(long))


DUST = load_profile("dust/hj212-dust-station")


def values(cp: str, **units: str) -> dict[str, Value]:
    message = compile_factor_decoder(DUST, units).decode(station(cp))
    assert message.device_address == "ab12"
    return {value.measurement: value for value in message.values}


def test_factors_become_measurements() -> None:
    assert values("DataTime=20160801085857;a34002-Rtd=72,a34002-Flag=N;a01001-Rtd=-3.5") == {
        "pm10": Value("pm10", 72),
        "air_temperature": Value("air_temperature", -3.5),
    }


def test_a_station_may_send_nanograms() -> None:
    found = values("a34001-Rtd=178000.000;a34002-Rtd=140600", tsp="ng/m3", pm10="ng/m3")
    assert found["tsp"].value == 178
    assert found["pm10"].value == 140.6


def test_a_unit_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not convert"):
        compile_factor_decoder(DUST, {"tsp": "kPa"})


@pytest.mark.parametrize(
    ("letter", "quality"),
    [
        ("N", Quality.NORMAL),
        ("F", Quality.STOPPED),
        ("M", Quality.MAINTENANCE),
        ("S", Quality.MANUAL),
        ("D", Quality.FAULT),
        ("C", Quality.CALIBRATION),
        ("T", Quality.OVER_RANGE),
        ("B", Quality.COMMUNICATION),
    ],
)
def test_flags_become_quality_and_keep_the_value(letter: str, quality: Quality) -> None:
    assert values(f"a34002-Rtd=9,a34002-Flag={letter}") == {"pm10": Value("pm10", 9, quality)}


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(DecodeError, match="flag 'X' is none of N, F"):
        values("a34002-Rtd=9,a34002-Flag=X")


@pytest.mark.parametrize("text", ["", "-", "1e5", "nan", "1.2.3", "0x10", "9" * 40])
def test_what_is_no_plain_number_is_no_value(text: str) -> None:
    assert values(f"a34002-Rtd={text}") == {"pm10": Value("pm10", None, Quality.FAULT)}


def test_each_command_carries_its_own_measurements(build: Build) -> None:
    decoder = compile_factor_decoder(build("hj212"))
    minute = decoder.decode(station("DataTime=20160801084000;LA-Rtd=1;Leq-Data=50.0", "2051"))
    assert minute.values == (Value("noise_laeq", 50),)
    assert minute.observed_ms == 1470012000000
    assert decoder.decode(station("LA-Rtd=50.1", "1062")).values == ()


@pytest.mark.parametrize("told", ["", "2016", "20161301000000", "yesterday"])
def test_a_data_time_that_is_none_is_refused(told: str) -> None:
    with pytest.raises(DecodeError, match="DataTime"):
        observed_ms(station(f"DataTime={told}"))


def test_items_are_named_by_factor_and_suffix() -> None:
    assert item_of(FactorMeasurement(factor="a34001", unit="ug/m3")) == "a34001-Rtd"
    assert item_of(FactorMeasurement(factor="LA", command="2051", unit="dB(A)")) == "LA-Avg"
    assert item_of(FactorMeasurement(factor="L5", suffix="DayData", unit="x")) == "L5-DayData"


def test_another_protocols_profile_is_refused(build: Build) -> None:
    with pytest.raises(ValueError, match="not a profile of an HJ 212 station"):
        compile_factor_decoder(build("modbus"))


NOISE_STATION = compile_factor_decoder(load_profile("noise/hj212-noise-station"))


@settings(max_examples=500)
@given(st.data())
def test_no_damaged_frame_breaks_the_parser(data: st.DataObject) -> None:
    """It is refused, or, 1 in 256 where two bytes or more are hit, read; it never crashes."""
    frame = bytearray(NOISE)
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        NOISE_STATION.decode(parse_frame(bytes(frame)))
    except DecodeError:
        return


@given(at=st.integers(6, len(NOISE) - 7), value=st.integers(1, 255))
def test_damage_to_one_byte_of_the_segment_never_passes(at: int, value: int) -> None:
    frame = bytearray(NOISE)
    frame[at] ^= value
    with pytest.raises(DecodeError):
        parse_frame(bytes(frame))
