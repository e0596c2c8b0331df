"""`gridwarden alerts …` on a real database, one command after the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud import alerts, hold_rows
from cloud.alerts_cli import app
from cloud.core.isa_18_2 import State
from cloud.errors import InvalidError, NotFoundError
from cloud.state.database import Database
from tests.cloud.alert_kit import RULES, T0_MS, began, fill

runner = CliRunner()


@pytest.fixture
def config(database: Database, tmp_path: Path) -> str:
    fill(database)
    with database.write() as connection:
        alerts.apply(connection, [began(0)], RULES, T0_MS)
    path = tmp_path / "cloud.yaml"
    path.write_text(f"data: {tmp_path}\nbroker: {{host: localhost}}\n", encoding="utf-8")
    return str(path)


def run(*words: str) -> str:
    done = runner.invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_list_shelve_unshelve_and_acknowledge(config: str) -> None:
    (listed,) = json.loads(run("list", config, "--json"))["items"]
    alert = listed["id"]
    assert alert in run("list", config)
    assert "SHLVD" in run("shelve", config, alert, "--hours", "2", "--reason", "fair")
    assert alert in run("list", config, "--state", "SHLVD")
    assert "shelved of alert=" in run("holds", config)
    assert "UNACK" in run("unshelve", config, alert)
    assert "ACKED" in run("acknowledge", config, alert, "--note", "seen")


def test_windows_are_planned_listed_and_ended(config: str, database: Database) -> None:
    words = run(
        "maintenance",
        config,
        *("--device", "noise-1", "--from", "2031-01-01T09:00:00+08:00", "--hours", "3"),
        *("--reason", "calibration"),
    )
    assert "from 2031-01-01 09:00:00 until 2031-01-01 12:00:00, not begun: calibration" in words
    run("out-of-service", config, "--tag", "site=east", "--reason", "rebuilt")
    held = json.loads(run("holds", config, "--json"))["items"]
    assert [each["kind"] for each in held] == ["service", "maintenance"]
    assert "site=east" in run("end", config, held[0]["id"])
    assert "ended" in run("holds", config, "--all")
    with database.read() as connection:
        assert len(hold_rows.not_ended(connection)) == 1
        assert alerts.list_alerts(connection, states=[State.UNACK]).alerts


def test_what_cannot_be_says_what_can(config: str) -> None:
    with pytest.raises(InvalidError, match="is no moment; allowed: 2026-11-24T09"):
        run("maintenance", config, "--from", "monday", "--hours", "3", "--reason", "x")
    with pytest.raises(NotFoundError, match="no alert 'a1'"):
        run("shelve", config, "a1", "--hours", "2", "--reason", "fair")
