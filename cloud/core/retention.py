"""How long readings are kept: so many days, and other numbers for single quantities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRetention:
    """Days that raw readings are kept; 0 is for ever. quantities: where it is another number."""

    days: float = 0.0
    quantities: Mapping[str, float] = field(default_factory=dict)

    def of(self, measurement: str) -> float:
        """Return the days of a measurement; `gas_pressure.inlet` is of `gas_pressure`."""
        return self.quantities.get(measurement.split(".")[0], self.days)


FOREVER = RawRetention()


def expired(
    measurements: Iterable[str], day_end_ms: int, keep: RawRetention, now_ms: int
) -> frozenset[str]:
    """Return which measurements of a day are past their time: the whole day must be."""
    age_days = (now_ms - day_end_ms) / DAY_MS
    return frozenset(name for name in measurements if 0 < keep.of(name) <= age_days)
