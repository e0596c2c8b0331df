"""The listening end of HJ 212: connections as callbacks, one task that looks at the clock."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial

from edge.core.hj212_memory import Missed
from edge.core.hj212_messages import QnRtn
from edge.core.hj212_session import ClockSet, Event, Heard, Repeated, Reported, Session, Station
from edge.core.hj212_session import SetAside as Disbelieved
from edge.devices import Device
from edge.drivers.bus import Surroundings
from edge.ports import Committed, Deliver, Message, Report, Said, SetAside, Silence

log = logging.getLogger(__name__)

TICK_S = 0.5
MISSED_REPORTS = 3  # so many periods without a word, and a station is silent
OFF_MS = 300_000  # a clock that is off by more is told
# A link that is dead without a word is found out in two minutes.
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What connections may take; see Hj212Bus."""

    identify_within_s: float
    idle_s: float
    connections: int


@dataclass(slots=True)
class _Standing:
    """How one station stands: until when it is not silent, and who holds a connection to it."""

    silent_after_s: float
    due_s: float
    silent: bool = False
    connections: set[_Connection] = field(default_factory=set)


class StationServer:
    """A Source over one listening port."""

    def __init__(
        self,
        bus: str,
        listener: socket.socket,
        devices: Sequence[Device],
        around: Surroundings,
        *,
        zone: tzinfo,
        limits: Limits,
    ) -> None:
        self._bus, self._listener, self._around = bus, listener, around
        self._limits, self.zone = limits, zone
        self.stations: Mapping[str, Station] = {
            device.address: Station(device=device.id, mn=device.address, password=device.password)
            for device in devices
        }
        self._periods_s = {device.id: device.period_s for device in devices}
        self._standings: dict[str, _Standing] = {}
        self._connections: set[_Connection] = set()
        self._deliver: Deliver = _nobody
        self._ended = False
        self.port: int = listener.getsockname()[1]

    async def run(self, deliver: Deliver) -> None:
        """Serve stations until cancelled."""
        loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._bug: asyncio.Future[None] = loop.create_future()
        for device, period_s in self._periods_s.items():
            patience_s = max(MISSED_REPORTS * period_s, 2 * TICK_S)
            self._standings[device] = _Standing(patience_s, self.now_s() + patience_s)
            self._around.health.failed(device, "has not connected yet")
        server = await loop.create_server(lambda: _Connection(self), sock=self._listener)
        log.info("bus %s: listening on port %d", self._bus, self.port)
        try:
            while not self._bug.done():
                await asyncio.wait([self._bug], timeout=TICK_S)
                self._tick()
            self._bug.result()
        finally:
            self._ended = True
            server.close()
            for connection in [*self._connections]:
                connection.abort()

    def now_s(self) -> float:
        """Return monotonic seconds."""
        return self._around.clock.monotonic_s()

    def now_ms(self) -> int:
        """Return UTC milliseconds."""
        return self._around.clock.now_ms()

    def admit(self, connection: _Connection) -> None:
        """Take a new connection in; at the limit, the least useful one makes room."""
        self._connections.add(connection)
        if self._ended:
            connection.abort()
        elif len(self._connections) > self._limits.connections:
            others = self._connections - {connection}
            least = min(others, key=_Connection.usefulness, default=connection)
            self._connections.discard(least)
            least.abort()

    def leave(self, connection: _Connection) -> None:
        """Note that a connection has ended."""
        self._connections.discard(connection)
        for device, standing in self._standings.items():
            if connection in standing.connections:
                standing.connections.discard(connection)
                if not standing.connections and self._around.health.failed(device, "disconnected"):
                    log.warning("%s has disconnected", device)

    def fail(self, bug: BaseException) -> None:
        """End the source: what was raised is no doing of a peer's."""
        if not self._bug.done():
            self._bug.set_exception(bug)

    def handle(self, event: Event, connection: _Connection) -> None:
        """Deal with what a session tells."""
        match event:
            case Heard(device=device):
                connection.identified = True
                connection.useful_s = self.now_s()
                standing = self._standings[device]
                standing.connections.add(connection)
                standing.due_s = connection.useful_s + standing.silent_after_s
                standing.silent = False
                if self._around.health.answered(device, self.now_ms()):
                    log.info("%s reports again", device)
            case Reported():
                self._hand_on(event, partial(connection.send, event.answer))
            case Repeated(device=device, answer=answer):
                # It may not be on disk yet.
                nothing = Said(device, self.now_ms(), ())
                self._deliver(nothing, partial(connection.send, answer))
            case ClockSet(device=device, why=why):
                log.info("%s: its clock was set%s", device, f" in vain: {why}" if why else "")
            case Disbelieved():
                self._set_aside(event, connection)

    def _hand_on(self, told: Reported, committed: Committed) -> None:
        now_ms = self.now_ms()
        if told.frame.command == "2011":
            self._judge_clock(told, now_ms)
        self._deliver(Report(self._bus, told.device, now_ms, told.own_ms, told.frame), committed)

    def _tell_missed(self, device: str, missed: Missed) -> None:
        what = f"CN {missed.command} of {missed.time}"
        log.warning("%s: %d parts of %s never came", device, missed.parts, what)

    def _set_aside(self, event: Disbelieved, connection: _Connection) -> None:
        if event.code is QnRtn.STATION:
            self._around.health.unknown_senders += 1
        message = Message(self._bus, self.now_ms(), connection.name, event.data)
        self._deliver(SetAside(message, event.why), partial(connection.send, event.answer))

    def _judge_clock(self, told: Reported, now_ms: int) -> None:
        what, health = f"clock of {told.device}", self._around.health
        if abs(now_ms - told.own_ms) <= OFF_MS:
            if health.clear_problem(what):
                log.info("%s: its clock is right again", told.device)
        elif health.set_problem(what, f"off by more than {OFF_MS // 60_000} minutes, or old data"):
            log.warning("%s: its clock is off, or it sends old data", told.device)

    def _tick(self) -> None:
        now_s, now_ms = self.now_s(), self.now_ms()
        for connection in [*self._connections]:
            limit_s = (
                self._limits.idle_s if connection.identified else self._limits.identify_within_s
            )
            if now_s - connection.useful_s > limit_s:
                connection.abort()
            else:
                connection.tick(now_ms)
        for station in self.stations.values():
            for missed in station.memory.missed(now_ms):
                self._tell_missed(station.device, missed)
        for device, standing in self._standings.items():
            if now_s > standing.due_s and not standing.silent:
                standing.silent = True
                self._around.health.failed(device, "has sent nothing for three periods")
                log.warning("%s is silent", device)
                self._deliver(Silence(device, now_ms))


class _Connection(asyncio.Protocol):
    """One connection: bytes to the session, events to the source, replies to the peer.

    useful_s: monotonic time of the latest sound frame, or of connecting.
    """

    def __init__(self, source: StationServer) -> None:
        self._source = source
        self._session = Session(source.stations, source.zone)
        self._transport: asyncio.Transport | None = None
        self.name = ""
        self.identified = False
        self.useful_s = source.now_s()

    def usefulness(self) -> tuple[bool, float]:
        """Return what orders connections by how badly they are missed."""
        return self.identified, self.useful_s

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port, *_ = transport.get_extra_info("peername") or ("?", 0)
        self.name = f"{host}:{port}"
        own = transport.get_extra_info("socket")
        with suppress(OSError):  # gone already
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE:
                own.setsockopt(socket.IPPROTO_TCP, option, value)
        self._source.admit(self)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        try:
            for event in self._session.receive(data, self._source.now_ms()):
                self._source.handle(event, self)
            self.send(self._session.data_to_send())
        except Exception as bug:  # asyncio would only log it
            self._source.fail(bug)

    def tick(self, now_ms: int) -> None:
        """Let the session look at the clock."""
        for event in self._session.tick(now_ms):
            self._source.handle(event, self)
        self.send(self._session.data_to_send())

    def pause_writing(self) -> None:
        """A peer that reads no answers is none."""
        self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self._source.leave(self)

    def send(self, replies: bytes) -> None:
        """Send; nothing if the peer is gone, which will then say again what is not answered."""
        if replies and self._transport is not None and not self._transport.is_closing():
            self._transport.write(replies)


def _nobody(_: object, _committed: Committed | None = None, /) -> None:
    """Nobody listens yet."""
