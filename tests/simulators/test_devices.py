"""A simulated device bears what its profile says it bears, and keeps its ledger."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from msgspec.structs import replace

from contract.clock import ManualClock
from device_profiles.loader import load_profile
from device_profiles.schema import Profile, Requests, Start, Write
from simulators.devices import ModbusDevice, Sensor, Timeline
from simulators.faults import FaultKind
from simulators.ledger import Ledger, read_ledger
from simulators.settings import set_up
from simulators.signals import Excursion, Street

DUST = load_profile("dust/cwt-uwd-sws")


def device(
    profile: Profile = DUST, requests: Requests | None = None, ledger: Ledger | None = None
) -> ModbusDevice:
    assert profile.modbus is not None
    if requests is not None:
        profile = replace(profile, modbus=replace(profile.modbus, requests=requests))
    street = Street(
        device="dust-01", excursions=[Excursion(peaks={"pm10": 900}, start_s=5, end_s=20)]
    )
    sensor = Sensor(profile=profile, street=street)
    return ModbusDevice(
        sensor,
        set_up(profile, sensor.usual()),
        clock=CLOCK,
        timeline=Timeline(),
        ledger=ledger or Ledger(None),
    )


CLOCK = ManualClock()


def ask(one: ModbusDevice, address: int, count: int, fault: FaultKind | None = None) -> bytes:
    return one.respond(struct.pack(">BHH", 3, address, count), "127.0.0.1:9", fault)


def refused(reply: bytes) -> int:
    """Return the exception code; 0 if it is a good answer."""
    return reply[1] if reply[0] & 0x80 else 0


def test_holes_read_as_zero_unless_the_device_cannot_bear_them() -> None:
    assert refused(ask(device(), 0x1F4, 14)) == 0
    assert ask(device(), 0x1F6, 1) == b"\x03\x02\x00\x00"
    assert refused(ask(device(requests=Requests(max_hole=0)), 0x1F4, 14)) == 2
    assert refused(ask(device(requests=Requests(holes=((0x1F6, 0x1F6),))), 0x1F4, 4)) == 2
    assert refused(ask(device(), 0x1F3, 2)) == 2


def test_more_than_a_device_can_bear_is_refused() -> None:
    small = device(requests=Requests(max_registers=8))
    assert refused(ask(small, 0x1F4, 8)) == 0
    assert refused(ask(small, 0x1F4, 9)) == 3


def test_a_device_that_wants_one_field_each() -> None:
    single = device(requests=Requests(one_field_each=True))
    assert refused(ask(single, 0x1FE, 2)) == 0
    assert refused(ask(single, 0x1FB, 2)) == 2


def test_what_the_profile_names_may_be_written_and_nothing_else() -> None:
    assert DUST.modbus is not None
    writes = {"unit_id": Write(address=0x07D0, function=6)}
    start = Start(function=16, address=0x2500)
    modbus = replace(DUST.modbus, writes=writes, requests=Requests(start=(start,)))
    one = device(replace(DUST, modbus=modbus))
    assert one.respond(bytes.fromhex("0607D00003"), "x", None) == bytes.fromhex("0607D00003")
    assert refused(one.respond(bytes.fromhex("0607D10003"), "x", None)) == 2
    assert refused(one.respond(bytes.fromhex("10250000010200 01"), "x", None)) == 0


def test_time_begins_with_the_first_reading() -> None:
    one = device()
    CLOCK.advance_ms(3_600_000)
    first = int.from_bytes(ask(one, 0x1FC, 1)[2:])
    CLOCK.advance_ms(10_000)
    assert first < 200
    assert int.from_bytes(ask(one, 0x1FC, 1)[2:]) > 850


@pytest.mark.parametrize("fault", [None, FaultKind.LATE])
def test_the_ledger_says_what_was_read_by_whom(tmp_path: Path, fault: FaultKind | None) -> None:
    path = tmp_path / "served.jsonl"
    with Ledger(path) as ledger:
        one = device(ledger=ledger)
        reply = ask(one, 0x1FB, 4, fault)  # pm25, pm10, air_pressure, and half of illuminance
        assert refused(ask(one, 0x300, 1)) == 2
    words = struct.unpack(">4H", reply[2:])
    served = read_ledger(path)
    assert [(line.measurement, line.value) for line in served] == [
        ("pm25", words[0]),
        ("pm10", words[1]),
        ("air_pressure", words[2] / 10),
    ]
    assert {(line.device, line.to, line.served_ms, line.fault) for line in served} == {
        ("dust-01", "127.0.0.1:9", CLOCK.now_ms(), fault.value if fault else "")
    }
