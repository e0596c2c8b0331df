"""How the agent fares: what `state` tells the cloud, and what `problems` tells a person."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from contract.clock import Clock
from contract.lifelines import Modem, Supply, modem_figures, supply_figures
from edge.machine import Machine

# Of a round trip's smoothed value, the newest one's share.
NEWEST = 0.2


@dataclass(slots=True)
class DeviceHealth:
    """One device: when it answered last (UTC ms), how fast, and how often it has not.

    kinds: failures by the kind of error, since the start.
    """

    answered_ms: int | None = None
    answers: int = 0
    failures: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    round_trip_s: float | None = None
    problem: str = ""


@dataclass(slots=True)
class BusHealth:
    """One polled bus, since the start: for how long its line was busy, and with how many requests.

    told_*: as they were when `state` was last made, for the share of the time since.
    """

    busy_s: float = 0.0
    exchanges: int = 0
    told_busy_s: float = 0.0
    told_s: float | None = None


@dataclass(slots=True)
class Health:
    """The figures of one running agent; written by everyone, read by the uplink.

    supply, modem: None where nobody watches them. urgent: what cannot wait for the next `state`.
    """

    clock: Clock
    devices: dict[str, DeviceHealth] = field(default_factory=dict)
    buses: dict[str, BusHealth] = field(default_factory=dict)
    planned: dict[str, float] = field(default_factory=dict)  # bus -> share of its time for polls
    problems: dict[str, str] = field(default_factory=dict)  # what (a bus, the buffer) -> why
    quarantined: int = 0
    unknown_senders: int = 0
    late_samples: int = 0
    clock_synchronised: bool = True
    norths: dict[str, dict[str, int]] = field(default_factory=dict)  # id -> figure -> count
    log_lines_left_out: Callable[[], int] = int
    machine: Machine = field(default_factory=Machine)
    supply: Supply | None = None
    modem: Modem | None = None
    urgent: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, devices: Iterable[str], buses: Iterable[str]) -> None:
        """Have figures of these, and of no others; those that are there go on."""
        stay = frozenset(buses)
        self.buses = {name: bus for name, bus in self.buses.items() if name in stay}
        self.devices = {name: self.devices.get(name) or DeviceHealth() for name in devices}

    def answered(self, device: str, at_ms: int) -> bool:
        """Note an answer; return whether the device had been failing."""
        figures = self.devices.get(device)
        if figures is None:
            return False  # forgotten, and its source has yet to end
        recovered, figures.problem = bool(figures.problem), ""
        figures.answered_ms = at_ms
        figures.answers += 1
        return recovered

    def failed(self, device: str, why: str, kind: str = "silent") -> bool:
        """Note a failure, and of what kind; return whether it is news."""
        figures = self.devices.get(device)
        if figures is None:
            return False
        news = not figures.problem
        figures.problem = why
        figures.failures += 1
        figures.kinds[kind] += 1
        return news

    def exchanged(
        self, bus: str, device: str, took_s: float, requests: int, *, answered: bool = True
    ) -> None:
        """Note that the line of a bus was busy with a device for so long."""
        known = self.devices.get(device)
        if known is None:
            return
        figures = self.buses.get(bus)
        if figures is None:
            figures = self.buses[bus] = BusHealth()
        figures.busy_s += took_s
        figures.exchanges += requests
        if not answered or not requests:
            return
        trip_s = took_s / requests
        before_s = trip_s if known.round_trip_s is None else known.round_trip_s
        known.round_trip_s = before_s + NEWEST * (trip_s - before_s)

    def take_supply(self, found: Supply) -> None:
        """Note the supply; whether there is mains is told at once, as it may be the last word."""
        if self.supply is None or self.supply.mains != found.mains:
            self.urgent.set()
        self.supply = found

    def take_modem(self, found: Modem) -> None:
        """Note the modem; that it loses its SIM or network is told at once, if it still can be."""
        before = self.modem or Modem()
        if (before.sim, before.registered) != (found.sim, found.registered):
            self.urgent.set()
        self.modem = found

    def lifelines(self) -> dict[str, float]:
        """Return the figures of what the cabinet lives on, as far as it is watched."""
        supply = supply_figures(self.supply) if self.supply else {}
        return supply | (modem_figures(self.modem) if self.modem else {})

    def set_problem(self, what: str, why: str) -> bool:
        """Note a problem of a bus, the buffer or the like; return whether it is news."""
        news = self.problems.get(what) != why
        self.problems[what] = why
        return news

    def clear_problem(self, what: str) -> bool:
        """Note that a problem is over; return whether there was one."""
        return self.problems.pop(what, None) is not None

    def figures(self) -> dict[str, float]:
        """Return the figures as `state` carries them: dotted names, seconds and counts."""
        now_s = self.clock.monotonic_s()
        return {
            "quarantined": self.quarantined,
            "unknown_senders": self.unknown_senders,
            "aggregates.late_samples": self.late_samples,
            "clock.synchronised": int(self.clock_synchronised),
            "log_lines_left_out": self.log_lines_left_out(),
            **{
                f"north.{north}.{name}": count
                for north, counts in self.norths.items()
                for name, count in counts.items()
            },
            **dict(self._bus_figures(now_s)),
            **dict(self._device_figures(self.clock.now_ms())),
            **self.lifelines(),
            **self.machine.figures(now_s),
        }

    def told(self) -> tuple[str, ...]:
        """Return the problems of now, one a line."""
        devices = [f"{name}: {d.problem}" for name, d in self.devices.items() if d.problem]
        return (*(f"{what}: {why}" for what, why in self.problems.items()), *devices)

    def _bus_figures(self, now_s: float) -> Iterator[tuple[str, float]]:
        for bus, figures in self.buses.items():
            if figures.told_s is not None and now_s > figures.told_s:
                share = (figures.busy_s - figures.told_busy_s) / (now_s - figures.told_s)
                yield f"bus.{bus}.utilisation", round(min(1.0, share), 4)
            figures.told_s, figures.told_busy_s = now_s, figures.busy_s

    def _device_figures(self, now_ms: int) -> Iterator[tuple[str, float]]:
        for device, figures in self.devices.items():
            yield f"device.{device}.failures", figures.failures
            for kind, n in figures.kinds.items():
                yield f"device.{device}.failures.{kind}", n
            if figures.answered_ms is not None:
                yield f"device.{device}.age_s", (now_ms - figures.answered_ms) / 1000
            if figures.round_trip_s is not None:
                yield f"device.{device}.round_trip_s", round(figures.round_trip_s, 4)
