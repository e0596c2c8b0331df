"""Keys from the environment: told by their variable's name, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import ConfigError
from edge.config import load

FILE = """\
gateway: cabinet-12
broker: {host: mqtt.example.org, tls: false}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edge.yaml"
    path.write_text(FILE)
    return path


def problems(file: Path, environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(file, environment)
    return list(refused.value.problems)


def test_stands_in_for_a_key_of_the_file(file: Path) -> None:
    config = load(
        file,
        {
            "GRIDWARDEN_EDGE_GATEWAY": "cabinet-7",
            "GRIDWARDEN_EDGE_BROKER__HOST": "10.0.0.5",
            "GRIDWARDEN_EDGE_BROKER__PORT": "1884",
            "GRIDWARDEN_EDGE_BUFFER__MAX_AGE_DAYS": "2.5",
            "HOME": "/root",
        },
    )
    assert (config.gateway, config.broker.host, config.broker.port) == (
        "cabinet-7",
        "10.0.0.5",
        1884,
    )
    assert config.buffer.max_age_days == 2.5


def test_a_relative_path_counts_from_the_files_folder(file: Path) -> None:
    config = load(file, {"GRIDWARDEN_EDGE_BUFFER__PATH": "other.sqlite"})
    assert config.buffer.path == file.parent / "other.sqlite"


def test_a_value_may_stand_in_a_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("0012\n")
    config = load(file, {"GRIDWARDEN_EDGE_BROKER__USER_FILE": str(tmp_path / "user")})
    assert config.broker.user == "0012"


def test_a_key_that_ends_in_file_is_meant_as_it_stands(file: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    config = load(
        file,
        {
            "GRIDWARDEN_EDGE_BROKER__USER": "cabinet-12",
            "GRIDWARDEN_EDGE_BROKER__PASSWORD_FILE": str(tmp_path / "password"),
        },
    )
    assert config.broker.password_file == tmp_path / "password"


def test_the_version_tells_overrides_apart(file: Path) -> None:
    plain = load(file, {})
    one = load(file, {"GRIDWARDEN_EDGE_BROKER__PORT": "1884"})
    other = load(file, {"GRIDWARDEN_EDGE_BROKER__PORT": "1885"})
    assert len({plain.version, one.version, other.version}) == 3


def test_everything_wrong_is_told_at_once(file: Path, tmp_path: Path) -> None:
    file.write_text(FILE + "gatway: typo\n")
    told = problems(
        file,
        {
            "GRIDWARDEN_EDGE_BROKER__HOTS": "x",
            "GRIDWARDEN_EDGE_BUSES": "[]",
            "GRIDWARDEN_EDGE_GATEWAY_FILE": str(tmp_path / "absent"),
        },
    )
    assert any(
        "GRIDWARDEN_EDGE_BROKER__HOTS: no key 'broker.hots'; did you mean" in p for p in told
    )
    assert any(p.startswith("GRIDWARDEN_EDGE_BUSES: no key 'buses'") for p in told)
    assert any(p.startswith("GRIDWARDEN_EDGE_GATEWAY_FILE: ") and "absent" in p for p in told)
    assert any(":3: gatway: unknown key" in p for p in told)


def test_a_wrong_value_is_told_by_its_variable(file: Path) -> None:
    (told,) = problems(file, {"GRIDWARDEN_EDGE_BROKER__PORT": "many"})
    assert told.startswith("GRIDWARDEN_EDGE_BROKER__PORT: broker.port: ")
    assert "'many'" in told


def test_a_key_said_twice_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("other")
    (told,) = problems(
        file,
        {
            "GRIDWARDEN_EDGE_BROKER__USER": "one",
            "GRIDWARDEN_EDGE_BROKER__USER_FILE": str(tmp_path / "user"),
        },
    )
    assert "GRIDWARDEN_EDGE_BROKER__USER says the same key" in told


def test_a_huge_file_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "user").write_bytes(b"x" * 5000)
    (told,) = problems(file, {"GRIDWARDEN_EDGE_BROKER__USER_FILE": str(tmp_path / "user")})
    assert "more than 4096 bytes" in told
