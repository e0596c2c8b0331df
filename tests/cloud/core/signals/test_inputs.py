from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloud.core.checks import (
    Check,
    Difference,
    Expression,
    NoData,
    Rate,
    Statistic,
    Stuck,
    Value,
    Window,
)
from cloud.core.evaluate import Engine
from cloud.core.model import Series
from cloud.core.register import Register
from cloud.core.signals.inputs import (
    ENDLESS_MS,
    anchors,
    gap_ms,
    inputs,
    is_plain,
    is_timed,
    look_back_ms,
)
from cloud.core.signals.silence import limit_ms
from cloud.core.watching import withdrawn
from tests.cloud.core.rule_kit import LAEQ, NOISE, make_rule
from tests.cloud.core.signals.test_port import wanted

OTHER = Series(
    id=8, device=replace(NOISE, id="ref", tags={"role": "reference"}), measurement="noise_laeq"
)
MINE = {"noise_laeq": 0, "noise_la": 1}
ALIGNED = Window(statistic=Statistic.MEAN, over_s=1200.0, aligned=True)


def rule_of(check: Check, **changes: Any) -> Any:
    return make_rule(check=check, **changes)


def test_a_rule_is_of_each_series_it_watches_but_of_a_whole_device_once() -> None:
    names = list(MINE)
    assert anchors(rule_of(Value()), names, MINE) == [0, 1]
    assert anchors(rule_of(NoData(periods=3.0)), names, MINE) == [0, 1]
    assert anchors(rule_of(NoData(periods=3.0, whole_device=True)), names, MINE) == [0]


def test_an_expression_wants_all_its_inputs() -> None:
    both = rule_of(Expression(text="a"), measurements=("noise_la", "noise_laeq"))
    assert anchors(both, ["noise_la"], MINE) == [1]
    assert inputs(both, 1, MINE, Register()) == [1, 0]
    assert anchors(both, ["noise_la"], {"noise_la": 1}) == []


def test_a_difference_is_to_the_same_measurement_of_others() -> None:
    register = Register()
    register.enter([LAEQ, OTHER, replace(OTHER, id=9, measurement="noise_la")])
    rule = rule_of(Difference(over_s=3600.0, to_device="ref"))
    assert inputs(rule, 0, {}, register, ["ref"]) == [0, 1]
    assert inputs(rule, 0, {}, register, ["ref", LAEQ.device.id]) == [0, 1]
    assert inputs(rule, 1, {}, register, ["ref"]) == []
    assert inputs(rule, 0, {}, register, []) == []


@pytest.mark.parametrize(
    ("check", "gap", "back", "timed", "plain"),
    [
        (Value(), 60_000, 0, False, True),
        (Rate(over_s=60.0), 60_000, 120_000, False, False),
        (Stuck(for_s=90.0), 60_000, 90_000, False, False),
        (NoData(periods=3.0, at_least_s=10.0), ENDLESS_MS, 190_000, True, False),
        (ALIGNED, 3_600_000, 2_400_000, True, False),
        (Window(statistic=Statistic.L90, over_s=60.0), 69_000, 120_000, False, False),
        (Difference(over_s=60.0, to_device="x"), 180_000, 120_000, True, False),
        (Expression(text="a", max_age_s=5.0), 60_000, 5_000, True, False),
    ],
)
def test_what_a_check_needs(check: Check, gap: int, back: int, timed: bool, plain: bool) -> None:
    rule = rule_of(check)
    assert gap_ms(rule, 60_000) == gap
    assert look_back_ms(rule, 60_000) == back
    assert (is_timed(rule), is_plain(rule)) == (timed, plain)


def test_how_long_a_silence_must_be() -> None:
    silent = replace(wanted(1), rule=rule_of(NoData(periods=5.0, at_least_s=3.0)), period_s=2.0)
    assert limit_ms(silent) == 10_000
    with pytest.raises(TypeError, match="does not look for silence"):
        limit_ms(wanted(1))


def test_what_no_longer_applies_is_withdrawn_on_its_signal() -> None:
    engine = Engine([rule_of(Rate(over_s=60.0))], ZoneInfo("Asia/Shanghai"))
    engine.bind([LAEQ])
    engine.adopt([("loud", LAEQ.id)], 5)
    moved = replace(LAEQ, device=replace(NOISE, kind="dust"))
    assert [repr(one) for one in engine.bind([moved])] == [
        repr(withdrawn("loud", "noise-1", LAEQ.id, 5))
    ]
