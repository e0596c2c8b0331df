from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cloud.core.model import Severity
from cloud.core.rules import Mark, Rule, Schedule
from cloud.rules import schema_json
from cloud.rules.files import REQUIRED, RuleDefaults, RuleEntry, RulesFile
from cloud.rules.loader import load_file, load_rules, preset_names
from contract import strict_yaml
from contract.errors import RuleError

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 11, 22)
GOOD = """\
preset: ours
version: 1
title: {zh: 本市, en: ours}
defaults:
  kind: gas
  measurement: gas_pressure
  direction: above
  unit: MPa
  severity: high
  category: "04-03"
  source: a decision
  mark: P
  timing_source: experience
  timing_mark: judgement
  effective: 2026-01-01
rules:
  - id: ours.one
    title: {zh: 一, en: one}
    limit: 0.4
    deadband: 0.01
    select: {pressure_class: [medium-a, ""], line: 3}
"""


def write(folder: Path, text: str, name: str = "ours.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    """Return the problems of a file, without its path."""
    path = write(folder, text)
    with pytest.raises(RuleError) as caught:
        load_file(path)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_file_becomes_rules_in_canonical_units(tmp_path: Path) -> None:
    (rule,) = load_file(write(tmp_path, GOOD))
    assert rule == Rule(
        id="ours.one",
        version="1",
        title_zh="一",
        title_en="one",
        kinds=("gas",),
        measurements=("gas_pressure",),
        select={"pressure_class": ("medium-a", ""), "line": ("3",)},
        schedule=Schedule.ALWAYS,
        direction=rule.direction,
        limit=400.0,
        unit="kPa",
        deadband=10.0,
        severity=Severity.HIGH,
        category="04-03",
        source="a decision",
        mark=Mark.PRIMARY,
        timing_source="experience",
        timing_mark=Mark.JUDGEMENT,
        effective=date(2026, 1, 1),
    )


def test_an_offset_moves_limits_and_not_deadbands(tmp_path: Path) -> None:
    text = GOOD.replace("gas_pressure", "air_temperature").replace("MPa", "K")
    (rule,) = load_file(write(tmp_path, text.replace("0.4", "300").replace("0.01", "2")))
    assert rule.limit == pytest.approx(26.85)
    assert rule.deadband == 2.0


def test_a_rules_own_key_goes_over_the_defaults(tmp_path: Path) -> None:
    (rule,) = load_file(write(tmp_path, GOOD + "    severity: low\n    unit: kPa\n"))
    assert (rule.severity, rule.limit) == (Severity.LOW, 0.4)


def test_every_problem_is_told_at_once_in_the_files_order(tmp_path: Path) -> None:
    text = GOOD.replace("severity: high", "severety: high").replace("mark: P", "mark: Q")
    text += """\
  - id: ours.one
    title: {zh: 二}
    limit: high
    unit: pH
    measurement: gas_presure
  - id: Ours Two
    title: {zh: 三, en: three}
    limit: 50
    until: 2025-01-01
"""
    assert problems(tmp_path, text) == [
        "9: defaults.severety: unknown key; did you mean severity?",
        "12: defaults.mark: input should be 'P', 'S', 'M-high', 'M-medium', 'M-low', "
        "'judgement' or 'configured'; found 'Q'",
        "17: rules[0]: severity: is missing, here and in defaults",
        "22: rules[1].id: 'ours.one' is on line 17 already",
        "22: rules[1]: severity: is missing, here and in defaults",
        "23: rules[1].title: en is missing",
        "24: rules[1].limit: input should be a valid number, unable to parse string as a number; "
        "found 'high'",
        "26: rules[1].measurement: unknown measurement 'gas_presure'; did you mean gas_pressure?",
        "27: rules[2].id: 'Ours Two': allowed are a-z and 0-9, in parts joined by . or -, up to 63",
        "27: rules[2]: severity: is missing, here and in defaults",
        "29: rules[2].limit: 50 MPa is outside what gas_pressure can be: -100 to 10000 kPa",
        "30: rules[2].until: 2025-01-01 is not after effective, 2026-01-01",
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("unit: MPa", "unit: pH", "'pH' is no unit of"),
        ("measurement: gas_pressure", "measurement: [gas_pressure, tilt]", "tilt is in deg, not"),
        ("measurement: gas_pressure", "measurement: []", "there are none"),
        ("measurement: gas_pressure", "measurement: gas_pressure.", "unknown measurement"),
        ("kind: gas", "kind: gaz", "'noise', 'dust', 'water', 'gas' or 'manhole'; found 'gaz'"),
        ('category: "04-03"', "category: noise", "'noise': write e.g."),
        ("deadband: 0.01", "deadband: -1", "greater than or equal to 0; found -1"),
        ("deadband: 0.01", "on_delay_s: .inf", "finite number"),
        ("limit: 0.4", "limit: .nan", "finite number"),
        ("line: 3", "line: true", "valid string; found True"),
        ("version: 1", "version: ", "valid string"),
        ("effective: 2026-01-01", 'effective: "soon"', "valid date"),
        ("source: a decision", 'source: ""', "at least 1 character"),
        ("preset: ours", "presets: ours", "unknown key; did you mean preset?"),
        (GOOD[GOOD.index("  - id") :], " []\n", "rules: there are none"),
        (GOOD[GOOD.index("rules:") :], "", "rules is missing"),
        (GOOD, "- 1\n", "valid dictionary"),
        (GOOD, "a: [1\n", "expected"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new))
    assert any(words in problem for problem in found), found
    assert all(problem.split(":")[0].isdigit() for problem in found), found


@pytest.mark.parametrize("key", REQUIRED)
def test_what_a_rule_must_have(tmp_path: Path, key: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"  {key}:")]
    assert problems(tmp_path, "\n".join(lines)) == [
        f"16: rules[0]: {key}: is missing, here and in defaults"
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"none\.yaml: cannot be read"):
        load_rules([], [tmp_path / "none.yaml"], {}, TODAY)


def test_an_unknown_preset_names_the_near_and_all(tmp_path: Path) -> None:
    with pytest.raises(RuleError) as caught:
        load_rules(["noise-gb3906", "zzz"], [write(tmp_path, "a: 1")], {}, TODAY)
    first, second, *rest = caught.value.problems
    assert first.startswith(
        "rules.presets: unknown preset 'noise-gb3906'; did you mean noise-gb3096?"
    )
    assert all(name in second for name in preset_names())
    assert rest


def test_an_id_in_two_files_names_both(tmp_path: Path) -> None:
    paths = [write(tmp_path, GOOD, "a.yaml"), write(tmp_path, GOOD, "b.yaml")]
    with pytest.raises(RuleError) as caught:
        load_rules([], paths, {}, TODAY)
    assert caught.value.problems == (f"{paths[1]}: rule 'ours.one' is in {paths[0]} too",)


def test_an_override_says_that_it_is_one(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    (plain,) = load_rules([], [path], {}, TODAY).rules
    changes = {"ours.*": {"limit": 350.0, "on_delay_s": 9.0}, "*one": {"on_delay_s": 2.0}}
    (rule,) = load_rules([], [path], changes, TODAY).rules
    assert (rule.limit, rule.on_delay_s, rule.deadband) == (350.0, 2.0, plain.deadband)
    assert rule.mark is rule.timing_mark is Mark.CONFIGURED
    assert rule.source == ("this installation's configuration; before: 400 kPa, a decision [P]")
    assert rule.version != plain.version


def test_an_override_of_delays_leaves_the_limits_source(tmp_path: Path) -> None:
    (rule,) = load_rules([], [write(tmp_path, GOOD)], {"*": {"off_delay_s": 3.0}}, TODAY).rules
    assert (rule.source, rule.mark, rule.timing_mark) == (
        "a decision",
        Mark.PRIMARY,
        Mark.CONFIGURED,
    )


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"our.one": {"limit": 1.0}}, "rules.overrides.our.one: fits no rule; did you mean ours.o"),
        ({"zzz*": {}}, "fits no rule; gridwarden rules list shows"),
        ({"*": {"on_delay": 1.0}}, "rules.overrides.*.on_delay: unknown key; did you mean on_del"),
        ({"*": {"deadband": -1.0}}, "rules.overrides.*.deadband: -1.0 is below zero"),
        ({"*": {"off_delay_s": float("nan")}}, "is below zero"),
        ({"*": {"limit": 1e9}}, "outside what ours.one can watch: -100 to 10000 kPa"),
    ],
)
def test_a_wrong_override_is_refused(
    tmp_path: Path, overrides: dict[str, dict[str, float]], words: str
) -> None:
    with pytest.raises(RuleError) as caught:
        load_rules([], [write(tmp_path, GOOD)], overrides, TODAY)
    assert any(words in problem for problem in caught.value.problems), caught.value.problems


def test_versions_and_the_fingerprint_follow_what_the_rules_say(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    one, again = (load_rules([], [path], {}, TODAY) for _ in range(2))
    assert one == again
    assert len(one.fingerprint) == 64
    other = load_rules([], [write(tmp_path, GOOD.replace("0.4", "0.5"))], {}, TODAY)
    assert other.fingerprint != one.fingerprint
    assert other.rules[0].version != one.rules[0].version
    assert one.rules[0].version.startswith("1-")


def test_the_order_of_presets_does_not_matter() -> None:
    names = preset_names()
    assert load_rules(names, [], {}, TODAY) == load_rules(names[::-1], [], {}, TODAY)


def test_what_ended_long_ago_is_left_out_and_what_comes_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "    until: 2026-06-01\n")
    for on, count in ((date(2025, 1, 1), 1), (date(2027, 6, 1), 1), (date(2027, 9, 1), 0)):
        assert len(load_rules([], [path], {}, on).rules) == count


def test_no_rules_are_fine() -> None:
    assert load_rules([], [], {}, TODAY).rules == ()


def test_schema_json_is_what_the_loader_reads() -> None:
    written = schema_json.PATH.read_text(encoding="utf-8")
    assert written == schema_json.schema_json(), "run: python -m cloud.rules.schema_json"


def test_every_key_and_mark_is_documented() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for model in (RulesFile, RuleDefaults, RuleEntry):
        for key in model.model_fields:
            assert f"`{key}`" in page, key
    for mark in Mark:
        assert f"`{mark.value}`" in page, mark
    for name in preset_names():
        assert f"`{name}`" in page, name


def test_the_documentations_example_loads(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    (example,) = [block for block in page.split("```yaml\n")[1:] if block.startswith("preset:")]
    (rule,) = load_file(write(tmp_path, example.split("```")[0]))
    assert rule.id == "our-rules.square.evening"


def test_the_documentations_configuration_loads(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    (block,) = [one for one in page.split("```yaml\n")[1:] if one.startswith("rules:")]
    data = strict_yaml.parse(block.split("```")[0], "docs").data
    assert isinstance(data, dict)
    said = data["rules"]
    assert load_rules(said["presets"], [], said["overrides"], TODAY).rules
