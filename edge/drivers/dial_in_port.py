"""Listening ports at which DTUs dial in, each shared by the buses behind them.

A caller must say who it is with its first bytes: one of the registrations that are expected, whole,
within `within_s`. Until then it costs one of a few places; the one that has waited longest makes
room. Whoever says anything else is refused, counted, and told in the log, once a second at most.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from contract.clock import Clock
from contract.errors import ConfigError
from edge.health import Health

log = logging.getLogger(__name__)

MOST_UNNAMED = 64
LOG_EVERY_S = 1.0
SHOWN_BYTES = 48
# A link that is dead without a word: found out in two minutes, or when a request stays unsent.
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
USER_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A DTU that is expected. arrived: gets its connection. within_s: to say who it is."""

    registration: bytes
    heartbeats: tuple[bytes, ...]
    arrived: Callable[[Caller, bytes], None]
    within_s: float


class DialInPorts:
    """The ports of one agent, each taken once."""

    def __init__(self) -> None:
        self._ports: dict[tuple[str, int], DialInPort] = {}

    def take(self, host: str, port: int, clock: Clock, health: Health) -> DialInPort:
        """Take a port, or share it if it is ours already. Raises: ConfigError."""
        if (host, port) not in self._ports:
            self._ports[host, port] = DialInPort(host, port, clock, health)
        return self._ports[host, port]


class DialInPort:
    """One listening port. Those who dial in before it serves wait in the system's queue."""

    def __init__(self, host: str, port: int, clock: Clock, health: Health) -> None:
        self._clock, self._health = clock, health
        self._host = host
        self._guests: dict[bytes, Guest] = {}
        self._unnamed: dict[Caller, None] = {}  # in the order in which they came
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        self._log_again_s = clock.monotonic_s()
        self._unsaid = 0
        self._socket: socket.socket | None = self._listen(port)
        self.port: int = self._socket.getsockname()[1]

    async def expect(self, guest: Guest) -> None:
        """Listen, from now on for this one too. Raises: ConfigError if the port is gone."""
        self._guests[guest.registration] = guest
        async with self._opening:
            if self._server is None:
                own = self._socket or self._listen(self.port)
                self._socket = None
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(lambda: Caller(self), sock=own)
                log.info("listening for DTUs on port %d", self.port)

    def forget(self, guest: Guest) -> None:
        """Expect this one no more; without any, close."""
        self._guests.pop(guest.registration, None)
        if not self._guests and self._server is not None:
            self._server.close()
            self._server = None
            for caller in tuple(self._unnamed):
                caller.hang_up()

    def within_s(self) -> float:
        """Return how long a caller has to say who it is."""
        return max((guest.within_s for guest in self._guests.values()), default=0.0)

    def admit(self, caller: Caller) -> None:
        """Give a new caller a place."""
        self._unnamed[caller] = None
        if len(self._unnamed) > MOST_UNNAMED:
            longest = next(iter(self._unnamed))
            self.refuse(longest, "others are waiting")

    def leave(self, caller: Caller) -> None:
        """Give a place back."""
        self._unnamed.pop(caller, None)

    def hear(self, caller: Caller, said: bytes) -> bytes:
        """Look at the first bytes of a caller; return what of them may still become a name."""
        heartbeats = {beat for guest in self._guests.values() for beat in guest.heartbeats}
        while beat := next((beat for beat in heartbeats if said.startswith(beat)), b""):
            said = said[len(beat) :]
        for name, guest in self._guests.items():
            if said.startswith(name):
                self.leave(caller)
                guest.arrived(caller, said[len(name) :])
                return b""
        if not any(known.startswith(said) for known in (*self._guests, *heartbeats)):
            self.refuse(caller, f"nobody here expects {_show(said)}")
        return said

    def refuse(self, caller: Caller, why: str) -> None:
        """Hang up on somebody, and say so."""
        self.leave(caller)
        caller.hang_up()
        self._health.unknown_senders += 1
        now_s = self._clock.monotonic_s()
        if now_s < self._log_again_s:
            self._unsaid += 1
            return
        self._log_again_s = now_s + LOG_EVERY_S
        more = f" (and {self._unsaid} others before)" if self._unsaid else ""
        self._unsaid = 0
        log.warning("port %d: refused %s: %s%s", self.port, caller.peer, why, more)

    def _listen(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, port), family=family, backlog=128)
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(
                f"port {port} on {self._host} cannot be taken: {why};"
                f" see who has it: ss -ltnp 'sport = :{port}'"
            ) from error


class Caller(asyncio.Protocol):
    """One connection: unnamed at first, then some bus's."""

    def __init__(self, port: DialInPort) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._said = b""
        self._deadline: asyncio.TimerHandle | None = None
        self._receive: Callable[[bytes], None] | None = None
        self._lost: Callable[[Caller], None] | None = None
        self.peer = "?"

    def attach(self, receive: Callable[[bytes], None], lost: Callable[[Caller], None]) -> None:
        """Hand on what comes, from now on."""
        self._receive, self._lost = receive, lost
        self._stop_waiting()

    def write(self, data: bytes) -> None:
        """Send."""
        if self._transport is not None:
            self._transport.write(data)

    def hang_up(self) -> None:
        """Drop the connection now; nobody is told."""
        self._receive = self._lost = None
        self._stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port, *_ = transport.get_extra_info("peername") or ("?", 0)
        self.peer = f"{host}:{port}"
        own = transport.get_extra_info("socket")
        with suppress(OSError):  # gone already
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
            for option, value in KEEPALIVE:
                own.setsockopt(socket.IPPROTO_TCP, option, value)
        within_s = self._port.within_s()
        self._deadline = asyncio.get_running_loop().call_later(
            within_s, self._port.refuse, self, f"it has not said who it is in {within_s:g} s"
        )
        self._port.admit(self)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._receive is not None:
            self._receive(data)
        elif self._deadline is not None:
            self._said = self._port.hear(self, self._said + data)

    def pause_writing(self) -> None:
        """A peer that reads no requests is none."""
        self.connection_lost(None)
        self.hang_up()

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self._stop_waiting()
        self._port.leave(self)
        lost, self._receive, self._lost = self._lost, None, None
        if lost is not None:
            lost(self)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _show(said: bytes) -> str:
    """Write bytes from outside so that they do no harm in a log."""
    shown = said[:SHOWN_BYTES]
    more = "…" if len(said) > SHOWN_BYTES else ""
    return f"{shown!r}{more} (hex:{shown.hex()}{more})"
