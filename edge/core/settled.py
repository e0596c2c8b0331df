"""When a wall clock can be believed: after it has gone along with the monotonic one for a while."""

from __future__ import annotations

SETTLE_S = 3_600.0
TOLERANCE_MS = 60_000


class SettledClock:
    """Watches the difference between two clocks.

    A cabinet without a battery boots in 1970, and a bad time server may set it 40 days ahead for a
    second; neither is a reason to give readings up for their age.
    """

    def __init__(self, settle_s: float = SETTLE_S, tolerance_ms: int = TOLERANCE_MS) -> None:
        self._settle_s = settle_s
        self._tolerance_ms = tolerance_ms
        self._offset_ms: float | None = None
        self._since_s = 0.0

    def is_settled(self, now_ms: int, monotonic_s: float) -> bool:
        """Look at both clocks; return whether the wall clock has not jumped for settle_s."""
        offset_ms = now_ms - monotonic_s * 1000
        if self._offset_ms is None or abs(offset_ms - self._offset_ms) > self._tolerance_ms:
            self._offset_ms, self._since_s = offset_ms, monotonic_s
        return monotonic_s - self._since_s >= self._settle_s
