"""What the four commands share: finding bus and device, and being on a bus beside the agent."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from contract.clock import Clock, SystemClock
from contract.errors import ConfigError, TransportError
from contract.strict_yaml import suggest
from device_profiles.schema import Serial
from edge import lock
from edge.cabinet.progress import Progress
from edge.checks import BusPlan
from edge.config import EdgeConfig, load
from edge.core.advice import Site, Wire
from edge.core.schedule import Backoff
from edge.devices import Device
from edge.drivers.bus import Bus, Surroundings
from edge.drivers.modbus_dial_in import ModbusDialInBus
from edge.drivers.modbus_rtu import ModbusRtuBus
from edge.drivers.serial_side import USUAL_BAUD, SerialSideBus
from edge.health import DeviceHealth, Health
from edge.polling import PolledBus
from edge.ports import Line

T = TypeVar("T")

CALLER_S = 90.0  # DTUs dial again after a minute or so
INTERRUPTED = 130  # as shells say that Ctrl-C ended a command


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A technician with a configuration. agent: process id of the agent that runs on it, if any."""

    config: EdgeConfig
    agent: str | None
    clock: Clock

    def device(self, name: str) -> tuple[BusPlan, Device]:
        """Return a device and its bus. Raises: ConfigError naming the nearest right id."""
        for plan in self.config.buses:
            for device in plan.devices:
                if device.id == name:
                    return plan, device
        known = [device.id for device in self.config.devices]
        raise ConfigError(f"{self.config.path}: no device {name!r}; {_nearest(name, known)}")

    def modbus(self, name: str) -> BusPlan:
        """Return a Modbus bus. Raises: ConfigError naming the nearest right id."""
        plans = {plan.bus.id: plan for plan in self.config.buses}
        if name not in plans:
            raise ConfigError(f"{self.config.path}: no bus {name!r}; {_nearest(name, [*plans])}")
        if plans[name].bus.protocol != "modbus":
            driver = plans[name].bus.driver
            raise ConfigError(
                f"{self.config.path}: bus {name} is {driver}: its devices speak for themselves;"
                f" gridwarden edge watch {self.config.path} shows what they say"
            )
        return plans[name]

    def may_use(self, bus: Bus, *, anyway: bool) -> bool:
        """Whether a bus may be used now: by the agent alone, if it runs and cannot share."""
        return self.agent is None or bus.shared or anyway

    def must_be_free(self, bus: Bus, *, anyway: bool) -> None:
        """Raises: ConfigError if the agent has a bus for itself."""
        if not self.may_use(bus, anyway=anyway):
            raise ConfigError(
                f"{self.config.path}: bus {bus.id} ({bus.driver}) is in use by the agent (process"
                f" {self.agent}), and two masters on one line would take each other's answers;"
                " stop the agent first"
            )

    def remark(self, bus: Bus) -> str:
        """Say that the agent is on the same bus; nothing if it is not."""
        if self.agent is None:
            return ""
        beside = "both are served" if bus.shared else "answers may collide"
        return f"the agent (process {self.agent}) reads bus {bus.id} as well: {beside}"

    def site(self, bus: Bus, unit_id: int, maker: Serial | None) -> Site:
        """Return where a device is, for advice."""
        return Site(
            config=str(self.config.path),
            bus=bus.id,
            unit_id=unit_id,
            baud=baud_of(bus),
            wire=wire_of(bus),
            maker=maker,
        )

    def surroundings(self, devices: Sequence[Device]) -> Surroundings:
        """Return what a bus needs, for these devices, leaving nothing behind."""
        config = self.config
        return Surroundings(
            gateway=config.gateway,
            clock=self.clock,
            health=Health(self.clock, {device.id: DeviceHealth() for device in devices}),
            probing=Backoff(
                first_s=config.polling.probe_first_s, most_s=config.polling.probe_most_s
            ),
            reconnecting=Backoff(
                first_s=config.uplink.reconnect_first_s, most_s=config.uplink.reconnect_most_s
            ),
            visiting=True,
        )

    def polled(self, bus: Bus) -> PolledBus:
        """Open a Modbus bus without devices, for its line. Raises: ConfigError if it has none."""
        source = bus.open((), self.surroundings(()))
        if not isinstance(source, PolledBus):
            raise ConfigError(f"bus {bus.id}: {bus.driver} has no line of its own to ask on")
        return source


def visit(path: Path) -> Visit:
    """Load a configuration, quietly. Raises: ConfigError with every problem of it."""
    config = load(path)
    # What goes wrong is the commands' own to tell.
    logging.basicConfig(level=logging.CRITICAL)
    return Visit(config=config, agent=lock.holder(config.buffer.path), clock=SystemClock())


def baud_of(bus: Bus) -> int | None:
    """Return a bus' baud rate, if it has one."""
    return (bus.baud or USUAL_BAUD) if isinstance(bus, SerialSideBus) else None


def wire_of(bus: Bus) -> Wire:
    """Return how a bus is reached."""
    if isinstance(bus, ModbusRtuBus):
        return Wire.SERIAL
    return Wire.DIALS_IN if isinstance(bus, ModbusDialInBus) else Wire.NETWORK


async def wait_for_caller(bus: Bus, line: Line, clock: Clock, progress: Progress) -> None:
    """Give a DTU time to dial in; other lines are not waited for."""
    if wire_of(bus) is not Wire.DIALS_IN:
        return
    until_s = clock.monotonic_s() + CALLER_S
    while (left_s := until_s - clock.monotonic_s()) > 0:
        progress.show(f"waiting until the DTU of bus {bus.id} dials in, {left_s:.0f} s left …")
        try:
            async with asyncio.timeout(left_s):
                await line.open()
        except (TransportError, TimeoutError):
            continue
        return


def run_until_told(work: Callable[[asyncio.Event], Coroutine[None, None, T]]) -> T:
    """Run to the end; Ctrl-C and SIGTERM set the event, and the work ends soon."""

    async def run() -> T:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told.set)
        return await work(told)

    return asyncio.run(run())


async def unless_told(told: asyncio.Event, work: Coroutine[None, None, T]) -> T | None:
    """Do the work; when told to end, cancel it and return None."""
    working, telling = asyncio.ensure_future(work), asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait((working, telling), return_when=asyncio.FIRST_COMPLETED)
    finally:
        telling.cancel()
        working.cancel()
        await asyncio.wait((working,))
    return None if working.cancelled() else working.result()


def _nearest(name: str, known: Sequence[str]) -> str:
    return suggest(name, known) if known else "there is none"
