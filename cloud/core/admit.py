"""Admission: what of a batch goes in. Once, of one's own devices, at a possible time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from contract.codec import Decoded, Rejected
from contract.intervals import IntervalSet
from contract.quality import Quality
from contract.quantities import quantity_of
from contract.readings import Reading

EARLIEST_MS = 1_577_836_800_000  # 2020-01-01: before there was such a thing as this product
LATEST_MS = 4_102_444_800_000  # 2100-01-01: no clock that means anything
DOUBTED_AHEAD_MS = 300_000  # rules do not believe a reading from further ahead than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is to be stored of a batch, and what is to be set aside."""

    duplicate: bool = False
    readings: tuple[Reading, ...] = ()
    rejected: tuple[Rejected, ...] = ()


def admit(
    decoded: Decoded,
    *,
    gateway: str,
    have: IntervalSet,
    owner_of: Callable[[str], str | None],
) -> Admission:
    """Decide about a batch.

    Args:    have: the numbers of this epoch that are committed. owner_of: a device's gateway, or
             None for a device nobody has claimed.
    Returns: nothing of a batch whose number is in `have`; else its readings but those rejected.
    """
    if decoded.batch.seq in have:
        return Admission(duplicate=True)
    rejected = list(decoded.rejected)
    readings: dict[tuple[str, str, int], Reading] = {}
    for index, reading in enumerate(decoded.batch.readings):
        key = reading.device, reading.measurement, reading.observed_ms
        reason = _refusal(reading, gateway, owner_of)
        if reason is None and key in readings:
            reason = "told twice in one batch"
        if reason is None:
            readings[key] = _checked(reading)
        else:
            rejected.append(Rejected(index, f"{reading.device}:{reading.measurement}", reason))
    return Admission(readings=tuple(readings.values()), rejected=tuple(rejected))


def _checked(reading: Reading) -> Reading:
    """Flag what the quantity cannot be; one such value would spoil every mean it is in."""
    quantity = quantity_of(reading.measurement)
    if reading.value is None or quantity.low <= reading.value <= quantity.high:
        return reading
    return replace(reading, quality=reading.quality | Quality.OVER_RANGE)


def _refusal(reading: Reading, gateway: str, owner_of: Callable[[str], str | None]) -> str | None:
    # Not against our own clock: that may be the wrong one, and what is refused is gone for good.
    if not EARLIEST_MS <= reading.observed_ms < LATEST_MS:
        return f"time {reading.observed_ms} is before 2020 or after 2099"
    owner = owner_of(reading.device)
    if owner is not None and owner != gateway:
        return f"device {reading.device} belongs to gateway {owner}"
    return None
