"""The fast way in: batches of names that were all accepted before, in columns.

What admit() accepted of a gateway it accepts again, until somebody's standing changes; then all is
forgotten, and learned anew from what admit() says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.admit import EARLIEST_MS, LATEST_MS
from cloud.core.columns import Columns, concatenate
from contract.columnar import Columnar
from contract.quality import Quality
from contract.quantities import quantity_of
from contract.readings import Reading


class Accepted:
    """The names that each gateway has had accepted, and what a value of theirs can be.

    low, high: by series number, the quantity's range
    """

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {}
        self.low = np.empty(0)
        self.high = np.empty(0)

    def numbers(self, gateway: str) -> Mapping[str, int]:
        """Return the series numbers of a gateway's names, "<device>:<measurement>"."""
        return self._numbers.get(gateway, {})

    def learn(self, gateway: str, readings: Sequence[Reading], numbers: NDArray[np.int32]) -> None:
        """Remember what admit() accepted."""
        known = self._numbers.setdefault(gateway, {})
        for reading, number in zip(readings, numbers.tolist(), strict=True):
            name = f"{reading.device}:{reading.measurement}"
            if name not in known:
                known[name] = number
                self._bound(number, reading.measurement)

    def forget(self) -> None:
        """Have admit() asked about everything again."""
        self._numbers.clear()

    def flag(self, columns: Columns) -> None:
        """Mark what the quantities cannot be; one such value would spoil every mean it is in.

        Series that were never learnt are admit()'s, which marks them itself.
        """
        if not len(columns):
            return
        self._make_room(int(columns.series.max()))
        low, high = self.low[columns.series], self.high[columns.series]
        outside = (columns.value < low) | (columns.value > high)
        columns.quality[outside] |= np.uint16(Quality.OVER_RANGE)

    def _make_room(self, number: int) -> None:
        if number >= len(self.low):
            more = max(number + 1, 2 * len(self.low)) - len(self.low)
            self.low = np.concatenate((self.low, np.full(more, -np.inf)))
            self.high = np.concatenate((self.high, np.full(more, np.inf)))

    def _bound(self, number: int, measurement: str) -> None:
        self._make_room(number)
        quantity = quantity_of(measurement)
        self.low[number], self.high[number] = quantity.low, quantity.high


def admit_columns(batch: Columnar, gateway: str, accepted: Accepted) -> Columns | None:
    """Return a batch's columns if admit() would store all of it, else None: ask admit().

    Whether its values are possible is left to Accepted.flag(), once a commit.
    """
    if not batch.names:
        return concatenate(())
    known = accepted.numbers(gateway)
    try:
        numbers = [known[name] for name in batch.names]
    except KeyError:
        return None
    if not _possible(batch.observed_ms) or _doubled(numbers, batch.observed_ms):
        return None
    return Columns(
        series=np.array(numbers, np.int32),
        observed_ms=batch.observed_ms,
        value=batch.value,
        quality=batch.quality,
    )


def _possible(observed_ms: NDArray[np.int64]) -> bool:
    return bool(observed_ms.min() >= EARLIEST_MS and observed_ms.max() < LATEST_MS)


def _doubled(numbers: Sequence[int], observed_ms: NDArray[np.int64]) -> bool:
    """Whether a series has two readings of one time.

    In Python: NumPy's would let go of the interpreter, which the network thread then has for long.
    """
    if len(set(numbers)) == len(numbers):
        return False
    return len(set(zip(numbers, observed_ms.tolist(), strict=True))) < len(numbers)
