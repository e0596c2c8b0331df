"""A stretch evaluated anew, and its conditions given to the alerts that told of them."""

from __future__ import annotations

import math
from dataclasses import replace
from zoneinfo import ZoneInfo

from cloud.core.checks import NoData
from cloud.core.evaluate import Engine
from cloud.core.hindsight import Recorded, Replay, assign, episodes, equal
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent
from tests.cloud.core.rule_kit import LAEQ, T0_MS, make_rule, told

PAIR = ("loud", LAEQ.id)


def began(at_s: float, version: str = "1") -> ConditionBegan:
    return ConditionBegan(
        rule="loud",
        rule_version=version,
        device="noise-1",
        series=LAEQ.id,
        severity=make_rule().severity,
        began_ms=T0_MS + round(1000 * at_s),
        due_ms=T0_MS + round(1000 * at_s),
        observed_ms=T0_MS + round(1000 * at_s),
        value=61.0,
        limit=60.0,
    )


def ended(at_s: float, value: float = 50.0) -> ConditionEnded:
    at_ms = T0_MS + round(1000 * at_s)
    return ConditionEnded(
        rule="loud",
        device="noise-1",
        series=LAEQ.id,
        ended_ms=at_ms,
        observed_ms=at_ms,
        value=value,
    )


def recorded(*events: ConditionEvent, alert: str = "a") -> list[Recorded]:
    return [Recorded(event=event, alert=alert) for event in events]


def replay_of(late_s: float, record: list[Recorded], on_delay_s: float = 0.0) -> Replay:
    engine = Engine([make_rule(on_delay_s=on_delay_s)], ZoneInfo("Asia/Shanghai"))
    engine.bind([LAEQ])
    return Replay(engine, T0_MS + round(1000 * late_s), {}, record)


def test_until_the_late_reading_the_engine_is_held_to_the_record() -> None:
    replay = replay_of(20, recorded(began(10)), on_delay_s=60.0)
    replay.feed(told((0, 61.0), (10, 61.0)), T0_MS + 15_000)
    assert replay.engine.active() == {PAIR}
    assert replay.events == {}
    replay.feed(told((20, 61.0), (30, 50.0)), T0_MS + 40_000)
    assert replay.events == {PAIR: [ended(30)]}


def test_what_the_record_says_after_the_late_reading_is_found_anew() -> None:
    replay = replay_of(20, recorded(began(0), ended(10), began(30)))
    replay.feed(told((0, 61.0), (10, 50.0), (20, 61.0), (30, 61.0)), T0_MS + 40_000)
    assert replay.events == {PAIR: [began(20)]}


def test_what_another_version_of_the_rule_found_stays() -> None:
    record = recorded(began(20, version="0"), ended(30), began(40))
    replay = replay_of(10, record)
    assert replay.free_from(PAIR) == T0_MS + 30_001
    replay.feed(told((10, 61.0), (20, 50.0), (30, 50.0), (35, 61.0)), T0_MS + 60_000)
    assert replay.events == {PAIR: [began(35)]}


def test_what_ended_because_the_rule_did_not_apply_stays() -> None:
    replay = replay_of(10, recorded(began(20), ended(30, math.nan)))
    assert replay.free_from(PAIR) == T0_MS + 30_001


def test_a_record_is_cut_into_episodes() -> None:
    found = episodes(recorded(ended(5), began(10), ended(20), began(30)), running="before")
    assert [(one.alert, one.from_ms, one.until_ms) for one in found] == [
        ("before", -math.inf, T0_MS + 5_000),
        ("a", T0_MS + 10_000, T0_MS + 20_000),
        ("a", T0_MS + 30_000, math.inf),
    ]
    assert found[1].overlaps(replace(found[1], from_ms=T0_MS + 20_000, until_ms=math.inf))
    assert not found[1].overlaps(found[2])
    assert episodes([], running="before")[0].alert == "before"


def test_a_condition_keeps_the_alert_that_told_of_it() -> None:
    old = [*recorded(began(10), ended(20)), *recorded(began(40), alert="b")]
    given = assign("", old, [began(8), ended(18), began(25), ended(30), began(35)], "b")
    assert [one.alert for one in given] == ["a", "a", "", "", "b"]


def test_where_two_were_one_it_is_the_open_alerts() -> None:
    old = [*recorded(began(10), ended(20)), *recorded(began(40), alert="b")]
    assert [one.alert for one in assign("", old, [began(10)], "b")] == ["b"]
    assert [one.alert for one in assign("", old, [began(10)], "")] == ["a"]


def test_what_held_before_the_stretch_stays_its_own_alerts() -> None:
    old = recorded(ended(10), began(20))
    assert [one.alert for one in assign("r", old, [ended(30)], "a")] == ["r"]
    assert [one.pair for one in assign("r", old, [ended(30)], "a")] == [PAIR]


def test_time_makes_of_a_stretch_what_it_has_made_live() -> None:
    rule = make_rule(check=NoData(periods=3.0), limit=0.5)
    engine = Engine([rule], ZoneInfo("Asia/Shanghai"))
    engine.bind([LAEQ])
    replay = Replay(engine, T0_MS, {}, [])
    replay.feed(told((0, 61.0)), T0_MS + 1)
    replay.pass_time(T0_MS + 60_000)
    assert replay.events == {}
    replay.pass_time(T0_MS + 60_001)
    assert [event.observed_ms for event in replay.events[PAIR]] == [T0_MS + 60_000]


def test_what_other_versions_found_is_another_condition() -> None:
    one, other = (episodes(recorded(began(10, version)), "")[0] for version in ("1", "2"))
    assert one.overlaps(other)
    assert not one.is_of(other)
    assert one.is_of(episodes([], "a")[0])  # of which nobody knows the version
    old = recorded(began(10, "1"), ended(20), alert="a")
    assert [each.alert for each in assign("", old, [began(15, "2")], "a")] == [""]
    assert [each.alert for each in assign("r", [], [ended(5), began(15, "2")], "r", "1")] == [
        *("r", ""),
    ]


def test_rules_that_change_in_the_stretch_are_each_held_to_their_time() -> None:
    before, after = make_rule(), make_rule(version="2", limit=50.0)
    engine = Engine([before], ZoneInfo("Asia/Shanghai"))
    later = Engine([after], ZoneInfo("Asia/Shanghai"), since_ms=T0_MS + 20_000)
    for each in (engine, later):
        each.bind([LAEQ])
    misplaced = recorded(began(30, "1"))  # by the rules before, when others were in force
    replay = Replay(engine, T0_MS, {}, misplaced, [later])
    replay.feed(told((0, 61.0), (10, 61.0), (20, 55.0), (30, 55.0)), T0_MS + 40_000)
    assert replay.pairs() == {PAIR}
    first, second, third = replay.events[PAIR]
    assert equal([first, third], [began(0), replace(began(20, "2"), value=55.0, limit=50.0)])
    assert equal([second], [ended(20, math.nan)])
    assert not equal([first], [second])
