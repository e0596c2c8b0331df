"""A day on which everything happens: the alerts and their times are the reference engine's."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from cloud.core.model import ConditionBegan, ConditionEvent, Series
from cloud.core.rules import RuleSet
from cloud.state import schema
from cloud.state.database import Database
from contract.messages import DeviceBirth
from contract.readings import Reading
from tests.cloud import noisy_day
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.rule_kit import T0_MS, columns_of
from tests.cloud.history_kit import Street, in_order


@cache
def day() -> tuple[RuleSet, list[Series], list[Plain], list[ConditionEvent]]:
    """Return the presets, the series, the readings, and what the reference engine makes of them."""
    rules, series = noisy_day.presets(), noisy_day.all_series()
    made = noisy_day.readings(rules, series)
    return rules, series, made, noisy_day.reference_of(rules, series).evaluate(made)


def test_it_is_noisy() -> None:
    _, _, made, expected = day()
    assert len(made) > 10_000
    begun = {(event.rule, event.series) for event in expected if isinstance(event, ConditionBegan)}
    assert len(begun) > 15
    assert len(expected) > 150


def test_in_order_the_engine_finds_what_the_reference_finds() -> None:
    rules, series, made, expected = day()
    engine = noisy_day.engine_of(rules, series)
    found: list[ConditionEvent] = []
    for at in range(0, len(made), 777):
        found += engine.evaluate(columns_of(made[at : at + 777]))
    assert in_order(found) == in_order(expected)


def test_shuffled_doubled_and_cut_the_line_comes_to_the_same(database: Database) -> None:
    rules, series, made, expected = day()
    chance = random.Random(noisy_day.SEED)
    names = {one.id: (one.device.id, one.measurement) for one in series}
    told = [
        Reading(*names[one.series], one.at_ms, one.value, one.quality)
        for one in made + chance.sample(made, 500)
    ]
    chance.shuffle(told)
    street = Street(
        database,
        rules.rules,
        now_s=(noisy_day.BEGINS_MS - T0_MS) / 1000 + 86_500,
        births=[
            DeviceBirth(
                id=name, kind=kind, profile="x", period_s=60, measurements=(), tags=dict(tags)
            )
            for name, (kind, tags, _) in noisy_day.DEVICES.items()
        ],
    )
    for number, at in enumerate(range(0, len(told), 1_500)):
        street.commit(told[at : at + 1_500])
        if number in (2, 5):
            street.look_back()
            street.restart()
    street.look_back()
    number_of = {(row.device, row.measurement): row.id for row in street.rows(schema.series)}
    truth = [replace(event, series=number_of[names[event.series]]) for event in expected]
    assert in_order(street.recorded()) == in_order(truth)
