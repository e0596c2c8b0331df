"""Serial lines in the configuration: what profiles say of them, and what is not there just now."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import ConfigError
from edge.config import load
from edge.drivers.modbus_rtu import ModbusRtuBus
from tests.edge.agent import edge
from tests.edge.drivers.fronts import SerialPair

HEAD = "gateway: cabinet-1\nbroker: {host: 127.0.0.1, port: 1883, tls: false}\n"


def device(name: str, profile: str, unit_id: int, bus: str = "rs485") -> str:
    return f"  - {{id: {name}, profile: {profile}, bus: {bus}, unit_id: {unit_id}}}\n"


def config(folder: Path, buses: str, *devices: str) -> Path:
    path = folder / "edge.yaml"
    text = f"{HEAD}buses:\n{buses}devices:\n{''.join(devices)}"
    path.write_text(text if devices else text.removesuffix("devices:\n"), encoding="utf-8")
    return path


RS485 = "  - {id: rs485, driver: modbus_rtu, port: /dev/ttyUSB77}\n"
SOUND, DUST = "noise/rs485-sound", "dust/siemens-qsa2700d"


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(path)
    return [problem.replace(f"{path.parent}/", "") for problem in error.value.problems]


def test_the_line_is_set_as_the_profiles_say(tmp_path: Path) -> None:
    path = config(tmp_path, RS485, device("dust-01", DUST, 1), device("dust-02", DUST, 2))
    (plan,) = load(path).buses
    assert isinstance(plan.bus, ModbusRtuBus)
    assert (plan.bus.baud, plan.bus.parity, plan.bus.stop_bits) == (19_200, "even", 1)
    slow = RS485.replace("}", ", baud: 1200}")
    (slower,) = load(config(tmp_path, slow, device("dust-01", DUST, 1))).buses
    assert slower.utilisation is not None
    assert plan.utilisation is not None
    assert slower.utilisation > 3 * plan.utilisation


def test_profiles_that_differ_want_it_said_in_the_file(tmp_path: Path) -> None:
    devices = device("noise-01", SOUND, 1), device("dust-01", DUST, 2)
    told = problems(config(tmp_path, RS485, *devices))
    assert len(told) == 2
    assert told[0].startswith(
        "edge.yaml:4: buses[0]: baud is missing, and the profiles differ: 4800 for noise-01"
        " (noise/rs485-sound), 19200 for dust-01 (dust/siemens-qsa2700d);"
    )
    said = RS485.replace("}", ", baud: 9600, parity: none}")
    assert load(config(tmp_path, said, *devices)).buses[0].bus.model_dump()["baud"] == 9600


def test_a_demand_that_the_baud_rate_cannot_bear_is_refused(tmp_path: Path) -> None:
    crowd = [device(f"noise-{unit}", SOUND, unit) for unit in range(1, 31)]
    (told,) = problems(config(tmp_path, RS485, *crowd))
    assert "its polls take" in told
    fast = RS485.replace("}", ", baud: 115200, turnaround_s: 0.005}")
    assert load(config(tmp_path, fast, *crowd)).buses[0].utilisation


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("port: ttyUSB0", "buses[0].port: 'ttyUSB0' is no path; e.g. /dev/ttyUSB0"),
        ("port: /dev/ttyUSB0, baud: 96", "buses[0].baud: input should be greater"),
        ("port: /dev/ttyUSB0, parity: odds", "buses[0].parity: input should be 'none', 'even'"),
        ("port: /dev/ttyUSB0, stopbits: 1", "buses[0].stopbits: unknown key; did you mean stop_"),
    ],
)
def test_what_a_serial_port_cannot_be_is_told(tmp_path: Path, wrong: str, problem: str) -> None:
    path = config(tmp_path, f"  - {{id: rs485, driver: modbus_rtu, {wrong}}}\n")
    assert problem in problems(path)[0]


def test_a_port_belongs_to_one_bus(tmp_path: Path) -> None:
    path = config(tmp_path, RS485 + RS485.replace("rs485", "other"))
    assert problems(path) == [
        "edge.yaml:5: buses[1].port: /dev/ttyUSB77 is bus rs485's already;"
        " give their devices one bus"
    ]


@pytest.mark.e2e
async def test_check_warns_of_a_port_that_is_not_there_and_of_none_that_is(tmp_path: Path) -> None:
    path = config(tmp_path, RS485, device("noise-01", SOUND, 1))
    done = await edge("check", path)
    assert done.returncode == 0
    assert "bus rs485: modbus_rtu, 1 devices, busy" in done.stdout
    assert f"warning: {path}:4: buses[0].port: there is no /dev/ttyUSB77; " in done.stderr
    pair = SerialPair(tmp_path)
    await pair.start()
    there = config(tmp_path, RS485.replace("/dev/ttyUSB77", str(pair.ours)))
    assert (await edge("check", there)).stderr == ""
    await pair.stop()
