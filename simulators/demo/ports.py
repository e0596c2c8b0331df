"""Free ports that stay ours: reserved by a socket that is bound and never listens.

The kernel gives such a port to nobody who asks for any, yet a server that names it, and sets
SO_REUSEADDR as servers do, may listen on it: now, and again after a restart.
"""

from __future__ import annotations

import socket
from types import TracebackType

HOST = "127.0.0.1"


class ReservedPorts:
    """Reserves ports of the loopback until closed."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def take(self) -> int:
        """Return a free port."""
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        self._sockets.append(held)
        port: int = held.getsockname()[1]
        return port

    def close(self) -> None:
        for held in self._sockets:
            held.close()
        self._sockets.clear()

    def __enter__(self) -> ReservedPorts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
