"""Devices that nobody has adopted: the words for it, what bounds them, and what they may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

from contract.quantities import Kind, split_measurement

ITSELF = ""  # the sender of a device that speaks for itself; no gateway has this id

UNKNOWN_PERIOD_S = 10_000_000.0  # of a device whose period nobody told: nothing is ever due


class Adopt(StrEnum):
    """Who adopts a device that is nobody's: the birth that names it first, or only a person."""

    BIRTHS = "births"
    NOBODY = "nobody"


class State(StrEnum):
    """Where a device of the inbox stands. A person decides; intake then does it."""

    WAITING = "waiting"
    ADOPTING = "adopting"  # decided; intake takes its readings in, and it leaves the inbox
    REFUSING = "refusing"  # decided; intake drops its readings
    REFUSED = "refused"


class Standing(Enum):
    """What becomes of a reading that nothing speaks against."""

    STORED = "stored"
    WAITS = "waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much gateways may bring, and how much may wait.

    adopt:    who adopts a device that is nobody's.
    devices, series: of one gateway, and series of a device that speaks for itself.
    waiting_*: devices that wait, of all senders and of one; readings that wait, of all devices
               and of one; and for how long.
    """

    adopt: Adopt = Adopt.BIRTHS
    devices: int = 5_000
    series: int = 50_000
    series_of_device: int = 1_000
    waiting_devices: int = 1_000
    waiting_devices_of_sender: int = 200
    waiting_readings: int = 1_000_000
    waiting_readings_of_device: int = 10_000
    waiting_days: float = 30.0


BOUNDS = Bounds()


def may_decide(state: State, *, adopt: bool) -> bool:
    """Whether a device in this state can be adopted, or refused, now.

    What was refused can still be adopted; what is being done cannot be taken back.
    """
    return state is State.WAITING or (adopt and state in (State.REFUSED, State.REFUSING))


def guess_kind(measurements: Iterable[str]) -> Kind | None:
    """Tell a device's kind by what it measures; None if that says nothing, or too much."""
    votes: Counter[Kind] = Counter()
    for measurement in measurements:
        key = split_measurement(measurement)[0]
        for kind, beginnings in _SIGNS.items():
            if key.startswith(beginnings):
                votes[kind] += 1
    first, second = [*votes.most_common(2), (None, 0), (None, 0)][:2]
    return first[0] if first[1] > second[1] else None


_SIGNS: dict[Kind, tuple[str, ...]] = {
    Kind.NOISE: ("noise_",),
    Kind.DUST: ("tsp", "pm1", "pm25"),
    Kind.WATER: ("water_",),
    Kind.GAS: ("gas_",),
    Kind.MANHOLE: ("tilt", "angle_", "cover_open"),
}
