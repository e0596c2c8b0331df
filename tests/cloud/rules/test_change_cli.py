"""Changing rules at the machine, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud import app as build
from cloud.config import load
from cloud.core.rules import RuleSet
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.pipeline import Line
from cloud.rules.cli import app
from cloud.rules_in_force import FRESH_S, RulesInForce
from cloud.state.database import Database
from contract.clock import ManualClock, SystemClock
from contract.errors import ConfigError, RuleError
from tests.cloud.rules.test_source import FILE


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Path:
    """An installation whose intake has run once."""
    (tmp_path / "ours.yaml").write_text(FILE.format(version=1, limit=60))
    (tmp_path / "changed.yaml").write_text(FILE.format(version=2, limit=55))
    (tmp_path / "cloud.yaml").write_text(
        "data: .\nbroker: {host: h}\nrules: {presets: [], files: [ours.yaml]}\n"
    )
    start(database, tmp_path)
    return tmp_path


def start(database: Database, folder: Path, later_ms: int = 0) -> Line:
    config = load(folder / "cloud.yaml")
    clock = ManualClock(SystemClock().now_ms() + later_ms)
    return Line(database, build.rules(config), config.zone, clock)


def run(folder: Path, command: str, *words: str) -> str:
    done = CliRunner().invoke(
        app, [command, str(folder / "cloud.yaml"), *words], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_file_is_applied_and_shown(folder: Path, database: Database) -> None:
    changed = str(folder / "changed.yaml")
    said = run(folder, "apply", changed, "--note", "square dance")
    assert "changed  ours.loud  1-" in said
    assert "limit: 60.0 → 55.0" in said
    assert [row.split()[0] for row in run(folder, "history").splitlines()] == ["SET", "2", "1"]
    assert "waits" in run(folder, "history")
    start(database, folder, 10_000)
    (last, first) = json.loads(run(folder, "history", "--json").splitlines()[-1])["items"]
    assert (last["note"], last["origin"], first["origin"]) == ("square dance", "change", "files")
    assert "in force" in run(folder, "history").splitlines()[1]
    shown = run(folder, "show", "ours.loud")
    assert "limit             55.0" in shown
    assert "  limit: 60.0 → 55.0" in shown
    told = json.loads(run(folder, "show", "ours.loud", "--json").splitlines()[-1])
    old = run(folder, "show", "ours.loud", "--version", told["versions"][1])
    assert "limit             60.0" in old
    with pytest.raises(NotFoundError):
        run(folder, "show", "ours.loud", "--version", "9")


def test_what_waits_is_withdrawn(folder: Path) -> None:
    run(folder, "apply", str(folder / "changed.yaml"), "--at", "2099-01-01T00:00+08:00")
    assert "set 2 is withdrawn; it was to be from 2099-01-01" in run(folder, "withdraw", "2")
    assert " withdrawn " in run(folder, "history").splitlines()[1]
    with pytest.raises(ConflictError, match="set 1 is in force since"):
        run(folder, "withdraw", "1")


def test_the_configuration_is_read_anew(folder: Path) -> None:
    (folder / "ours.yaml").write_text(FILE.format(version=3, limit=50))
    told = json.loads(run(folder, "apply", "--json").splitlines()[-1])
    assert told["stored"]["origin"] == "read"
    assert [one["field"] for one in told["changes"][0]["fields"]] == ["limit"]
    with pytest.raises(InvalidError, match="changes nothing"):
        run(folder, "apply", "--at", "2999-01-01T00:00+08:00")


def test_what_is_wrong_is_refused_whole(folder: Path) -> None:
    (folder / "changed.yaml").write_text(FILE.format(version=2, limit=999))
    with pytest.raises(RuleError, match=r"changed\.yaml:10: rules\[0\]\.limit"):
        run(folder, "apply", str(folder / "changed.yaml"))
    with pytest.raises(ConfigError, match="--at: 'soon' is no time"):
        run(folder, "apply", "--at", "soon")
    assert len(run(folder, "history").splitlines()) == 2


def test_another_process_sees_what_is_in_force(folder: Path, database: Database) -> None:
    clock = ManualClock()
    seen = RulesInForce(database, RuleSet(rules=(), fingerprint=""), clock)
    assert [rule.limit for rule in seen.now().rules] == [60]
    run(folder, "apply", str(folder / "changed.yaml"))
    start(database, folder, 10_000)
    assert [rule.limit for rule in seen.now().rules] == [60]
    clock.advance_ms(round(FRESH_S * 1000))
    assert [rule.limit for rule in seen.now().rules] == [55]
