"""Vectors: what makes one fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.errors import DecodeError
from contract.quality import Quality
from device_profiles.core.prove import agrees, decode_vector, prove, shown, shown_expected
from device_profiles.core.values import Value
from device_profiles.schema import Expected, Profile

Build = Callable[..., Profile]


@pytest.mark.parametrize("protocol", ["modbus", "mqtt", "hj212"])
def test_right_vectors_prove_their_profile(build: Build, protocol: str) -> None:
    profile = build(protocol)
    assert prove(profile, profile.vectors[0]) == []
    assert profile.vectors[0].proves


@pytest.mark.parametrize(
    ("protocol", "old", "new", "words"),
    [
        ("modbus", "water_do: 8.125", "water_do: 8.126", "decoded 8.125 mg/L, expected 8.126"),
        ("modbus", "{water_do: 8.125, ", "{", "water_do: decoded 8.125 mg/L, but not expected"),
        ("modbus", "frame: 01 03 08 41", "frame: 01 03 08 42", "does not decode: CRC is"),
        ("modbus", "type: float32", "type: float32, order: CDAB", "water_do: decoded"),
        ("modbus", "water_do: 8.125", "water_do: {value: 8.125, quality: D}", "expected 8.125 (D)"),
        ("mqtt", "tilt: 2", "tilt: 2, battery: 5", "battery: expected, but not decoded"),
        ("mqtt", "topic: covers/a1/up", "topic: pumps/a1/up", "fits no envelope"),
        ("mqtt", "device: a1", "device: a2", "device: found a1, expected a2"),
        ("mqtt", "time: 2026-11-22T08:00:00Z", "time: 2026-11-22T08:00:01Z",
         "time: found 2026-11-22T08:00:00.000Z, expected 2026-11-22T08:00:01Z"),
        ("mqtt", "  time: at\n", "", "time: found none"),
        ("hj212", "noise_la: 50.1}", "noise_la: 50}", "decoded 50.1 dB(A), expected 50"),
        ("hj212", "LA-Rtd=50.1", "LA-Rtd=50.2", "does not decode: check is"),
    ],
)  # fmt: skip
def test_a_wrong_vector_says_what_differs(
    build: Build, protocol: str, old: str, new: str, words: str
) -> None:
    profile = build(protocol, (old, new))
    found = prove(profile, profile.vectors[0])
    assert any(words in problem for problem in found), found


def test_what_decodes_to_no_frame_at_all_is_an_error(build: Build) -> None:
    profile = build("modbus", ("frame: 01 03 08 41", "frame: 01 83 08 41"))
    with pytest.raises(DecodeError):
        decode_vector(profile, profile.vectors[0])


def test_a_synthetic_vector_proves_nothing(build: Build) -> None:
    profile = build("modbus", ("source: the manual, page 3", "source: Synthetic, after the map"))
    assert not profile.vectors[0].proves


@pytest.mark.parametrize(
    ("value", "expected", "same"),
    [
        (Value("gas_pressure", 0.2), 0.2, True),
        (Value("gas_pressure", 0.2000001), 0.2, False),
        (Value("gas_pressure", 200), Expected(value=0.2, unit="MPa"), True),
        (Value("gas_pressure", 200.4), Expected(value=0.2, unit="MPa", within=0.0005), True),
        (Value("gas_pressure", 200.6), Expected(value=0.2, unit="MPa", within=0.0005), False),
        (Value("gas_temperature", 25.4), Expected(value=77, unit="degF", within=1), True),
        (Value("gas_pressure", None, Quality.FAULT), Expected(value=None, quality="D"), True),
        (Value("gas_pressure", 0, Quality.FAULT), Expected(value=None, quality="D"), False),
        (Value("gas_pressure", 1, Quality.FAULT), 1, False),
    ],
)
def test_what_agrees(value: Value, expected: float | Expected, same: bool) -> None:
    assert agrees(value, expected) is same


def test_values_are_shown_with_unit_and_quality() -> None:
    assert shown(Value("gas_pressure", 1.5, Quality.FAULT)) == "1.5 kPa (D)"
    assert shown(Value("gas_pressure", None, Quality.STALE)) == "none kPa (o)"
    assert shown_expected(Expected(value=None, quality="D")) == "none (D)"
    assert shown_expected(Expected(value=2, unit="bar")) == "2 bar"
    assert shown_expected(2.0) == "2"
