"""Asking and writing out of turn: only what the profile allows, told in a person's words."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path

import pytest
from msgspec.structs import replace

from contract.errors import Timeout
from device_profiles.loader import load_profile
from device_profiles.schema import Profile, Write
from edge.core.demands import places_of, write_request
from edge.core.modbus import Framing, Refused, build_adu
from edge.devices import Device
from edge.ports import Answers, NotAllowed
from edge.switchboard import Switchboard
from tests.edge.kit import eventually
from tests.edge.poll_kit import PollBench, device, with_limits

MODE = Write(address=7, values={"measure": 0, "calibrate": 9}, reads_back=False)
SPAN = Write(address=8, function=16, unit="kPa", scale=0.1, low=0, high=50)
PARTS = with_limits("dust/cwt-uwd-sws", max_registers=8, max_hole=8)


def with_writes(profile: Profile, **writes: Write) -> Profile:
    assert profile.modbus is not None
    return replace(profile, modbus=replace(profile.modbus, writes=writes))


def board_of(bench: PollBench, *devices: Device, within_s: float = 30) -> Switchboard:
    board = Switchboard(bench.clock, bench.deliver, within_s)
    board.connect(devices, bench.bus)
    return board


async def test_a_measurement_costs_the_requests_that_it_needs(tmp_path: Path) -> None:
    dust = device(1, 3_600, PARTS)
    bench = PollBench(tmp_path, dust)
    async with bench.running():
        await eventually(lambda: bench.polls("d1") == 1)
        board, before = board_of(bench, dust), len(bench.line.asked)
        readings = await board.read("d1", ["wind_speed"])
        assert [r.measurement for r in readings] == ["wind_speed"]
        assert len(bench.line.asked) == before + 1
        assert bench.polls("d1") == 1  # a part of a poll is for whoever asked alone
        readings = await board.read("d1")
        assert {r.measurement for r in readings} == set(dust.measurements)
        assert bench.polls("d1") == 2
        answers = [frame for frame in bench.frames if isinstance(frame, Answers)]
        assert answers[-1].observed_ms == readings[0].observed_ms


async def test_a_write_that_cannot_be_read_back_says_so(tmp_path: Path) -> None:
    gas = device(1, 3_600, with_writes(load_profile("noise/rs485-sound"), mode=MODE, span=SPAN))
    bench = PollBench(tmp_path, gas)
    async with bench.running():
        board = board_of(bench, gas)
        written = await board.write("d1", "mode", "calibrate")
        assert (written.asked, written.found, written.why) == (
            "calibrate",
            None,
            "cannot be read back",
        )
        # The fake device answers every read with 00 01: 0.1 kPa.
        written = await board.write("d1", "span", 12.5)
        assert (written.found, written.unit) == (0.1, "kPa")
        assert written.why == "the device holds 0.1"
        written = await board.write("d1", "span", 0.1)
        assert written.why == ""


async def test_a_read_back_that_fails_leaves_the_write_done(tmp_path: Path) -> None:
    gas = device(1, 3_600, with_writes(load_profile("noise/rs485-sound"), span=SPAN))
    bench = PollBench(tmp_path, gas)
    bench.line.refused_functions = {3: 2}
    async with bench.running():
        written = await board_of(bench, gas).write("d1", "span", 1)
    assert written.why == "not read back: exception 2 (illegal data address)"
    assert written.found is None


@pytest.mark.parametrize(
    ("name", "point", "value", "why"),
    [
        ("d2", "span", 1, "no device 'd2'; allowed: d1, own"),
        ("d1", "spam", 1, "'spam' is not among the writes of noise/rs485-sound; allowed: span"),
        ("d1", "span", 51, "d1: span: 51 may not be written; allowed: 0 to 50 kPa"),
        ("own", "span", 1, "own cannot be asked: it speaks for itself"),
    ],
)
async def test_what_is_not_allowed_is_told_with_what_is(
    tmp_path: Path, name: str, point: str, value: float, why: str
) -> None:
    gas = device(1, 3_600, with_writes(load_profile("noise/rs485-sound"), span=SPAN))
    bench = PollBench(tmp_path, gas)
    board = board_of(bench, gas)
    board.connect([changed(gas, id="own")], object())
    with pytest.raises(NotAllowed, match=why):
        await board.write(name, point, value)
    assert bench.line.asked == []


async def test_reading_what_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    gas = device(1)
    bench = PollBench(tmp_path, gas)
    board = board_of(bench, gas)
    with pytest.raises(NotAllowed, match="d1 measures no 'noise_lb'; did you mean noise_la"):
        await board.read("d1", ["noise_lb"])
    board.disconnect(["d1"])
    with pytest.raises(NotAllowed, match="no device 'd1'; there is none"):
        await board.read("d1")


async def test_a_profile_without_writes_allows_none(tmp_path: Path) -> None:
    gas = device(1)
    bench = PollBench(tmp_path, gas)
    with pytest.raises(NotAllowed, match="it allows none"):
        await board_of(bench, gas).write("d1", "span", 1)


async def test_a_bus_that_does_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    gas = device(1)
    bench = PollBench(tmp_path, gas)
    bench.line.going.clear()
    async with bench.running():
        with pytest.raises(Timeout, match="its bus did nothing for 0"):
            await board_of(bench, gas, within_s=0.01).read("d1")


async def test_a_device_that_refuses_is_told_as_such(tmp_path: Path) -> None:
    gas = device(1)
    bench = PollBench(tmp_path, gas)
    bench.line.failing[1] = Refused(4)
    async with bench.running():
        with pytest.raises(Refused, match="device failure"):
            await board_of(bench, gas).read("d1")


def test_requests_are_chosen_with_what_they_depend_on() -> None:
    dust = device(1, profile=PARTS)
    assert dust.decoder is not None
    every = places_of(PARTS, dust.decoder.blocks, dust.measurements)
    assert every == tuple(range(len(dust.decoder.blocks)))
    water = device(1, profile=with_limits("water/yosemitech-y511", max_hole=0, one_field_each=True))
    assert water.decoder is not None
    needed = places_of(water.profile, water.decoder.blocks, ["water_turbidity"])
    asked = [water.decoder.blocks[place].address for place in needed]
    assert asked == [0x2602, 0x2604]  # and the brush's error flag, which tells its quality


def test_writes_go_out_as_their_vectors_say() -> None:
    modbus = load_profile("water/yosemitech-y511").modbus
    assert modbus is not None
    write = modbus.writes["brush_interval"]
    (vector,) = write.vectors
    request = write_request(1, write, b"\x1e\x00")
    assert build_adu(request, Framing.RTU) == bytes.fromhex(vector.request)
    coil = Write(address=3, function=5, type="bit", low=0, high=1)
    assert write_request(1, coil, b"\x01").pdu == bytes.fromhex("05 0003 FF00")
    coils = Write(address=3, function=15, type="bit", low=0, high=1)
    assert write_request(1, coils, b"\x01").pdu == bytes.fromhex("0F 0003 0001 01 01")
    one = Write(address=3, low=0, high=9)
    assert write_request(1, one, b"\x00\x09").pdu == bytes.fromhex("06 0003 0009")
