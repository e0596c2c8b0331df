"""Two sets of rules over the same readings: small cases, counted by hand."""

from __future__ import annotations

import pytest

from cloud.core.backtest import Backtest
from cloud.core.backtest_figures import Comparison, Example
from cloud.core.columns import Columns, concatenate
from cloud.core.gate import Gate, GatePolicy
from cloud.core.holds import Hold, HoldKind
from cloud.core.model import Severity
from cloud.core.past import NO_PAST, Past, PastHolds
from cloud.core.rules import Level, Rule, RuleSet
from contract.quality import Quality
from tests.cloud.core.rule_kit import LAEQ, T0_MS, make_rule, told
from tests.cloud.core.test_evaluate import SHANGHAI

DAY_S = 86_400
CHATTER = told(*((10 * n, 61.0 if n % 2 == 0 else 59.0) for n in range(6)))
LONG = told(*((3600 + 10 * n, 62.0 if n < 4 else 59.0) for n in range(5)))


def compared(
    current: Rule,
    changed: Rule,
    *chunks: Columns,
    days: float = 1,
    before: Columns | None = None,
    policy: GatePolicy | None = None,
    only: str = "",
    past: Past = NO_PAST,
) -> Comparison:
    test = Backtest(set_of(current), set_of(changed), SHANGHAI, [LAEQ], T0_MS, only)
    assert test.reach_ms() >= 60_000
    if before is not None:
        test.feed(before, T0_MS)
    for chunk in chunks:
        test.feed(chunk, int(chunk.observed_ms.max()) + 1)
    test.feed(concatenate([]), T0_MS + round(days * DAY_S * 1000))
    return test.compare(policy or GatePolicy(), examples=2, past=past)


def set_of(rule: Rule) -> RuleSet:
    return RuleSet(rules=(rule,), fingerprint=rule.version)


def test_a_delay_takes_the_chatter_away_and_leaves_what_lasts() -> None:
    found = compared(make_rule(), make_rule(version="2", on_delay_s=15.0), CHATTER, LONG)
    assert (found.readings, found.from_ms, found.until_ms) == (11, T0_MS, T0_MS + DAY_S * 1000)
    now, then = found.current.total, found.changed.total
    assert (now.alerts, now.calls, now.alerts_a_day, now.chattering) == (4, 4, 4.0, 1)
    assert (now.cases, now.joined, now.held) == (1, 3, 0)
    assert (then.alerts, then.calls, then.chattering, then.cases) == (1, 1, 0, 1)
    assert found.current.rules["loud"].examples == (
        Example(
            device="noise-1",
            rule="loud",
            measurement="noise_laeq",
            began_ms=T0_MS,
            ended_ms=T0_MS + 10_000,
            value=61.0,
        ),
        Example(
            device="noise-1",
            rule="loud",
            measurement="noise_laeq",
            began_ms=T0_MS + 20_000,
            ended_ms=T0_MS + 30_000,
            value=61.0,
        ),
    )
    (only,) = found.changed.rules["loud"].examples
    assert (only.began_ms, only.ended_ms) == (T0_MS + 3_600_000, T0_MS + 3_640_000)


@pytest.mark.parametrize("version", ["1", "2"])
def test_equal_rules_give_equal_figures(version: str) -> None:
    """Whether the work was done once, or twice as for rules that differ."""
    found = compared(make_rule(), make_rule(version=version), CHATTER, LONG)
    assert found.current == found.changed
    assert found.current.total.alerts == 4


def test_chunks_do_not_matter() -> None:
    rules = make_rule(), make_rule(version="2", on_delay_s=15.0)
    every = concatenate([CHATTER, LONG])
    backwards = every.take(every.observed_ms.argsort()[::-1])
    assert compared(*rules, backwards) == compared(*rules, CHATTER, LONG)


def test_what_held_before_the_period_is_no_new_alert_but_may_be_stale() -> None:
    before = told((-20, 61.0), (-10, 61.0))
    after = told(*((600 * n, 61.0) for n in range(2 * 144)))
    found = compared(make_rule(), make_rule(version="2", limit=70.0), after, days=2, before=before)
    assert (found.current.total.alerts, found.current.total.stale) == (0, 1)
    assert (found.changed.total.alerts, found.changed.total.stale) == (0, 0)
    assert found.readings == len(after)


def test_a_flood_and_what_was_in_it() -> None:
    """20 alerts in the first ten minutes: one flood of 20, over in the interval after it."""
    many = told(*((15 * n, 61.0 if n % 2 == 0 else 59.0) for n in range(40)))
    found = compared(make_rule(), make_rule(version="2", deadband=5.0), many)
    now = found.current.rules["loud"]
    assert (now.floods, now.in_floods, now.alerts) == (1, 20, 20)
    assert now.flood_percent == found.current.total.flood_percent == pytest.approx(100 / 144)
    assert (found.changed.total.floods, found.changed.total.alerts) == (0, 1)


def test_a_rise_calls_again_and_the_case_is_as_severe() -> None:
    levels = (Level(limit=70.0, severity=Severity.HIGH),)
    low = make_rule(severity=Severity.LOW)
    rising = make_rule(version="2", severity=Severity.LOW, higher=levels)
    found = compared(low, rising, told((0, 61.0), (10, 71.0), (20, 50.0)))
    assert (found.current.total.calls, found.current.total.cases) == (1, 0)
    changed = found.changed.total
    assert (changed.alerts, changed.calls, changed.cases) == (1, 2, 1)


def test_an_alert_too_short_for_the_gate_is_no_case() -> None:
    policy = GatePolicy(gate=Gate(lasting_s={Severity.MEDIUM: 30.0}))
    found = compared(make_rule(), make_rule(category=""), CHATTER, LONG, policy=policy)
    assert (found.current.total.cases, found.changed.total.cases) == (1, 0)


def test_alerts_of_other_devices_do_not_count() -> None:
    found = compared(make_rule(), make_rule(), CHATTER, only="noise-2")
    assert found.current.total.alerts == 0


def test_unusable_readings_raise_nothing() -> None:
    bad = told((0, 99.0), (10, 99.0), quality=Quality.CALIBRATION)
    assert compared(make_rule(), make_rule(), bad).current.total.alerts == 0


def test_a_period_of_nothing_is_refused() -> None:
    test = Backtest(set_of(make_rule()), set_of(make_rule()), SHANGHAI, [LAEQ], T0_MS)
    with pytest.raises(ValueError, match="is nothing"):
        test.compare(GatePolicy())
    assert test.current.pairs() == {("loud", LAEQ.id)}
    assert test.current.outcome(T0_MS, T0_MS + 1, GatePolicy()).total.alerts == 0


def holding(from_s: float, until_s: float) -> Past:
    hold = Hold(
        id="h",
        kind=HoldKind.MAINTENANCE,
        device="noise-1",
        from_ms=T0_MS + round(from_s * 1000),
        until_ms=T0_MS + round(until_s * 1000),
        reason="calibration",
        made_by="li",
        made_ms=T0_MS,
    )
    return Past(holds=PastHolds([hold], {}))


def test_what_was_in_maintenance_is_told_to_nobody() -> None:
    found = compared(make_rule(), make_rule(version="2"), CHATTER, LONG, past=holding(0, 60))
    total = found.current.total
    assert (total.alerts, total.calls, total.held, total.chattering, total.cases) == (1, 1, 3, 0, 1)
    (only,) = found.current.rules["loud"].examples
    assert only.began_ms == T0_MS + 3_600_000


def test_what_outlasts_a_window_is_raised_when_it_ends_and_its_rises_do_not_call() -> None:
    rising = make_rule(higher=(Level(limit=70.0, severity=Severity.HIGH),))
    readings = told((0, 61.0), (10, 71.0), (20, 71.0), (50, 50.0))
    found = compared(rising, rising, readings, past=holding(0, 30)).current.total
    assert (found.alerts, found.calls, found.held, found.cases) == (1, 1, 0, 1)
    found = compared(rising, rising, readings, past=holding(0, 50)).current.total
    assert (found.alerts, found.calls, found.held, found.stale) == (0, 0, 1, 0)
    found = compared(rising, rising, readings, past=holding(5, 30)).current.total
    assert (found.alerts, found.calls) == (1, 1)
