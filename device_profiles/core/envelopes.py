"""How network servers wrap what a device says. A new one is one entry here and in the schema."""

from __future__ import annotations

import msgspec

from device_profiles.schema import EnvelopeName, Mqtt, TimeFormat


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are in a message; all but `topic` are JMESPath from the whole payload.

    topic: MQTT filter, `{device}` where the id stands. root: the device's own object.
    signals: measurement -> path, for what the network server knows about the radio link.
    """

    topic: str
    device: str = ""
    time: str = ""
    time_format: TimeFormat = "iso8601"
    root: str = ""
    signals: dict[str, str] = {}


# Source: ChirpStack v4 documentation, "MQTT integration" and "Event types: up";
# The Things Stack v3 documentation, "MQTT server" and "Data formats: uplink message".
ENVELOPES: dict[EnvelopeName, Envelope] = {
    "chirpstack-v4": Envelope(
        topic="application/+/device/{device}/event/up",
        device="deviceInfo.devEui",
        time="time",
        root="object",
        signals={"signal_rssi": "max(rxInfo[].rssi)", "signal_snr": "max(rxInfo[].snr)"},
    ),
    "ttn-v3": Envelope(
        topic="v3/+/devices/{device}/up",
        device="end_device_ids.dev_eui",
        time="received_at",
        root="uplink_message.decoded_payload",
        signals={
            "signal_rssi": "max(uplink_message.rx_metadata[].rssi)",
            "signal_snr": "max(uplink_message.rx_metadata[].snr)",
        },
    ),
}


def envelopes_of(mqtt: Mqtt) -> list[Envelope]:
    """Return the envelopes that a profile's messages may come in."""
    own = Envelope(
        topic=mqtt.topic,
        device=mqtt.device,
        time=mqtt.time,
        time_format=mqtt.time_format,
        root=mqtt.root,
    )
    return [ENVELOPES.get(name, own) for name in mqtt.envelopes]
