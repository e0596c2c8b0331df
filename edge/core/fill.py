"""When a buffer will be full, if nothing of it is acknowledged any more."""

from __future__ import annotations

DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60


def full_in_s(
    held_bytes: int, max_bytes: int, free_bytes: int, bytes_per_s: float | None
) -> float | None:
    """Return the seconds until its bound or the disk's end, whichever comes first.

    Args:    free_bytes: on the disk. bytes_per_s: what is committed; None if that is not known.
    Returns: None if it is not known, or nothing is committed.
    """
    if not bytes_per_s:
        return None
    return max(0, min(max_bytes - held_bytes, free_bytes)) / bytes_per_s


def in_words(seconds: float) -> str:
    """Return a stretch of time as a person would say it: `3.2 days`."""
    for unit_s, name in ((DAY_S, "days"), (HOUR_S, "hours"), (MINUTE_S, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.1f} {name}"
    return f"{seconds:.0f} s"
