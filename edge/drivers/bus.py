"""What a driver's file gives: the keys of its buses in the configuration, and a way to open one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from contract.clock import Clock
from device_profiles.schema import Profile
from edge.core.plan import LineCost
from edge.core.schedule import Backoff
from edge.devices import Device
from edge.drivers.dial_in_port import DialInPorts
from edge.health import Health
from edge.options import DeviceOptions, Id, Section
from edge.ports import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the agent lends to its buses.

    visiting: a technician looks on, perhaps beside the agent: leave no session behind.
    dial_in_ports: which several buses may share.
    """

    gateway: str
    clock: Clock
    health: Health
    probing: Backoff
    reconnecting: Backoff
    visiting: bool = False
    dial_in_ports: DialInPorts = field(default_factory=DialInPorts)


class Bus(Section):
    """One bus in the configuration. protocol: which block of a profile its devices must have.

    shared: whether a second reader may be on it beside the agent, and neither notices the other.
    """

    id: Id
    driver: str
    protocol: ClassVar[Literal["modbus", "mqtt", "hj212"]]
    shared: ClassVar[bool] = False

    def cost(self) -> LineCost | None:
        """Return what requests cost on this bus; None if it is not polled."""
        return None

    def settled(self, members: Sequence[tuple[str, Profile]]) -> Self:  # noqa: ARG002
        """Return the bus with what its file leaves to its devices (id, profile) filled in.

        Raises: ConfigError if they do not agree.
        """
        return self

    def clashes(self, others: Sequence[Bus]) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        """Yield (key, what is wrong) of this bus beside those before it in the file."""
        yield from ()

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield (key, what is wrong) with this machine just now; it may be put right later."""
        yield from ()

    def device_problems(self, options: DeviceOptions, _: Profile) -> Iterator[tuple[str, str]]:
        """Yield (key, what is wrong) of a device's record, as this driver needs it."""
        for key in ("password", "password_file", "units"):
            if getattr(options, key):
                yield key, f"devices on {self.driver} have none"

    @abstractmethod
    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the source that reads these devices; connects only when it runs."""


class ModbusBus(Bus):
    """A polled bus. overload: what to do when its polls take more than all of its time."""

    protocol: ClassVar[Literal["modbus"]] = "modbus"
    overload: Literal["refuse", "stretch"] = "refuse"
