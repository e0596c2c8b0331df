"""Whether the wall clock can be believed, and what a reading's time is if it could not be then.

Until time is synchronised, readings carry a guess. It and the truth differ by the same amount for
all of one boot, because the monotonic clock goes on: once that is known, they are corrected.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contract.quality import Quality
from contract.readings import Reading

# Nothing was measured before this program was written: 2026-01-01. Raised with a release.
BUILT_MS = 1_767_225_600_000
# A reading reaches the buffer within this time of being taken, or tells a time of its own.
WITHIN_MS = 60_000
AHEAD_MS = 1_000


class Doubt(msgspec.Struct, frozen=True):
    """On what a guessed time rests: time = monotonic milliseconds of this boot + offset_ms.

    floor_ms: certainly not before this.
    """

    boot: str
    offset_ms: int
    floor_ms: int


class Trust:
    """Looks at the clocks again and again.

    boot: the boot's id. floor_ms: the latest time that is known to be past.
    """

    def __init__(self, boot: str, floor_ms: int = 0) -> None:
        self.boot = boot
        self._floor_ms = max(floor_ms, BUILT_MS)
        self._wall_ms: int | None = None  # wall clock minus monotonic, when last looked at
        self._before_ms: int | None = None  # the same, before it last jumped
        self._guess_ms: int | None = None
        self._restamp_to_ms: int | None = None
        self._jumped_ms = 0  # monotonic

    def raise_floor(self, floor_ms: int) -> None:
        """Learn of a time that is past: that of a reading on disk, taken while all was well."""
        self._floor_ms = max(self._floor_ms, floor_ms)

    def look(self, now_ms: int, monotonic_ms: int, *, synchronised: bool) -> Doubt | None:
        """Compare the clocks; return the doubt there is now, None if the wall clock is right."""
        wall_ms = now_ms - monotonic_ms
        if self._wall_ms is not None and abs(wall_ms - self._wall_ms) > AHEAD_MS:
            self._before_ms, self._jumped_ms = self._wall_ms, monotonic_ms
        self._wall_ms = wall_ms
        if synchronised and now_ms >= BUILT_MS:
            self._restamp_to_ms = wall_ms
            return None
        if now_ms >= self._floor_ms:
            self._guess_ms = wall_ms
        elif self._guess_ms is None:
            self._guess_ms = self._floor_ms - monotonic_ms
        self._restamp_to_ms = self._guess_ms
        return Doubt(self.boot, self._guess_ms, self._floor_ms)

    def restamp(self, readings: Sequence[Reading], monotonic_ms: int) -> Sequence[Reading]:
        """Return readings that are about to be committed, with times on the offset to use now.

        Those stamped by a wall clock that has jumped meanwhile are told by where they would lie
        on the monotonic clock.
        """
        if self._wall_ms is None or self._restamp_to_ms is None:
            return readings
        if self._before_ms is None and self._restamp_to_ms == self._wall_ms:
            return readings
        return [
            shifted(reading, self._restamp_to_ms - self._stamped_on(reading, monotonic_ms))
            for reading in readings
        ]

    def committed(self, monotonic_ms: int) -> None:
        """Nothing that was taken before is pending any more: an older jump no longer matters."""
        if monotonic_ms - self._jumped_ms > WITHIN_MS:
            self._before_ms = None

    def _stamped_on(self, reading: Reading, monotonic_ms: int) -> int:
        """Return the offset of the wall clock that a reading's time was read from."""
        assert self._wall_ms is not None
        by_wall_ms = reading.observed_ms - self._wall_ms
        if self._before_ms is None or _is_recent(by_wall_ms, monotonic_ms):
            return self._wall_ms
        by_before_ms = reading.observed_ms - self._before_ms
        was_then = 0 <= by_before_ms <= monotonic_ms + AHEAD_MS
        return self._before_ms if was_then else self._wall_ms


def _is_recent(taken_ms: int, monotonic_ms: int) -> bool:
    return monotonic_ms - WITHIN_MS <= taken_ms <= monotonic_ms + AHEAD_MS


def shifted(reading: Reading, by_ms: int, *, unsure: bool = False) -> Reading:
    """Return a reading with another time, flagged if that is still not sure."""
    quality = reading.quality | Quality.CLOCK_UNSURE if unsure else reading.quality
    return Reading(
        reading.device, reading.measurement, reading.observed_ms + by_ms, reading.value, quality
    )


def shift_of_boot(first_ms: int, last_ms: int, floor_ms: int, not_after_ms: int) -> int:
    """By how much to move the guessed times of a boot whose offset was never known.

    Args:    first_ms, last_ms: the guesses' range. floor_ms: they are not before this.
             not_after_ms: nor after this, the start of a later boot. Where both cannot be, the
             later bound holds: it was measured.
    """
    by_ms = max(0, floor_ms - first_ms)
    return min(by_ms, not_after_ms - last_ms)
