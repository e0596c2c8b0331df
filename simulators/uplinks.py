"""What an MQTT device publishes: its values where the profile's paths read them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from contract.clock import iso_utc
from contract.quantities import quantity_of
from contract.units import convert
from device_profiles.schema import Mqtt, PayloadMeasurement, Profile
from simulators.envelopes import Json, Radio, chirpstack, ttn

_STEP = re.compile(r'\.?(?:"([^"]+)"|([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\])')
_INNERMOST_ARGUMENT = re.compile(r"^[a-z_]+\((.*)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """One message as it goes to the broker.

    values: measurement -> the canonical value that the payload really says.
    """

    topic: str
    payload: bytes
    sampled_ms: int
    values: Mapping[str, float]


def uplink(
    profile: Profile,
    *,
    address: str,
    name: str,
    values: Mapping[str, float],
    sampled_ms: int,
    count: int,
) -> Uplink:
    """Wrap a device's values as its profile's first envelope has them.

    Args:    address: the device's id as the network knows it (DevEUI in hex). count: frame counter.
    Raises:  ValueError if the profile is none of MQTT, or a path of it cannot be written to.
    """
    mqtt = profile.mqtt
    if mqtt is None:
        raise ValueError(f"{profile.name} is no MQTT profile")
    body: dict[str, Json] = {}
    held: dict[str, float] = {}
    for key, value in values.items():
        if key in mqtt.measurements:
            told, held[key] = _told(key, mqtt.measurements[key], value)
            put(body, mqtt.measurements[key].path, told)
    for status in mqtt.status:
        usual = next((text for text, quality in status.values.items() if quality == "normal"), None)
        if usual is not None:
            put(body, status.path, usual)
    radio = Radio(
        rssi_dbm=round(values.get("signal_rssi", -88.0)),
        snr_db=round(values.get("signal_snr", 8.0), 1),
    )
    if mqtt.envelopes[0] != "none":
        held |= {"signal_rssi": radio.rssi_dbm, "signal_snr": radio.snr_db}
    if mqtt.envelopes[0] == "chirpstack-v4":
        topic, message = chirpstack(body, address, name, sampled_ms, count, radio)
    elif mqtt.envelopes[0] == "ttn-v3":
        topic, message = ttn(body, address, sampled_ms, count, radio)
    else:
        topic = mqtt.topic.replace("{device}", address).replace("+", "sim").replace("#", "sim")
        message = _bare(mqtt, body, address, sampled_ms)
    return Uplink(
        topic=topic, payload=msgspec.json.encode(message), sampled_ms=sampled_ms, values=held
    )


def put(body: dict[str, Json], path: str, value: Json) -> None:
    """Write a value where a JMESPath of plain steps (a.b, "c d", e[0]) reads it.

    Raises: ValueError if the path is more than plain steps, in functions of one argument or not.
    """
    while match := _INNERMOST_ARGUMENT.match(path):
        path = match[1]
    steps = _steps(path)
    place: Json = body
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        default: Json = value if after is None else ([] if isinstance(after, int) else {})
        if isinstance(place, dict) and isinstance(step, str):
            place = place.setdefault(step, default)
        elif isinstance(place, list) and isinstance(step, int):
            place.extend([None] * (step + 1 - len(place)))
            if place[step] is None:
                place[step] = default
            place = place[step]
        else:
            what = f"{path!r} runs into a value that another path has put there"
            raise ValueError(what)  # noqa: TRY004  the profile is wrong, not a type


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise ValueError(f"the path {path!r} is more than plain steps: it cannot be simulated")
        quoted, plain, index = match.groups()
        steps.append(int(index) if index is not None else quoted or plain)
        at = match.end()
    return steps


def _told(key: str, measurement: PayloadMeasurement, value: float) -> tuple[Json, float]:
    """Return what the payload says for a canonical value, and the canonical value of that."""
    canonical = quantity_of(key).unit
    number = (convert(value, canonical, measurement.unit) - measurement.offset) / measurement.scale
    told: Json
    if measurement.enum is not None:
        enum = measurement.enum
        told = min(enum, key=lambda text: abs(enum[text] - number))
        number = enum[told]
    else:
        number = round(number, 2)
        told = int(number) if number.is_integer() else number
    held = convert(number * measurement.scale + measurement.offset, measurement.unit, canonical)
    return told, held


def _bare(mqtt: Mqtt, body: dict[str, Json], address: str, sampled_ms: int) -> dict[str, Json]:
    message: dict[str, Json] = {}
    if mqtt.root:
        put(message, mqtt.root, body)
    else:
        message = body
    if mqtt.device:
        put(message, mqtt.device, address)
    if mqtt.time:
        put(message, mqtt.time, _time(mqtt.time_format, sampled_ms))
    return message


def _time(form: str, at_ms: int) -> Json:
    match form:
        case "unix_s":
            return at_ms // 1000
        case "unix_ms":
            return at_ms
        case "china":
            return iso_utc(at_ms + 8 * 3_600_000)[:19].replace("T", " ")
        case _:
            return iso_utc(at_ms)
