"""How values came about is shown with the very numbers that the decoder uses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from contract.quality import LETTERS, Quality
from contract.readings import Reading
from device_profiles.core.decode import bytes_of_words, compile_decoder
from device_profiles.core.frames import exchange_of
from device_profiles.core.values import Block
from device_profiles.loader import catalog, load_profile
from device_profiles.schema import Modbus, Point
from edge.core.quality_words import quality_words
from edge.core.trace import (
    Origin,
    place_of,
    raw_of,
    register_origins,
    step_of,
    unit_sent,
    words_of,
)

MODBUS = [name for name in catalog() if load_profile(name).protocol == "modbus"]


def modbus_of(name: str) -> Modbus:
    modbus = load_profile(name).modbus
    assert modbus is not None
    return modbus


@pytest.mark.parametrize("name", MODBUS)
def test_scaled_and_value_agree_with_the_decoder_for_every_vector(name: str) -> None:
    profile = load_profile(name)
    for vector in profile.vectors:
        exchanges = [exchange_of(part, vector.framing) for part in (vector, *vector.also)]
        blocks, answers = [b for b, _ in exchanges], [data for _, data in exchanges]
        origins = register_origins(modbus_of(name), blocks, answers)
        for value in compile_decoder(profile, blocks, vector.installed).decode(answers):
            if value.measurement in profile.derived:
                continue
            origin = origins[value.measurement]
            reading = Reading("d", value.measurement, 0, value.value, value.quality)
            step = step_of(reading, origin, *profile.ranges()[value.measurement])
            assert step.value == value.value
            assert bool(step.came) == (step.raw is not None)
            if value.value is None:
                assert step.why


def origin(name: str, words: Sequence[int], measurement: str) -> Origin:
    """Trace a measurement of a profile whose registers 0x00 to 0x1F hold these, then zeros."""
    block = Block(3, 0, 0x20)
    padded = [*words, *[0] * (0x20 - len(words))]
    return register_origins(modbus_of(name), [block], [bytes_of_words(padded)])[measurement]


def test_a_unit_from_a_register_is_the_one_that_is_shown() -> None:
    found = origin("gas/pressure-transmitter-a", [0, 0, 1, 3, 2100], "gas_pressure")
    assert (found.came, found.raw, found.sent) == ("0834", 2100, "kPa")
    step = step_of(Reading("d", "gas_pressure", 0, 2.1), found, -100, 10_000)
    assert (step.scaled, step.sent, step.value, step.unit) == (2.1, "kPa", 2.1, "kPa")
    step = step_of(Reading("d", "gas_pressure", 0, 350.0), Origin(place="x", sent="MPa"), 0, 1_000)
    assert step.scaled == pytest.approx(0.35)


def test_why_there_is_no_value_is_told() -> None:
    name = "gas/pressure-transmitter-a"
    assert "pressure_unit is 77" in origin(name, [0, 0, 77, 3, 2100], "gas_pressure").why
    assert "decimals is 55" in origin(name, [0, 0, 1, 55, 2100], "gas_pressure").why
    block = Block(3, 0, 1)
    unanswered = register_origins(modbus_of("noise/rs485-sound"), [block], [None])["noise_la"]
    assert (unanswered.came, unanswered.raw, unanswered.why) == ("", None, "no answer")
    nan = register_origins(
        modbus_of("gas/pressure-transmitter-b"),
        [Block(3, 3, 1), Block(3, 0x16, 2)],
        [b"\0\0", b"\x7f\xc0\0\0"],
    )["gas_pressure"]
    assert nan.why == "the words are no float32"
    step = step_of(Reading("d", "gas_pressure", 0, 1.0), nan, 0, 1)
    assert step.why == ""  # there is a value: nothing stands in its way


def test_points_are_found_in_their_block() -> None:
    blocks, answers = [Block(3, 0, 2), Block(3, 10, 2)], [b"\0\1\0\2", b"\x41\x20\0\0"]
    assert raw_of(Point(address=1), blocks, answers) == 2
    assert raw_of(Point(address=10, type="float32"), blocks, answers) == 10
    assert raw_of(Point(address=1, type="uint32"), blocks, answers) is None  # not whole in one
    assert raw_of(Point(address=1, function=4), blocks, answers) is None
    assert words_of(Point(address=10, type="float32"), blocks, answers) == (0x4120, 0)
    assert words_of(Point(address=10), blocks, [None, None]) == ()
    assert words_of(Point(address=0, type="bit", function=1), blocks, answers) == ()


def test_an_unknown_unit_code_is_no_unit() -> None:
    modbus = modbus_of("gas/pressure-transmitter-a")
    part = modbus.measurements["gas_pressure"]
    assert unit_sent(part, modbus, {"pressure_unit": 0.0}) == "MPa"
    assert unit_sent(part, modbus, {"pressure_unit": 99.0}) is None
    assert unit_sent(part, modbus, {"pressure_unit": math.nan}) is None
    assert unit_sent(part, modbus, {}) is None


def test_a_place_says_the_order_where_it_is_not_modbus_own() -> None:
    assert place_of(Point(address=0x1F4)) == "0x01F4 uint16"
    assert place_of(Point(address=1, type="float32", order="CDAB")) == "0x0001 float32 CDAB"
    assert place_of(Point(address=1, bits=(0, 3))) == "0x0001 uint16 bits 0-3"


def test_every_quality_has_words() -> None:
    assert quality_words(Quality.NORMAL) == "normal"
    assert quality_words(Quality.FAULT | Quality.OVER_RANGE) == "fault, over range"
    assert all(quality_words(flag) != "normal" for flag in LETTERS.values())
