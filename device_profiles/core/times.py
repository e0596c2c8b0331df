"""Devices' own times into UTC milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from contract.clock import parse_iso
from device_profiles.schema import TimeFormat

CHINA = timezone(timedelta(hours=8))  # without daylight saving since 1991


def read_time(told: object, form: TimeFormat) -> int | None:
    """Return UTC milliseconds, or None if what is told is no time of this form."""
    try:
        at_ms = _READERS[form](told)
    except (ValueError, TypeError, OverflowError):
        return None
    return at_ms if 0 < at_ms < 10**14 else None


def china_ms(text: str) -> int:
    """Read YYYYMMDDhhmmss[zzz] or YYYY-MM-DD hh:mm:ss in UTC+8, as HJ 212 and stations write it.

    Raises: ValueError if it is no such time.
    """
    if text.isdecimal() and text.isascii() and len(text) in (14, 17):
        at = datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=CHINA)
        return int(at.timestamp()) * 1000 + int(text[14:] or 0)
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


def _iso(told: object) -> int:
    if not isinstance(told, str):
        raise TypeError
    return parse_iso(told)


def _seconds(told: object) -> int:
    return round(_number(told) * 1000)


def _milliseconds(told: object) -> int:
    return round(_number(told))


def _china(told: object) -> int:
    if not isinstance(told, str):
        raise TypeError
    return china_ms(told)


def _number(told: object) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        raise TypeError
    number = float(told)
    if not math.isfinite(number):
        raise ValueError
    return number


_READERS: dict[TimeFormat, Callable[[object], int]] = {
    "iso8601": _iso,
    "unix_s": _seconds,
    "unix_ms": _milliseconds,
    "china": _china,
}
