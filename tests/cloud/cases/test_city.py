from __future__ import annotations

import json
from datetime import date, time
from pathlib import Path

import pytest

from cloud.cases.city import Cases
from cloud.config import load
from cloud.core.gate import GatePolicy, UnitRule
from cloud.core.model import Severity
from cloud.core.working_time import Unit
from contract.errors import ConfigError
from tests.cloud.core.test_grid import feature, grid, square

BASE = "data: d\nbroker: {host: h}\n"
DOCS = Path(__file__).parents[3] / "docs" / "cases.md"


def write(folder: Path, text: str) -> Path:
    path = folder / "cloud.yaml"
    path.write_text(BASE + text, encoding="utf-8")
    return path


def test_a_city_that_sets_nothing_has_the_defaults(tmp_path: Path) -> None:
    policy = load(write(tmp_path, "")).case_policy
    assert policy == GatePolicy(categories=policy.categories)


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    example = text.split("```yaml\ncases:")[1].split("```")[0]
    (tmp_path / "grid.geojson").write_text(json.dumps(grid(feature("A", square(116, 39)))))
    (tmp_path / "formulas").mkdir()
    policy = load(write(tmp_path, f"cases:{example}")).case_policy
    assert policy.limits[Severity.MEDIUM].handle.unit is Unit.WORKING_DAYS
    assert policy.limits[Severity.HIGH] == GatePolicy().limits[Severity.HIGH]
    assert policy.calendar.shifts[0] == (time(9), time(12))
    assert date(2026, 10, 1) in policy.calendar.holidays
    assert policy.categories["06-01"].zh == "违法建设"
    assert policy.cells[0].code == "A"
    assert policy.outside_refused
    assert policy.unit_rules[0] == UnitRule(unit="东城环卫", cell="A", category="03")
    assert policy.gate.confirm == {Severity.MEDIUM}
    assert policy.gate.hours == (time(6), time(22))


def test_working_time_reads_the_calendars_that_rules_read(tmp_path: Path) -> None:
    """Days that are said beside them count over them."""
    calendar = load(
        write(
            tmp_path,
            "cases: {working_time: {calendar: china-2026, holidays: [2026-10-10, 2026-12-24],"
            " made_up: [2026-10-07]}}\n",
        )
    ).case_policy.calendar
    works = {day: calendar.works(date(2026, *day)) for day in ((10, 6), (10, 7), (9, 20), (12, 24))}
    assert works == {(10, 6): False, (10, 7): True, (9, 20): True, (12, 24): False}
    assert not calendar.works(date(2026, 10, 10))
    with pytest.raises(ConfigError, match=r"working_time\.calendar: no such file"):
        load(write(tmp_path, "cases: {working_time: {calendar: china-1926}}\n"))


def test_every_key_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [key for key in Cases.model_fields if f"  {key}:" not in text] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cases: {verify: 3 days}", "cases.verify.*is no span of time"),
        ("cases: {verfy: 3 h}", "cases.verfy: unknown key; did you mean verify"),
        ("cases: {limits: {huge: {handle: 3 h}}}", "cases.limits.huge"),
        ("cases: {categories: {abc: {zh: a, en: b}}}", "cases.categories.abc"),
        ('cases: {working_time: {shifts: ["12:00-08:00"]}}', "shifts are in order"),
        ("cases: {grid: {file: none}}", "cases.grid.file: no such file"),
        ("cases: {repeats: 1}", "cases.repeats"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(write(tmp_path, text))


@pytest.mark.parametrize("document", ["{", '{"type": "Feature"}'])
def test_a_grid_that_is_none_is_told(tmp_path: Path, document: str) -> None:
    (tmp_path / "g").write_text(document)
    with pytest.raises(ConfigError, match="g: "):
        _ = load(write(tmp_path, "cases: {grid: {file: g}}")).case_policy
