"""What systemd is told: that the agent is ready, that it stops, and that it is alive.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

PARTS = 3  # of the watchdog's time; systemd advises at least 2


class Notifier:
    """Speaks to the service manager; to nobody where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment) if self._address else None

    def tell(self, *assignments: str) -> None:
        """Send assignments, as READY=1. A manager that is gone is none of our business."""
        if not self._address:
            return
        # An abstract socket's name begins with a zero byte, written as @.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto("\n".join(assignments).encode(), address)

    async def watch(self, alive: Callable[[], bool]) -> None:
        """Tell for ever that the agent is alive, for as long as it is; systemd restarts it else."""
        if self.watchdog_s is None:
            return
        while True:
            if alive():
                self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / PARTS)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Return the time within which a sign of life is due; None if nobody watches this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(environment["WATCHDOG_USEC"]) / 1_000_000 or None
    except (KeyError, ValueError):
        return None
