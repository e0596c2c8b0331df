"""What buses with a serial line in them have in common: its settings, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Self

from pydantic import Field

from contract.errors import ConfigError
from device_profiles.schema import Profile
from edge.core.plan import TURNAROUND_S, LineCost, serial_cost
from edge.devices import Device
from edge.drivers.bus import ModbusBus

USUAL_BAUD = 9600  # Modbus over Serial Line v1.02 §3.2 wants 19200; what is sold has this


class SerialSideBus(ModbusBus):
    """A serial line somewhere on the way.

    baud: by default the profiles' own, if all agree. turnaround_s: what devices think before they
    answer; for the budget of the bus's time.
    """

    agreed: ClassVar[tuple[str, ...]] = ("baud",)
    baud: Annotated[int, Field(ge=300, le=1_000_000)] | None = None
    turnaround_s: Annotated[float, Field(ge=0, le=10)] = TURNAROUND_S

    def cost(self) -> LineCost:
        """Return what a request costs on the serial line."""
        return serial_cost(self.baud or USUAL_BAUD, self.turnaround_s)

    def settled(self, members: Sequence[tuple[str, Profile]]) -> Self:
        """Take what is not given from the devices' profiles.

        Raises: ConfigError if they do not agree.
        """
        missing = [key for key in self.agreed if getattr(self, key) is None]
        problems = [_differing(key, members) for key in missing if len(_said(key, members)) > 1]
        if problems:
            raise ConfigError(*problems)
        found = {key: next(iter(_said(key, members)), None) for key in missing}
        return self.model_copy(update=found)


def kept_open(devices: Sequence[Device]) -> list[Device]:
    """Return devices that never want a connection closed: theirs is the whole line's."""
    return [
        replace(each, poll=replace(each.poll, close_after=False)) if each.poll else each
        for each in devices
    ]


def _said(key: str, members: Sequence[tuple[str, Profile]]) -> dict[object, str]:
    """Return each setting of a serial line that profiles say, with the first who says it."""
    said: dict[object, str] = {}
    for device, profile in members:
        if profile.modbus is not None:
            said.setdefault(getattr(profile.modbus.serial, key), f"{device} ({profile.name})")
    return said


def _differing(key: str, members: Sequence[tuple[str, Profile]]) -> str:
    said = ", ".join(f"{value} for {who}" for value, who in _said(key, members).items())
    return (
        f"{key} is missing, and the profiles differ: {said};"
        f" set all devices of the line to the same, and say {key} here"
    )
