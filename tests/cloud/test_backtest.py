"""The backtest over a real store, and its command."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cloud import app as build
from cloud.alerts import list_alerts
from cloud.backtest import Span, backtest
from cloud.config import load
from cloud.core.backtest import DAY_MS
from cloud.core.rule_changes import laid_over
from cloud.core.waiting import Bounds
from cloud.errors import InvalidError, NotFoundError
from cloud.pipeline import Line, Message
from cloud.rules.cli import app
from cloud.state import schema
from cloud.state.database import Database
from contract import codec, messages, topics
from contract.clock import ManualClock, SystemClock
from contract.errors import RuleError
from contract.messages import Birth, DeviceBirth
from contract.readings import Batch, Reading

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
RULES = """
preset: ours
version: "{version}"
title: {{zh: 我们的, en: ours}}
rules:
  - id: loud
    title: {{zh: 吵, en: loud}}
    kind: [noise]
    measurement: [noise_laeq]
    direction: above
    limit: {limit}
    unit: dB(A)
    on_delay_s: {delay}
    severity: medium
    category: "05-08"
    source: a test
    mark: judgement
    timing_source: a test
    timing_mark: judgement
    effective: 2000-01-01
"""


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Path:
    """Two hours, a reading a minute: every tenth is loud, and once five on end are."""
    (tmp_path / "ours.yaml").write_text(RULES.format(version=1, limit=60, delay=0))
    (tmp_path / "changed.yaml").write_text(RULES.format(version=2, limit=60, delay=120))
    (tmp_path / "cloud.yaml").write_text(
        "data: .\nbroker: {host: h}\nrules: {presets: [], files: [ours.yaml]}\n"
    )
    begin_ms = SystemClock().now_ms() - 2 * HOUR_MS - 1000
    clock = ManualClock(begin_ms + 2 * HOUR_MS)
    config = load(tmp_path / "cloud.yaml")
    line = Line(database, build.rules(config), config.zone, clock, Bounds())
    born = DeviceBirth(
        id="noise-1", kind="noise", profile="noise/x", period_s=60.0, measurements=("noise_laeq",)
    )
    birth = Birth(
        gateway="cabinet", agent_version="1", config_version="1", born_ms=1, devices=(born,)
    )
    loud = {*range(0, 100, 10), *range(100, 105)}
    readings = tuple(
        Reading(
            "noise-1", "noise_laeq", begin_ms + n * MINUTE_MS, 65.0 if n in loud else 55.0 + n % 2
        )
        for n in range(120)
    )
    for kind, payload in (
        ("birth", messages.encode(birth)),
        ("data", codec.encode_batch(Batch(epoch="0123abcd", seq=1, readings=readings, gaps=()))),
    ):
        line.take([Message(topic=topics.gateway_topic("cabinet", kind), payload=payload)])
    return tmp_path


def words(folder: Path, *more: str) -> list[str]:
    return ["backtest", str(folder / "cloud.yaml"), str(folder / "changed.yaml"), *more]


def test_the_command_compares_and_suggests(folder: Path) -> None:
    done = CliRunner().invoke(
        app, words(folder, "--since", "1d", "--device", "noise-1", "--examples", "1", "--json")
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    compared = found["compared"]
    current, changed = (compared[which]["total"] for which in ("current", "changed"))
    assert compared["readings"] == 120
    assert (current["alerts"], current["alerts_a_day"], current["cases"]) == (11, 11.0, 1)
    assert (current["joined"], current["held"]) == (10, 0)
    assert (changed["alerts"], changed["cases"]) == (1, 1)
    (example,) = compared["changed"]["rules"]["loud"]["examples"]
    assert (example["device"], example["value"]) == ("noise-1", 65.0)
    (advice,) = found["advice"]
    assert (advice["rule"], advice["on_delay_s"]) == ("loud", 120.0)
    assert advice["suggested"]["short"] == 11
    assert advice["suggested"]["on_delay_s"] == 5.0  # ten of eleven are single readings
    assert advice["suggested"]["deadband"] == 9.0


def test_the_table_has_both_and_examples(folder: Path) -> None:
    done = CliRunner().invoke(app, words(folder, "--since", "1d", "--device", "noise-1"))
    lines = done.stdout.splitlines()
    assert lines[0].startswith("120 readings")
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["loud", "current", "11"],
        ["changed", "1", "1.00"],
    ]
    assert sum(line.startswith("current  loud on noise-1") for line in lines) == 5
    assert lines[-1].startswith("suggested for loud on noise_laeq: deadband 9 dB(A) (has 0)")


def test_the_same_rules_give_the_same(folder: Path) -> None:
    same = words(folder, "--since", "1d", "--json")
    same[2] = str(folder / "ours.yaml")
    found = json.loads(CliRunner().invoke(app, same).stdout.splitlines()[-1])["compared"]
    assert found["current"] == found["changed"]


def test_rules_of_the_file_replace_or_are_added(folder: Path) -> None:
    config = load(folder / "cloud.yaml")
    source, current = build.rule_source(config), build.rules(config).rules
    more = folder / "more.yaml"
    more.write_text(RULES.format(version=3, limit=70, delay=0).replace("id: loud", "id: louder"))
    found = laid_over(current, source.changes_in(more), date(2026, 9, 22))
    assert [rule.id for rule in found.rules] == ["loud", "louder"]
    found = laid_over(current, source.changes_in(folder / "changed.yaml"), date(2026, 9, 22))
    assert [rule.on_delay_s for rule in found.rules] == [120]
    more.write_text("rules: []")
    with pytest.raises(RuleError):
        source.changes_in(more)


def test_what_cannot_be_tested_is_refused(folder: Path, database: Database) -> None:
    config = load(folder / "cloud.yaml")
    rules, store = build.rules(config), build.store(config, database)
    given = database, store, config.zone, config.case_policy, rules, rules
    told: list[tuple[int, int]] = []
    with pytest.raises(InvalidError):
        backtest(*given, Span(from_ms=5, until_ms=5))
    with pytest.raises(NotFoundError):
        backtest(*given, Span(from_ms=5, until_ms=6, device="nobody"))
    backtest(*given, Span(from_ms=5, until_ms=6), lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1]


def test_holds_of_that_time_are_respected(folder: Path, database: Database) -> None:
    """A window over the device, and the shelving of an alert that life had."""
    config = load(folder / "cloud.yaml")
    rules, store = build.rules(config), build.store(config, database)
    given = database, store, config.zone, config.case_policy, rules, rules
    until_ms = SystemClock().now_ms()
    span = Span(from_ms=until_ms - DAY_MS, until_ms=until_ms)
    with database.write() as connection:
        alert = list_alerts(connection).alerts[-1]
        common = {
            "rule": "",
            "gateway": "",
            "tag": "",
            "tag_value": "",
            "silence_only": False,
            "reason": "r",
            "made_by": "li",
            "made_ms": 0,
            "begun": True,
            "ended_by": "",
        }
        holds = [
            {"id": "1", "kind": "shelved", "alert": alert.id, "device": "", "ended_ms": None}
            | {"from_ms": alert.observed_ms, "until_ms": alert.observed_ms + 15 * MINUTE_MS},
            {"id": "2", "kind": "maintenance", "alert": "", "device": "noise-1"}
            | {"from_ms": 0, "until_ms": None, "ended_ms": span.from_ms + 1},
            {"id": "3", "kind": "shelved", "alert": "gone", "device": "", "ended_ms": None}
            | {"from_ms": 0, "until_ms": None},
        ]
        connection.execute(sa.insert(schema.holds), [common | one for one in holds])
    total = backtest(*given, span).compared.current.total
    assert (total.alerts, total.held) == (9, 2)
