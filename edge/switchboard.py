"""Devices asked and written to out of turn: what the profile allows, on whatever bus they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from contract.clock import Clock
from contract.errors import Timeout, TransportError
from contract.readings import Reading
from contract.strict_yaml import suggest
from device_profiles.core.decode import RegisterDecoder
from device_profiles.core.encode import back_block, decode_back, encode_write
from device_profiles.schema import Modbus, Write
from edge.core.demands import places_of, write_request
from edge.core.modbus import Request
from edge.core.normalise import normalise
from edge.core.validate import validate
from edge.devices import Device, Poll
from edge.ports import Answers, Askable, Deliver, NotAllowed, Written

log = logging.getLogger(__name__)

T = TypeVar("T")

WITHIN_S = 30.0  # a bus whose line is down, or whose device thinks for long


class Switchboard:
    """An OnDemand over all polled buses; see edge.ports. Buses come and go while it is used."""

    def __init__(self, clock: Clock, deliver: Deliver, within_s: float = WITHIN_S) -> None:
        self._clock, self._deliver, self._within_s = clock, deliver, within_s
        self._lines: dict[str, _Extension] = {}

    def connect(self, devices: Iterable[Device], bus: object) -> None:
        """Have these devices asked on their bus; one whose devices speak for themselves has none.

        Devices that are here already are asked on this bus from now on.
        """
        for device in devices:
            self._lines[device.id] = _Extension(device, bus)

    def disconnect(self, devices: Iterable[str]) -> None:
        """Forget devices."""
        for device in devices:
            self._lines.pop(device, None)

    async def read(
        self, device: str, measurements: Sequence[str] | None = None
    ) -> Sequence[Reading]:
        """Read a device now; see edge.ports.OnDemand."""
        line = self._line(device)
        wanted = line.wanted(measurements)
        requests = [line.poll.requests[index] for index in wanted]
        sent_ms = self._clock.now_ms()
        came = await self._in_time(device, line.bus.ask_now(device, requests))
        at_ms = (sent_ms + self._clock.now_ms()) // 2
        answers: list[bytes | None] = [None] * len(line.poll.requests)
        for index, answer in zip(wanted, came, strict=True):
            answers[index] = answer
        if measurements is None:
            self._deliver(Answers(device, at_ms, tuple(answers)))
        values = line.decoder.decode(answers)
        readings = validate(normalise(device, at_ms, values), line.device.ranges)
        return [r for r in readings if measurements is None or r.measurement in measurements]

    async def write(self, device: str, point: str, value: float | str) -> Written:
        """Write, and read back; see edge.ports.OnDemand."""
        line = self._line(device)
        write = line.write(point)
        try:
            data = encode_write(write, value)
        except ValueError as error:
            raise NotAllowed(f"{device}: {point}: {error}") from error
        request = write_request(line.unit_id, write, data)
        await self._in_time(device, line.bus.ask_now(device, (request,)))
        at_ms = self._clock.now_ms()
        found, why = await self._read_back(line, write, data)
        log.info("%s: %s is written: %s%s", device, point, value, f"; {why}" if why else "")
        return Written(device, point, value, found, write.unit, at_ms, why)

    async def _read_back(
        self, line: _Extension, write: Write, data: bytes
    ) -> tuple[float | str | None, str]:
        if not write.reads_back:
            return None, "cannot be read back"
        block = back_block(write)
        request = Request(
            unit_id=line.unit_id,
            function=block.function,
            address=block.address,
            count=block.count,
        )
        device = line.device.id
        try:
            (back,) = await self._in_time(device, line.bus.ask_now(device, (request,)))
        except TransportError as error:
            return None, f"not read back: {error}"
        found = decode_back(write, back)
        return found, "" if back == data else f"the device holds {found}"

    def _line(self, device: str) -> _Extension:
        if device not in self._lines:
            near = suggest(device, list(self._lines)) if self._lines else "there is none"
            raise NotAllowed(f"no device {device!r}; {near}")
        return self._lines[device]

    async def _in_time(self, device: str, asking: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._within_s):
                return await asking
        except TimeoutError:
            raise Timeout(f"{device}: its bus did nothing for {self._within_s:g} s") from None


class _Extension:
    """One device, and where it is asked."""

    def __init__(self, device: Device, bus: object) -> None:
        self.device = device
        self._bus = bus

    @property
    def bus(self) -> Askable:
        if not isinstance(self._bus, Askable) or self.device.poll is None:
            raise NotAllowed(f"{self.device.id} cannot be asked: it speaks for itself")
        return self._bus

    @property
    def poll(self) -> Poll:
        assert self.device.poll is not None  # else it has no bus
        return self.device.poll

    @property
    def decoder(self) -> RegisterDecoder:
        assert self.device.decoder is not None  # likewise
        return self.device.decoder

    @property
    def modbus(self) -> Modbus:
        assert self.device.profile.modbus is not None  # likewise
        return self.device.profile.modbus

    @property
    def unit_id(self) -> int:
        return self.poll.requests[0].unit_id

    def wanted(self, measurements: Sequence[str] | None) -> Sequence[int]:
        """Return the places, in the poll's requests, of those that are needed."""
        _ = self.bus
        if measurements is None:
            return range(len(self.poll.requests))
        for name in measurements:
            if name not in self.device.measurements:
                near = suggest(name, self.device.measurements)
                raise NotAllowed(f"{self.device.id} measures no {name!r}; {near}")
        return places_of(self.device.profile, self.decoder.blocks, measurements)

    def write(self, point: str) -> Write:
        """Return what the profile says of a write."""
        _ = self.bus
        writes = self.modbus.writes
        if point not in writes:
            may = f"allowed: {', '.join(writes)}" if writes else "it allows none"
            raise NotAllowed(
                f"{self.device.id}: {point!r} is not among the writes of"
                f" {self.device.profile.name}; {may}"
            )
        return writes[point]
