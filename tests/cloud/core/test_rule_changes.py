"""Sets of rules one after the other, in words, and against the reference engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.checks import NoData, Stuck, Window
from cloud.core.checks import Statistic as Of
from cloud.core.columns import Columns
from cloud.core.evaluate import Engine
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, Severity
from cloud.core.rule_changes import (
    Changed,
    DatedSet,
    FieldChange,
    RuleHistory,
    changes,
    digest,
    field_changes,
    is_same,
    laid_over,
    unchanged,
)
from cloud.core.rules import Counted, Direction, Level, Rule, RuleSet, Schedule
from cloud.core.successions import Engines
from cloud.core.successions import engine_of as engine_of_set
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_engine import ReferenceEngine
from tests.cloud.core.rule_kit import LAEQ, T0_MS, columns_of, make_rule, told
from tests.cloud.core.test_evaluate import SERIES, blocks_of, cuts, streams

SHANGHAI = ZoneInfo("Asia/Shanghai")


def dated(number: int, from_ms: int, *rules: Rule) -> DatedSet:
    return DatedSet(number=number, from_ms=from_ms, rules=RuleSet(rules=rules, fingerprint=""))


def succeeded(before: Engine, *rules: Rule, at_s: float) -> tuple[Engine, list[ConditionEnded]]:
    engine = Engine(rules, SHANGHAI, since_ms=T0_MS + round(1000 * at_s))
    engine.bind([LAEQ])
    return engine, engine.succeed(before)


def engine_of(*rules: Rule) -> Engine:
    engine = Engine(rules, SHANGHAI)
    engine.bind([LAEQ])
    return engine


# --- which set is in force ----------------------------------------------------------------------


def test_a_set_is_in_force_from_its_moment_until_the_next_ones() -> None:
    history = RuleHistory.of([dated(2, 200), dated(1, 100), dated(3, 300)])
    assert [history.at(ms).number for ms in (0, 99, 100, 199, 200, 299, 300, 10**15)] == [
        *(1, 1, 1, 1, 2, 2, 3, 3)
    ]
    assert history.current.number == 3
    assert [one.number for one in history.after(100)] == [2, 3]
    assert [one.number for one in history.after(0)] == [2, 3]
    assert history.after(300) == ()


def test_of_two_sets_of_one_moment_the_last_that_was_made_counts() -> None:
    history = RuleHistory.of([dated(3, 200), dated(1, 100), dated(2, 200)])
    assert [one.number for one in history.sets] == [1, 3]


def test_a_version_is_found_in_whatever_set_had_it() -> None:
    one, other = make_rule(version="1"), make_rule(version="2", limit=70.0)
    history = RuleHistory.of([dated(1, 100, one), dated(2, 200, other)])
    assert history.rule("loud", "1") is one
    assert history.rule("loud", "2") is other
    assert history.rule("loud", "3") is None


# --- what changes -------------------------------------------------------------------------------


def test_changes_name_the_fields() -> None:
    before = {"a": make_rule(id="a"), "b": make_rule(id="b"), "c": make_rule(id="c", version="7")}
    after = {
        "b": replace(before["b"], beats=("a",)),
        "c": make_rule(id="c", version="8", limit=55.0, schedule=Schedule.NIGHT),
        "d": make_rule(id="d"),
    }
    removed, changed, added = changes(before, after)
    assert (removed.rule, removed.what, removed.before, removed.after) == (
        *("a", Changed.REMOVED),
        *("1", ""),
    )
    assert (added.rule, added.what, added.fields) == ("d", Changed.ADDED, ())
    assert (changed.rule, changed.before, changed.after) == ("c", "7", "8")
    assert changed.fields == (
        FieldChange(field="schedule", before=Schedule.ALWAYS, after=Schedule.NIGHT),
        FieldChange(field="limit", before=60.0, after=55.0),
    )
    assert field_changes(before["c"], after["c"]) == changed.fields
    assert unchanged(tuple(before.values()), tuple(after.values())) == {"b"}
    assert is_same(before["b"], after["b"])


# --- an engine in place of another --------------------------------------------------------------


def test_a_rule_that_says_the_same_goes_on() -> None:
    rule = make_rule(on_delay_s=30.0)
    before = engine_of(rule, make_rule(id="other"))
    before.evaluate(told((0, 61.0), (10, 61.0)))
    engine, ended = succeeded(before, rule, make_rule(id="new", limit=90.0), at_s=15)
    assert [(one.rule, one.observed_ms - T0_MS) for one in ended] == [("other", 15_000)]
    (event,) = engine.evaluate(told((20, 61.0), (30, 61.0)))
    assert isinstance(event, ConditionBegan)
    assert event.began_ms == T0_MS


@pytest.mark.parametrize("check", [Stuck(for_s=30), Window(statistic=Of.MEAN, over_s=60)])
def test_a_changed_rule_begins_anew(check: Stuck | Window) -> None:
    rule = make_rule(check=check, limit=0.5)
    before = engine_of(rule)
    before.evaluate(told(*[(float(s), 61.0) for s in range(0, 200, 10)]))
    assert before.active() == {("loud", LAEQ.id)}
    engine, (ended,) = succeeded(before, replace(rule, limit=0.6), at_s=200)
    assert math.isnan(ended.value)
    assert engine.active() == set()
    assert engine.evaluate(told((200, 61.0))) == []
    late = told(*[(float(s), 61.0) for s in range(210, 300, 10)])
    assert [type(one) for one in engine.evaluate(late)] == [ConditionBegan]


def test_readings_of_the_others_time_are_among_the_belated() -> None:
    before = engine_of(make_rule())
    before.evaluate(told((0, 50.0), (12, 50.0)))
    engine, _ = succeeded(before, make_rule(limit=40.0), at_s=10)
    assert engine.belated() == {LAEQ.id: T0_MS + 10_000}  # read by the rules before
    engine, _ = succeeded(engine_of(make_rule()), make_rule(limit=40.0), at_s=10)
    assert engine.belated() == {}
    (event,) = engine.evaluate(told((5, 50.0), (10, 50.0)))
    assert event.observed_ms == T0_MS + 10_000
    assert engine.belated() == {LAEQ.id: T0_MS + 5_000}
    assert engine.late == 1


def test_silence_that_is_watched_goes_on() -> None:
    rule = make_rule(check=NoData(periods=6, at_least_s=60), limit=0.5)
    before = engine_of(rule, make_rule(id="other"))
    before.evaluate(told((0, 50.0)))
    engine, _ = succeeded(before, rule, at_s=30)
    assert [one.observed_ms - T0_MS for one in engine.advance(T0_MS + 100_000)] == [60_000]


def test_what_is_withdrawn_ends_at_the_moment_whatever_was_read_since() -> None:
    before = engine_of(make_rule())
    before.evaluate(told((0, 61.0), (12, 61.0)))
    one = before._watch.withdraw(0, T0_MS + 10_000)
    assert (one.ended_ms, one.observed_ms) == (T0_MS + 10_000, T0_MS + 12_000)
    assert before._watch.withdraw(0).ended_ms == T0_MS + 12_000


def test_rules_laid_over_others_take_their_place() -> None:
    rules = [make_rule(id="b"), make_rule(id="a")]
    found = laid_over(rules, [make_rule(id="b", limit=1.0), make_rule(id="c")], date(2026, 1, 1))
    assert [(rule.id, rule.limit) for rule in found.rules] == [("a", 60), ("b", 1), ("c", 60)]
    assert found.fingerprint == digest(found.rules) != digest(rules)


def test_engines_are_those_of_the_sets_of_their_time() -> None:
    one, other = make_rule(on_delay_s=100.0), make_rule()
    history = RuleHistory.of([dated(1, 100, one), dated(2, 200, other)])
    engines = Engines(history, SHANGHAI, None, [LAEQ])
    assert [engine.rules for engine in engines.since(0)] == [(one,), (other,)]
    assert [engine.rules for engine in engines.since(200)] == [(other,)]
    assert engines.reach_ms(0) - engines.reach_ms(200) == 100_000
    first, second = (engine_of_set(history, each, SHANGHAI) for each in history.sets)
    assert first.since_ms < 0 < second.since_ms == 200
    assert history.moments == (100, 200)


# --- against the reference engine ---------------------------------------------------------------

VARIANTS = st.fixed_dictionaries(
    {
        "kinds": st.sampled_from([("noise",), ("gas",), ()]),
        "measurements": st.sampled_from([("noise_laeq", "noise_la"), ("gas_pressure",), ()]),
        "schedule": st.sampled_from([Schedule.ALWAYS, Schedule.NIGHT]),
        "direction": st.sampled_from(list(Direction)),
        "limit": st.sampled_from([0.0, 1.0]),
        "deadband": st.sampled_from([0.0, 0.5]),
        "on_delay_s": st.sampled_from([0.0, 30.0, 61.0]),
        "off_delay_s": st.sampled_from([0.0, 45.0]),
        "effective": st.just(date(2000, 1, 1)),
    }
)
CHECKED: list[dict[str, object]] = [
    {},
    {"counted": Counted(count=2, of=3), "on_delay_s": 0.0},
    {
        "direction": Direction.ABOVE,
        "higher": (Level(limit=2.0, severity=Severity.CRITICAL),),
    },
    {"check": Stuck(for_s=60.0), "direction": Direction.ABOVE, "limit": 0.5},
    {
        "check": NoData(periods=5.0, at_least_s=60.0),
        "direction": Direction.ABOVE,
        "limit": 0.5,
    },
]


@st.composite
def sets_of_rules(draw: st.DrawFn) -> list[list[Rule]]:
    """Draw three sets of up to five rules, each rule in one of two versions, or not there."""
    pool = [
        [make_rule(**({"id": f"rule-{n}"} | draw(VARIANTS) | more)) for _ in range(2)]
        for n, more in enumerate(CHECKED)
    ]
    which = st.sampled_from([0, 0, 1, None])
    return [[rules[at] for rules in pool if (at := draw(which)) is not None] for _ in range(3)]


def in_order(events: Sequence[ConditionEvent]) -> list[str]:
    """As text, since what is withdrawn has no value and NaN is not itself."""
    return sorted(map(repr, events))


@given(sets_of_rules(), streams(), cuts, st.tuples(st.integers(0, 59), st.integers(0, 59)))
@settings(max_examples=250, deadline=None)
def test_the_same_as_the_reference_engine_whenever_rules_change(
    sets: list[list[Rule]], drawn: list[Plain], at: list[int], moments: tuple[int, int]
) -> None:
    readings = sorted(drawn, key=lambda reading: reading.at_ms)
    times = [reading.at_ms for reading in readings] or [T0_MS]
    first, second = sorted(times[moment % len(times)] for moment in moments)
    due = [(first, sets[1]), (second + 1, sets[2])]
    reference = ReferenceEngine(sets[0], SHANGHAI)
    reference.bind(SERIES)
    expected: list[ConditionEvent] = []
    left = readings
    for moment, rules in due:
        expected += reference.evaluate([one for one in left if one.at_ms < moment])
        expected += reference.change(rules, moment)
        left = [one for one in left if one.at_ms >= moment]
    expected += reference.evaluate(left)

    engine = Engine(sets[0], SHANGHAI)
    engine.bind(SERIES)
    found: list[ConditionEvent] = []
    for block in blocks_of(readings, at):
        columns = columns_of(block)
        while due and len(columns) and int(columns.observed_ms.max()) >= due[0][0]:
            moment, rules = due.pop(0)
            found += engine.evaluate(_part(columns, moment, before=True))
            columns = _part(columns, moment, before=False)
            after = Engine(rules, SHANGHAI, since_ms=moment)
            after.bind(reversed(SERIES))
            found += after.succeed(engine)
            engine = after
        found += engine.evaluate(columns)
    for moment, rules in due:
        after = Engine(rules, SHANGHAI, since_ms=moment)
        after.bind(SERIES)
        found += after.succeed(engine)
        engine = after
    assert in_order(found) == in_order(expected)


def _part(columns: Columns, moment: int, *, before: bool) -> Columns:
    return columns.take((columns.observed_ms < moment) == before)
