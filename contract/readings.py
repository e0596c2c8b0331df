"""A reading, a gap, and the batch a gateway publishes at once."""

from __future__ import annotations

from typing import Annotated

import msgspec

from contract.quality import Quality

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


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


# The reason of a gap that is a time rather than readings: nobody knows how many there would be.
NOT_RUNNING = "the agent was not running"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Readings the edge gave up for good: which batches, which time, why, how many.

    A gap of the number of the very batch that tells it: so many were taken out of this batch, which
    comes all the same. Any other gap closes its numbers: nothing will come under them.
    """

    first_seq: Number
    last_seq: Number
    first_ms: Number
    last_ms: Number
    readings: Number
    reason: Annotated[str, msgspec.Meta(max_length=500)]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway publishes at once.

    epoch: one per buffer file. seq: counts up by one as batches are committed to that buffer.
    clock_synchronised: whether the edge's clock was when the readings were taken, or has been
    since, in the same boot, and they were put right. Else each of them is flagged.
    """

    epoch: str
    seq: int
    readings: tuple[Reading, ...]
    gaps: tuple[Gap, ...] = ()
    clock_synchronised: bool = True
