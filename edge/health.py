"""How the agent fares: what `state` tells the cloud, and what `problems` tells a person."""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.clock import Clock


@dataclass(slots=True)
class DeviceHealth:
    """One device: when it answered last (UTC ms), and how often it has not since the start."""

    answered_ms: int | None = None
    answers: int = 0
    failures: int = 0
    problem: str = ""


@dataclass(slots=True)
class Health:
    """The figures of one running agent; written by everyone, read by the uplink."""

    clock: Clock
    devices: dict[str, DeviceHealth] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)  # what (a bus, the buffer) -> why
    quarantined: int = 0
    unknown_senders: int = 0

    def answered(self, device: str, at_ms: int) -> bool:
        """Note an answer; return whether the device had been failing."""
        figures = self.devices[device]
        recovered, figures.problem = bool(figures.problem), ""
        figures.answered_ms = at_ms
        figures.answers += 1
        return recovered

    def failed(self, device: str, why: str) -> bool:
        """Note a failure; return whether it is news."""
        figures = self.devices[device]
        news = not figures.problem
        figures.problem = why
        figures.failures += 1
        return news

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
        now_ms = self.clock.now_ms()
        figures: dict[str, float] = {
            "quarantined": self.quarantined,
            "unknown_senders": self.unknown_senders,
        }
        for device, health in self.devices.items():
            figures[f"device.{device}.failures"] = health.failures
            if health.answered_ms is not None:
                figures[f"device.{device}.age_s"] = (now_ms - health.answered_ms) / 1000
        return figures

    def told(self) -> tuple[str, ...]:
        """Return the problems of now, one a line."""
        devices = [f"{name}: {d.problem}" for name, d in self.devices.items() if d.problem]
        return (*(f"{what}: {why}" for what, why in self.problems.items()), *devices)
