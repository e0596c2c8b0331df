"""mbpoll, none of ours, reads the simulators and prints the values that `edge read` prints."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from device_profiles.loader import catalog, load_profile
from simulators.modbus_frames import Framing
from tests.edge.cabinet.kit import Part, bus_of, device, edge, tcp, tool, write_config

UNIT = 7
LINE = re.compile(r"\[(\d+)\]:\s+(\S+)(?: \((-\d+)\))?")


class Request(msgspec.Struct):
    function: int
    address: int
    count: int
    words: list[str]


class Value(msgspec.Struct):
    measurement: str
    raw: float | None
    scaled: float | None
    value: float | None


class Told(msgspec.Struct):
    good: bool
    requests: list[Request]
    values: list[Value]


def polled_at_once(name: str) -> bool:
    """Whether a profile is of Modbus, and does not rest for seconds first."""
    modbus = load_profile(name).modbus
    return modbus is not None and not any(start.wait_s for start in modbus.requests.start)


PROFILES = [name for name in catalog() if polled_at_once(name)]


async def mbpoll(port: int, table: str, first: int, count: int, *more: str) -> dict[int, str]:
    """Read registers with mbpoll; return register (from 0) -> what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(tool("mbpoll"), "-m", "tcp", "-p", str(port), "-a", str(UNIT), "-t", table, "-0"),
        *("-r", str(first), "-c", str(count), "-1", *more, "127.0.0.1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    found = {int(at): signed or text for at, text, signed in LINE.findall(out.decode())}
    assert len(found) == count, out.decode()
    return found


async def read(folder: Path, port: int, profile: str) -> Told:
    config = write_config(folder, [tcp(port)], [device(profile, UNIT)])
    done = await edge("read", config, "it", "--json")
    assert done.code == 0, done.out + done.err
    return msgspec.json.decode(done.out.splitlines()[-1], type=Told)


def test_there_is_much_to_compare() -> None:
    assert len(PROFILES) > 15


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_same_words(profile: str, tmp_path: Path) -> None:
    async with bus_of(Part(profile=profile, unit_id=UNIT)) as port:
        told = await read(tmp_path, port, profile)
        assert told.good
        assert told.requests
        for request in told.requests:
            table = "3:hex" if request.function == 4 else "4:hex"
            theirs = await mbpoll(port, table, request.address, request.count)
            assert [int(text, 16) for text in theirs.values()] == [
                int(w, 16) for w in request.words
            ]


async def test_the_same_whole_numbers(tmp_path: Path) -> None:
    """-10.1 °C is 65435 to mbpoll, and -101 beside it; scale 0.1 makes it what we print."""
    name = "dust/cwt-uwd-sws"
    modbus = load_profile(name).modbus
    assert modbus is not None
    async with bus_of(Part(profile=name, unit_id=UNIT)) as port:
        told = await read(tmp_path, port, name)
        compared = 0
        for value in told.values:
            part = modbus.measurements[value.measurement]
            if part.count != 1:
                continue
            (text,) = (await mbpoll(port, "4", part.address, 1)).values()
            assert float(text) == value.raw
            assert value.value == pytest.approx(float(text) * part.scale)
            compared += 1
        assert compared == 10


@pytest.mark.parametrize(
    ("profile", "measurement", "more"),
    [
        ("gas/pressure-transmitter-b", "gas_pressure", ("-B",)),  # high word first
        ("gas/fuxin-gas-meter", "gas_temperature", ("-B",)),
    ],
)
async def test_the_same_floats(
    profile: str, measurement: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    modbus = load_profile(profile).modbus
    assert modbus is not None
    async with bus_of(Part(profile=profile, unit_id=UNIT)) as port:
        told = await read(tmp_path, port, profile)
        ours = next(value for value in told.values if value.measurement == measurement)
        address = modbus.measurements[measurement].address
        (text,) = (await mbpoll(port, "4:float", address, 1, *more)).values()
        assert float(text) == pytest.approx(ours.raw, rel=1e-4)
        assert ours.value == pytest.approx(float(text), rel=1e-4)  # both are sent in kPa, °C


async def test_rtu_framing_yields_the_same(tmp_path: Path) -> None:
    """The same registers, once by each framing: one cannot be wrong alone."""
    part = Part(profile="noise/rs485-sound", unit_id=UNIT)
    async with bus_of(part) as port:
        plain = await read(tmp_path, port, part.profile)
    async with bus_of(part, framing=Framing.RTU) as port:
        config = write_config(
            tmp_path, [tcp(port, "modbus_rtu_over_tcp")], [device(part.profile, UNIT)]
        )
        done = await edge("read", config, "it", "--json")
    framed = msgspec.json.decode(done.out.splitlines()[-1], type=Told)
    assert framed.values == plain.values
