"""Everything wrong with a file is told at once: file, line, key, what, the nearest right key."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import ConfigError
from edge.config import EdgeConfig, load
from edge.drivers import DRIVERS
from edge.drivers.mqtt import MqttBus

GOOD = """\
gateway: demo-cabinet
broker: {host: 127.0.0.1, port: 1883, user: demo-cabinet, password_file: secret, tls: false}
buffer: {path: buffer.sqlite}
buses:
  - {id: bus-1, driver: modbus_tcp, host: 127.0.0.1, port: 15020}
  - {id: bus-2, driver: modbus_rtu_over_tcp, host: 127.0.0.1, port: 15021, baud: 9600}
  - {id: lora, driver: mqtt, host: 127.0.0.1, port: 1884, tls: false}
devices:
  - id: noise-01
    profile: noise/rs485-sound
    bus: bus-1
    unit_id: 1
  - id: dust-01
    profile: dust/cwt-uwd-sws
    bus: bus-2
    unit_id: 1
    period_s: 2
    name: 文化路扬尘站
    place: {latitude: 30.1, longitude: 103.1, address: 文化路}
    tags: {area_class: "2"}
  - id: manhole-01
    profile: manhole/milesight-em310-tilt
    bus: lora
    address: 24E124713c123456
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.write_text("very\n", encoding="utf-8")
    secret.chmod(0o600)
    return tmp_path


def loaded(folder: Path, text: str) -> EdgeConfig:
    path = folder / "edge.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def problems(folder: Path, text: str) -> list[str]:
    """Return the problems, without the folder in front of the file's name."""
    with pytest.raises(ConfigError) as error:
        loaded(folder, text)
    return [problem.replace(f"{folder}/", "") for problem in error.value.problems]


def test_a_good_file_is_loaded(folder: Path) -> None:
    config = loaded(folder, GOOD)
    assert config.gateway == "demo-cabinet"
    assert [device.id for device in config.devices] == ["noise-01", "dust-01", "manhole-01"]
    assert config.buffer.path == folder / "buffer.sqlite"
    assert config.broker.password_file == folder / "secret"
    noise, dust, manhole = config.devices
    assert (noise.period_s, noise.urgent) == (1.0, False)
    assert (dust.period_s, dust.birth.tags) == (2.0, {"area_class": "2"})
    assert dust.birth.place is not None
    assert dust.birth.place.address == "文化路"
    assert (manhole.address, manhole.urgent) == ("24e124713c123456", True)
    assert "tilt" in manhole.measurements
    assert [plan.utilisation is None for plan in config.buses] == [False, False, True]


def test_adding_a_device_is_five_lines(folder: Path) -> None:
    five = """\
  - id: gas-01
    profile: gas/pressure-transmitter-a
    bus: bus-1
    unit_id: 7
    name: 调压箱
"""
    assert len(loaded(folder, GOOD + five).devices) == 4


def test_the_version_follows_the_files_content(folder: Path) -> None:
    assert loaded(folder, GOOD).version == loaded(folder, GOOD).version
    assert loaded(folder, GOOD).version != loaded(folder, GOOD + "\n").version


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        pytest.param(
            "    unit_id: 1\n  - id: dust-01",
            "    unit_idd: 1\n  - id: dust-01",
            "12: devices[0].unit_idd: unknown key; did you mean unit_id?",
            id="unknown key",
        ),
        pytest.param(
            "id: dust-01",
            "id: noise-01",
            "13: devices[1].id: 'noise-01' is there already, line 9",
            id="duplicate device",
        ),
        pytest.param(
            "devices:",
            "  - {id: bus-1, driver: modbus_tcp, host: 127.0.0.2}\ndevices:",
            "8: buses[3].id: 'bus-1' is there already, line 5",
            id="duplicate bus",
        ),
        pytest.param(
            "noise/rs485-sound",
            "noise/rs485-sond",
            "10: devices[0].profile: unknown profile 'noise/rs485-sond';"
            " did you mean noise/rs485-sound?",
            id="unknown profile",
        ),
        pytest.param(
            "    bus: bus-2",
            "    bus: bus2",
            "15: devices[1].bus: unknown bus 'bus2'; did you mean bus-2?",
            id="unknown bus",
        ),
        pytest.param(
            "driver: modbus_tcp",
            "driver: modbus_tpc",
            "5: buses[0].driver: unknown driver 'modbus_tpc'; did you mean modbus_tcp?",
            id="unknown driver",
        ),
        pytest.param(
            "    unit_id: 1\n  - id: dust-01",
            "    unit_id: 248\n  - id: dust-01",
            "12: devices[0].unit_id: input should be less than or equal to 247; found 248",
            id="unit id too large",
        ),
        pytest.param(
            "    unit_id: 1\n  - id: dust-01",
            "    unit_id: 0\n  - id: dust-01",
            "12: devices[0].unit_id: input should be greater than or equal to 1; found 0",
            id="unit id 0 is broadcast",
        ),
        pytest.param(
            "    unit_id: 1\n  - id: dust-01",
            "  - id: dust-01",
            "9: devices[0]: unit_id is missing; devices on modbus_tcp have one",
            id="unit id missing",
        ),
        pytest.param(
            "    bus: bus-2\n    unit_id: 1",
            "    bus: bus-1\n    unit_id: 1",
            "16: devices[1].unit_id: 1 on bus bus-1 is 'noise-01' already, line 12",
            id="two devices with one unit id",
        ),
        pytest.param(
            "    bus: bus-1",
            "    bus: lora",
            "11: devices[0].bus: profile noise/rs485-sound is for modbus, but bus lora is"
            " mqtt; allowed drivers: modbus_tcp, modbus_rtu, modbus_rtu_over_tcp,"
            " modbus_dial_in",
            id="wrong driver for the profile",
        ),
        pytest.param(
            "address: 24E124713c123456",
            "address: 24e1247131234567",
            "24: devices[2].address: reads as a number; put it in quotes, as address: '…'",
            id="an address that YAML takes for a number",
        ),
        pytest.param(
            "    period_s: 2",
            "    period_s: 0.01",
            "6: buses[1]: its polls take 750% of the bus's time (dust-01 0.075 s every 0.01 s);"
            " make each period_s 7.89 times as long, move devices to another bus, or say"
            " overload: stretch",
            id="more than the bus can carry",
        ),
        pytest.param(
            "gateway: demo-cabinet",
            "gateway: Demo Cabinet",
            "1: gateway: string should match pattern '^[a-z0-9][a-z0-9_-]{0,62}$';"
            " found 'Demo Cabinet'",
            id="a gateway id that is no topic",
        ),
        pytest.param(
            "password_file: secret",
            "password_file: secrets",
            "2: broker.password_file: secrets: the password cannot be read: [Errno 2] No such"
            " file or directory: 'secrets'",
            id="no password file",
        ),
        pytest.param(
            "path: buffer.sqlite",
            "path: nowhere/buffer.sqlite",
            "3: buffer.path: no such folder: nowhere",
            id="no folder for the buffer",
        ),
        pytest.param(
            "    address: 24E124713c123456",
            "    address: 24E124713c123456\n    installed: {angle_q: 1}",
            "25: devices[2].installed.angle_q: not needed; did you mean angle_z?",
            id="installed what is not measured",
        ),
    ],
)
def test_a_problem_says_where_what_and_the_nearest_right(
    folder: Path, right: str, wrong: str, problem: str
) -> None:
    assert right in GOOD
    assert problems(folder, GOOD.replace(right, wrong, 1)) == [f"edge.yaml:{problem}"]


def test_every_problem_is_told_at_once_in_the_files_order(folder: Path) -> None:
    text = (
        GOOD.replace("port: 15020", "prot: 15020")
        .replace("noise/rs485-sound", "noise/rs485")
        .replace("bus: lora", "bus: loora")
        .replace("buffer: {", "buffer: {max_byts: 1, ")
        .replace("latitude: 30.1", "latitude: 130.1")
    )
    told = problems(folder, text)
    assert [problem.split(":")[1] for problem in told] == ["3", "5", "10", "19", "23"]


def test_passwords_that_others_may_read_are_refused(folder: Path) -> None:
    (folder / "secret").chmod(0o644)
    (problem,) = problems(folder, GOOD)
    assert "chmod 600" in problem


def test_no_yaml_is_said_with_its_line(folder: Path) -> None:
    (problem,) = problems(folder, "gateway: x\nbroker: {host: [\n")
    assert problem.startswith("edge.yaml:3: ")


def test_certificates_without_tls_are_refused(folder: Path) -> None:
    (problem,) = problems(folder, GOOD.replace("tls: false}", "tls: false, ca_file: secret}", 1))
    assert problem == "edge.yaml:2: broker.tls: false, but there are certificates; say tls: true"


def test_a_certificate_that_is_none_is_refused(folder: Path) -> None:
    (problem,) = problems(folder, GOOD.replace("tls: false}", "ca_file: secret}", 1))
    assert "cannot be used for TLS" in problem


def test_tls_is_the_default(folder: Path) -> None:
    config = loaded(folder, GOOD.replace(", tls: false", ""))
    assert config.broker.tls
    assert all(plan.bus.tls for plan in config.buses if isinstance(plan.bus, MqttBus))


def test_profiles_of_ones_own(folder: Path) -> None:
    own = folder / "profiles" / "noise"
    own.mkdir(parents=True)
    shipped = Path("device_profiles/catalog/noise/rs485-sound.yaml").read_text(encoding="utf-8")
    (own / "mine.yaml").write_text(shipped.replace("scale: 0.1", "scale: 0.01"), encoding="utf-8")
    text = "profiles: profiles\n" + GOOD.replace("noise/rs485-sound", "noise/mine")
    assert loaded(folder, text).devices[0].profile.name == "noise/mine"
    (own / "mine.yaml").write_text(shipped.replace("scale: 0.1", "scael: 0.1"), encoding="utf-8")
    (problem,) = problems(folder, text)
    assert problem.startswith("profiles/noise/mine.yaml:")
    assert "scale" in problem


def test_every_driver_is_known_by_its_own_name() -> None:
    for name, bus in DRIVERS.items():
        assert bus.model_fields["driver"].annotation.__args__ == (name,)  # type: ignore[union-attr]
