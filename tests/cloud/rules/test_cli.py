from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cloud.core.calendar import DayKind, Times
from cloud.core.checks import Statistic, Window
from cloud.core.model import Severity
from cloud.core.narrowing import Standing, Verdict
from cloud.core.rules import Level
from cloud.rules.cli import app, table
from cloud.rules.explain_cli import why
from cloud.rules.loader import preset_names
from cloud.state.database import Database
from tests.cloud.alert_kit import fill
from tests.cloud.core.rule_kit import make_rule

ROOT = Path(__file__).parents[3]


def gridwarden(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gridwarden", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_check_without_files_shows_every_shipped_rule() -> None:
    done = gridwarden("rules", "check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "RULE",
        "WHEN",
        "DEVICES",
        "CHECK",
        "LIMIT",
        "SEVERITY",
        "CATEGORY",
        "MARK",
        "EFFECTIVE",
        "SOURCE",
    ]
    summary = json.loads(lines[-1])
    assert summary["rules"] == len(lines) - 2
    (line,) = [one for one in lines if one.startswith("noise-gb3096.2.night ")]
    for word in ("night", "noise_laeq/noise_la > 50 dB(A)", "05-08", " S ", "GB 3096-2008"):
        assert word in line


def test_check_warns_of_holidays_that_no_calendar_tells(tmp_path: Path) -> None:
    year = datetime.now(UTC).year
    ours, calendar = tmp_path / "ours.yaml", tmp_path / "days.yaml"
    ours.write_text(
        "preset: ours\nversion: 1\ntitle: {zh: 本市, en: ours}\nrules:\n"
        "  - {id: ours.feast, title: {zh: 节, en: feast}, times: {days: [holiday]}, kind: noise,\n"
        "     measurement: noise_laeq, direction: above, limit: 58, unit: dB(A), severity: low,\n"
        "     category: '', source: x, mark: P, timing_source: x, timing_mark: P,\n"
        "     effective: 2020-01-01}\n",
        encoding="utf-8",
    )
    calendar.write_text(
        f"calendar: x\nsource: x\nmark: P\n"
        f"holidays: [{{zh: 节, en: feast, first: {year}-05-01, last: {year}-05-01}}]\n",
        encoding="utf-8",
    )
    done = CliRunner().invoke(app, ["check", str(ours)])
    assert done.exit_code == 0
    assert (
        f"'ours.feast': times.days asks for holiday, but no calendar names a holiday of {year}:"
        " it is never in force" in done.stderr
    )
    assert done.stdout.splitlines()[-1] == "1 rules, with 1 warnings"
    done = CliRunner().invoke(app, ["check", str(ours), "--calendar", str(calendar)])
    assert (done.stderr, done.stdout.splitlines()[-1]) == ("", "1 rules, all right")


def test_check_of_a_wrong_file_exits_2_with_every_problem(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("preset: x\nrulez: []\n", encoding="utf-8")
    done = gridwarden("rules", "check", str(wrong), str(tmp_path / "none.yaml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{wrong}:2: rulez: unknown key; did you mean rules?" in done.stderr
    assert f"{tmp_path / 'none.yaml'}: cannot be read" in done.stderr


def test_list_names_the_presets_and_their_rules() -> None:
    done = gridwarden("rules", "list", "--json")
    assert list(json.loads(done.stdout.splitlines()[-1])["presets"]) == preset_names()
    one = gridwarden("rules", "list", "manhole-tilt")
    assert [line.split()[0] for line in one.stdout.splitlines()[1:]] == [
        "manhole-tilt.gone",
        "manhole-tilt.moved",
        "manhole-tilt.open",
    ]
    assert gridwarden("rules", "list", "manhole-tild").returncode == 2


def test_the_table_is_aligned() -> None:
    head, *lines = table([make_rule(id="a"), make_rule(id="a-longer-one")])
    assert len({line.index("a test") for line in lines}) == 1
    assert head.index("SOURCE") == lines[0].index("a test")


@pytest.fixture
def config(database: Database, tmp_path: Path) -> str:
    fill(database)
    path = tmp_path / "cloud.yaml"
    path.write_text(
        f"data: {tmp_path}\nbroker: {{host: localhost}}\n"
        "rules: {presets: [noise-gb3096, gas-lel]}\n",
        encoding="utf-8",
    )
    return str(path)


def test_explain_shows_what_applies_and_why(config: str) -> None:
    done = gridwarden("rules", "explain", config, "noise-1")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["MEASUREMENT", "RULE", "STANDING", "WHEN", "EFFECTIVE", "WHY"]
    assert any(" applies " in line and "selects kind noise" in line for line in lines)
    assert any("select.area_class is" in line for line in lines)


def test_explain_tells_the_same_in_json(config: str) -> None:
    done = gridwarden("rules", "explain", config, "noise-1", "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["device"] == "noise-1"
    people = gridwarden("rules", "explain", config, "noise-1").stdout.splitlines()[1:]
    assert [line.split()[:2] for line in people] == [
        [each["measurement"], each["rule"]] for each in told["rules"]
    ]


def test_explain_of_an_unknown_device_names_those_that_are_near(config: str) -> None:
    done = gridwarden("rules", "explain", config, "nois-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no device 'nois-1'; did you mean noise-1" in done.stderr


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"standing": Standing.APPLIES}, "selects kind noise"),
        ({"standing": Standing.BEATEN, "by": ("a", "b")}, "narrower: a, b"),
        (
            {"standing": Standing.OTHER_MEASUREMENT, "wanted": ("noise_laeq", "noise_la")},
            "watches the first that is there of noise_laeq, noise_la",
        ),
        (
            {"standing": Standing.NOT_SELECTED, "key": "select.place", "wanted": ("", "tunnel")},
            "select.place is none; the rule asks for none, tunnel",
        ),
    ],
)
def test_the_reason_in_words(verdict: dict[str, Any], words: str) -> None:
    assert why(Verdict(rule=make_rule(), measurement="noise_la", **verdict)) == words


def test_the_table_shows_check_levels_times_and_devices() -> None:
    rule = make_rule(
        devices=("noise-1", "noise-2"),
        sites=("east",),
        check=Window(statistic=Statistic.L90, over_s=1200.0),
        higher=(Level(limit=70.0, severity=Severity.HIGH),),
        times=Times(days=(DayKind.WORKDAY,), hours=((time(22), time(6)),)),
    )
    (_, line) = table([rule])
    for words in (
        "always workday,22:00-06:00  ",
        "  noise-1,noise-2,site=east  ",
        "  window statistic=l90 over_s=1200  ",
        "  noise_laeq > 60/70 dB(A)  medium/high  ",
    ):
        assert words in line
