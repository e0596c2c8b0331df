"""What series said lately, so that a reading that is said again is recognised. Bounded.

Of a series that is known, everything from `since` on is known; what lies before must be looked up
in the store. Forgetting costs a look-up, never a reading.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isclose, isnan

PER_SERIES = 256
IN_ALL = 200_000  # about 30 MB
ALWAYS = -(2**63)


@dataclass(slots=True)
class _Known:
    since_ms: int
    values: dict[int, float] = field(default_factory=dict)


class Recent:
    """The newest readings of the series that spoke last."""

    def __init__(self, per_series: int = PER_SERIES, in_all: int = IN_ALL) -> None:
        self._per_series = per_series
        self._in_all = in_all
        self._series: OrderedDict[int, _Known] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def knows(self, series: int, at_ms: int) -> bool:
        """Whether said() can tell about that moment without the store."""
        known = self._series.get(series)
        return known is not None and at_ms >= known.since_ms

    def said(self, series: int, at_ms: int) -> float | None:
        """Return the value of that moment (NaN for a reading without one), or None for none."""
        return self._series[series].values.get(at_ms)

    def learn(self, series: int, since_ms: int, values: Mapping[int, float]) -> None:
        """Take over all that the store has of a series from a moment on."""
        self._forget(series)
        self._series[series] = _Known(since_ms)
        self.add(series, values.items())

    def add(self, series: int, values: Iterable[tuple[int, float]]) -> None:
        """Note what was said at moments that it knows; those it does not know are passed over."""
        known = self._series.get(series)
        if known is None:
            return
        self._series.move_to_end(series)
        before = len(known.values)
        known.values.update((at, value) for at, value in values if at >= known.since_ms)
        self._held += len(known.values) - before
        if len(known.values) > self._per_series:
            self._trim(known)
        while self._held > self._in_all and len(self._series) > 1:
            self._forget(next(iter(self._series)))

    def _trim(self, known: _Known) -> None:
        """Keep the newest three quarters of what a series may have."""
        times = sorted(known.values)[-(self._per_series * 3 // 4) :]
        self._held -= len(known.values) - len(times)
        known.values = {at: known.values[at] for at in times}
        known.since_ms = times[0]

    def _forget(self, series: int) -> None:
        known = self._series.pop(series, None)
        if known:
            self._held -= len(known.values)


def same(value: float, stored: float) -> bool:
    """Whether two values are one, for all that storing may do to the last digit."""
    return isclose(value, stored, rel_tol=1e-9) or (isnan(value) and isnan(stored))
