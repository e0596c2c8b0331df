"""How the machine knows the time: the kernel's word, or systemd-timesyncd's."""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIMESYNCD = Path("/run/systemd/timesync/synchronized")
STA_UNSYNC = 0x0040  # Linux, include/uapi/linux/timex.h


class _Timex(ctypes.Structure):
    """The beginning of struct timex; the kernel writes about 200 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


class Source(StrEnum):
    """Whose word is taken. auto: the kernel's or timesyncd's. always: it is never doubted."""

    AUTO = "auto"
    KERNEL = "kernel"
    TIMESYNCD = "timesyncd"
    ALWAYS = "always"


def _kernel_says_so() -> bool:
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return False
    timex = _Timex()
    return adjtimex(ctypes.byref(timex)) >= 0 and not timex.status & STA_UNSYNC


def _timesyncd_says_so() -> bool:
    return TIMESYNCD.exists()


SAY_SO: dict[Source, Callable[[], bool]] = {
    Source.AUTO: lambda: _kernel_says_so() or _timesyncd_says_so(),
    Source.KERNEL: _kernel_says_so,
    Source.TIMESYNCD: _timesyncd_says_so,
    Source.ALWAYS: lambda: True,
}


class SystemTimeKeeper:
    """Asks this machine."""

    def __init__(self, source: Source) -> None:
        self._says_so = SAY_SO[source]
        self.boot = _boot_id()

    def synchronised(self) -> bool:
        return self._says_so()


def _boot_id() -> str:
    """Name this boot; where nobody does, each start is taken for one."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)
