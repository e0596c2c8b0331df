"""Who is told what, when: alerts, people and time, with real rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from cloud import alerts
from cloud.alerts import Alert
from cloud.core.channel_life import DeadWhen
from cloud.core.isa_18_2 import State
from cloud.core.model import Severity
from cloud.core.rota import How
from cloud.core.rule_changes import DatedSet, RuleHistory
from cloud.core.telling import Route, Step, Way
from cloud.notify.courier import Courier
from cloud.notify.rows import Fate
from cloud.reconciling import Reconciliation
from cloud.state import schema
from cloud.state.database import CollidedError, Database
from cloud.state.values import values_of
from contract.errors import Disconnected, RejectedError
from tests.cloud.alert_kit import SERIES_GAS, began, ended
from tests.cloud.notify.town import ALL, NIGHT, POLICY, Town, of, person


@pytest.fixture
def town(database: Database) -> Town:
    return Town(database)


def test_the_units_rota_and_those_named_are_told_and_it_is_written_down_why(town: Town) -> None:
    town.say(began(0))
    assert town.work() == [("wang", "raised"), ("li", "raised")]
    first, second = town.entries()
    assert (first.why.how, first.why.rota, second.why.how) == (How.WEEK, "noise", How.NAMED)
    assert {first.state, second.state} == {Fate.SENT}
    assert town.work() == []


def test_nobody_on_call_is_the_default_and_says_so(database: Database) -> None:
    town = Town(database, replace(POLICY, rotas={"noise": POLICY.rotas["noise"]}))
    route = Route(name="gas", kinds=("gas",), steps=(Step(after_s=0, tell=("unit",)),))
    town.policy = replace(POLICY, routes=(route,))
    town.restart()
    town.say(began(0, series=SERIES_GAS))
    assert town.work() == [("desk", "raised")]
    assert town.entries()[0].why.how is How.NO_ROTA
    assert "the responsible unit has no rota" in town.channels["mail"].taken[0].body


def test_what_is_sent_is_not_sent_again_as_its_marking_collided(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked, mark = [], Courier._mark

    def colliding(courier: Courier, *args: Any) -> None:
        mark(courier, *args)
        marked.append(courier.name)
        if len(marked) == 1:
            raise CollidedError("state database: deadlock detected")

    monkeypatch.setattr(Courier, "_mark", colliding)
    town.say(began(0))
    assert town.work() == [("wang", "raised"), ("li", "raised")]
    assert len(marked) == 3
    assert {each.state for each in town.entries()} == {Fate.SENT}


def test_what_nobody_acknowledges_is_escalated_once(town: Town) -> None:
    town.say(began(0))
    town.work()
    assert town.work(899) == []
    assert town.work(1) == [("boss", "escalated")]
    assert town.work(10_000) == []


def test_escalation_stops_at_acknowledgement(town: Town) -> None:
    (alert,) = town.say(began(0))
    town.work()
    town.acknowledge(alert)
    assert town.work(1_000) == []


def test_resolved_goes_to_exactly_those_who_were_told(town: Town) -> None:
    """Whoever is on call by then."""
    town.say(began(0))
    town.work()
    town.policy = replace(POLICY, rotas={})
    town.restart()
    town.say(ended(60))
    assert sorted(town.work()) == [("li", "resolved"), ("wang", "resolved")]
    assert town.work() == []


def test_resolved_goes_to_those_it_was_escalated_to_as_well(town: Town) -> None:
    town.say(began(0))
    town.work()
    town.work(900)
    town.say(ended(60))
    assert sorted(name for name, _ in town.work()) == ["boss", "li", "wang"]


def test_it_is_raised_again_after_it_returned(town: Town) -> None:
    town.say(began(0))
    town.work()
    town.say(ended(60))
    town.work()
    town.say(began(120))
    assert town.work() == [("wang", "again"), ("li", "again")]


def test_silenced_alerts_say_that_they_resolved(town: Town) -> None:
    """alertmanager #226: shelving was announced, the return was silent, the end is told."""
    (alert,) = town.say(began(0))
    town.work()
    town.shelve(alert, 600)
    assert sorted(town.work()) == [("li", "shelved"), ("wang", "shelved")]
    town.say(ended(60))
    assert town.work(100) == []
    town.clock.advance_ms(600_000)
    town.duties()
    assert sorted(town.work()) == [("li", "resolved"), ("wang", "resolved")]


def test_what_still_holds_when_shelving_ends_is_told_and_can_escalate(town: Town) -> None:
    (alert,) = town.say(began(0))
    town.work()
    town.shelve(alert, 600)
    town.work()
    assert town.work(1_000) == []  # the ladder stands still meanwhile
    town.duties()
    assert sorted(town.work()) == [("li", "released"), ("wang", "released")]
    assert town.work(900) == [("boss", "escalated")]


def test_history_that_arrives_late_wakes_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.notify.facts.Known.historical", True)
    town.say(began(0))
    assert town.work() == []
    town.say(ended(60))
    assert town.work() == []
    assert town.entries() == []


def test_after_a_standstill_what_is_long_over_is_only_written_down(town: Town) -> None:
    town.say(began(0), began(0, series=SERIES_GAS))
    town.say(ended(60))
    assert town.work(13 * 3_600) == [("desk", "raised")]
    assert [entry.person for entry in town.entries(Fate.SKIPPED)] == ["wang", "li"]


def test_quiet_hours_hold_and_one_digest_tells(database: Database) -> None:
    town = Town(database, replace(POLICY, quiet=(NIGHT,)))
    town.clock.advance_ms(11 * 3_600_000)  # 23:00
    town.say(began(0), began(0, rule="faint"), began(0, rule="very-loud"))
    assert town.work() == [("wang", "raised"), ("li", "raised")]  # high is not held
    town.say(ended(60))
    assert town.work() == []
    town.acknowledge(town.entries()[-1].alert)
    assert town.work(8 * 3_600 - 1) == [("boss", "escalated")]
    told = town.work(1)
    assert sorted(told) == [("boss", "escalated"), ("li", "digest"), ("wang", "digest")]
    digest = next(n for n in town.channels["mail"].taken if n.what == "digest")
    assert "3 messages held in quiet hours" in digest.subject
    assert digest.body.count("Back to normal") == 1
    held = town.entries(Fate.DIGESTED)
    assert len(held) == 6
    assert all(entry.digest for entry in held)


def test_quiet_hours_may_deliver_each_by_itself(database: Database) -> None:
    quiet = replace(NIGHT, digest=False)
    town = Town(database, replace(POLICY, quiet=(quiet,)))
    town.clock.advance_ms(11 * 3_600_000)
    town.say(began(0, series=SERIES_GAS), began(0, rule="faint", series=SERIES_GAS))
    assert town.work() == []
    assert town.work(8 * 3_600) == [("desk", "raised")] * 2


def test_a_flood_is_one_digest_and_nothing_is_left_out(town: Town) -> None:
    """More than 10 in 10 minutes begin it, fewer than 5 end it."""
    meters = town.more_meters(30)
    route = Route(name="all", steps=(Step(after_s=0, tell=("li",)),))
    town.policy = replace(POLICY, routes=(route,))
    town.restart()
    town.say(*(of(began(0), n) for n in meters[:10]))
    assert town.work() == [("li", "raised")] * 10
    town.say(*(of(began(1), n) for n in meters[10:]))
    assert town.work(1) == [("li", "flood began")]
    assert "first out [Alert, medium] n-100" in town.channels["mail"].taken[-1].subject
    told = town.work(599) + town.work(1)
    assert told == [("li", "flood ended"), ("li", "digest")]
    digest = town.channels["mail"].taken[-1]
    assert all(f"n-{n} " in digest.body for n in meters[10:])
    town.say(*(of(ended(60), n) for n in meters[:2]))
    assert town.work() == [("li", "resolved")] * 2


def test_what_is_critical_is_told_by_itself_in_a_flood(town: Town) -> None:
    meters = town.more_meters(12)
    town.policy = replace(
        POLICY, routes=(Route(name="all", steps=(Step(after_s=0, tell=("li",)),)),)
    )
    town.restart()
    town.say(*(of(began(0), n) for n in meters))
    town.work()
    town.say(replace(began(1, rule="very-loud"), rule="worst", severity=Severity.CRITICAL))
    assert town.work() == [("li", "raised")]


def test_neighbours_are_told_in_one_message_after_the_first(town: Town) -> None:
    """What alerts roll up by, messages do too."""
    meters = town.more_meters(3)
    town.alert_policy = replace(town.alert_policy, group_tags=("area",), group_within_s=300)
    with town.database.write() as connection:
        tags = {"area": "north"}
        connection.execute(sa.update(schema.devices).values(tags=tags))
    town.policy = replace(
        POLICY, routes=(Route(name="all", steps=(Step(after_s=0, tell=("li",)),)),)
    )
    town.restart()
    town.say(*(of(began(0), n) for n in meters))
    assert town.work() == [("li", "raised")]
    assert town.work(60) == [("li", "digest")]


def test_a_failure_is_tried_again_and_each_attempt_written_down(town: Town) -> None:
    town.channels["mail"].error = Disconnected("no route")
    town.say(began(0, series=SERIES_GAS))
    assert town.work() == []
    assert town.work(4) == []
    town.channels["mail"].error = None
    assert town.work(1) == [("desk", "raised")]
    table = schema.notify_attempts
    with town.database.read() as connection:
        errors = list(connection.scalars(sa.select(table.c.error).order_by(table.c.id)))
    assert errors == ["no route", ""]
    assert town.entries()[0].attempts == 2


def test_resolved_never_overtakes_what_it_resolves(town: Town) -> None:
    town.channels["mail"].error = Disconnected("no route")
    town.say(began(0, series=SERIES_GAS))
    town.work()
    town.say(ended(60, series=SERIES_GAS))
    town.work()
    town.channels["mail"].error = None
    assert town.work(60) == [("desk", "raised"), ("desk", "resolved")]


BOTH = (Way(channel="mail", to="desk@city.example"), Way(channel="sms", to="desk"))
ONLY_MAIL_FIRST = (BOTH[0], replace(BOTH[1], least=Severity.CRITICAL))


def test_a_dead_channel_is_told_through_the_others_and_its_messages_go_there(
    database: Database,
) -> None:
    people = dict(POLICY.people) | {"desk": person("desk", *ONLY_MAIL_FIRST)}
    town = Town(database, replace(POLICY, people=people))
    town.channels["mail"].error = Disconnected("no route")
    town.say(began(0, series=SERIES_GAS))
    for _ in range(3):
        assert town.work(60) == []
    town.duties()
    assert town.work() == [("desk", "channel dead"), ("desk", "raised")]
    assert "3 × no route" in town.channels["sms"].taken[0].body
    assert town.entries()[0].state is Fate.MOVED
    town.channels["mail"].error = None
    town.say(began(100))  # wang and li have mail alone: it is tried on
    town.work()
    town.work(600)
    assert {(n.to, n.what) for n in town.channels["mail"].taken} >= {
        ("wang@city.example", "raised"),
        ("li@city.example", "raised"),
    }
    town.duties()
    assert ("desk", "channel back") in town.work()


def of_channels(town: Town) -> list[Alert]:
    with town.database.read() as connection:
        return alerts.list_alerts(connection, kind="channel").alerts


@pytest.fixture
def two_ways(database: Database) -> Town:
    """Whose desk has a second channel, and whose first one is dead."""
    people = dict(POLICY.people) | {"desk": person("desk", *ONLY_MAIL_FIRST)}
    town = Town(database, replace(POLICY, people=people))
    town.channels["mail"].error = Disconnected("no route")
    town.say(began(0, series=SERIES_GAS))
    for _ in range(4):
        town.work(60)
        town.duties()
    return town


def test_a_dead_channel_is_an_alert_that_returns_when_it_works_again(two_ways: Town) -> None:
    town = two_ways
    (alert,) = of_channels(town)
    assert (alert.rule, alert.device, alert.state) == ("channel.dead", "@channel.mail", State.UNACK)
    town.acknowledge(alert.id)
    assert of_channels(town)[0].state is State.ACKED
    town.work(600)
    town.duties()
    assert [one.state for one in of_channels(town)] == [State.ACKED]  # one, however long it lasts
    town.channels["mail"].error = None
    town.work(600)
    town.duties()
    assert of_channels(town)[0].state is State.NORM
    assert ("desk", "channel back") in town.work()


def test_a_dead_channel_is_tried_though_all_its_messages_went_another_way(two_ways: Town) -> None:
    town = two_ways
    town.channels["mail"].error = None
    town.work(600)
    assert [notice.what for notice in town.channels["mail"].taken] == ["test"]
    town.work(86_400)
    assert [notice.what for notice in town.channels["mail"].taken] == ["test"]


def test_the_alert_of_a_channel_that_is_configured_away_returns(two_ways: Town) -> None:
    town = two_ways
    del town.channels["mail"]
    town.restart()
    town.duties()
    assert of_channels(town)[0].state is State.RTNUN


def test_a_channels_alert_is_told_to_the_default_though_no_route_is_for_it(two_ways: Town) -> None:
    assert "channel dead" in [notice.what for notice in two_ways.channels["sms"].taken]


def test_who_cannot_be_told_is_told_to_the_default(town: Town) -> None:
    town.policy = replace(
        POLICY, routes=(Route(name="all", steps=(Step(after_s=0, tell=("li",)),)),)
    )
    town.restart()
    town.channels["mail"].error = RejectedError("550 no such user")
    town.say(began(0))
    town.work()
    town.channels["mail"].error = None
    assert town.work() == [("desk", "undelivered")]
    body = town.channels["mail"].taken[0].body
    assert "Li could not be told" in body
    assert "550 no such user" in body
    assert town.entries(Fate.REFUSED)[0].person == "li"


def test_what_cannot_be_sent_is_given_up_loudly(town: Town) -> None:
    town.policy = replace(POLICY, give_up_ms=1_000, dead=DeadWhen(failures=100, for_ms=10**9))
    town.restart()
    town.channels["mail"].error = Disconnected("no route")
    town.say(began(0))
    town.work()
    town.work(10)
    assert {entry.person for entry in town.entries(Fate.GIVEN_UP)} == {"wang", "li"}
    town.channels["mail"].error = None
    assert town.work(60) == [("desk", "undelivered")] * 2


def test_a_restart_at_any_moment_tells_nothing_twice(town: Town) -> None:
    """Planning has keys, and sending is marked: only what was in flight may be sent again."""
    town.say(began(0))
    town.restart()
    town.plan()
    town.restart()
    with town.database.write() as connection:  # as if the cursor had not been written
        connection.execute(sa.update(schema.notify_cursor).values(event=0))
    assert town.work() == [("wang", "raised"), ("li", "raised")]
    town.restart()
    assert town.work() == []


def test_a_kill_between_sending_and_marking_sends_that_one_again_with_its_key(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.say(began(0, series=SERIES_GAS), began(0, series=SERIES_GAS, rule="faint"))
    town.plan()
    courier = town.couriers[0]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cloud.notify.courier.Courier._mark", killed)
    with pytest.raises(KeyboardInterrupt):
        courier.step()
    monkeypatch.undo()
    town.restart()
    town.work()
    keys = [notice.key for notice in town.channels["mail"].taken]
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]


def test_the_log_is_bounded(town: Town) -> None:
    town.say(began(0))
    town.work()
    town.policy = replace(POLICY, keep_ms=1_000)
    town.restart()
    town.work(3_700)
    assert {entry.what.value for entry in town.entries()} == {"escalated"}


def test_what_was_before_the_first_start_is_not_told(database: Database) -> None:
    town = Town(database)
    with database.write() as connection:
        connection.execute(sa.delete(schema.notify_cursor))
    town.say(began(0))
    town.restart()
    assert town.work() == []


def test_an_sms_is_for_what_matters(database: Database) -> None:
    ways = (BOTH[0], replace(BOTH[1], least=Severity.HIGH))
    people = dict(POLICY.people) | {"desk": person("desk", *ways)}
    town = Town(database, replace(POLICY, people=people))
    town.say(began(0, series=SERIES_GAS), began(0, series=SERIES_GAS, rule="very-loud"))
    town.work()
    assert len(town.channels["mail"].taken) == 2
    (sms,) = town.channels["sms"].taken
    assert sms.severity == "high"
    assert len(sms.short) <= 140


def refute(town: Town, alert: str) -> None:
    """Do what the pass over history does with an alert that no reading stands for."""
    with town.database.write() as connection:
        found = alerts.get_alert(connection, alert).alert
        history = RuleHistory.of([DatedSet(number=1, from_ms=0, rules=ALL)])
        late = Reconciliation(connection, history, town.clock.now_ms())
        late._refute(found, returns=True)
        late._write()


@pytest.mark.parametrize("seen", [False, True])
def test_who_was_told_hears_that_it_never_was_not_that_it_is_normal_again(
    town: Town, seen: bool
) -> None:
    (alert,) = town.say(began(0))
    town.work()
    if seen:
        town.acknowledge(alert)
    refute(town, alert)
    assert town.work() == [("wang", "refuted"), ("li", "refuted")]
    body = town.channels["mail"].taken[-1].body
    assert "never was beyond its limit" in body
    assert "normal" not in body
    assert "call back" in body
    assert town.work() == []


def test_what_is_one_with_another_alert_says_with_which(town: Town) -> None:
    (alert,) = town.say(began(0))
    town.work()
    with town.database.write() as connection:
        found = alerts.get_alert(connection, alert).alert
        other = replace(found, id="earlier", state=State.NORM, returned_ms=found.began_ms + 1)
        connection.execute(sa.insert(schema.alerts), [values_of(other)])
    refute(town, alert)
    town.work()
    body = town.channels["mail"].taken[-1].body
    assert "one with alert earlier" in body
    assert "never was" not in body.partition("\n")[2]
