"""kill -9 of intake in the middle of a pass over history: the alerts are those of no kill."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloud import hindsight
from cloud.core.rules import RuleSet
from cloud.pipeline import Line
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from contract.clock import ManualClock
from tests.chaos.paused_intake import RULES
from tests.cloud.core.rule_kit import T0_MS
from tests.cloud.history_kit import ZONE, Street

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(60)]

SAME = (
    *("id", "rule", "device", "severity", "state", "began_ms", "due_ms", "observed_ms"),
    *("returned_ms", "first_value", "historical"),
)


@pytest.fixture
def backlog(tmp_path: Path) -> Path:
    """A database with live alerts, and late readings that were committed and not looked at."""
    path = tmp_path / "before.sqlite"
    database = Database(sqlite_url(path))
    migrate(database)
    street = Street(database, RULES, "noise-1", "noise-2", "noise-3")
    for device in ("noise-1", "noise-2"):
        street.say(*span(70, 400, 440), *span(90, 550, 600), device=device)
        street.say(*span(40, 405, 445), *span(70, 100, 200), *span(40, 210, 300), device=device)
    street.say(*span(70, 400, 440), *span(40, 450, 600), device="noise-3")
    street.say(*span(40, 405, 435), device="noise-3")  # so it never was
    database.close()
    return path


def span(value: float, begin: int, end: int) -> list[tuple[float, float | None]]:
    """Return a reading every ten seconds, the last at `end`."""
    return [(float(s), value) for s in range(begin, end + 1, 10)]


def intake(path: Path, where: str) -> None:
    """Run intake until it says that it has come so far, and kill it there."""
    command = [sys.executable, "-m", "tests.chaos.paused_intake", sqlite_url(path), where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        process.kill()
    assert said == where


def outcome(path: Path) -> dict[str, list[Any]]:
    """Return everything of the alerts that does not tell when it was found."""
    database = Database(sqlite_url(path))
    with database.read() as connection:
        alerts, record, told = schema.alerts, schema.conditions, schema.outbox
        refuted = alerts.c.refuted_ms.is_not(None)
        found = {
            "alerts": sa.select(*(alerts.c[name] for name in SAME), refuted).order_by(alerts.c.id),
            "record": sa.select(record.c.alert, record.c.data).order_by(
                record.c.observed_ms, record.c.series, record.c.rule, record.c.data
            ),
            "told": sa.select(told.c.key, told.c.topic).order_by(told.c.key, told.c.id),
            "waiting": sa.select(schema.hindsight.c.device),
        }
        rows = {name: list(map(tuple, connection.execute(each))) for name, each in found.items()}
    database.close()
    return rows


def uninterrupted(path: Path) -> None:
    """Run the pass from its beginning to its end."""
    database = Database(sqlite_url(path))
    clock = ManualClock(T0_MS + 700_000)
    line = Line(database, RuleSet(rules=RULES, fingerprint="test"), ZONE, clock)
    clock.advance_ms(round(1000 * hindsight.QUIET_S))
    while line.has_history(busy=False):
        line.look_back()
    database.close()


def test_kills_in_the_middle_of_a_pass_change_no_alert(backlog: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed.sqlite", tmp_path / "whole.sqlite"
    for copy in (killed, whole):
        shutil.copy(backlog, copy)
    before = outcome(killed)
    assert len(before["waiting"]) == 3
    for where in ("reading", "writing"):
        intake(killed, where)
        assert outcome(killed) == before
    intake(killed, "done")
    uninterrupted(whole)
    assert outcome(killed) == outcome(whole) != before
    found = outcome(killed)
    assert found["waiting"] == []
    assert {row[-1] for row in found["alerts"]} == {True, False}  # refuted or not
    assert {row[-2] for row in found["alerts"]} == {True, False}  # historical or not
