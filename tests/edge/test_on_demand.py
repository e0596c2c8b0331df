"""What is asked out of turn goes ahead of all polls, and disturbs none."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from contract.errors import Disconnected, Timeout
from edge.core.modbus import Refused, Request
from edge.polling import MOST_WAITING
from tests.edge.kit import eventually
from tests.edge.poll_kit import PollBench, device, with_limits

WRITE = Request(unit_id=2, function=6, address=0x40, value=7)
READ_BACK = Request(unit_id=2, function=3, address=0x40)
WRITE_SEEN, READ_SEEN = (2, 6, 0x40), (2, 3, 0x40)


def busy_bench(folder: Path) -> PollBench:
    """Ten devices of several requests each that want far more than their bus can give."""
    parts = with_limits("dust/cwt-uwd-sws", max_registers=1, max_hole=0)
    return PollBench(folder, *(device(unit, 0.0001, parts) for unit in range(1, 11)))


async def test_it_waits_for_one_exchange_at_most(tmp_path: Path) -> None:
    bench = busy_bench(tmp_path)
    async with bench.running():
        await eventually(lambda: bench.polls("d10") >= 2)
        for _ in range(20):
            before = len(bench.line.asked)
            written, found = await bench.bus.ask_now("d2", (WRITE, READ_BACK))
            assert written == b""
            assert len(found) == 2
            # What was under way, the two, and what began before this test had its turn again.
            assert bench.line.asked[before : before + 3].index(WRITE_SEEN) <= 1
            at = bench.line.asked.index(WRITE_SEEN, before)
            assert bench.line.asked[at : at + 2] == [WRITE_SEEN, READ_SEEN]
        polls = bench.polls("d1")
        await eventually(lambda: bench.polls("d1") > polls)
    assert {health.failures for health in bench.health.devices.values()} == {0}


async def test_a_resting_bus_is_woken(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(2, period_s=3_600))
    async with bench.running():
        await eventually(lambda: bench.polls("d2") == 1)
        async with asyncio.timeout(30):
            await bench.bus.ask_now("d2", (WRITE,))
        assert bench.polls("d2") == 1


async def test_it_does_not_wait_for_the_pause_of_another_device(tmp_path: Path) -> None:
    slow = with_limits("dust/cwt-uwd-sws", max_registers=8, max_hole=8, pause_ms=60_000)
    bench = PollBench(tmp_path, device(1, 3_600, slow), device(2, 3_600))
    async with bench.running():
        await eventually(lambda: (1, 3, 0x1F4) in bench.line.asked)
        async with asyncio.timeout(30):
            await bench.bus.ask_now("d2", (WRITE,))


async def test_a_device_has_its_pause_also_then(tmp_path: Path) -> None:
    slow = with_limits("noise/rs485-sound", pause_ms=30)
    bench = PollBench(tmp_path, device(2, profile=slow))
    async with bench.running():
        for _ in range(3):
            await bench.bus.ask_now("d2", (WRITE, READ_BACK))
    times_s = bench.line.times_s[2]
    assert min(b - a for a, b in pairwise(times_s)) >= 0.03


async def test_a_refusal_is_told_and_what_follows_is_not_asked(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1), device(2))
    bench.line.failing[1000 + 0x40] = Refused(2)
    async with bench.running():
        with pytest.raises(Refused, match="illegal data address"):
            await bench.bus.ask_now("d2", (WRITE, READ_BACK))
    assert READ_SEEN not in bench.line.asked


async def test_a_timeout_closes_the_line_and_fails_no_poll(tmp_path: Path) -> None:
    bench = busy_bench(tmp_path)
    bench.line.failing[1000 + 0x40] = Timeout("no answer in 1.0 s")
    async with bench.running():
        await eventually(lambda: bench.polls("d10") >= 1)
        for _ in range(5):
            with pytest.raises(Timeout):
                await bench.bus.ask_now("d2", (WRITE,))
        polls = bench.polls("d10")
        await eventually(lambda: bench.polls("d10") > polls)
    assert {health.failures for health in bench.health.devices.values()} == {0}


async def test_a_bus_that_is_down_says_so(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(2))
    bench.line.down = True
    async with bench.running():
        with pytest.raises(Disconnected, match="no connection"):
            await bench.bus.ask_now("d2", (WRITE,))


async def test_a_bus_that_runs_no_more_says_so(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(2))
    async with bench.running():
        await bench.bus.ask_now("d2", (WRITE,))
    with pytest.raises(Disconnected, match="bus bus-1 is not running"):
        await bench.bus.ask_now("d2", (WRITE,))


async def test_who_waits_when_the_bus_is_stopped_is_told(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1), device(2))
    bench.line.going.clear()
    async with bench.running() as task:
        await eventually(lambda: bool(bench.line.asked))
        waiting = [asyncio.ensure_future(bench.bus.ask_now("d2", (WRITE,))) for _ in range(2)]
        await asyncio.sleep(0)
        task.cancel()
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in told] == [Disconnected, Disconnected]


async def test_the_queue_is_bounded_and_who_has_gone_is_not_served(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1), device(2))
    bench.line.going.clear()
    async with bench.running():
        await eventually(lambda: bool(bench.line.asked))
        asking = [
            asyncio.ensure_future(bench.bus.ask_now("d2", (WRITE,))) for _ in range(MOST_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Timeout, match="32 requests wait already"):
            await bench.bus.ask_now("d2", (WRITE,))
        for each in asking[1:]:
            each.cancel()
        await asyncio.sleep(0)
        bench.line.going.set()
        assert await asking[0] == (b"",)
        await eventually(lambda: bench.polls("d1") >= 2)
    assert bench.line.asked.count(WRITE_SEEN) == 1


async def test_a_device_that_has_just_been_started_says_when_to_ask_again(tmp_path: Path) -> None:
    slow = with_limits("water/yosemitech-y511")
    bench = PollBench(tmp_path, device(2, profile=slow))
    async with bench.running():
        with pytest.raises(Timeout, match="ask again in 12 s"):
            await bench.bus.ask_now("d2", (WRITE,))
