"""How time is cut into panes: stretches that follow the clock, each begin <= t < end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cloud.core.rollup import midnights

SLIDING_PANES = 20

Moments = NDArray[np.int64]


class Grid(Protocol):
    """Cuts time into panes, of which some make a window."""

    @property
    def panes(self) -> int:
        """How many panes make a window."""
        ...

    @property
    def span_ms(self) -> int:
        """How long a window is."""
        ...

    def cut(self, at_ms: Moments) -> tuple[Moments, Moments]:
        """Return where the pane of each moment begins and ends. shape (n,) to (n,), (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class Sliding:
    """A window that moves on by a twentieth of itself; its panes begin at multiples of that, UTC.

    Raises: ValueError unless the window is some multiple of 20 ms.
    """

    span_ms: int

    def __post_init__(self) -> None:
        if self.span_ms <= 0 or self.span_ms % SLIDING_PANES:
            raise ValueError(f"a sliding window of {self.span_ms} ms; allowed: multiples of 20 ms")

    @property
    def panes(self) -> int:
        """How many panes make a window."""
        return SLIDING_PANES

    @property
    def step_ms(self) -> int:
        """How long a pane is."""
        return self.span_ms // SLIDING_PANES

    def cut(self, at_ms: Moments) -> tuple[Moments, Moments]:
        """Return where the pane of each moment begins and ends."""
        begins = at_ms - at_ms % self.step_ms
        return begins, begins + self.step_ms


@dataclass(frozen=True, slots=True)
class Aligned:
    """Windows side by side from each local midnight on; the day's last one ends at the next.

    So 20 minutes, an hour and a local day are what they say, also where the clock is changed.

    Raises: ValueError unless a window is some milliseconds, a day at most.
    """

    span_ms: int
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if not 0 < self.span_ms <= 86_400_000:
            raise ValueError(f"an aligned window of {self.span_ms} ms; allowed: to a day")

    @property
    def panes(self) -> int:
        """How many panes make a window."""
        return 1

    def cut(self, at_ms: Moments) -> tuple[Moments, Moments]:
        """Return where the window of each moment begins and ends."""
        if not len(at_ms):
            return at_ms, at_ms
        days = midnights(int(at_ms.min()), int(at_ms.max()), self.zone)
        day = np.searchsorted(days, at_ms, side="right") - 1
        midnight, next_midnight = days[day], days[day + 1]
        if self.span_ms == 86_400_000:  # of 23 or 25 hours, if it must be
            return midnight, next_midnight
        begins = at_ms - (at_ms - midnight) % self.span_ms
        return begins, np.minimum(begins + self.span_ms, next_midnight)
