"""When a value is too old to be shown as if it were now."""

from __future__ import annotations

PERIODS = 3.0
# What a reading may take from the device to the screen: the edge's group commit, the way, a poll.
ON_ITS_WAY_S = 5.0
UNKNOWN_PERIOD_S = 60.0  # for devices that no birth has named


def stale_after_ms(period_s: float | None) -> int:
    """Return the age from which a value of a device with this period is stale."""
    return round(((period_s or UNKNOWN_PERIOD_S) * PERIODS + ON_ITS_WAY_S) * 1000)


def is_stale(observed_ms: int, period_s: float | None, now_ms: int) -> bool:
    """Whether a value observed then must not look fresh now."""
    return now_ms - observed_ms > stale_after_ms(period_s)
