"""A reading, a gap, and the batch a gateway publishes at once."""

from __future__ import annotations

import msgspec

from contract.quality import Quality


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one measurement of one device.

    device:      [a-z0-9_-]+
    measurement: a quantity's key, with `.channel` where there are several: "gas_pressure.inlet"
    observed_ms: UTC milliseconds, the middle of the device's answer
    value:       in the quantity's canonical unit, finite; None only if quality is not NORMAL
    """

    device: str
    measurement: str
    observed_ms: int
    value: float | None
    quality: Quality = Quality.NORMAL


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Readings the edge gave up for good: which batches, which time, why, how many."""

    first_seq: int
    last_seq: int
    first_ms: int
    last_ms: int
    readings: int
    reason: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway publishes at once.

    epoch: one per buffer file. seq: counts up by one as batches are committed to that buffer.
    clock_synchronised: whether the edge's clock was, when the batch was committed.
    """

    epoch: str
    seq: int
    readings: tuple[Reading, ...]
    gaps: tuple[Gap, ...] = ()
    clock_synchronised: bool = True
