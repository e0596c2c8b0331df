"""One noisy day, made up from a seed: ten series under the presets, each hovering at its limits.

Every series drifts about one of its rules' limits after the other, with bursts, maintenance,
readings without value, and silences: a day on which everything that can happen to a rule does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import count

import numpy as np

from cloud.core.evaluate import Engine
from cloud.core.model import Device, Series
from cloud.core.rules import RuleSet
from cloud.rules.loader import load_rules, preset_names
from contract.quality import Quality
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_engine import ReferenceEngine
from tests.cloud.history_kit import ZONE

SEED = 6
BEGINS_MS = 1_790_006_400_000  # 2026-09-22 00:00 in Shanghai
PERIOD_S = 60
MINUTES = 1440
DEVICES = {
    "noise-1": ("noise", {"area_class": "2"}, ("noise_laeq", "noise_lmax")),
    "dust-1": ("dust", {"stage": "earthwork", "region": "plain"}, ("tsp",)),
    "dust-2": ("dust", {}, ("pm10", "pm25")),
    "water-1": ("water", {"water_class": "IV"}, ("water_ph", "water_do", "water_nh3n")),
    "gas-1": ("gas", {"pressure_class": "low"}, ("gas_pressure",)),
    "manhole-1": ("manhole", {}, ("tilt",)),
}


def presets() -> RuleSet:
    """Return all rules that are shipped, as they stand on that day."""
    return load_rules(preset_names(), [], {}, date(2026, 9, 22))


def all_series() -> list[Series]:
    numbers = count(1)
    return [
        Series(
            id=next(numbers),
            device=Device(id=device, kind=kind, tags=tags, period_s=float(PERIOD_S)),
            measurement=measurement,
        )
        for device, (kind, tags, measurements) in DEVICES.items()
        for measurement in measurements
    ]


def readings(rules: RuleSet, series: Iterable[Series]) -> list[Plain]:
    """Return the day's readings in order of time."""
    chance = np.random.default_rng(SEED)
    made: list[Plain] = []
    pairs = engine_of(rules, series).pairs()
    for one in series:
        limits = sorted(rules.by_id[rule].limit for rule, number in pairs if number == one.id)
        made += _of(one, limits or [1.0], chance)
    return sorted(made, key=lambda reading: (reading.at_ms, reading.series))


def engine_of(rules: RuleSet, series: Iterable[Series]) -> Engine:
    engine = Engine(rules.rules, ZONE)
    engine.bind(series)
    return engine


def reference_of(rules: RuleSet, series: list[Series]) -> ReferenceEngine:
    """Return the reference engine, watching what the engine watches."""
    reference = ReferenceEngine(list(rules.rules), ZONE)
    reference.bind(series)
    pairs = engine_of(rules, series).pairs()
    for one in series:
        mine = [rule for rule in rules.rules if (rule.id, one.id) in pairs]
        reference.tracks[one.id].monitors = reference.monitors_of(mine, one)
    return reference


def _of(series: Series, limits: list[float], chance: np.random.Generator) -> list[Plain]:
    minutes = np.arange(MINUTES)
    limit = np.array(limits)[minutes // 97 % len(limits)]
    drift = np.convolve(chance.normal(0, 1, MINUTES + 9), np.ones(10) / 5, "valid")
    value = limit + np.maximum(np.abs(limit), 0.1) * 0.06 * drift
    value += limit * 0.3 * (chance.random(MINUTES) < 0.01)
    quality = np.where(chance.random(MINUTES) < 0.02, int(Quality.MAINTENANCE), 0)
    silent = np.zeros(MINUTES, bool)
    for begin in chance.integers(0, MINUTES, 6):
        silent[begin : begin + int(chance.integers(2, 15))] = True
    late_ms = chance.integers(0, 20_000, MINUTES)
    return [
        Plain(
            series.id,
            BEGINS_MS + minute * PERIOD_S * 1000 + int(late_ms[minute]),
            float(np.round(value[minute], 3)),
            Quality(int(quality[minute])),
        )
        for minute in minutes.tolist()
        if not silent[minute]
    ]
