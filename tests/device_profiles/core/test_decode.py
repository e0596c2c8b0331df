"""Whole polls into values: scale, enum, sentinels, status, following, derived, missing answers."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import Quality
from contract.quantities import Kind
from device_profiles.core.decode import Block, Value, bytes_of_words, compile_decoder
from device_profiles.schema import (
    Derived,
    Input,
    Modbus,
    Profile,
    RegisterMeasurement,
    Sentinel,
    StatusRule,
    Title,
)

FAULT, COMMUNICATION = Quality.FAULT, Quality.COMMUNICATION


def profile_of(
    measurements: Mapping[str, RegisterMeasurement],
    inputs: Mapping[str, Input] | None = None,
    status: tuple[StatusRule, ...] = (),
    derived: Mapping[str, Derived] | None = None,
) -> Profile:
    return Profile(
        kind=Kind.GAS,
        maker="m",
        model="m",
        title=Title(zh="z", en="e"),
        source="s",
        name="gas/m",
        path="",
        vectors=(),
        derived=dict(derived or {}),
        modbus=Modbus(measurements=dict(measurements), inputs=dict(inputs or {}), status=status),
    )


def decode(profile: Profile, *words: int) -> dict[str, Value]:
    decoder = compile_decoder(profile, [Block(3, 0, len(words))])
    return {value.measurement: value for value in decoder.decode([bytes_of_words(words)])}


def one(part: RegisterMeasurement, *words: int, name: str = "gas_pressure") -> Value:
    return decode(profile_of({name: part}), *words)[name]


@given(raw=st.integers(-(2**15), 2**15 - 1), digits=st.integers(0, 4))
def test_decimal_scales_leave_no_dust(raw: int, digits: int) -> None:
    """239 × 0.1 is 23.9, not 23.900000000000002."""
    part = RegisterMeasurement(address=0, type="int16", unit="kPa", scale=float(f"1e-{digits}"))
    assert one(part, raw & 0xFFFF).value == float(f"{raw}e-{digits}")


@pytest.mark.parametrize(
    ("unit", "scale", "offset", "raw", "value"),
    [
        ("kPa", 1, 0, 300, 300),
        ("MPa", 0.001, 0, 300, 300),
        ("Pa", 1, 0, 101325, 101.325),
        ("bar", 0.01, 0, 123, 123),
        ("kPa", 0.1, -40, 500, 10),
        ("mbar", 1, 5, 15, 2),
    ],
)
def test_values_come_in_the_canonical_unit(
    unit: str, scale: float, offset: float, raw: int, value: float
) -> None:
    part = RegisterMeasurement(address=0, type="uint32", unit=unit, scale=scale, offset=offset)
    found = one(part, raw >> 16, raw & 0xFFFF)
    assert found.value == pytest.approx(value, rel=1e-15)
    assert found.quality == Quality.NORMAL


def test_a_temperature_in_fahrenheit_is_shifted_too() -> None:
    part = RegisterMeasurement(address=0, type="int16", unit="degF", scale=0.1)
    assert one(part, 770, name="gas_temperature").value == pytest.approx(25)


def test_milligrams_are_exactly_a_thousand_micrograms() -> None:
    part = RegisterMeasurement(address=0, unit="mg/m3", scale=0.001)
    assert one(part, 72, name="pm10").value == 72


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_value(number: float) -> None:
    part = RegisterMeasurement(address=0, type="float32", unit="kPa")
    words = struct.unpack(">HH", struct.pack(">f", number))
    assert one(part, *words) == Value("gas_pressure", None, FAULT)


def test_a_number_too_large_to_scale_is_no_value() -> None:
    part = RegisterMeasurement(address=0, type="float64", unit="MPa")
    words = struct.unpack(">HHHH", struct.pack(">d", 1e308))
    assert one(part, *words) == Value("gas_pressure", None, FAULT)


def test_zero_is_a_value() -> None:
    assert one(RegisterMeasurement(address=0, unit="kPa"), 0) == Value("gas_pressure", 0)


def test_a_sentinel_is_no_value_with_its_quality() -> None:
    part = RegisterMeasurement(
        address=0,
        type="int16",
        unit="kPa",
        scale=0.1,
        sentinels=(Sentinel(raw=0x7FFF), Sentinel(raw=-1, quality="maintenance")),
    )
    assert one(part, 0x7FFF) == Value("gas_pressure", None, FAULT)
    assert one(part, 0xFFFF) == Value("gas_pressure", None, Quality.MAINTENANCE)
    assert one(part, 10) == Value("gas_pressure", 1)


def test_a_float_sentinel_is_compared_as_its_type_holds_it() -> None:
    part = RegisterMeasurement(
        address=0, type="float32", unit="kPa", sentinels=(Sentinel(raw=-999.9),)
    )
    words = struct.unpack(">HH", struct.pack(">f", -999.9))
    assert one(part, *words) == Value("gas_pressure", None, FAULT)


def test_an_enum_gives_numbers_and_knows_no_others() -> None:
    part = RegisterMeasurement(address=0, unit="deg", scale=45, enum={0: 0, 1: 1, 2: 2})
    assert one(part, 2, name="wind_direction") == Value("wind_direction", 90)
    assert one(part, 3, name="wind_direction") == Value("wind_direction", None, FAULT)


UNITS = Input(address=1, units={0: "MPa", 1: "kPa"})
DECIMALS = Input(address=2)
SCALES = Input(address=3, enum={0: 1, 1: 0.1})
FOLLOWING = profile_of(
    {
        "gas_pressure": RegisterMeasurement(
            address=0, type="int16", unit_from="u", decimals_from="d", scale_from="s"
        )
    },
    {"u": UNITS, "d": DECIMALS, "s": SCALES},
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((200, 0, 3, 0), Value("gas_pressure", 200)),
        ((200, 1, 2, 0), Value("gas_pressure", 2)),
        ((0x10000 - 200, 1, 2, 1), Value("gas_pressure", -0.2)),
        ((200, 7, 2, 0), Value("gas_pressure", None, FAULT)),
        ((200, 1, 99, 0), Value("gas_pressure", None, FAULT)),
        ((200, 1, 2, 9), Value("gas_pressure", None, FAULT)),
    ],
)
def test_unit_decimals_and_scale_from_other_registers(
    words: tuple[int, ...], expected: Value
) -> None:
    found = decode(FOLLOWING, *words)["gas_pressure"]
    assert found.quality == expected.quality
    if expected.value is None:
        assert found.value is None
    else:
        assert found.value == pytest.approx(expected.value, rel=1e-15)


def test_following_needs_all_its_registers_answered() -> None:
    decoder = compile_decoder(FOLLOWING, [Block(3, 0, 1), Block(3, 1, 3)])
    (value,) = decoder.decode([b"\x00\xc8", None])
    assert value == Value("gas_pressure", None, COMMUNICATION)


def test_following_keeps_its_enum_and_sentinels() -> None:
    part = RegisterMeasurement(
        address=0,
        unit="kPa",
        decimals_from="d",
        enum={1: 50},
        sentinels=(Sentinel(raw=9, quality="calibration"),),
    )
    profile = profile_of({"gas_pressure": part}, {"d": Input(address=1)})
    assert decode(profile, 1, 1)["gas_pressure"] == Value("gas_pressure", 5)
    assert decode(profile, 2, 1)["gas_pressure"] == Value("gas_pressure", None, FAULT)
    assert decode(profile, 9, 1)["gas_pressure"].quality == Quality.CALIBRATION


@pytest.mark.parametrize(
    ("status", "inlet", "outlet"),
    [
        (0, Quality.NORMAL, Quality.NORMAL),
        (7, FAULT, FAULT),
        (0x0101, FAULT, FAULT | Quality.CALIBRATION),
    ],
)
def test_status_registers_set_the_quality_and_keep_the_value(
    status: int, inlet: Quality, outlet: Quality
) -> None:
    profile = profile_of(
        {
            "gas_pressure.inlet": RegisterMeasurement(address=0, unit="kPa"),
            "gas_pressure.outlet": RegisterMeasurement(address=1, unit="kPa"),
        },
        {"error": Input(address=2)},
        (
            StatusRule(input="error", values={0: "normal"}, otherwise="fault"),
            StatusRule(
                input="error", bits={8: "calibration"}, measurements=("gas_pressure.outlet",)
            ),
        ),
    )
    found = decode(profile, 10, 20, status)
    assert found["gas_pressure.inlet"] == Value("gas_pressure.inlet", 10, inlet)
    assert found["gas_pressure.outlet"] == Value("gas_pressure.outlet", 20, outlet)


def test_a_status_that_could_not_be_read_makes_its_measurements_unsure() -> None:
    profile = profile_of(
        {"gas_pressure": RegisterMeasurement(address=0, unit="kPa")},
        {"error": Input(address=9)},
        (StatusRule(input="error", otherwise="fault"),),
    )
    decoder = compile_decoder(profile, [Block(3, 0, 1), Block(3, 9, 1)])
    assert decoder.decode([b"\x00\x05", None]) == [Value("gas_pressure", 5, COMMUNICATION)]


def test_an_unanswered_request_leaves_only_its_own_measurements_without_value() -> None:
    profile = profile_of(
        {
            "gas_pressure": RegisterMeasurement(address=0, unit="kPa"),
            "gas_temperature": RegisterMeasurement(address=50, type="int16", unit="Cel"),
        }
    )
    decoder = compile_decoder(profile, [Block(3, 0, 1), Block(3, 50, 1)])
    assert decoder.decode([None, b"\xff\xfe"]) == [
        Value("gas_pressure", None, COMMUNICATION),
        Value("gas_temperature", -2),
    ]


def test_measurements_in_no_block_are_left_out() -> None:
    profile = profile_of(
        {
            "gas_pressure": RegisterMeasurement(address=0, unit="kPa"),
            "gas_flow": RegisterMeasurement(address=4, type="uint32", unit="m3/h"),
            "gas_temperature": RegisterMeasurement(address=8, unit="Cel", decimals_from="d"),
        },
        {"d": Input(address=30)},
    )
    decoder = compile_decoder(profile, [Block(3, 0, 5), Block(3, 8, 1)])  # gas_flow is cut in two
    assert [value.measurement for value in decoder.decode([bytes(10), bytes(2)])] == [
        "gas_pressure"
    ]


def test_the_same_address_of_another_function_is_another_point() -> None:
    profile = profile_of(
        {
            "gas_pressure": RegisterMeasurement(address=0, unit="kPa"),
            "gas_temperature": RegisterMeasurement(address=0, unit="Cel", function=4),
            "cover_open": RegisterMeasurement(address=0, unit="1", type="bit", function=2),
        }
    )
    decoder = compile_decoder(profile, [Block(2, 0, 1), Block(3, 0, 1), Block(4, 0, 1)])
    found = {v.measurement: v.value for v in decoder.decode([b"\x01", b"\x00\x07", b"\x00\x08"])}
    assert found == {"gas_pressure": 7, "gas_temperature": 8, "cover_open": 1}


def test_a_derived_measurement_takes_the_worst_of_its_sources() -> None:
    profile = profile_of(
        {
            "angle_x": RegisterMeasurement(address=0, type="int16", unit="deg"),
            "angle_y": RegisterMeasurement(address=1, type="int16", unit="deg"),
        },
        {"error": Input(address=2)},
        (StatusRule(input="error", bits={0: "fault"}, measurements=("angle_y",)),),
        {"tilt": Derived(how="tilt_from_roll_pitch", of=("angle_x", "angle_y"))},
    )
    decoder = compile_decoder(profile, [Block(3, 0, 3)], {"angle_x": 10.0, "angle_y": 0.0})
    tilt = decoder.decode([bytes_of_words([40, 0, 1])])[-1]
    assert tilt.value == pytest.approx(30)
    assert tilt.quality == FAULT


def test_as_many_answers_as_blocks_are_expected() -> None:
    profile = profile_of({"gas_pressure": RegisterMeasurement(address=0, unit="kPa")})
    decoder = compile_decoder(profile, [Block(3, 0, 1)])
    with pytest.raises(ValueError):
        decoder.decode([])
    assert decoder.blocks == (Block(3, 0, 1),)


def test_another_protocols_profile_is_refused() -> None:
    profile = profile_of({})
    other = Profile(
        **{**{f: getattr(profile, f) for f in profile.__struct_fields__}, "modbus": None}
    )
    with pytest.raises(ValueError, match="gas/m is not a profile of a Modbus device"):
        compile_decoder(other, [])


@given(st.lists(st.integers(0, 0xFFFF), max_size=125))
def test_words_become_the_bytes_of_the_wire(words: list[int]) -> None:
    assert bytes_of_words(words) == b"".join(word.to_bytes(2, "big") for word in words)


@given(st.binary(min_size=40, max_size=40))
def test_no_bytes_break_a_decoder_and_every_value_is_finite(data: bytes) -> None:
    profile = profile_of(
        {
            "gas_pressure": RegisterMeasurement(
                address=0, type="float32", unit_from="u", decimals_from="d", scale_from="s"
            ),
            "gas_flow": RegisterMeasurement(address=6, type="float64", unit="L/s", scale=1e300),
            "gas_volume": RegisterMeasurement(address=10, type="bcd64", unit="m3"),
            "gas_temperature": RegisterMeasurement(
                address=14, type="string", length=3, unit="degF"
            ),
            "gas_lel": RegisterMeasurement(address=17, type="float16", unit="%LEL"),
        },
        {
            "u": Input(address=2, units={0: "kPa", 1: "psi"}),
            "d": Input(address=3, type="int16"),
            "s": Input(address=4, type="float32"),
            "e": Input(address=18, type="bcd32"),
        },
        (StatusRule(input="e", values={0: "normal"}, bits={3: "stale"}, otherwise="fault"),),
    )
    for value in compile_decoder(profile, [Block(3, 0, 20)]).decode([data]):
        if value.value is None:
            assert value.quality != Quality.NORMAL
        else:
            assert math.isfinite(value.value)
