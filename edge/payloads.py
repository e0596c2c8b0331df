"""Messages of devices that speak for themselves: whose they are, and what they say."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from device_profiles.core.payload import PayloadDecoder, compile_payload_decoder, parse
from device_profiles.core.values import Value
from edge.core.normalise import observed
from edge.devices import Device
from edge.ports import Message

REMEMBERED = 10_000  # messages with a time of their own, of all devices


class PayloadReader:
    """Knows the devices of all buses by their address."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._seen: OrderedDict[tuple[str, int, bytes], None] = OrderedDict()
        self._buses: dict[str, list[_Model]] = {}
        self.know(devices)

    def know(self, devices: Iterable[Device]) -> None:
        """Know these devices from now on; what has come before is still remembered."""
        self._buses = defaultdict(list)
        groups: dict[tuple[str, str], list[Device]] = defaultdict(list)
        for device in devices:
            if device.profile.mqtt is not None:
                groups[device.bus, device.profile.name].append(device)
        for (bus, _), members in groups.items():
            self._buses[bus].append(_Model(members))

    def read(self, message: Message) -> tuple[Device, int, Sequence[Value]] | None:
        """Return the device, its time (UTC ms) and its values; None if the sender is not ours.

        There are no values in what is no measurement, or has come before.
        Raises: DecodeError if the payload cannot be understood.
        """
        document = parse(message.payload)
        for model in self._buses.get(message.bus, ()):
            said = model.decoder.decode_json(document, message.topic, model.installed)
            device = model.devices.get(said.device_address) if said else None
            if said is None or device is None:
                continue
            if said.observed_ms is not None and self._is_repeat(
                (device.id, said.observed_ms, sha256(message.payload).digest())
            ):
                return device, said.observed_ms, ()  # QoS 1 delivers at least once
            return device, observed(said.observed_ms, message.arrived_ms), said.values
        return None

    def _is_repeat(self, told: tuple[str, int, bytes]) -> bool:
        """Whether this has come before, as far back as is remembered."""
        if told in self._seen:
            return True
        self._seen[told] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return False


class _Model:
    """The devices of one profile on one bus."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.decoder: PayloadDecoder = compile_payload_decoder(devices[0].profile)
        self.devices: Mapping[str, Device] = {device.address: device for device in devices}
        self.installed = {device.address: device.installed for device in devices}
