"""Every kind of check, level, counting, day and hour as a rules file says it."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from typing import get_args

import pytest

from cloud.core.calendar import DayKind, Holidays, Times
from cloud.core.checks import (
    VALUE,
    Check,
    Difference,
    Expression,
    NoData,
    OutOfRange,
    Rate,
    StateIs,
    Statistic,
    Stuck,
    Value,
    Window,
)
from cloud.core.model import Severity
from cloud.core.rules import Counted, Level
from cloud.rules.check_entries import CHECK_ENTRIES
from cloud.rules.loader import load_file, unevaluated, unread
from contract.errors import RuleError

HEAD = """\
preset: ours
version: 1
title: {zh: 本市, en: ours}
defaults:
  kind: gas
  category: ""
  severity: medium
  source: a decision
  mark: P
  timing_source: experience
  timing_mark: judgement
  effective: 2026-01-01
rules:
  - id: ours.one
    title: {zh: 一, en: one}
"""
LIMIT = "    measurement: gas_pressure\n    limit: 0.4\n    unit: MPa\n    direction: above\n"
HOLIDAYS = Holidays(days=(date(2026, 1, 1),))
PAGE = Path(__file__).parents[3] / "docs" / "rules.md"


def write(folder: Path, text: str) -> Path:
    path = folder / "ours.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ("type: value", VALUE),
        ("type: rate, over_s: 60, either_way: true", Rate(over_s=60, either_way=True)),
        (
            "type: window, statistic: mean, over_s: 1200, aligned: true",
            Window(statistic=Statistic.MEAN, over_s=1200, aligned=True),
        ),
        (
            "type: window, statistic: percentile, over_s: 50, percent: 95, valid_rate: 0.5",
            Window(statistic=Statistic.PERCENTILE, over_s=50, percent=95, valid_rate=0.5),
        ),
        (
            "type: difference, over_s: 3600, to_device: gas-2",
            Difference(over_s=3600, to_device="gas-2"),
        ),
        (
            "type: difference, over_s: 900, to_group: {role: reference, zone: [1, 2]}",
            Difference(over_s=900, to_group={"role": ("reference",), "zone": ("1", "2")}),
        ),
        ("type: expression, text: gas_pressure * 2", Expression(text="gas_pressure * 2")),
    ],
)
def test_checks_with_limits(tmp_path: Path, said: str, check: Check) -> None:
    (rule,) = load_file(write(tmp_path, f"{LIMIT}    check: {{{said}}}\n"))
    assert rule.check == check


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ("type: no_data, periods: 3", NoData(periods=3)),
        (
            "type: no_data, periods: 9, at_least_s: 600, whole_device: true",
            NoData(periods=9, at_least_s=600, whole_device=True),
        ),
        ("type: stuck, for_s: 7200, tolerance: 0.1", Stuck(for_s=7200, tolerance=0.1)),
        ("type: out_of_range", OutOfRange()),
        ("type: state, values: 1}\n    measurement: cover_open #", StateIs(values=(1,))),
    ],
)
def test_checks_that_are_either_so_or_not(tmp_path: Path, said: str, check: Check) -> None:
    (rule,) = load_file(write(tmp_path, f"    check: {{{said}}}\n"))
    assert rule.check == check
    assert (rule.limit, rule.unit, rule.direction.value) == (0.5, "1", "above")


def test_a_rates_and_a_differences_limits_have_units_of_their_own(tmp_path: Path) -> None:
    text = LIMIT.replace("gas_pressure", "air_temperature").replace("MPa", "K")
    rate = "    check: {type: rate, over_s: 60}\n"
    (rule,) = load_file(write(tmp_path, LIMIT + rate))
    assert (rule.limit, rule.unit) == (400.0, "kPa/s")
    difference = "    check: {type: difference, over_s: 3600, to_device: a}\n"
    (rule,) = load_file(write(tmp_path, text + difference))
    assert rule.limit == 0.4  # a difference of kelvins is one of degrees


def test_levels_counting_and_telling_again(tmp_path: Path) -> None:
    text = LIMIT + (
        "    levels: [{limit: 0.5, severity: high}, {limit: 0.6, severity: critical}]\n"
        "    n_of_m: {n: 3, m: 5}\n    realarm_s: 0\n    reminder_s: 60\n"
        "    devices: gas-1\n    sites: [1, b]\n    matter: ours\n    source_zh: 决定\n"
    )
    (rule,) = load_file(write(tmp_path, text))
    assert rule.higher == (
        Level(limit=500.0, severity=Severity.HIGH),
        Level(limit=600.0, severity=Severity.CRITICAL),
    )
    assert rule.counted == Counted(count=3, of=5)
    assert (rule.realarm_s, rule.reminder_s) == (0.0, 60.0)
    assert (rule.devices, rule.sites, rule.matter) == (("gas-1",), ("1", "b"), "ours")
    assert rule.source_zh == "决定"


@pytest.mark.parametrize(("day", "known"), [("workday", HOLIDAYS), ("mon", Holidays())])
def test_days_and_hours(tmp_path: Path, day: str, known: Holidays) -> None:
    text = f'{LIMIT}    times: {{days: {day}, hours: ["22:00-06:00"]}}\n'
    (rule,) = load_file(write(tmp_path, text), HOLIDAYS)
    assert rule.times == Times(days=(DayKind(day),), hours=((time(22), time(6)),), holidays=known)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("check: {type: windw}", "unknown type 'windw'; did you mean window?"),
        ("check: {over_s: 5}", "check: type is missing"),
        ("check: {type: rate}", "over_s is missing"),
        ("check: {type: rate, over_s: 0}", "greater than 0; found 0"),
        ("check: {type: stuck, for: 5}", "for: unknown key; did you mean for_s?"),
        ("check: {type: window, statistic: avg, over_s: 9}", "'mean', 'min', 'max', 'l10'"),
        ("check: {type: window, statistic: mean, over_s: 7, aligned: true}", "does not divide"),
        ("check: {type: window, statistic: percentile, over_s: 7}", "percent goes with"),
        ("check: {type: difference, over_s: 900}", "one of to_device and to_group"),
        ("levels: [{limit: 0.4, severity: high}]", "limit 0.4 is not beyond 0.4"),
        ("levels: [{limit: 0.5, severity: low}]", "severity low is not above medium"),
        ("n_of_m: {n: 6, m: 5}", "n 6 is more than m 5"),
        ("n_of_m: {n: 2, m: 5}\n    on_delay_s: 9", "on_delay_s is said too"),
        ('times: {hours: ["6-22"]}', "'6' is no time of day"),
        ('times: {hours: ["06:00-06:00"]}', "no stretch of hours"),
        ("times: {days: weekend}", "'workday', 'day-off' or 'holiday'; found 'weekend'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        load_file(write(tmp_path, f"{LIMIT}    {text}\n"))
    assert any(words in problem for problem in caught.value.problems), caught.value.problems


def test_a_limit_is_needed_where_the_check_has_one(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="limit: is missing"):
        load_file(write(tmp_path, LIMIT.replace("    limit: 0.4\n", "")))


def test_every_check_and_its_keys_are_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for entry in CHECK_ENTRIES:
        (name,) = get_args(entry.model_fields["type"].annotation)
        assert f"| `{name}` |" in page, name
        for key in entry.model_fields:
            assert key == "type" or f"`{key}`" in page, key


def test_a_check_that_the_engine_does_not_know_is_refused_and_not_silent(tmp_path: Path) -> None:
    rules = load_file(write(tmp_path, "    check: {type: no_data, periods: 3}\n"))
    assert unevaluated(rules, {NoData}) == []
    (problem,) = unevaluated(rules, {Value})
    assert problem == "rule 'ours.one': check: this version does not evaluate NoData"


def test_an_expression_that_cannot_be_read_is_refused_with_its_rule_and_place(
    tmp_path: Path,
) -> None:
    text = "    measurement: gas_pressure\n    check: {type: expression, text: NAME > 2}\n"
    assert unread(load_file(write(tmp_path, text.replace("NAME", "gas_pressure")))) == []
    (problem,) = unread(load_file(write(tmp_path, text.replace("NAME", "gas_presure"))))
    assert problem.startswith("rule 'ours.one': check: expression 'gas_presure > 2', character 1: ")
    assert problem.endswith("allowed: gas_pressure")
