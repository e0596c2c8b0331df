from __future__ import annotations

from cloud.core.model import Device
from cloud.core.schedule import DayHours, era_at
from cloud.web.limits import limits
from contract.clock import parse_iso
from tests.cloud.web.seed import RULES, ZONE

NOISE = Device(id="noise-01", kind="noise", tags={"area_class": "2"})


def at(text: str, device: Device = NOISE) -> dict[str, list[float]]:
    era = era_at(parse_iso(text), ZONE, DayHours())
    found = limits(RULES, device, ["noise_laeq", "noise_la", "gas_pressure"], era)
    return {name: [limit.limit for limit in lines] for name, lines in found.items()}


def test_the_limit_is_that_of_the_local_hour() -> None:
    assert at("2026-11-22T12:00:00+08:00") == {"noise_laeq": [60.0]}
    assert at("2026-11-22T23:00:00+08:00") == {"noise_laeq": [50.0]}
    assert at("2026-11-22T04:00:00Z") == {"noise_laeq": [60.0]}  # noon in Shanghai


def test_rules_of_other_areas_kinds_and_dates_are_not_drawn() -> None:
    assert at("2026-11-22T12:00:00+08:00", Device(id="n", kind="noise")) == {}
    assert at("2019-11-22T12:00:00+08:00") == {}


def test_several_limits_least_severe_first() -> None:
    gas = Device(id="gas-01", kind="gas")
    assert at("2026-11-22T12:00:00+08:00", gas) == {"gas_pressure": [3.0, 1.5]}
