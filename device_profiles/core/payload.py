"""JSON payloads into values, by JMESPath.

    decoder = compile_payload_decoder(profile)
    subscribe(decoder.topics)
    message = decoder.decode(payload, topic, installed)       # None: not a message of this profile

Ids are given and expected in small letters: ChirpStack writes a DevEUI small, TTN capital.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeAlias

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from contract.errors import DecodeError
from contract.quality import Quality
from device_profiles.core.derive import derive
from device_profiles.core.envelopes import Envelope, envelopes_of
from device_profiles.core.scaling import Finish, finish, no_value, sentinels_of
from device_profiles.core.status import flag, payload_quality
from device_profiles.core.times import read_time
from device_profiles.core.values import Message, Value
from device_profiles.schema import PayloadMeasurement, Profile

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | int | bool | None"

MAX_PAYLOAD_BYTES = 1 << 20
NOTHING_INSTALLED: Mapping[str, Mapping[str, float]] = {}


def compile_payload_decoder(profile: Profile) -> PayloadDecoder:
    """Prepare the decoding of messages of one model of device.

    Raises: ValueError if the profile is not one of MQTT.
    """
    return PayloadDecoder(profile)


def parse(payload: bytes) -> Json:
    """Read a payload as JSON.

    Raises: DecodeError if it is none, too large, or nested too deeply.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise DecodeError(f"{len(payload)} bytes; the most allowed is {MAX_PAYLOAD_BYTES}")
    try:
        document: Json = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}") from error
    return document


class PayloadDecoder:
    """Turns messages of one model of device into values; see the module's docstring."""

    def __init__(self, profile: Profile) -> None:
        if profile.mqtt is None:
            raise ValueError(f"{profile.name} is not a profile of an MQTT device")
        self._wraps = [_Wrap(envelope) for envelope in envelopes_of(profile.mqtt)]
        self._fields = [_Field(name, part) for name, part in profile.mqtt.measurements.items()]
        self._status = [
            (rule, jmespath.compile(rule.path), frozenset(rule.measurements or profile.measured()))
            for rule in profile.mqtt.status
        ]
        self._derived = profile.derived

    @property
    def topics(self) -> tuple[str, ...]:
        """The MQTT filters to subscribe to."""
        return tuple(wrap.filter for wrap in self._wraps)

    def decode(
        self,
        payload: bytes,
        topic: str = "",
        installed: Mapping[str, Mapping[str, float]] = NOTHING_INSTALLED,
    ) -> Message | None:
        """Read one message.

        Args:    installed: device address -> measurement -> canonical value at installation.
        Returns: None if the message fits none of the profile's envelopes. Its values may be empty:
                 devices also report what is no measurement.
        Raises:  DecodeError if the payload is no JSON, or its address cannot be looked for.
        """
        return self.decode_json(parse(payload), topic, installed)

    def decode_json(
        self,
        document: Json,
        topic: str = "",
        installed: Mapping[str, Mapping[str, float]] = NOTHING_INSTALLED,
    ) -> Message | None:
        """Read one message that has been parsed already; see decode."""
        for wrap in self._wraps:
            address = wrap.address(document, topic)
            if address:
                values = self._values(wrap, document)
                values += derive(self._derived, values, installed.get(address, {}))
                return Message(address, wrap.observed_ms(document), tuple(values))
        return None

    def _values(self, wrap: _Wrap, document: Json) -> list[Value]:
        own = wrap.own(document)
        values = [value for field in self._fields if (value := field(own)) is not None]
        for rule, path, measurements in self._status:
            if quality := payload_quality(rule, as_text(_sought(path, own))):
                values = flag(values, quality, measurements)
        have = {value.measurement for value in values}
        return values + [
            value
            for signal in wrap.signals
            if signal.name not in have
            and _sought(signal.path, document) is not None
            and (value := signal(document)) is not None
        ]


class _Field:
    """One measurement, or one signal of an envelope, and where it is."""

    def __init__(self, name: str, part: PayloadMeasurement) -> None:
        self.name = name
        self.path = jmespath.compile(part.path)
        self._enum = part.enum
        self._finish: Finish = finish(name, part, None, sentinels_of(part))

    def __call__(self, own: Json) -> Value | None:
        """Return the value, None if it is not there; what cannot be read spoils no other."""
        try:
            found = find(self.path, own)
        except DecodeError:
            return no_value(self.name, Quality.FAULT)
        if found is None:
            return None
        if self._enum is None:
            return self._finish(as_number(found))
        number = self._enum.get(as_text(found) or "")
        return no_value(self.name, Quality.FAULT) if number is None else self._finish(number)


class _Wrap:
    """One envelope, compiled."""

    def __init__(self, envelope: Envelope) -> None:
        self.filter = envelope.topic.replace("{device}", "+")
        self._topic = _topic_pattern(envelope.topic)
        self._device = jmespath.compile(envelope.device) if envelope.device else None
        self._time = jmespath.compile(envelope.time) if envelope.time else None
        self._time_format = envelope.time_format
        self._root = jmespath.compile(envelope.root) if envelope.root else None
        self.signals = [
            _Field(name, PayloadMeasurement(path=path)) for name, path in envelope.signals.items()
        ]

    def address(self, document: Json, topic: str) -> str | None:
        """Return the device's id, from the payload where it is told there, else from the topic."""
        if self._device is not None:
            told = find(self._device, document)
            return told.lower() if isinstance(told, str) else None
        match = self._topic.fullmatch(topic)
        return match["device"].lower() if match else None

    def observed_ms(self, document: Json) -> int | None:
        """Return the device's own time, None if it tells none."""
        if self._time is None:
            return None
        return read_time(find(self._time, document), self._time_format)

    def own(self, document: Json) -> Json:
        """Return the device's own object."""
        return document if self._root is None else find(self._root, document)


def _topic_pattern(topic: str) -> re.Pattern[str]:
    """Return what a topic must look like, with the group `device`."""
    levels = [
        {"{device}": "(?P<device>[^/]+)", "+": "[^/]+", "#": ".*"}.get(level, re.escape(level))
        for level in topic.split("/")
    ]
    return re.compile("/".join(levels))


def find(path: ParsedResult, document: Json) -> Json:
    """Search a document.

    Raises: DecodeError if a function in the path meets what it cannot take.
    """
    try:
        found: Json = path.search(document)
    except JMESPathError as error:
        raise DecodeError(f"JMESPath {path.expression}: {error}") from error
    return found


def _sought(path: ParsedResult, document: Json) -> Json:
    """Search for what is beside the measurements: a path that breaks finds nothing."""
    try:
        return find(path, document)
    except DecodeError:
        return None


def as_number(found: Json) -> float:
    """Return a number; true is 1; text is read; NaN for what is none."""
    try:
        if isinstance(found, bool | int | float):
            return float(found)
        return float(found) if isinstance(found, str) and "_" not in found else math.nan
    except (ValueError, OverflowError):
        return math.nan


def as_text(found: Json) -> str | None:
    """Return a scalar as JSON writes it, text without quotes; None for what is no scalar."""
    if found is None or isinstance(found, list | dict):
        return None
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()
