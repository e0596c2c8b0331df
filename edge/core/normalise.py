"""From what one model of device says to readings as all devices have them."""

from __future__ import annotations

from collections.abc import Sequence

from contract.readings import Reading
from device_profiles.core.values import Value

# A device's own clock is believed within these; beyond, it was never set, or set wrong.
OLDEST_MS = 30 * 86_400_000  # devices that store and forward
NEWEST_MS = 60_000


def observed(own_ms: int | None, arrived_ms: int) -> int:
    """Choose the time of a message: the device's own where it gives a sane one, else arrival.

    Args:    both UTC milliseconds.
    Returns: UTC milliseconds.
    """
    if own_ms is None or not arrived_ms - OLDEST_MS <= own_ms <= arrived_ms + NEWEST_MS:
        return arrived_ms
    return own_ms


def normalise(device: str, observed_ms: int, values: Sequence[Value]) -> list[Reading]:
    """Give values, already in canonical units, their device and their time."""
    return [
        Reading(device, value.measurement, observed_ms, value.value, value.quality)
        for value in values
    ]
