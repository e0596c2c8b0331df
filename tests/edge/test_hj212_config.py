"""HJ 212 buses and stations in the configuration."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from contract.errors import ConfigError
from edge.config import EdgeConfig, load
from edge.drivers.hj212 import Hj212Bus

TEXT = """\
gateway: demo-cabinet
broker: {host: 127.0.0.1, port: 1883, tls: false}
buses:
  - {id: stations, driver: hj212, listen: {host: 127.0.0.1, port: 9212}}
  - {id: bus-1, driver: modbus_tcp, host: 127.0.0.1, port: 15020}
devices:
  - id: dust-01
    profile: dust/hj212-dust-station
    bus: stations
    address: 010000A8900016F000169DC0
    password: "123456"
"""
LAST = TEXT.count("\n")


def loaded(folder: Path, more: str = "", text: str = TEXT) -> EdgeConfig:
    path = folder / "edge.yaml"
    path.write_text(text + more, encoding="utf-8")
    return load(path)


def problems(folder: Path, more: str = "", text: str = TEXT) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, more, text)
    return [problem.removeprefix(f"{folder}/edge.yaml:") for problem in caught.value.problems]


def test_a_station_is_five_lines(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    (device,) = config.devices
    assert (device.address, device.password) == ("010000a8900016f000169dc0", "123456")
    assert device.poll is None
    assert "password=" not in repr(device)
    bus = config.buses[0].bus
    assert isinstance(bus, Hj212Bus)
    assert (bus.timezone, bus.listen.port) == ("Asia/Shanghai", 9212)


def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "pw"
    secret.write_text("654321\n", encoding="utf-8")
    secret.chmod(0o600)
    text = TEXT.replace('password: "123456"', "password_file: pw")
    (device,) = loaded(tmp_path, text=text).devices
    assert device.password == "654321"
    secret.chmod(0o644)
    (told,) = problems(tmp_path, text=text)
    assert told == (
        f"11: devices[0].password_file: {secret}: others may read this password;"
        f" run: chmod 600 {secret}"
    )


def test_units_may_be_the_stations_own(tmp_path: Path) -> None:
    (device,) = loaded(tmp_path, "    units: {tsp: ng/m3, pm10: ng/m3}\n").devices
    assert device.units == {"tsp": "ng/m3", "pm10": "ng/m3"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "units: {}",
            "units: {tps: ng/m3}",
            "12: devices[0].units.tps: no measurement of the profile; did you mean tsp?",
        ),
        (
            "units: {}",
            "units: {tsp: kPa}",
            "12: devices[0].units.tsp: 'kPa' (pressure) does not convert to 'ug/m3' (mass"
            " concentration); allowed: ug/m3, ng/m3, mg/m3, mg/L, ug/L",
        ),
        (
            "address: 010000A8900016F000169DC0",
            "address: 010000A8-1",
            "10: devices[0].address: is the station's MN: 24 of 0-9 and A-F; at most 24 letters"
            " and digits",
        ),
        (
            "address: 010000A8900016F000169DC0",
            "address: 010000890001600000169000",
            "10: devices[0].address: reads as a number; put it in quotes, as address: '…'",
        ),
        (
            'password: "123456"',
            "password: 123456",
            "11: devices[0].password: reads as a number; put it in quotes, as password: '…'",
        ),
        (
            'password: "123456"',
            'password: "1234567"',
            "11: devices[0].password: is the station's PW: at most 6 characters, none of ; , & = #",
        ),
        (
            'password: "123456"',
            'name: ""',
            "7: devices[0]: needs either password or password_file: the station's PW",
        ),
        (
            "listen: {host: 127.0.0.1, port: 9212}",
            "listen: {prot: 9212, port: 1}",
            "4: buses[0].listen.prot: unknown key; did you mean port?",
        ),
        (
            "port: 9212}}",
            "port: 9212}, timezone: Asia/Chengdu}",
            "4: buses[0].timezone: unknown time zone 'Asia/Chengdu'; e.g. Asia/Shanghai",
        ),
    ],
)
def test_mistakes_are_told_with_line_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = TEXT + "    units: {}\n"
    assert old in text
    assert told in problems(tmp_path, text=text.replace(old, new))


def test_other_buses_know_no_passwords_and_units(tmp_path: Path) -> None:
    other = """\
  - id: noise-01
    profile: noise/rs485-sound
    bus: bus-1
    unit_id: 1
    password: "x"
    units: {noise_la: dB(A)}
"""
    assert problems(tmp_path, other) == [
        f"{LAST + 5}: devices[1].password: devices on modbus_tcp have none",
        f"{LAST + 6}: devices[1].units: devices on modbus_tcp have none",
    ]


async def test_a_port_in_use_ends_the_agent_with_2_before_it_begins(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        loaded(tmp_path, text=TEXT.replace("9212", str(port)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gridwarden", "edge", "run", str(tmp_path / "edge.yaml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1"},
        )
        async with asyncio.timeout(60):
            _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode() == (
        f"{tmp_path}/edge.yaml: bus stations: listen.port: {port}: Address already in use;"
        " choose another\n"
    )
    assert not (tmp_path / "buffer.sqlite").exists()
