"""When was it? A station's own time, unless its clock cannot be right."""

from __future__ import annotations

from edge.core.normalise import NEWEST_MS, OLDEST_MS

FIRST_MS = 946_684_800_000  # 2000-01-01: a clock that never was set says 1970, or 2000


def station_time(own_ms: int, arrived_ms: int, *, instant: bool) -> tuple[int, bool]:
    """Choose the time of a report, and say whether it is sure.

    Args:    both UTC milliseconds. instant: real-time data; else own_ms is its period's start.
    Returns: the station's own time if it is sane. Else, unsure: arrival, which is about right for
             real-time data; old averages keep their time, as an old value is never stamped anew.
    """
    if arrived_ms - OLDEST_MS <= own_ms <= arrived_ms + NEWEST_MS:
        return own_ms, True
    if not instant and FIRST_MS < own_ms < arrived_ms:
        return own_ms, False
    return arrived_ms, False
