"""Modbus RTU through a DTU behind NAT: it dials in to us and says who it is, and we ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from contract.errors import ConfigError, Disconnected
from edge.core.plan import LineCost, serial_cost
from edge.devices import Device
from edge.drivers.bus import Bus, Surroundings
from edge.drivers.dial_in_port import Caller, DialInPort, Guest
from edge.drivers.rtu_line import RtuLine
from edge.drivers.serial_side import USUAL_BAUD, SerialSideBus, kept_open
from edge.options import Listen
from edge.polling import PolledBus
from edge.ports import Source

log = logging.getLogger(__name__)

HEX = "hex:"
STILL_S = 0.3  # over a mobile network, what is left of a frame may come that much later


def read_packet(value: object) -> object:
    """Read what a DTU sends of itself: text, or hex:… for bytes. Raises: ValueError."""
    if isinstance(value, int | float):
        raise ValueError("reads as a number; put it in quotes")  # noqa: TRY004  pydantic wants it
    if not isinstance(value, str):
        return value
    if not value.startswith(HEX):
        return value.encode()
    try:
        return bytes.fromhex(value.removeprefix(HEX))
    except ValueError as error:
        raise ValueError(f"{value!r}: after hex: write bytes, as hex:44 54 55 01") from error


Packet = Annotated[bytes, BeforeValidator(read_packet), Field(min_length=1, max_length=256)]


class ModbusDialInBus(SerialSideBus):
    """The serial line behind one DTU. Several may share a port to listen on.

    registration: what the DTU sends first, and nobody else does. heartbeat: what it sends now and
    then; skipped. round_trip_s: over the mobile network, for the budget of the bus's time.
    late_s: how long a unit that did not answer is left alone. register_within_s: to say who it is.
    """

    driver: Literal["modbus_dial_in"]
    listen: Listen
    registration: Packet
    heartbeat: Packet | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    round_trip_s: Annotated[float, Field(ge=0, le=60)] = 0.3
    late_s: Annotated[float, Field(ge=0, le=300)] = 5.0
    register_within_s: Annotated[float, Field(gt=0, le=300)] = 10.0

    def cost(self) -> LineCost:
        """Return what a request costs: the serial line's time, and the way there and back."""
        return serial_cost(self.baud or USUAL_BAUD, self.turnaround_s + self.round_trip_s)

    def clashes(self, others: Sequence[Bus]) -> Iterator[tuple[str, str]]:
        """Yield that another bus's DTU could not be told from this one's."""
        for other in others:
            if not isinstance(other, ModbusDialInBus) or other.listen.port != self.listen.port:
                continue
            if other.listen.host != self.listen.host:
                yield (
                    "listen.host",
                    f"port {self.listen.port} is bus {other.id}'s too, which says"
                    f" {other.listen.host}; say the same",
                )
            mine, theirs = self.registration, other.registration
            if mine.startswith(theirs) or theirs.startswith(mine):
                what = "is" if mine == theirs else "begins like"
                yield "registration", f"{what} bus {other.id}'s; nobody could tell them apart"

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Take the port; the DTU is waited for when the bus runs.

        Raises: ConfigError if the port cannot be had.
        """
        try:
            port = around.dial_in_ports.take(
                self.listen.host, self.listen.port, around.clock, around.health
            )
        except ConfigError as error:
            raise ConfigError(f"bus {self.id}: listen: {error}") from error
        wire = DialInWire(self, port)
        line = RtuLine(
            wire,
            baud=self.baud or USUAL_BAUD,
            settle_s=self.late_s,
            still_s=STILL_S,
            packets=wire.packets,
        )
        source = PolledBus(
            f"bus {self.id}", line, kept_open(devices), timeout_s=self.timeout_s, around=around
        )
        wire.on_arrival = source.hurry
        return source


class DialInWire:
    """A Wire over whatever connection the DTU has made last.

    on_arrival: called whenever it makes one. packets: what it sends of its own accord.
    """

    def __init__(self, bus: ModbusDialInBus, port: DialInPort) -> None:
        self._bus, self._port = bus, port
        self._caller: Caller | None = None
        self._receive: Callable[[bytes], None] | None = None
        self._lose: Callable[[str], None] | None = None
        heartbeats = (bus.heartbeat,) if bus.heartbeat else ()
        self.packets = (bus.registration, *heartbeats)
        self._arrived = asyncio.Event()
        self.on_arrival: Callable[[], None] = _ignore
        self._guest = Guest(
            registration=bus.registration,
            heartbeats=heartbeats,
            arrived=self._welcome,
            within_s=bus.register_within_s,
        )

    async def open(self, receive: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """Wait for the DTU, for as long as an answer may take."""
        try:
            await self._port.expect(self._guest)
        except ConfigError as error:
            raise Disconnected(str(error)) from error
        if self._caller is None:
            self._arrived.clear()
            try:
                async with asyncio.timeout(self._bus.timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                raise Disconnected(self._say_absent()) from None
        self._receive, self._lose = receive, lost

    def write(self, data: bytes) -> None:
        """Send a frame."""
        if self._caller is None:
            raise Disconnected(self._say_absent())
        self._caller.write(data)

    def close(self) -> None:
        """Hang up, and expect the DTU no more."""
        self._receive = self._lose = None
        self._port.forget(self._guest)
        if self._caller is not None:
            self._caller.hang_up()
            self._caller = None

    def _welcome(self, caller: Caller, rest: bytes) -> None:
        """Take the DTU's connection; it would not have made another if the last one were good."""
        old, self._caller = self._caller, caller
        log.info("bus %s: its DTU has dialled in from %s", self._bus.id, caller.peer)
        if old is not None:
            old.hang_up()
            self._tell_lost("the DTU has dialled in anew")
        caller.attach(self._hand_on, self._gone)
        self._arrived.set()
        self.on_arrival()
        if rest:
            self._hand_on(rest)

    def _hand_on(self, data: bytes) -> None:
        if self._receive is not None:
            self._receive(data)

    def _gone(self, caller: Caller) -> None:
        if caller is self._caller:
            self._caller = None
            self._tell_lost("the DTU's connection is gone")

    def _tell_lost(self, why: str) -> None:
        lose, self._receive, self._lose = self._lose, None, None
        if lose is not None:
            lose(why)

    def _say_absent(self) -> str:
        return f"its DTU has not dialled in to port {self._port.port}"


def _ignore() -> None:
    """Nobody listens yet."""
