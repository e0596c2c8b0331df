"""How long to wait before trying again: twice as long each time, and never all at once."""

from __future__ import annotations

FIRST_MS = 1_000
LONGEST_MS = 600_000
_MOST_DOUBLINGS = 30


def backoff_ms(
    attempts: int, draw: float, first_ms: int = FIRST_MS, longest_ms: int = LONGEST_MS
) -> int:
    """Return the milliseconds to wait after so many failed attempts.

    Args:    attempts: from 1. draw: 0 to 1, by chance; it takes off up to half, so that what failed
             together does not come back together.
    """
    whole = min(first_ms << min(max(attempts - 1, 0), _MOST_DOUBLINGS), longest_ms)
    return round(whole * (1 - draw / 2))
