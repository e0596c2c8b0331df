"""Worlds of Modbus devices for the drivers' tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace
from pymodbus import FramerType

from device_profiles.loader import load_profile
from device_profiles.schema import Profile, Write
from edge.devices import Device, build_device
from edge.drivers.bus import Bus
from edge.options import DeviceOptions
from tests.edge.drivers.fronts import Front
from tests.edge.kit import Bench, PymodbusPeer, Reply, ScriptedPeer

# Unit 1 a noise meter, unit 2 a gas transmitter of three decimals in kPa.
UNITS: Mapping[int, Sequence[int]] = {1: [599], 2: [0, 0, 1, 3, 2100, 0, 10000]}
TRUTH: Mapping[tuple[str, str], float] = {
    ("noise-01", "noise_la"): 59.9,
    ("gas-01", "gas_pressure"): 2.1,
}


# gas-01's range, in register 6; and a register that it does not have.
WRITES = {
    "span": Write(address=6, function=16, unit="%", scale=0.5, low=5, high=20_000),
    "nowhere": Write(address=0x900, low=0, high=1),
}


def with_writes(profile: Profile) -> Profile:
    """Return a profile that allows WRITES."""
    assert profile.modbus is not None
    return replace(profile, modbus=replace(profile.modbus, writes=WRITES))


def modbus_devices(bus: Bus, period_s: float = 0.05) -> list[Device]:
    """Return the two devices of UNITS on a bus."""
    return [
        build_device(
            DeviceOptions(id=name, profile=profile, bus=bus.id, unit_id=unit, period_s=period_s),
            with_writes(load_profile(profile)),
            bus.cost(),
        )
        for unit, name, profile in (
            (1, "noise-01", "noise/rs485-sound"),
            (2, "gas-01", "gas/pressure-transmitter-a"),
        )
    ]


class ModbusWorld:
    """A pymodbus server with two devices; raving, a scripted one in its place.

    front: what stands between the bus and either of them.
    """

    truth: Mapping[tuple[str, str], float] = TRUTH

    def __init__(self, framer: FramerType, front: Front | None = None) -> None:
        self._rtu = framer is FramerType.RTU
        self._peer = PymodbusPeer(UNITS, framer)
        self._front = front
        self._raving: ScriptedPeer | None = None
        self._number = 0
        self.port = 0

    def open(self, bus: Bus, folder: Path) -> None:
        """Have a bench that reads this world by a bus."""
        self.bench = Bench(bus, modbus_devices(bus), folder)

    async def start(self) -> None:
        """Be a sound server."""
        await self.stop()
        self._peer.port = self.port
        await self._peer.start()
        self.port = self._peer.port
        if self._front is not None:
            await self._front.start(self.port)

    async def stop(self) -> None:
        """Be gone."""
        if self._front is not None:
            await self._front.stop()
        await self._peer.stop()
        if self._raving is not None:
            await self._raving.stop()
            self._raving = None

    async def rave(self) -> None:
        """Answer everything wrongly, each time in another way."""
        await self.stop()
        self._raving = ScriptedPeer(lambda unit, at: UNITS[unit][at], self._wrong, rtu=self._rtu)
        self._raving.port = self.port
        await self._raving.start()
        if self._front is not None:
            await self._front.start(self.port)

    def _wrong(self, request: bytes, right: bytes) -> Reply:
        self._number += 1
        unit = 0 if self._rtu else 6
        ways: list[bytes | None] = [
            right + right,
            right[:-1],
            right[:unit] + bytes([right[unit] + 1]) + right[unit + 1 :],
            b"\xff\x00\xff\x00\xff" + right,
            bytes(reversed(right)),
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            request + request + right,
            None,
        ]
        return [(0.0, ways[self._number % len(ways)])]
