"""Plain SenML of devices that speak for themselves: whose it is, and which records are wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from contract.codec import Rejected, decode_senml
from contract.readings import Reading
from contract.strict_yaml import suggest
from device_profiles.core.values import Value
from edge.core.heard import key_of
from edge.core.normalise import observed
from edge.devices import Device
from edge.ports import Message, Said

OWN_TOPIC = re.compile(r"dev/v1/([^/]+)/senml")  # design.md §3: where a device speaks for itself


class Unpacked(msgspec.Struct, frozen=True):
    """What a pack says. unknown: names in it that are nobody's here."""

    said: tuple[Said, ...]
    rejected: tuple[Rejected, ...]
    unknown: frozenset[str]


class PackReader:
    """Knows the devices of one bus by the name that they have in SenML: their address."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices: Mapping[str, Device] = {device.address: device for device in devices}

    def read(self, message: Message) -> Unpacked:
        """Take a pack apart.

        Raises: DecodeError if it is no SenML at all.
        """
        readings, rejected = decode_senml(message.payload, message.arrived_ms)
        topic = OWN_TOPIC.fullmatch(message.topic)
        speaker = topic[1].lower() if topic else None
        good: dict[str, list[Reading]] = defaultdict(list)
        unknown: set[str] = set()
        for reading in readings:
            name = f"{reading.device}:{reading.measurement}"
            device = self._devices.get(reading.device)
            if device is None:
                unknown.add(reading.device)
            elif speaker not in (None, reading.device):
                rejected.append(Rejected(-1, name, f"{speaker} may not speak for others"))
            elif reading.measurement not in device.measurements:
                why = f"{device.profile.name} has none; "
                why += suggest(reading.measurement, device.measurements)
                rejected.append(Rejected(-1, name, why))
            else:
                good[reading.device].append(reading)
        said = [one for name, own in good.items() for one in self._said(name, own, message)]
        return Unpacked(tuple(said), tuple(rejected), frozenset(unknown))

    def _said(self, name: str, readings: list[Reading], message: Message) -> list[Said]:
        """Put together what is of one moment."""
        moments: dict[int, list[Value]] = defaultdict(list)
        for reading in readings:
            value = Value(reading.measurement, reading.value, reading.quality)
            moments[reading.observed_ms].append(value)
        device = self._devices[name].id
        return [
            _said(device, at_ms, tuple(values), message, index)
            for index, (at_ms, values) in enumerate(moments.items())
        ]


def _said(
    device: str, told_ms: int, values: tuple[Value, ...], message: Message, index: int
) -> Said:
    """QoS 1 delivers at least once. A time that is ours makes the first key one of its own."""
    keys = [key_of("own", device, told_ms, repr(values))]
    repeats = tuple(keys)
    if message.number:
        words = (device, index, message.number, message.topic, message.payload)
        keys.append(key_of("sent", *words))
        repeats = tuple(keys) if message.again else repeats
    at_ms = observed(told_ms, message.arrived_ms)
    return Said(device, at_ms, values, repeats, tuple(keys))
