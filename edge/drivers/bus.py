"""What a driver's file gives: the keys of its buses in the configuration, and a way to open one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from contract.clock import Clock
from edge.core.plan import LineCost
from edge.core.schedule import Backoff
from edge.devices import Device
from edge.health import Health
from edge.options import Id, Section
from edge.ports import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the agent lends to its buses."""

    gateway: str
    clock: Clock
    health: Health
    probing: Backoff
    reconnecting: Backoff


class Bus(Section):
    """One bus in the configuration. protocol: which block of a profile its devices must have."""

    id: Id
    driver: str
    protocol: ClassVar[Literal["modbus", "mqtt", "hj212"]]

    def cost(self) -> LineCost | None:
        """Return what requests cost on this bus; None if it is not polled."""
        return None

    @abstractmethod
    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the source that reads these devices; connects only when it runs."""
