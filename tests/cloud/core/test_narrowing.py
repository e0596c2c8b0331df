from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cloud.core.model import Device
from cloud.core.narrowing import Standing, explain, narrowness, settled
from cloud.core.rules import Rule, Schedule, resolve
from tests.cloud.core.rule_kit import make_rule

TODAY = date(2026, 11, 22)
SQUARE = Device(id="noise-1", kind="noise", tags={"area_class": "2", "site": "square"})
WIDE = make_rule(id="wide", matter="night")


def narrow(**changes: Any) -> Rule:
    return make_rule(**({"id": "narrow", "matter": "night"} | changes))


def applying(*rules: Rule, device: Device = SQUARE) -> list[str]:
    known = settled(rules, TODAY)
    return [known[index].id for index, _ in resolve(known, device, ["noise_laeq"])]


@pytest.mark.parametrize(
    "selection",
    [{"devices": ("noise-1",)}, {"sites": ("square",)}, {"select": {"area_class": ("2",)}}],
)
def test_the_narrowest_wins(selection: dict[str, Any]) -> None:
    assert applying(WIDE, narrow(**selection)) == ["narrow"]
    assert applying(WIDE, narrow(**selection), device=Device(id="x", kind="noise")) == ["wide"]


def test_devices_before_sites_before_tags_before_kinds() -> None:
    order = [
        make_rule(kinds=()),
        make_rule(),
        make_rule(select={"a": ("1",)}),
        make_rule(select={"a": ("1",), "b": ("2",)}),
        make_rule(sites=("s",)),
        make_rule(devices=("d",)),
    ]
    assert sorted(order, key=narrowness) == order
    assert narrowness(make_rule(select={"a": ("",), "b": ("!x",)})) == narrowness(make_rule())


@pytest.mark.parametrize(
    "changes",
    [
        {"matter": "day"},
        {"matter": ""},
        {"schedule": Schedule.NIGHT},
        {"effective": date(2027, 1, 1)},
        {"until": date(2027, 1, 1)},
        {"devices": ()},
        {"measurements": ("noise_la",)},
    ],
)
def test_rules_stand_side_by_side_where_one_does_not_take_the_others_place(
    changes: dict[str, Any],
) -> None:
    rule = narrow(**({"devices": ("noise-1",)} | changes))
    assert "wide" in applying(WIDE, rule)


def test_a_matter_is_a_rules_own_id_where_it_says_none() -> None:
    mine = narrow(devices=("noise-1",), matter="gas-lel.level1")
    assert applying(make_rule(id="gas-lel.level1"), mine) == ["narrow"]


def test_explain_says_what_applies_and_why_the_others_do_not() -> None:
    rules = settled(
        [
            WIDE,
            narrow(devices=("noise-1",)),
            make_rule(id="class-4", select={"area_class": ("4a", "4b")}),
            make_rule(id="peak", measurements=("noise_lmax",)),
            make_rule(id="level", measurements=("noise_laeq", "noise_la")),
        ],
        TODAY,
    )
    found = {
        (one.rule.id, one.measurement): one
        for one in explain(rules, SQUARE, ["noise_laeq", "noise_la"])
    }
    assert {key: one.standing for key, one in found.items()} == {
        ("narrow", "noise_laeq"): Standing.APPLIES,
        ("level", "noise_laeq"): Standing.APPLIES,
        ("wide", "noise_laeq"): Standing.BEATEN,
        ("class-4", "noise_laeq"): Standing.NOT_SELECTED,
        ("level", "noise_la"): Standing.OTHER_MEASUREMENT,
    }
    assert found["wide", "noise_laeq"].by == ("narrow",)
    lost = found["class-4", "noise_laeq"]
    assert (lost.key, lost.seen, lost.wanted) == ("select.area_class", "2", ("4a", "4b"))


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"kinds": ("gas",)}, "kind"), ({"devices": ("x",)}, "devices"), ({"sites": ("x",)}, "sites")],
)
def test_explain_names_the_first_thing_that_does_not_fit(changes: dict[str, Any], key: str) -> None:
    (one,) = explain([make_rule(**changes)], SQUARE, ["noise_laeq"])
    assert (one.standing, one.key) == (Standing.NOT_SELECTED, key)


def test_explain_agrees_with_what_is_watched() -> None:
    rules = settled([WIDE, narrow(sites=("square",)), make_rule(id="other")], TODAY)
    said = {v.rule.id for v in explain(rules, SQUARE, ["noise_laeq"]) if v.standing == "applies"}
    assert said == set(applying(*rules))
