"""A polled bus: each device in its own time, the dead told once, the living undisturbed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from contract.errors import Timeout
from contract.quality import Quality
from device_profiles.loader import load_profile
from device_profiles.schema import Start
from edge.core.modbus import Refused
from tests.edge.kit import eventually
from tests.edge.poll_kit import PollBench, device, with_limits


async def test_a_dead_device_is_told_once_with_every_measurement(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    # On a busy machine a probe takes long, and the next would come only after 60 times that.
    monkeypatch.setattr("edge.core.schedule.PROBE_SPACING", 0)
    bench = PollBench(tmp_path, device(1, profile=load_profile("dust/cwt-uwd-sws")), device(2))
    bench.line.failing[1] = Timeout("no answer in 1.0 s")
    async with bench.running():
        await eventually(lambda: bench.health.devices["d1"].failures >= 4)
        assert bench.silences() == ["d1"]
        dead = [r for r in bench.readings if r.device == "d1"]
        assert [r.measurement for r in dead] == list(
            load_profile("dust/cwt-uwd-sws").measurement_names()
        )
        assert {(r.value, r.quality) for r in dead} == {(None, Quality.COMMUNICATION)}
        assert caplog.text.count("d1 has failed: no answer in 1.0 s") == 1
        assert bench.health.told() == ("d1: no answer in 1.0 s",)
        del bench.line.failing[1]
        await eventually(lambda: bench.polls("d1") > 2)
        assert caplog.text.count("d1 answers again") == 1
        bench.line.failing[1] = Timeout("no answer in 1.0 s")
        await eventually(lambda: bench.silences() == ["d1", "d1"])


async def test_the_living_keep_their_period_beside_a_dead_one(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1, 0.05), device(2, 0.05), device(3, 0.05))
    bench.line.failing[2] = Timeout("no answer")
    async with bench.running():
        await eventually(lambda: bench.polls("d1") >= 40)
    failures = bench.health.devices["d2"].failures
    assert failures < bench.polls("d1") / 2  # probed at 0.05, 0.1, 0.2, 0.2 … s, not at 0.05
    assert abs(bench.polls("d1") - bench.polls("d3")) <= 2


async def test_when_a_bus_comes_back_all_its_devices_are_probed_at_once(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, *(device(unit) for unit in range(1, 6)))
    bench.line.down = True
    async with bench.running():
        await eventually(lambda: len(bench.silences()) == 5)
        assert "bus bus-1: no connection to 127.0.0.1:1" in bench.health.told()
        bench.line.down = False
        await eventually(lambda: all(bench.polls(f"d{unit}") for unit in range(1, 6)))
        assert bench.health.told() == ()


async def test_never_two_polls_of_one_device_at_once(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1, period_s=0.0001))
    async with bench.running():
        await eventually(lambda: bench.polls("d1") > 50)
    assert all(b - a >= 0.001 for a, b in pairwise(bench.line.times_s[1]))


async def test_what_one_request_brings_is_kept_when_another_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    halves = with_limits("dust/cwt-uwd-sws", max_registers=8, max_hole=8)
    bench = PollBench(tmp_path, device(1, profile=halves))
    bench.line.failing[1000 + 0x1F4] = Refused(2)
    async with bench.running():
        await eventually(lambda: bench.polls("d1") > 3)
    quality = {r.measurement: r.quality for r in bench.readings}
    assert quality["wind_speed"] is Quality.COMMUNICATION
    assert quality["pm10"] is Quality.NORMAL
    assert bench.silences() == []
    assert bench.health.devices["d1"].failures == 0
    assert caplog.text.count("refuses a request: exception 2 (illegal data address)") == 1


async def test_what_one_request_brings_is_kept_when_another_times_out(tmp_path: Path) -> None:
    halves = with_limits("dust/cwt-uwd-sws", max_registers=8, max_hole=8)
    bench = PollBench(tmp_path, device(1, profile=halves))
    bench.line.failing[1000 + 0x1FC] = Timeout("no answer")
    async with bench.running():
        await eventually(lambda: bench.polls("d1") > 3)
    quality = {r.measurement: r.quality for r in bench.readings}
    assert quality["wind_speed"] is Quality.NORMAL
    assert quality["pm10"] is Quality.COMMUNICATION
    assert bench.silences() == []
    assert bench.health.devices["d1"].failures > 0


async def test_a_device_that_refuses_everything_has_failed(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1))
    bench.line.failing[1] = Refused(1)
    async with bench.running():
        await eventually(lambda: bench.silences() == ["d1"])
        await eventually(lambda: bench.health.devices["d1"].failures > 2)
    assert bench.line.opened == 1  # the line itself is sound


STARTS: Mapping[str, object] = {
    "start": (
        Start(function=6, address=0x20, value=1),
        Start(function=3, address=0x30, count=2, wait_s=0.001),
    )
}


async def test_a_device_is_started_after_every_connection_and_only_then(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1, profile=with_limits("noise/rs485-sound", **STARTS)))
    async with bench.running():
        await eventually(lambda: bench.polls("d1") >= 2)
        bench.line.close()
        await eventually(lambda: bench.polls("d1") >= 4)
    start, poll = [(1, 6, 0x20), (1, 3, 0x30)], (1, 3, 0)
    assert bench.line.asked[:4] == [*start, poll, poll]
    again = bench.line.asked[4:]
    assert again[again.index(start[0]) : again.index(start[0]) + 3] == [*start, poll]
    assert bench.line.asked.count(start[0]) == 2


async def test_a_device_may_ask_for_pauses_a_timeout_and_a_new_connection(tmp_path: Path) -> None:
    slow = with_limits(
        "dust/cwt-uwd-sws",
        max_registers=8,
        max_hole=8,
        pause_ms=30,
        pause_after_connect_ms=30,
        close_after_poll=True,
        timeout_s=2.5,
    )
    bench = PollBench(tmp_path, device(1, profile=slow))
    began_s = asyncio.get_running_loop().time()
    async with bench.running():
        await eventually(lambda: bench.polls("d1") >= 3)
    first, second, *_ = bench.line.times_s[1]
    assert first - began_s >= 0.03
    assert second - first >= 0.03
    assert bench.line.opened >= 3
    assert bench.line.timeouts_s == {2.5}


async def test_the_connection_is_closed_at_the_end(tmp_path: Path) -> None:
    bench = PollBench(tmp_path, device(1))
    async with bench.running():
        await eventually(lambda: bench.polls("d1") >= 1)
    assert bench.line.closed == bench.line.opened == 1


async def test_a_rest_after_the_start_holds_nobody_up(tmp_path: Path) -> None:
    slow = with_limits(
        "noise/rs485-sound", start=(Start(function=6, address=1, value=1, wait_s=1),)
    )
    bench = PollBench(tmp_path, device(1, profile=slow), device(2))
    async with bench.running():
        await eventually(lambda: bench.polls("d2") >= 5)
        assert bench.polls("d1") == 0
        bench.line.close()  # what is resting has been started all the same
        await eventually(lambda: bench.polls("d1") >= 1)
    assert bench.line.asked.count((1, 6, 1)) == 1
    assert bench.health.devices["d1"].failures == 0


async def test_who_is_failing_is_asked_one_short_request(tmp_path: Path) -> None:
    parts = with_limits("dust/cwt-uwd-sws", max_registers=8, max_hole=8)
    bench = PollBench(tmp_path, device(1, profile=parts))
    bench.line.failing[1] = Timeout("no answer")
    plan = device(1, profile=parts).poll
    assert plan is not None
    shortest = min(plan.requests, key=lambda request: request.size)
    assert shortest != plan.requests[0]
    async with bench.running():
        await eventually(lambda: bench.health.devices["d1"].failures >= 4)
        asked = list(bench.line.asked)
        del bench.line.failing[1]
        await eventually(lambda: bench.polls("d1") >= 2)
    assert asked[0] == (1, 3, plan.requests[0].address)
    assert set(asked[1:]) == {(1, 3, shortest.address)}


async def test_a_gateway_that_speaks_for_a_silent_device_is_not_asked_on(tmp_path: Path) -> None:
    """Exception 11 comes after the gateway's own time-out: one for every request would add up."""
    parts = with_limits("dust/cwt-uwd-sws", max_registers=8, max_hole=8)
    bench = PollBench(tmp_path, device(1, profile=parts))
    bench.line.failing[1] = Refused(11)
    async with bench.running():
        await eventually(lambda: bench.health.devices["d1"].failures >= 3)
    assert bench.silences() == ["d1"]
    assert len(bench.line.asked) <= bench.health.devices["d1"].failures + 1
    assert "exception 11" in bench.health.told()[0]
