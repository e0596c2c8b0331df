from __future__ import annotations

from dataclasses import replace

import msgspec

from cloud.core.checks import NoData, OutOfRange, StateIs, Value
from cloud.core.model import Severity
from cloud.core.rules import Level, Mark, RuleSet, resolve, selects, watched
from tests.cloud.core.rule_kit import NOISE, make_rule


def test_no_tags_select_every_device_of_the_kinds() -> None:
    assert selects(make_rule(), NOISE)
    assert selects(make_rule(kinds=()), NOISE)
    assert not selects(make_rule(kinds=("gas", "water")), NOISE)


def test_a_tag_selects_by_its_value() -> None:
    assert selects(make_rule(select={"area_class": ("1", "2")}), NOISE)
    assert not selects(make_rule(select={"area_class": ("4a",)}), NOISE)
    assert not selects(make_rule(select={"area_class": ("2",), "site": ("x",)}), NOISE)


def test_an_empty_value_selects_devices_without_the_tag() -> None:
    assert selects(make_rule(select={"source": ("",)}), NOISE)
    assert not selects(make_rule(select={"area_class": ("",)}), NOISE)


def test_an_exclamation_mark_selects_all_but_that() -> None:
    assert selects(make_rule(select={"source": ("!construction",)}), NOISE)
    assert not selects(make_rule(select={"area_class": ("!2", "!3")}), NOISE)
    assert not selects(make_rule(select={"area_class": ("3", "!4")}), NOISE)


def test_the_first_measurement_that_is_there_is_watched() -> None:
    rule = make_rule(measurements=("noise_laeq", "noise_la"))
    assert watched(rule, ["noise_la", "noise_laeq"]) == ["noise_laeq"]
    assert watched(rule, ["noise_la"]) == ["noise_la"]
    assert watched(rule, ["noise_lmax", "noise_laeq_of_another"]) == []


def test_a_quantity_means_all_its_channels_and_a_channel_only_itself() -> None:
    present = ["gas_pressure.inlet", "gas_pressure.outlet"]
    assert watched(make_rule(measurements=("gas_pressure",)), present) == present
    assert watched(make_rule(measurements=("gas_pressure.inlet",)), present) == present[:1]


def test_resolve_names_rules_by_their_place() -> None:
    rules = [make_rule(id="gas", kinds=("gas",)), make_rule()]
    assert resolve(rules, NOISE, ["noise_laeq"]) == [(1, "noise_laeq")]


def test_provenance_tells_how_sure_it_is() -> None:
    assert make_rule(source="GB 1", mark=Mark.MEMORY_LOW).provenance == "GB 1 [M-low]"


def test_rules_by_id() -> None:
    rules = (make_rule(id="a"), make_rule(id="b"))
    assert RuleSet(rules=rules, fingerprint="f").by_id == {"a": rules[0], "b": rules[1]}
    assert replace(rules[0], id="b") == rules[1]


def test_devices_and_sites_narrow_it_down() -> None:
    assert selects(make_rule(devices=("noise-1", "noise-2")), NOISE)
    assert not selects(make_rule(devices=("noise-2",)), NOISE)
    at_site = replace(NOISE, tags={"site": "metro-9"})
    assert selects(make_rule(sites=("metro-9",)), at_site)
    assert not selects(make_rule(sites=("metro-9",)), NOISE)


def test_levels_begin_with_the_rules_own() -> None:
    higher = (Level(limit=70.0, severity=Severity.HIGH),)
    rule = make_rule(limit=60.0, severity=Severity.LOW, higher=higher)
    assert rule.levels == (Level(limit=60.0, severity=Severity.LOW), *higher)


def test_checks_that_say_different_things_are_told_apart() -> None:
    """A rule's version is a hash of all that it says."""
    checks = [Value(), OutOfRange(), StateIs(values=(1.0,)), NoData(periods=3.0)]
    written = {msgspec.json.encode(make_rule(check=check), order="sorted") for check in checks}
    assert len(written) == len(checks)
