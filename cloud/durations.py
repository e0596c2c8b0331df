"""Lengths of time as people write them on a command line: 30d, 12h, 90m, 45s."""

from __future__ import annotations

import re

from contract.errors import ConfigError

_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(option: str, text: str) -> int:
    """Read a length of time. Raises: ConfigError naming the option if it is none, or zero."""
    match = _SPAN.fullmatch(text)
    if not match or int(match[1]) == 0:
        raise ConfigError(f"{option}: {text!r} is no length of time; write e.g. 30d, 12h, 90m, 45s")
    return int(match[1]) * _UNITS_MS[match[2]]
