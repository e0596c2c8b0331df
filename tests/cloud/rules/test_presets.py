"""The shipped presets: loaded, sourced, marked, dated, and with the figures they must have."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from cloud.core.checks import NoData, OutOfRange, Statistic, Stuck, Value, Window
from cloud.core.gate import CATEGORIES
from cloud.core.model import Device, Severity
from cloud.core.narrowing import Standing, explain
from cloud.core.rules import Direction, Mark, Rule, Schedule, resolve
from cloud.rules.loader import PRESETS, load_file, load_rules, preset_names
from contract.quantities import QUANTITIES, Kind, quantity_of
from contract.strict_yaml import read

TODAY = date(2026, 11, 22)
ALL = load_rules(preset_names(), [], {}, TODAY)
RULES = [pytest.param(rule, id=rule.id) for rule in ALL.rules]


def limits(
    kind: str, tags: dict[str, str], *measurements: str, on: date = TODAY
) -> dict[tuple[str, str, str], float]:
    """Return the limits that hold for such a device: (measurement, schedule, severity) → limit."""
    device = Device(id="x", kind=kind, tags=tags)
    found = [(ALL.rules[index], name) for index, name in resolve(ALL.rules, device, measurements)]
    return {
        (name, rule.schedule.value, rule.severity.value): rule.limit
        for rule, name in found
        if isinstance(rule.check, Value | Window)
        and rule.effective <= on
        and (rule.until is None or on < rule.until)
    }


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_named_as_its_file_and_so_are_its_rules(name: str) -> None:
    data = read(PRESETS / f"{name}.yaml").data
    assert isinstance(data, dict)
    assert data["preset"] == name
    for rule in load_file(PRESETS / f"{name}.yaml"):
        assert rule.id.startswith(f"{name}.")


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_says_where_it_is_from(rule: Rule) -> None:
    assert rule.source
    assert rule.timing_source
    assert rule.effective >= date(2000, 1, 1)
    for chinese in (rule.source_zh, rule.timing_source_zh, rule.title_zh):
        assert re.search("[\u4e00-\u9fff]", chinese), chinese
        assert not re.search(r"\b(our|judgement|after|class|most|least)\b", chinese)
    assert rule.matter
    assert rule.provenance_zh == f"{rule.source_zh} [{rule.mark.value}]"
    assert rule.title_en
    assert rule.mark is not Mark.CONFIGURED
    assert (rule.mark is Mark.JUDGEMENT) == bool(re.match(r"our judgement|presumed", rule.source))
    assert "standard says" not in rule.source


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_makes_sense(rule: Rule) -> None:
    assert rule.category in ("", *CATEGORIES)
    assert set(rule.kinds) <= set(Kind)
    assert set(rule.measurements) <= set(QUANTITIES)
    assert len(rule.version) <= 63
    if not isinstance(rule.check, Value | Window):
        return
    quantity = quantity_of(rule.measurements[0])
    assert quantity.low <= rule.limit <= quantity.high
    assert rule.unit == quantity.unit
    assert rule.deadband < (quantity.high - quantity.low) / 5


def test_the_presets_that_must_be_there() -> None:
    assert set(preset_names()) >= {
        "battery",
        "dust-db51-2682",
        "gas-gb50028",
        "gas-lel",
        "manhole-tilt",
        "noise-gb12523",
        "noise-gb3096",
        "sewage-overflow",
        "underpass-depth",
        "water-black-odorous",
        "water-gb3838",
    }


# GB 3096-2008: class, day, night.
@pytest.mark.parametrize(
    ("area_class", "day", "night"),
    [
        ("0", 50, 40),
        ("1", 55, 45),
        ("2", 60, 50),
        ("3", 65, 55),
        ("4a", 70, 55),
        ("4b", 70, 60),
        ("", 60, 50),
        ("5", 60, 50),  # no such class: watched like one that says nothing
    ],
)
def test_noise_by_area_class(area_class: str, day: float, night: float) -> None:
    tags = {"area_class": area_class} if area_class else {}
    for measurements in (["noise_laeq", "noise_la"], ["noise_la"]):
        assert limits("noise", tags, *measurements) == {
            (measurements[0], "day", "medium"): day,
            (measurements[0], "night", "medium"): night,
        }


def test_sudden_noise_at_night_is_fifteen_above() -> None:
    found = limits("noise", {"area_class": "1"}, "noise_lmax")
    assert found == {("noise_lmax", "night", "low"): 60}


@pytest.mark.parametrize("on", [date(2020, 1, 1), TODAY])
def test_noise_of_construction(on: date) -> None:
    found = limits("noise", {"source": "construction"}, "noise_laeq", "noise_lmax", on=on)
    assert found == {
        ("noise_laeq", "day", "medium"): 70,
        ("noise_laeq", "night", "medium"): 55,
        ("noise_lmax", "night", "medium"): 70,
    }


@pytest.mark.parametrize(
    ("preset", "over_s"), [("noise-gb3096", 3600), ("noise-gb12523", 1200), ("noise-gb22337", 1200)]
)
def test_limits_of_equivalent_levels_are_held_against_equivalent_levels(
    preset: str, over_s: float
) -> None:
    """The LAeq of a window by the clock, with the readings that it needs; peaks are at once."""
    for rule in load_file(PRESETS / f"{preset}.yaml"):
        if rule.measurements == ("noise_lmax",):
            assert rule.check == Value()
            assert rule.on_delay_s == 0
        else:
            assert rule.check == Window(
                statistic=Statistic.MEAN, over_s=over_s, aligned=True, valid_rate=0.75
            )


def test_a_utility_tunnels_level_takes_the_place_of_the_first() -> None:
    found = {place: limits("gas", {"place": place}, "gas_lel") for place in ("utility-tunnel", "")}
    assert found["utility-tunnel"] == {
        ("gas_lel", "always", "high"): 20,
        ("gas_lel", "always", "critical"): 50,
    }
    assert found[""] == {
        ("gas_lel", "always", "high"): 25,
        ("gas_lel", "always", "critical"): 50,
    }


def test_sewers_that_fill() -> None:
    device = Device(id="s", kind="manhole", tags={"cover": "sewage"})
    found = {ALL.rules[index].id for index, _ in resolve(ALL.rules, device, ["water_depth"])}
    assert {"sewage-overflow.filling", "sewage-overflow.rising"} <= found
    assert [level.limit for level in ALL.by_id["sewage-overflow.filling"].levels] == [120, 170]
    assert all(rule.mark is Mark.JUDGEMENT for rule in load_file(PRESETS / "sewage-overflow.yaml"))


@pytest.mark.parametrize(
    ("matter", "beaten"),
    [
        ("noise-gb3096.level", {"noise-gb3096.2.day", "noise-gb3096.2.night"}),
        ("noise-gb3096.2.night", {"noise-gb3096.2.night"}),  # a rule by its id
    ],
)
def test_a_citys_narrower_rule_wins_over_the_shipped(
    tmp_path: Path, matter: str, beaten: set[str]
) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text(
        f"""
preset: ours
version: 1
title: {{zh: 本市, en: ours}}
rules:
  - id: ours.square
    title: {{zh: 广场, en: square}}
    kind: noise
    devices: noise-1
    matter: {matter}
    measurement: [noise_laeq, noise_la]
    direction: above
    limit: 58
    unit: dB(A)
    severity: medium
    category: "05-08"
    source: the city
    mark: P
    timing_source: the city
    timing_mark: P
    effective: 2020-01-01
""",
        encoding="utf-8",
    )
    rules = load_rules(["noise-gb3096"], [ours], {}, TODAY).rules
    device = Device(id="noise-1", kind="noise", tags={"area_class": "2"})
    told = explain(rules, device, ["noise_laeq", "noise_lmax"])
    lost = {one.rule.id for one in told if one.standing is Standing.BEATEN}
    assert lost == beaten
    applies = {one.rule.id for one in told if one.standing is Standing.APPLIES}
    assert {"ours.square", "noise-gb3096.2.night-peak"} <= applies


@pytest.mark.parametrize(
    ("tags", "medium"),
    [
        ({"stage": "demolition"}, 600),
        ({"stage": "backfill", "region": "basin"}, 600),
        ({"stage": "structure"}, 250),
        ({}, 250),
        ({"stage": "excavation", "region": "mountain"}, 900),
        ({"region": "mountain"}, 350),
    ],
)
def test_dust_by_stage(tags: dict[str, str], medium: float) -> None:
    assert limits("dust", tags, "tsp")["tsp", "always", "medium"] == medium


def test_dust_has_two_severities_where_the_lower_limit_holds() -> None:
    assert limits("dust", {}, "tsp") == {
        ("tsp", "always", "medium"): 250,
        ("tsp", "always", "high"): 600,
    }


@pytest.mark.parametrize(("on", "pm10", "pm25"), [(date(2026, 2, 28), 150, 75), (TODAY, 120, 60)])
def test_particles_by_the_date(on: date, pm10: float, pm25: float) -> None:
    found = limits("dust", {}, "pm10", "pm25", on=on)
    assert found == {("pm10", "always", "medium"): pm10, ("pm25", "always", "medium"): pm25}


# GB 3838-2002: class, DO, CODMn, COD, NH3-N, TP.
@pytest.mark.parametrize(
    ("water_class", "oxygen", "codmn", "cod", "nh3n", "tp"),
    [
        ("I", 7.5, 2, 15, 0.15, 0.02),
        ("II", 6, 4, 15, 0.5, 0.1),
        ("III", 5, 6, 20, 1.0, 0.2),
        ("IV", 3, 10, 30, 1.5, 0.3),
        ("V", 2, 15, 40, 2.0, 0.4),
    ],
)
def test_water_by_class(
    water_class: str, oxygen: float, codmn: float, cod: float, nh3n: float, tp: float
) -> None:
    device = Device(id="w", kind="water", tags={"water_class": water_class})
    measured = ["water_do", "water_codmn", "water_cod", "water_nh3n", "water_tp"]
    gb3838 = [rule for rule in ALL.rules if rule.id.startswith("water-gb3838")]
    found = {
        name: (gb3838[index].limit, gb3838[index].direction)
        for index, name in resolve(gb3838, device, measured)
    }
    assert found == {
        "water_do": (oxygen, Direction.BELOW),
        "water_codmn": (codmn, Direction.ABOVE),
        "water_cod": (cod, Direction.ABOVE),
        "water_nh3n": (nh3n, Direction.ABOVE),
        "water_tp": (tp, Direction.ABOVE),
    }


def test_ph_is_six_to_nine_in_every_class() -> None:
    by_id = ALL.by_id
    assert (by_id["water-gb3838.ph-low"].limit, by_id["water-gb3838.ph-high"].limit) == (6, 9)


def test_black_and_odorous() -> None:
    found = {
        rule.id.removeprefix("water-black-odorous."): rule.limit
        for rule in ALL.rules
        if rule.id.startswith("water-black-odorous.")
    }
    assert found == {
        "transparency.light": 25,
        "transparency.severe": 10,
        "do.light": 2.0,
        "do.severe": 0.2,
        "orp.light": 50,
        "orp.severe": -200,
        "nh3n.light": 8,
        "nh3n.severe": 15,
    }


def test_low_pressure_gas_in_kilopascals() -> None:
    low = ALL.by_id["gas-gb50028.low.under"]
    high = ALL.by_id["gas-gb50028.low.over"]
    assert (low.limit, low.direction, high.limit) == (1.5, Direction.BELOW, 3.0)
    assert low.mark is high.mark is Mark.MEMORY_HIGH
    assert ALL.by_id["gas-gb50028.low.out-of-class"].limit == 10.0


@pytest.mark.parametrize(
    ("pressure_class", "low_kpa", "high_kpa"),
    [
        ("medium-b", 10, 200),
        ("medium-a", 200, 400),
        ("sub-high-b", 400, 800),
        ("sub-high-a", 800, 1600),
        ("high-b", 1600, 2500),
        ("high-a", 2500, 4000),
    ],
)
def test_gas_stays_in_its_class(pressure_class: str, low_kpa: float, high_kpa: float) -> None:
    found = limits("gas", {"pressure_class": pressure_class}, "gas_pressure.inlet")
    assert found == {
        ("gas_pressure.inlet", "always", "high"): low_kpa,
        ("gas_pressure.inlet", "always", "critical"): high_kpa,
    }


def test_combustible_gas() -> None:
    assert limits("gas", {}, "gas_lel") == {
        ("gas_lel", "always", "high"): 25,
        ("gas_lel", "always", "critical"): 50,
    }
    assert ALL.by_id["gas-lel.utility-tunnel"].limit == 20


def test_covers() -> None:
    assert limits("manhole", {}, "tilt") == {
        ("tilt", "always", "high"): 10,
        ("tilt", "always", "critical"): 90,
    }


@pytest.mark.parametrize("kind", ["water", "manhole"])
def test_underpasses(kind: str) -> None:
    assert limits(kind, {}, "water_depth") == {}
    assert limits(kind, {"place": "underpass"}, "water_depth") == {
        ("water_depth", "always", "medium"): 15,
        ("water_depth", "always", "critical"): 27,
    }


@pytest.mark.parametrize("kind", list(Kind))
def test_batteries_of_every_kind_make_no_case(kind: Kind) -> None:
    assert limits(kind, {}, "battery") == {
        ("battery", "always", "low"): 20,
        ("battery", "always", "medium"): 10,
    }
    assert ALL.by_id["battery.low"].category == ""


def test_every_kind_has_a_rule_that_makes_a_case() -> None:
    for kind in Kind:
        assert any(
            kind in rule.kinds and rule.category and rule.severity.at_least(Severity.MEDIUM)
            for rule in ALL.rules
        )


def test_only_noise_knows_day_and_night() -> None:
    assert {r.kinds for r in ALL.rules if r.schedule is not Schedule.ALWAYS} == {("noise",)}


def test_drinking_water() -> None:
    found = {
        rule.id.removeprefix("water-gb5749."): (rule.direction.value, rule.limit, rule.mark.value)
        for rule in ALL.rules
        if rule.id.startswith("water-gb5749.")
    }
    assert found == {
        "ph-low": ("below", 6.5, "M-high"),
        "ph-high": ("above", 8.5, "M-high"),
        "turbidity": ("above", 1, "M-high"),
        "chlorine-plant-low": ("below", 0.3, "M-high"),
        "chlorine-plant-high": ("above", 2, "M-high"),
        "chlorine-tap": ("below", 0.05, "M-high"),
        "pressure-end": ("below", 140, "S"),
    }


# GB 22337-2008: class, day, night.
@pytest.mark.parametrize(
    ("boundary", "day", "night"),
    [("0", 50, 40), ("1", 55, 45), ("2", 60, 50), ("3", 65, 55), ("4", 70, 55)],
)
def test_noise_of_social_life(boundary: str, day: float, night: float) -> None:
    found = {
        rule.id: (rule.limit, rule.check)
        for rule in ALL.rules
        if rule.id.startswith(f"noise-gb22337.{boundary}.")
    }
    window = Window(statistic=Statistic.MEAN, over_s=1200, aligned=True)
    assert found == {
        f"noise-gb22337.{boundary}.day": (day, window),
        f"noise-gb22337.{boundary}.night": (night, window),
    }


def test_health() -> None:
    found = {rule.id: rule.check for rule in ALL.rules if rule.id.startswith("health.")}
    assert found == {
        "health.silent": NoData(periods=5, at_least_s=300, whole_device=True),
        "health.stuck-noise": Stuck(for_s=3600),
        "health.stuck-dust": Stuck(for_s=14400),
        "health.out-of-range": OutOfRange(),
    }
