"""A rule that is written as a file says, and read again, says the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cloud.core.calendar import NO_HOLIDAYS, Times
from cloud.core.rules import Rule
from cloud.rules.loader import preset_names
from cloud.rules.source import RuleSource
from cloud.rules.written import as_yaml

ON = date(2026, 11, 1)
EVERY = """
preset: own
version: 3
title: {zh: 自定, en: own}
defaults:
  kind: noise
  unit: dB(A)
  severity: low
  category: "05-08"
  source: ours
  source_zh: 本市
  mark: P
  timing_source: ours
  timing_mark: judgement
  effective: 2026-05-01
rules:
  - id: own.times
    title: {zh: 一, en: one}
    measurement: noise_la
    direction: above
    limit: 60.5
    levels: [{limit: 70, severity: high}]
    n_of_m: {n: 2, m: 3}
    times: {days: [sat, sun], hours: ["22:00-06:00"]}
    select: {area_class: ["2", "!x"]}
    devices: [n-1]
    sites: [east]
    matter: own.noise
    realarm_s: 0
    until: 2030-01-01
  - id: own.rate
    title: {zh: 二, en: two}
    measurement: noise_la
    direction: above
    check: {type: rate, over_s: 60, either_way: true}
    limit: 0.25
    deadband: 0.1
  - id: own.state
    title: {zh: 三, en: three}
    kind: manhole
    measurement: cover_open
    check: {type: state, values: [1]}
  - id: own.difference
    title: {zh: 四, en: four}
    measurement: noise_laeq
    direction: below
    check: {type: difference, over_s: 3600, to_group: {role: reference}}
    limit: -3
"""


def same(rule: Rule) -> Rule:
    """Leave out what a file does not say, or the loading fills in."""
    times = replace(rule.times, holidays=NO_HOLIDAYS) if isinstance(rule.times, Times) else None
    return replace(rule, version="", beats=(), times=times)


@pytest.mark.parametrize("preset", preset_names())
def test_of_every_shipped_rule(preset: str) -> None:
    rules = RuleSource(presets=(preset,)).load(ON).rules
    again = RuleSource().changes_of(as_yaml(rules), "again")
    assert list(map(same, again)) == list(map(same, rules))


def test_of_rules_that_say_everything() -> None:
    rules = RuleSource().changes_of(EVERY, "own")
    text = as_yaml(rules)
    assert "limit: 60.5" in text
    assert "levels:" in text
    assert list(map(same, RuleSource().changes_of(text, "again"))) == list(map(same, rules))
    assert 'version: "3"' in text.replace("'", '"')
