"""Time: integer UTC milliseconds inside, a Clock at the border, local time only where people look.

See docs/decisions/0001-integer-milliseconds.md for why not datetime.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a shell gets the time from; core functions take `now_ms` as an argument."""

    def now_ms(self) -> int:
        """Return UTC milliseconds since 1970-01-01, as observed_ms counts them."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never jump, for durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands until told to go: for tests, simulations and replays."""

    def __init__(self, now_ms: int = 1_790_000_000_000) -> None:
        self._now_ms = now_ms
        self._elapsed_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._elapsed_ms / 1000

    def advance_ms(self, by_ms: int) -> None:
        """Let time pass on both clocks."""
        self._now_ms += by_ms
        self._elapsed_ms += by_ms

    def set_now_ms(self, now_ms: int) -> None:
        """Make the wall clock jump, as NTP does; the monotonic one goes on."""
        self._now_ms = now_ms


def iso_utc(at_ms: int) -> str:
    """Write UTC milliseconds as RFC 3339, e.g. 2026-11-22T08:00:00.250Z."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def parse_iso(text: str) -> int:
    """Read RFC 3339 text with an offset into UTC milliseconds.

    Raises: ValueError if the text is no time, or has no offset.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset; write e.g. 2026-11-22T08:00:00+08:00")
    return round(at.timestamp() * 1000)
