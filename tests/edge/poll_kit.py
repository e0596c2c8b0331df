"""A bus under test over a line that does as it is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from contract.errors import Disconnected
from device_profiles.loader import load_profile
from device_profiles.schema import Profile, Requests
from edge.core.modbus import Refused, Request
from edge.devices import Device, build_device
from edge.drivers.modbus_tcp import ModbusTcpBus
from edge.options import DeviceOptions
from edge.polling import PolledBus
from edge.ports import Answers, Silence
from tests.edge.kit import Bench

BUS = ModbusTcpBus(id="bus-1", driver="modbus_tcp", host="127.0.0.1", port=1)


class FakeLine:
    """A Line whose devices do as the test says: unit id -> what is raised for its requests."""

    def __init__(self) -> None:
        self.failing: dict[int, Exception] = {}
        self.refused_functions: dict[int, int] = {}  # function -> exception
        self.down = False
        self.going = asyncio.Event()  # cleared: whoever asks waits
        self.going.set()
        self.asked: list[tuple[int, int, int]] = []  # unit, function, address
        self.times_s: dict[int, list[float]] = {}
        self.timeouts_s: set[float] = set()
        self.opened = self.closed = 0
        self._open = False

    async def open(self) -> bool:
        await asyncio.sleep(0)
        if self.down:
            raise Disconnected("no connection to 127.0.0.1:1")
        fresh, self._open = not self._open, True
        self.opened += fresh
        return fresh

    async def ask(self, request: Request, timeout_s: float) -> bytes:
        assert self._open
        self.asked.append((request.unit_id, request.function, request.address))
        loop = asyncio.get_running_loop()
        self.times_s.setdefault(request.unit_id, []).append(loop.time())
        self.timeouts_s.add(timeout_s)
        await asyncio.sleep(0.001)
        await self.going.wait()
        error = self.failing.get(request.unit_id) or self.failing.get(1000 + request.address)
        if request.function in self.refused_functions:
            raise Refused(self.refused_functions[request.function])
        if error is not None:
            if not isinstance(error, Refused):
                self.close()
            raise error
        return bytes(range(request.data_size))

    def close(self) -> None:
        self.closed += self._open
        self._open = False


def device(unit_id: int, period_s: float = 0.02, profile: Profile | None = None) -> Device:
    return build_device(
        DeviceOptions(
            id=f"d{unit_id}", profile="", bus="bus-1", unit_id=unit_id, period_s=period_s
        ),
        profile or load_profile("noise/rs485-sound"),
        BUS.cost(),
    )


class PollBench(Bench):
    """A bench over a fake line."""

    def __init__(self, folder: Path, *devices: Device) -> None:
        super().__init__(BUS, devices, folder)
        self.line = FakeLine()
        self.bus = PolledBus("bus bus-1", self.line, devices, timeout_s=1.0, around=self.around)
        self.source = self.bus

    def silences(self) -> list[str]:
        return [frame.device for frame in self.frames if isinstance(frame, Silence)]

    def polls(self, device: str) -> int:
        return sum(isinstance(f, Answers) and f.device == device for f in self.frames)


def with_limits(name: str, **limits: object) -> Profile:
    """Return a shipped profile of a device that can bear less."""
    profile = load_profile(name)
    assert profile.modbus is not None
    requests = replace(profile.modbus.requests, **limits)
    assert isinstance(requests, Requests)
    return replace(profile, modbus=replace(profile.modbus, requests=requests))
