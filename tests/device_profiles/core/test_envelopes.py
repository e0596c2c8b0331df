"""What network servers wrap around a payload."""

from __future__ import annotations

from typing import get_args

from device_profiles.core.envelopes import ENVELOPES, envelopes_of
from device_profiles.schema import SIGNALS, EnvelopeName, Mqtt, PayloadMeasurement

PART = {"battery": PayloadMeasurement(path="b", unit="%")}


def test_every_name_has_an_envelope_and_every_envelope_the_signals() -> None:
    assert {*ENVELOPES, "none"} == set(get_args(EnvelopeName))
    for envelope in ENVELOPES.values():
        assert tuple(envelope.signals) == SIGNALS
        assert "{device}" in envelope.topic


def test_a_profile_may_be_its_own_envelope() -> None:
    mqtt = Mqtt(
        envelopes=("ttn-v3", "none"), topic="a/{device}", time="t", root="r", measurements=PART
    )
    ttn, own = envelopes_of(mqtt)
    assert ttn == ENVELOPES["ttn-v3"]
    assert (own.topic, own.time, own.root, own.signals) == ("a/{device}", "t", "r", {})
