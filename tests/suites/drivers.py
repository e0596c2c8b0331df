"""What every Source of the edge promises. Subclass the suite, and give it a world to read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from contract.clock import SystemClock
from contract.quality import Quality
from tests.edge.kit import Bench, eventually


class World(Protocol):
    """A bus, what is at its other end, and what may be read from it.

    truth: (device, measurement) -> the only value that may ever be read as good. `start` and
    `stop` make the other end appear and go away; `rave` makes it talk nonsense until `start`.
    """

    bench: Bench
    truth: Mapping[tuple[str, str], float]

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def rave(self) -> None: ...


def good(world: World) -> set[tuple[str, str]]:
    """Return whose good readings have come; each must be the truth."""
    found = [r for r in world.bench.readings if r.quality is Quality.NORMAL]
    for reading in found:
        key = (reading.device, reading.measurement)
        assert reading.value is not None
        assert abs(reading.value - world.truth[key]) < 1e-9
    return {(r.device, r.measurement) for r in found}


class DriverSuite:
    """Each test gets the fixture `world`, whose other end is up."""

    async def test_every_measurement_of_every_device_is_read(self, world: World) -> None:
        async with world.bench.running():
            await eventually(lambda: good(world) == set(world.truth))

    async def test_readings_are_stamped_with_the_time_of_the_answer(self, world: World) -> None:
        before_ms = SystemClock().now_ms()
        async with world.bench.running():
            await eventually(lambda: good(world) == set(world.truth))
        after_ms = SystemClock().now_ms()
        assert all(before_ms <= r.observed_ms <= after_ms for r in world.bench.readings)

    async def test_an_other_end_that_goes_away_is_told_and_taken_up_again(
        self, world: World
    ) -> None:
        async with world.bench.running():
            await eventually(lambda: good(world) == set(world.truth))
            await world.stop()
            await eventually(lambda: bool(world.bench.health.told()))
            world.bench.readings.clear()
            await world.start()
            await eventually(lambda: good(world) == set(world.truth))
            await eventually(lambda: not world.bench.health.told())

    async def test_an_other_end_that_is_not_there_at_first_is_waited_for(
        self, world: World
    ) -> None:
        await world.stop()
        async with world.bench.running():
            await eventually(lambda: bool(world.bench.health.told()))
            await world.start()
            await eventually(lambda: good(world) == set(world.truth))

    async def test_nonsense_is_never_a_good_reading(self, world: World) -> None:
        await world.rave()
        async with world.bench.running():
            await eventually(lambda: _noticed(world))
            assert good(world) == set()
            await world.start()
            await eventually(lambda: good(world) == set(world.truth))

    async def test_it_ends_at_once_when_cancelled(self, world: World) -> None:
        async with world.bench.running() as task:
            await eventually(lambda: good(world) == set(world.truth))
            task.cancel()
            async with asyncio.timeout(5):
                await asyncio.wait([task])
            assert task.cancelled()


class Sender(Protocol):
    """Devices that speak for themselves, or the broker that keeps what they said.

    `tell` says each level at a time of its own, for as long as it is not acknowledged. `restart`
    makes a bench that remembers nothing, as an agent does that was killed.
    """

    bench: Bench

    async def tell(self, *levels: float) -> None: ...
    def restart(self) -> None: ...


class PushedSuite:
    """What drivers promise whose devices push. Each test gets the fixture `sender`."""

    async def test_what_was_not_on_disk_comes_again(self, sender: Sender) -> None:
        sender.bench.buffer.slow = True
        async with sender.bench.running():
            await sender.tell(51.5, 52.5, 53.5)
            await eventually(lambda: levels(sender) == [51.5, 52.5, 53.5])
        sender.restart()
        async with sender.bench.running():
            await eventually(lambda: levels(sender) == [51.5, 52.5, 53.5])

    async def test_what_is_on_disk_does_not_come_again(self, sender: Sender) -> None:
        async with sender.bench.running():
            await sender.tell(51.5, 52.5)
            await eventually(lambda: levels(sender) == [51.5, 52.5])
            await sender.tell(53.5)
            await eventually(lambda: levels(sender) == [51.5, 52.5, 53.5])
        sender.restart()
        async with sender.bench.running():
            await sender.tell(54.5)
            await eventually(lambda: 54.5 in levels(sender))
        assert levels(sender)[-1:] == [54.5]
        assert not {51.5, 52.5} & set(levels(sender))

    async def test_what_comes_again_before_it_is_on_disk_is_read_once(self, sender: Sender) -> None:
        sender.bench.buffer.slow = True
        async with sender.bench.running():
            await sender.tell(51.5)
            await eventually(lambda: levels(sender) == [51.5])
        async with sender.bench.running():
            await sender.tell(52.5)
            await eventually(lambda: 52.5 in levels(sender))
        assert levels(sender) == [51.5, 52.5]


def levels(sender: Sender) -> list[float]:
    """Return what has been read, in the order of time."""
    found = sorted(sender.bench.readings, key=lambda reading: reading.observed_ms)
    return [reading.value for reading in found if reading.value is not None]


def _noticed(world: World) -> bool:
    health = world.bench.health
    return health.quarantined > 0 or sum(d.failures for d in health.devices.values()) > 2
