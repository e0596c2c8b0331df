"""What the configuration names is read again whenever it is asked for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cloud.rules.source import RuleSource
from contract.errors import RuleError

ON = date(2026, 9, 22)
FILE = """\
preset: ours
version: {version}
title: {{zh: 本市, en: Ours}}
rules:
  - id: ours.loud
    title: {{zh: 噪声, en: Loud}}
    kind: noise
    measurement: noise_laeq
    direction: above
    limit: {limit}
    unit: dB(A)
    severity: medium
    category: "05-08"
    source: a test
    mark: judgement
    timing_source: a test
    timing_mark: judgement
    effective: 2026-01-01
"""


def test_files_are_read_as_they_are_now(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(FILE.format(version=1, limit=60))
    source = RuleSource(files=(path,), overrides={"ours.loud": {"deadband": 2}})
    before = source.load(ON)
    path.write_text(FILE.format(version=2, limit=55))
    after = source.load(ON)
    assert [one.rules[0].limit for one in (before, after)] == [60, 55]
    assert before.fingerprint != after.fingerprint


def test_changes_have_versions_and_all_problems_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(FILE.format(version=2, limit=55))
    source = RuleSource()
    (rule,) = source.changes_in(path)
    assert rule.version.startswith("2-")
    assert source.changes_of(path.read_text(), "the body") == [rule]
    wrong = FILE.format(version=2, limit=999).replace("severity: medium", "severity: awful")
    with pytest.raises(RuleError) as refused:
        source.changes_of(wrong, "the body")
    assert [problem.split(": ")[0] for problem in refused.value.problems] == [
        "the body:10",
        "the body:12",
    ]
