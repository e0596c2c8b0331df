"""JSON payloads: where the id, the time and the values are, and what is no value."""

from __future__ import annotations

import json
from collections.abc import Callable

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from contract.quality import Quality
from device_profiles.core.payload import (
    PayloadDecoder,
    as_number,
    as_text,
    compile_payload_decoder,
    find,
    parse,
)
from device_profiles.core.values import Message, Value
from device_profiles.loader import load_profile
from device_profiles.schema import Profile

Build = Callable[..., Profile]
TOPIC = "covers/a1/up"


def say(decoder: PayloadDecoder, **payload: object) -> dict[str, Value]:
    message = decoder.decode(json.dumps(payload).encode(), TOPIC, {"a1": {"angle_x": 1}})
    assert message is not None
    return {value.measurement: value for value in message.values}


@pytest.fixture
def decoder(build: Build) -> PayloadDecoder:
    return compile_payload_decoder(build("mqtt"))


def test_id_from_the_topic_time_from_the_payload(decoder: PayloadDecoder) -> None:
    message = decoder.decode(b'{"at": "2026-11-22T08:00:00.5+00:00"}', "covers/A1/up")
    assert message == Message("a1", 1795334400500, ())
    assert decoder.topics == ("covers/+/up",)


def test_values_and_what_is_derived_from_them(decoder: PayloadDecoder) -> None:
    found = say(decoder, angles={"x": 3.5}, battery="87", state="open")
    assert found == {
        "angle_x": Value("angle_x", 3.5),
        "battery": Value("battery", 87),
        "cover_open": Value("cover_open", 1),
        "tilt": Value("tilt", 2.5),
    }


def test_what_is_absent_or_null_is_no_reading(decoder: PayloadDecoder) -> None:
    assert say(decoder, battery=None, state="closed") == {"cover_open": Value("cover_open", 0)}


@pytest.mark.parametrize("told", ["low", [], {}, "NaN", "1e999"])
def test_what_is_no_number_is_no_value(decoder: PayloadDecoder, told: object) -> None:
    assert say(decoder, battery=told) == {"battery": Value("battery", None, Quality.FAULT)}


def test_a_word_that_the_enum_does_not_know_is_no_value(decoder: PayloadDecoder) -> None:
    assert say(decoder, state="ajar") == {"cover_open": Value("cover_open", None, Quality.FAULT)}


def test_a_status_field_sets_the_quality_of_those_it_speaks_of(decoder: PayloadDecoder) -> None:
    found = say(decoder, angles={"x": 1}, battery=50, health="broken")
    assert found["angle_x"] == Value("angle_x", 1, Quality.FAULT)
    assert found["tilt"].quality == Quality.FAULT
    assert found["battery"].quality == Quality.NORMAL
    assert say(decoder, angles={"x": 1}, health="fine")["angle_x"].quality == Quality.NORMAL


def test_a_message_of_another_topic_is_not_ours(decoder: PayloadDecoder) -> None:
    assert decoder.decode(b'{"battery": 1}', "pumps/a1/up") is None
    assert decoder.decode(b'{"battery": 1}', "covers/a1/b/up") is None


@pytest.mark.parametrize("told", [None, "yesterday", "2026-11-22T08:00:00", 5, []])
def test_a_time_that_is_none_is_left_to_the_arrival(decoder: PayloadDecoder, told: object) -> None:
    message = decoder.decode(json.dumps({"at": told}).encode(), TOPIC)
    assert message is not None
    assert message.observed_ms is None


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (2 << 20)])
def test_what_is_no_json_is_refused(decoder: PayloadDecoder, payload: bytes) -> None:
    with pytest.raises(DecodeError):
        decoder.decode(payload, TOPIC)


def test_a_function_that_meets_what_it_cannot_take_is_no_value(build: Build) -> None:
    decoder = compile_payload_decoder(build("mqtt", ("path: battery", "path: max(battery)")))
    assert say(decoder, battery=[1, 5])["battery"] == Value("battery", 5)
    assert say(decoder, battery="x")["battery"] == Value("battery", None, Quality.FAULT)


def test_paths_find_what_is_there_and_nothing_else() -> None:
    document = parse(b'{"a": [{"b": 1}, {"b": 5}]}')
    assert find(jmespath.compile("max(a[].b)"), document) == 5
    assert find(jmespath.compile("a.b"), document) is None
    with pytest.raises(DecodeError):
        find(jmespath.compile("abs(a)"), document)


def test_a_parsed_document_decodes_the_same(decoder: PayloadDecoder) -> None:
    payload = b'{"battery": 5}'
    assert decoder.decode_json(parse(payload), TOPIC) == decoder.decode(payload, TOPIC)


def test_envelopes_bring_device_time_and_signal() -> None:
    decoder = compile_payload_decoder(load_profile("manhole/milesight-em310-tilt"))
    assert decoder.topics == ("application/+/device/+/event/up", "v3/+/devices/+/up")
    chirpstack = {
        "deviceInfo": {"devEui": "24E124713C123456"},
        "time": "2026-11-22T08:00:00Z",
        "object": {"battery": 90},
        "rxInfo": [{"rssi": -100, "snr": 1}, {"rssi": -90, "snr": -2}],
    }
    message = decoder.decode(json.dumps(chirpstack).encode())
    assert message is not None
    assert (message.device_address, message.observed_ms) == ("24e124713c123456", 1795334400000)
    assert message.values == (
        Value("battery", 90),
        Value("signal_rssi", -90),
        Value("signal_snr", 1),
    )


def test_an_uplink_without_a_decoded_object_has_no_values() -> None:
    decoder = compile_payload_decoder(load_profile("manhole/milesight-em310-tilt"))
    message = decoder.decode(b'{"deviceInfo": {"devEui": "24e124713c123456"}, "rxInfo": []}')
    assert message == Message("24e124713c123456", None, ())


def test_another_protocols_profile_is_refused(build: Build) -> None:
    with pytest.raises(ValueError, match="not a profile of an MQTT device"):
        compile_payload_decoder(build("modbus"))


@pytest.mark.parametrize(
    ("found", "number"), [(True, 1), (False, 0), (3, 3), ("-2.5", -2.5), (" 7 ", 7)]
)
def test_numbers_however_json_writes_them(found: bool | float | str, number: float) -> None:
    assert as_number(found) == number


@pytest.mark.parametrize(
    ("found", "text"), [("a", "a"), (True, "true"), (3, "3"), (None, None), ([], None), ({}, None)]
)
def test_scalars_as_json_writes_them(
    found: str | bool | int | list[str] | dict[str, str] | None, text: str | None
) -> None:
    parsed = parse(json.dumps(found).encode())
    assert as_text(parsed) == text


GENERIC = compile_payload_decoder(load_profile("manhole/generic-mqtt"))
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(angles=JSON, battery=JSON, state=JSON, at=JSON)
def test_no_json_breaks_a_decoder(
    angles: object, battery: object, state: object, at: object
) -> None:
    payload = {"tilt": angles, "battery": battery, "cover_open": state, "time": at}
    try:
        message = GENERIC.decode(json.dumps(payload).encode(), "devices/d/up")
    except DecodeError:
        return  # json.dumps writes NaN, which is no JSON
    assert message is not None
    for value in message.values:
        assert (value.value is None) == (value.quality != Quality.NORMAL)


HOSTILE_CHIRPSTACK: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "a number of 400 digits": ({"angle_x": 10**400}, {}),
    "a signal of 400 digits": ({}, {"rxInfo": [{"rssi": 10**400, "snr": 1}]}),
    "no rxInfo": ({}, {"rxInfo": None}),
    "text among the signals": ({}, {"rxInfo": [{"rssi": "x"}, {"rssi": 1}]}),
    "a time of 400 digits": ({}, {"time": 10**400}),
    "a digit group": ({"angle_x": "1_0"}, {}),
}


@pytest.mark.parametrize("name", HOSTILE_CHIRPSTACK)
def test_one_value_that_cannot_be_read_spoils_no_other(name: str) -> None:
    own, around = HOSTILE_CHIRPSTACK[name]
    message = {
        "deviceInfo": {"devEui": "24e124713c123456"},
        "object": {"angle_x": 1, "angle_y": 2, "angle_z": 80, "battery": 90, **own},
        "rxInfo": [{"rssi": -90, "snr": 5}],
        **around,
    }
    decoder = compile_payload_decoder(load_profile("manhole/milesight-em310-tilt"))
    read = decoder.decode(json.dumps(message).encode(), "application/1/device/x/event/up")
    assert read is not None
    values = {value.measurement: value for value in read.values}
    assert (values["angle_y"].value, values["battery"].value) == (2.0, 90.0)
    if own:
        assert (values["angle_x"].value, values["angle_x"].quality) == (None, Quality.FAULT)
