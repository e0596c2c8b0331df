"""What a person gets wrong, told by the commands themselves: file, line, key, exit 2, no trace."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from device_profiles.loader import catalog
from tests.e2e.processes import gridwarden

pytestmark = pytest.mark.e2e

EDGE = """\
gateway: cabinet-1
broker: {host: 127.0.0.1, port: 1883, tls: false}
buses:
  - {id: bus-1, driver: modbus_tcp, host: 127.0.0.1, port: 1502}
devices:
  - {id: noise-01, profile: noise/rs485-sound, bus: bus-1, unit_id: 1}
  - {id: noise-02, profile: noise/rs485-sound, bus: bus-1, unit_id: 2}
"""
CLOUD = """\
data: data
broker: {host: 127.0.0.1, port: 1883, tls: false}
web: {port: 8080}
rules: {presets: [noise-gb3096]}
"""


def refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    """Exit 2, and every pattern in what it complained of; never a stack trace."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for pattern in says:
        assert re.search(pattern, done.stderr), f"{pattern!r} is not in {done.stderr}"


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("bus: bus-1, unit_id: 2", "bsu: bus-1, unit_id: 2", r":7: .*bsu: unknown key.*bus"),
        ("noise-02", "noise-01", r":7: .*noise-01"),
        ("unit_id: 2", "unit_id: 1", r":7: .*unit"),
        ("unit_id: 2", "unit_id: 300", r":7: .*300"),
        ("02, profile: noise/rs485-sound", "02, profile: noise/rs485-sond", r":7: .*rs485-sound"),
        ("driver: modbus_tcp", "driver: modbus", r":4: .*modbus_tcp"),
        ("bus: bus-1, unit_id: 2", "bus: bus-9, unit_id: 2", r":7: .*bus-9"),
        ("gateway: cabinet-1", "gateway: Cabinet 1", r":1: gateway"),
        (EDGE, "a: [", r":1: "),
        (EDGE, "", r":1: "),
    ],
    ids=["key", "id", "unit", "range", "profile", "driver", "bus", "gateway", "syntax", "empty"],
)
def test_an_edge_file_that_is_wrong_names_its_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text(changed(EDGE, old, new))
    refused(gridwarden("edge", "check", path), r"edge\.yaml" + says)
    refused(gridwarden("edge", "run", path), r"edge\.yaml" + says)
    assert [each.name for each in tmp_path.iterdir()] == ["edge.yaml"], "something has started"


def test_every_mistake_of_an_edge_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "edge.yaml"
    text = changed(changed(EDGE, "gateway: cabinet-1", "gatway: x"), "noise-02", "Noise 2")
    path.write_text(changed(text, "unit_id: 1}", "unit: 1}"))
    done = gridwarden("edge", "check", path)
    refused(done, r"edge\.yaml:1: gatway", r"edge\.yaml:6: .*unit", r"edge\.yaml:7: .*Noise 2")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("unit: dB(A)", "unit: kPa", r"sound\.yaml:\d+: .*kPa"),
        ("unit: dB(A)", "unti: dB(A)", r"sound\.yaml:\d+: .*unti: unknown key.*unit"),
        ("noise_la", "noise_lea", r"sound\.yaml:\d+: .*noise_lea.*noise_l"),
    ],
)
def test_a_profile_that_is_wrong_names_its_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    text = catalog()["noise/rs485-sound"].read_text(encoding="utf-8")
    if "unit: dB(A)" not in text:
        text = text.replace("scale: 0.1", "scale: 0.1\n    unit: dB(A)", 1)
    path = tmp_path / "rs485-sound.yaml"
    path.write_text(changed(text, old, new))
    refused(gridwarden("profile", "check", path), says)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("data: data", "dta: data", r"cloud\.yaml:1: dta: unknown key; did you mean data"),
        ("noise-gb3096", "noise-gb3069", r"noise-gb3096"),
        ("port: 8080", "port: 0", r"cloud\.yaml:3: web\.port"),
    ],
)
def test_a_cloud_file_that_is_wrong_starts_nothing(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text(changed(CLOUD, old, new))
    for words in (("cloud", "init"), ("cloud", "intake"), ("cloud", "web"), ("cloud", "run")):
        refused(gridwarden(*words, path), says)
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path.write_text(changed(CLOUD, "8080", str(port)))
        assert gridwarden("cloud", "init", path).returncode == 0
        refused(gridwarden("cloud", "web", path), f"127.0.0.1:{port}.*in use")


def test_a_data_folder_that_was_not_prepared_says_what_to_run(tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text(CLOUD)
    done = gridwarden("cloud", "intake", path)
    assert done.returncode == 1
    assert "run: gridwarden cloud init" in done.stderr
    assert "Traceback" not in done.stderr
