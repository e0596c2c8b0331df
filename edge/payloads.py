"""Messages of devices that speak for themselves: whose they are, and what they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from device_profiles.core.payload import PayloadDecoder, compile_payload_decoder, parse
from device_profiles.core.values import Value
from edge.core.heard import key_of
from edge.core.normalise import observed
from edge.devices import Device
from edge.ports import Message


class Payload(NamedTuple):
    """What a message says: whose it is, its time (UTC ms) and its values.

    key: tells it from all others if it has its own time, else from those that its broker numbered
    otherwise; empty if neither is there to tell by.
    """

    device: Device
    observed_ms: int
    values: Sequence[Value]
    own_time: bool
    key: bytes


class PayloadReader:
    """Knows the devices of all buses by their address."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._buses: dict[str, list[_Model]] = {}
        self.know(devices)

    def know(self, devices: Iterable[Device]) -> None:
        """Know these devices from now on."""
        self._buses = defaultdict(list)
        groups: dict[tuple[str, str], list[Device]] = defaultdict(list)
        for device in devices:
            if device.profile.mqtt is not None:
                groups[device.bus, device.profile.name].append(device)
        for (bus, _), members in groups.items():
            self._buses[bus].append(_Model(members))

    def read(self, message: Message) -> Payload | None:
        """Return what it says; None if the sender is not ours.

        There are no values in what is no measurement.
        Raises: DecodeError if the payload cannot be understood.
        """
        document = parse(message.payload)
        for model in self._buses.get(message.bus, ()):
            said = model.decoder.decode_json(document, message.topic, model.installed)
            device = model.devices.get(said.device_address) if said else None
            if said is None or device is None:
                continue
            return Payload(
                device,
                observed(said.observed_ms, message.arrived_ms),
                said.values,
                said.observed_ms is not None,
                _key(device, said.observed_ms, message),
            )
        return None


def _key(device: Device, own_ms: int | None, message: Message) -> bytes:
    """QoS 1 delivers at least once."""
    if own_ms is not None:
        return key_of("own", device.id, own_ms, message.payload)
    if not message.number:
        return b""
    return key_of("sent", device.id, message.number, message.topic, message.payload)


class _Model:
    """The devices of one profile on one bus."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.decoder: PayloadDecoder = compile_payload_decoder(devices[0].profile)
        self.devices: Mapping[str, Device] = {device.address: device for device in devices}
        self.installed = {device.address: device.installed for device in devices}
