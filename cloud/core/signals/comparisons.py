"""Who is compared with whom: the devices of an engine that differences are to, and of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cloud.core.checks import Difference
from cloud.core.model import Device
from cloud.core.rules import Rule, fits


def is_reference(check: Difference, device: Device) -> bool:
    """Whether a difference is to this device, its own apart."""
    if check.to_device:
        return device.id == check.to_device
    return bool(check.to_group) and all(
        fits(device.tags.get(tag, ""), values) for tag, values in check.to_group.items()
    )


class Comparisons:
    """By rule: its references, in the order in which they came, and the devices compared with them.

    So a new device costs what it is compared with, and not a look at all others.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._checks = {
            place: rule.check
            for place, rule in enumerate(rules)
            if isinstance(rule.check, Difference)
        }
        self._references: dict[int, dict[str, None]] = {place: {} for place in self._checks}
        self._compared: dict[int, dict[str, Device]] = {place: {} for place in self._checks}

    def concerned(self, devices: Mapping[str, Device]) -> dict[str, Device]:
        """Take devices that are new or have changed; return them and who is compared with them."""
        found = dict(devices)
        for place, check in self._checks.items():
            references, compared = self._references[place], self._compared[place]
            touched = False
            for device in devices.values():
                compared.pop(device.id, None)
                was = device.id in references
                if is_reference(check, device):
                    references[device.id] = None
                elif was:
                    del references[device.id]
                touched |= was or device.id in references
            if touched:
                found = compared | found
        return found

    def note(self, place: int, device: Device) -> None:
        """Take it that a rule watches a device."""
        if place in self._compared:
            self._compared[place][device.id] = device

    def references(self, place: int) -> Iterable[str]:
        """Return the devices that a rule's differences are to."""
        return self._references.get(place, ())

    def compared_with(self, device: str) -> set[str]:
        """Return the devices whose differences are to this one."""
        return self._opposite(self._references, self._compared, device)

    def references_of(self, device: str) -> set[str]:
        """Return the devices that this one's differences are to."""
        return self._opposite(self._compared, self._references, device)

    def _opposite(
        self,
        these: Mapping[int, Mapping[str, object]],
        others: Mapping[int, Mapping[str, object]],
        device: str,
    ) -> set[str]:
        places = [place for place in self._checks if device in these[place]]
        return {other for place in places for other in others[place]} - {device}
