"""What is given up first when the buffer is full: a ladder of steps, each over the oldest first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache

import msgspec

from contract.quantities import Averaging, Kind, quantity_of
from contract.readings import Reading

# Alarms of these reach the disk and the cloud at once, ahead of all else.
URGENT_KINDS = frozenset((Kind.GAS, Kind.MANHOLE))
# The newest part of the numbers held that the coarsest thinning leaves alone. Finer ones leave
# alone as much less as they keep more: so each fineness takes about as much room as the others.
NEWEST = 0.2


class Step(msgspec.Struct, frozen=True):
    """Of devices of these kinds, keep a reading every so many milliseconds; 0: keep none.

    newest: the share of the numbers held that it leaves alone.
    """

    kinds: frozenset[Kind]
    every_ms: int
    newest: float

    @property
    def name(self) -> str:
        """What it is remembered by; another configuration has other names."""
        return f"{self.every_ms} {' '.join(sorted(self.kinds))}"

    @property
    def how(self) -> str:
        """What the gap record adds to why readings are missing."""
        return f", thinned to one reading in {self.every_ms // 1000} s" if self.every_ms else ""


def ladder(
    thin_to_s: Sequence[int], last: Collection[Kind], whole: Collection[Kind]
) -> tuple[Step, ...]:
    """Return the steps, in the order in which they are taken.

    Args:    thin_to_s: rising. last: kinds whose turn comes after all others', in thinning as in
             dropping. whole: kinds that are never thinned.
    """
    groups = frozenset(Kind).difference(last), frozenset(last)
    coarsest = max(thin_to_s, default=1)
    thinning = [
        Step(kinds - frozenset(whole), every_s * 1000, NEWEST * every_s / coarsest)
        for kinds in groups
        for every_s in thin_to_s
    ]
    dropping = [Step(kinds, 0, 0.0) for kinds in groups]
    return tuple(step for step in (*thinning, *dropping) if step.kinds)


class Thinner:
    """Takes one step over batch after batch, in the order of their numbers.

    kind_of: a device's kind.
    """

    def __init__(self, step: Step, kind_of: Callable[[str], Kind]) -> None:
        self._step, self._kind_of = step, kind_of
        self._kept: dict[tuple[str, str], Reading] = {}

    def keep(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return what stays: of each series the first reading of each stretch of time.

        Also what a thinner series must not hide: the first of another quality, and of another
        state, as a cover's.
        """
        return [reading for reading in readings if self._stays(reading)]

    def _stays(self, reading: Reading) -> bool:
        if self._kind_of(reading.device) not in self._step.kinds:
            return True
        every_ms = self._step.every_ms
        if not every_ms:
            return False
        series = reading.device, reading.measurement
        before = self._kept.get(series)
        if (
            before is not None
            and before.observed_ms // every_ms == reading.observed_ms // every_ms
            and before.quality == reading.quality
            and (before.value == reading.value or not _is_state(reading.measurement))
        ):
            return False
        self._kept[series] = reading
        return True


@cache
def _is_state(measurement: str) -> bool:
    quantity = quantity_of(measurement)
    return quantity.averaging is Averaging.LAST and quantity.unit == "1"
