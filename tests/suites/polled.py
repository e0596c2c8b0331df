"""What every polled Modbus bus promises besides: it can be asked and written to out of turn."""

from __future__ import annotations

import pytest

from contract.quality import Quality
from edge.core.modbus import Refused
from edge.ports import NotAllowed, Written
from edge.switchboard import Switchboard
from tests.suites.drivers import DriverSuite, World


def switchboard(world: World) -> Switchboard:
    """Return a switchboard of the world's only bus."""
    board = Switchboard(world.bench.clock, world.bench.deliver)
    board.connect(world.bench.devices, world.bench.source)
    return board


class PolledSuite(DriverSuite):
    """Each test gets a world whose gas-01 has the write `span` (5 to 20000 %, steps of 0.5)."""

    async def test_devices_are_read_out_of_turn(self, world: World) -> None:
        board = switchboard(world)
        async with world.bench.running():
            for device, measurement in world.truth:
                (reading,) = await board.read(device, [measurement])
                assert (reading.device, reading.measurement) == (device, measurement)
                assert reading.value == pytest.approx(world.truth[device, measurement])
                whole = await board.read(device)
                assert measurement in {reading.measurement for reading in whole}
                assert {reading.quality for reading in whole} == {Quality.NORMAL}

    async def test_what_is_written_is_there_when_read_back(self, world: World) -> None:
        board = switchboard(world)
        async with world.bench.running():
            for value in (7.5, 20_000, 5):
                written = await board.write("gas-01", "span", value)
                assert written == Written("gas-01", "span", value, value, "%", written.at_ms)

    async def test_what_the_device_refuses_is_told(self, world: World) -> None:
        board = switchboard(world)
        async with world.bench.running():
            with pytest.raises(Refused):
                await board.write("gas-01", "nowhere", 1)
            written = await board.write("gas-01", "span", 10)
            assert written.why == ""

    async def test_nothing_is_sent_that_is_not_allowed(self, world: World) -> None:
        board = switchboard(world)
        async with world.bench.running():
            before = await board.read("gas-01")
            for point, value in (("span", 4), ("span", 5.25), ("spam", 5), ("span", "high")):
                with pytest.raises(NotAllowed, match="allowed"):
                    await board.write("gas-01", point, value)
            after = await board.read("gas-01")
        assert [r.value for r in after] == [r.value for r in before]
