"""Serial lines to serve RTU on: one that is there, or a pty of our own."""

from __future__ import annotations

import os
import tty
from dataclasses import dataclass

from contract.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLine:
    """An open line: our end's file descriptor, and the path that a reader opens."""

    fd: int
    path: str


def open_line(name: str) -> OpenLine:
    """Open a serial line by its path, or make a new pty for the name "pty".

    Raises: ConfigError naming the path if it cannot be opened.
    """
    if name == "pty":
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        return OpenLine(fd=ours, path=os.ttyname(theirs))  # theirs stays open: no hang-up
    try:
        fd = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"serial line {name}: {error.strerror}") from error
    return OpenLine(fd=fd, path=name)
