"""Admission: what of a batch goes in. Once, of one's own devices, at a possible time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cloud.core.waiting import Standing
from contract.codec import Decoded, Rejected
from contract.intervals import IntervalSet
from contract.quality import Quality
from contract.quantities import quantity_of
from contract.readings import Reading

EARLIEST_MS = 1_577_836_800_000  # 2020-01-01: before there was such a thing as this product
LATEST_MS = 4_102_444_800_000  # 2100-01-01: no clock that means anything
DOUBTED_AHEAD_MS = 300_000  # rules do not believe a reading from further ahead than this


# Asked once for each name: may (device, measurement) be stored, does it wait, or why is it refused?
StandingOf = Callable[[str, str], Standing | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is to be stored of a batch, what waits for its device's adoption, what is set aside."""

    duplicate: bool = False
    readings: tuple[Reading, ...] = ()
    waiting: tuple[Reading, ...] = ()
    rejected: tuple[Rejected, ...] = ()


def admit(decoded: Decoded, *, have: IntervalSet, standing_of: StandingOf) -> Admission:
    """Decide about a batch.

    Args:    have: the numbers of this epoch that are committed.
    Returns: nothing of a batch whose number is in `have`; else its readings but those rejected.
    """
    if decoded.batch.seq in have:
        return Admission(duplicate=True)
    return sort_out(decoded.batch.readings, decoded.rejected, standing_of)


def sort_out(
    told: Sequence[Reading], rejected: Sequence[Rejected], standing_of: StandingOf
) -> Admission:
    """Decide about each reading by itself."""
    refused = list(rejected)
    readings: dict[tuple[str, str, int], Reading] = {}
    waiting: dict[tuple[str, str, int], Reading] = {}
    standings: dict[tuple[str, str], Standing | str] = {}
    for index, reading in enumerate(told):
        name = reading.device, reading.measurement
        if name not in standings:
            standings[name] = standing_of(*name)
        standing = standings[name]
        key = *name, reading.observed_ms
        # Not against our own clock: it may be the wrong one, and what is refused is gone for good.
        if not EARLIEST_MS <= reading.observed_ms < LATEST_MS:
            reason = f"time {reading.observed_ms} is before 2020 or after 2099"
        elif isinstance(standing, str):
            reason = standing
        elif key in readings or key in waiting:
            reason = "told twice in one batch"
        else:
            (readings if standing is Standing.STORED else waiting)[key] = _checked(reading)
            continue
        refused.append(Rejected(index, f"{reading.device}:{reading.measurement}", reason))
    return Admission(
        readings=tuple(readings.values()),
        waiting=tuple(waiting.values()),
        rejected=tuple(refused),
    )


def _checked(reading: Reading) -> Reading:
    """Flag what the quantity cannot be; one such value would spoil every mean it is in."""
    quantity = quantity_of(reading.measurement)
    if reading.value is None or quantity.low <= reading.value <= quantity.high:
        return reading
    return replace(reading, quality=reading.quality | Quality.OVER_RANGE)
