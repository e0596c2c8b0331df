"""Where the measurements of messages came from."""

from __future__ import annotations

from device_profiles.core.hj212 import parse_frame
from device_profiles.core.payload import parse
from device_profiles.loader import load_profile
from edge.core.trace_messages import as_finite, payload_origins, report_origins

# HJ 212-2017 Annex C, as domain knowledge has it: LA-Rtd=50.1.
NOISE = (
    b"##0122QN=20160801085857223;ST=23;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&DataTime=20160801085857;LA-Rtd=50.1&&0880"
)


def test_a_payload_in_either_envelope() -> None:
    profile = load_profile("manhole/milesight-em310-tilt")
    assert profile.mqtt is not None
    chirpstack, ttn = (parse(vector.frame.encode()) for vector in profile.vectors[:2])
    first = payload_origins(profile.mqtt, chirpstack)
    assert (first["angle_z"].place, first["angle_z"].came) == ("object.angle_z", "90")
    assert first["signal_rssi"].came == "-88"
    assert "battery" not in first  # the message does not have it
    second = payload_origins(profile.mqtt, ttn)
    assert second["angle_y"].place == "uplink_message.decoded_payload.angle_y"
    assert second["angle_y"].raw == 55


def test_text_that_is_no_number_is_shown_and_has_none() -> None:
    profile = load_profile("manhole/milesight-em310-tilt")
    assert profile.mqtt is not None
    said = payload_origins(profile.mqtt, {"object": {"angle_x": "tilted"}})["angle_x"]
    assert (said.came, said.raw) == ("tilted", None)
    assert payload_origins(profile.mqtt, {"other": 1}) == {}
    assert payload_origins(profile.mqtt, [1, 2]) == {}


def test_a_report() -> None:
    profile = load_profile("noise/hj212-noise-station")
    assert profile.hj212 is not None
    origin = report_origins(profile.hj212, parse_frame(NOISE), {})["noise_la"]
    assert (origin.came, origin.raw, origin.sent) == ("50.1", 50.1, "dB(A)")


def test_numbers() -> None:
    assert as_finite("50.1") == 50.1
    assert as_finite("-") is None
    assert as_finite("inf") is None
