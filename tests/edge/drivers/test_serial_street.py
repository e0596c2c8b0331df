"""A real RS-485 day: 9,600 baud between two ptys, three devices, one of them dead."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract.quality import Quality
from device_profiles.loader import load_profile
from edge.core.plan import serial_cost, utilisation
from edge.devices import build_device
from edge.drivers.modbus_rtu import ModbusRtuBus
from edge.options import DeviceOptions
from edge.ports import Answers
from simulators.faults import Fault, FaultKind
from simulators.modbus_frames import Framing, answer
from simulators.modbus_server import ModbusServer
from tests.edge.drivers.fronts import SerialPair
from tests.edge.kit import Bench, eventually

BAUD, PERIOD_S, POLLS = 9_600, 0.25, 40
# What 8 bytes there, 7 back, and a device that thinks for 20 ms take at 9,600 baud.
ANSWER_S = 15 * 11 / BAUD + 0.02
PROFILE = "noise/rs485-sound"


class Meter:
    """A simulated noise meter that holds 40.0 dB and its unit id."""

    def __init__(self, unit: int) -> None:
        self._image = {3: {0: 400 + unit}}

    def respond(self, pdu: bytes, peer: str, fault: FaultKind | None) -> bytes:
        return answer(pdu, self._image)


@asynccontextmanager
async def street(folder: Path, fault: Fault, probe_s: float = 1.0) -> AsyncIterator[Bench]:
    """Have units 1, 2 and 3 on one line; which of them is not well, the fault says."""
    pair = SerialPair(folder)
    await pair.start()
    meters = {unit: Meter(unit) for unit in (1, 2, 3)}
    server = ModbusServer(meters, framing=Framing.RTU, latency_s=ANSWER_S, faults=(fault,))
    server.serve_serial(os.open(pair.theirs, os.O_RDWR | os.O_NOCTTY))
    bus = ModbusRtuBus(
        id="rs485", driver="modbus_rtu", port=str(pair.ours), baud=BAUD, timeout_s=0.2, late_s=0.4
    )
    devices = [
        build_device(
            DeviceOptions(
                id=f"d{unit}", profile=PROFILE, bus=bus.id, unit_id=unit, period_s=PERIOD_S
            ),
            load_profile(PROFILE),
            bus.cost(),
        )
        for unit in meters
    ]
    yield Bench(bus, devices, folder, probe_s=probe_s)
    await server.close()
    await pair.stop()


def polls(bench: Bench) -> Counter[str]:
    return Counter(frame.device for frame in bench.frames if isinstance(frame, Answers))


def check_values(bench: Bench) -> None:
    for reading in bench.readings:
        if reading.quality is Quality.NORMAL:
            assert reading.value == 40.0 + int(reading.device[1:]) / 10


async def test_beside_a_dead_device_the_others_keep_their_period(tmp_path: Path) -> None:
    async with street(tmp_path, Fault(kind=FaultKind.DEAD, unit=2)) as bench:
        loop = asyncio.get_running_loop()
        async with bench.running():
            await eventually(lambda: len(polls(bench)) == 2)
            began, began_s = polls(bench), loop.time()
            await eventually(lambda: polls(bench)["d1"] >= began["d1"] + POLLS)
            done, took_s = polls(bench) - began, loop.time() - began_s
    due = took_s / PERIOD_S
    assert done["d1"] >= 0.9 * due
    assert done["d3"] >= 0.9 * due
    assert polls(bench)["d2"] == 0
    # Probed after 1 s, 1 s, 1 s: the dead one costs its time-outs, and no more.
    assert bench.health.devices["d2"].failures <= took_s + 2
    check_values(bench)


async def test_beside_a_late_device_no_answer_is_taken_for_anothers(tmp_path: Path) -> None:
    late = Fault(kind=FaultKind.LATE, unit=2, late_s=0.3)
    async with street(tmp_path, late) as bench:
        async with bench.running():
            await eventually(lambda: polls(bench)["d1"] >= POLLS / 2)
            await eventually(lambda: bench.health.devices["d2"].failures >= 2)
        assert polls(bench)["d3"] >= 0.8 * polls(bench)["d1"]
    check_values(bench)


@pytest.mark.parametrize("kind", FaultKind)
async def test_every_fault_of_the_simulators_is_survived(tmp_path: Path, kind: FaultKind) -> None:
    """Each third request of unit 2 is struck; nobody ever reads what is not so."""
    fault = Fault(kind=kind, unit=2, every=3, late_s=0.3)
    async with street(tmp_path, fault, probe_s=0.4) as bench, bench.running():
        await eventually(lambda: min(polls(bench)[f"d{unit}"] for unit in (1, 2, 3)) >= 4)
    check_values(bench)


def test_the_budget_says_what_the_line_can_bear() -> None:
    """Three devices four times a second at 9,600 baud: half of the line's time."""
    cost = serial_cost(BAUD)
    one = cost.request_s + cost.register_s
    assert ANSWER_S < one < ANSWER_S + 0.01
    assert 0.4 < utilisation([(one, PERIOD_S)] * 3) < 0.6
