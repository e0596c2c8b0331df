from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud import alerts
from cloud.alerts import Alert, AlertChange
from cloud.core.alert_policy import POLICY
from cloud.core.isa_18_2 import Event, State, apply
from cloud.core.model import ConditionEvent, ConditionRose, Severity
from cloud.errors import ConflictError, NotFoundError
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from tests.cloud.alert_kit import (
    RULES,
    SERIES_A,
    SERIES_B,
    SERIES_GAS,
    T0_MS,
    began,
    ended,
    fill,
)

NOW_MS = T0_MS + 1_000_000


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def say(database: Database, *events: ConditionEvent) -> list[AlertChange]:
    with database.write() as connection:
        return alerts.apply(connection, events, RULES, NOW_MS)


def listed(database: Database) -> list[Alert]:
    with database.read() as connection:
        return alerts.list_alerts(connection).alerts


def outbox(database: Database) -> list[tuple[str, str]]:
    table = schema.outbox
    with database.read() as connection:
        return [
            (row.topic, row.key)
            for row in connection.execute(sa.select(table).order_by(table.c.id))
        ]


def acknowledge(database: Database, alert: str, note: str = "") -> Alert:
    with database.write() as connection:
        return alerts.acknowledge(connection, alert, "ming", NOW_MS + 5, note)


def test_a_condition_raises_an_alert_that_names_its_rule_and_source(filled: Database) -> None:
    (change,) = say(filled, began(0))
    (alert,) = listed(filled)
    rule = RULES.by_id["loud"]
    assert alert == Alert(
        id=change.alert,
        rule="loud",
        rule_version="1-abc",
        rule_source="a test [judgement]",
        rule_source_zh="a test [judgement]",
        title=rule.title_zh,
        title_en=rule.title_en,
        category="05-08",
        device="noise-1",
        series=SERIES_A,
        kind="noise",
        measurement="noise_laeq",
        severity=rule.severity,
        state=State.UNACK,
        limit_value=60.0,
        first_value=72.5,
        began_ms=T0_MS,
        due_ms=T0_MS + 10_000,
        observed_ms=T0_MS + 10_000,
        recorded_ms=NOW_MS,
        returned_ms=None,
        acknowledged_ms=None,
        acknowledged_by=None,
        ended_ms=None,
        version=1,
        told_ms=NOW_MS,
        reminder_s=POLICY.reminder_s,
        realarm_s=POLICY.realarm_s,
        next_ms=NOW_MS + round(POLICY.reminder_s * 1000),
    )
    assert (change.from_state, change.to_state, change.kind) == (State.NORM, State.UNACK, "noise")
    assert outbox(filled) == [("alert.raised", alert.id)]


def test_return_unacknowledged_then_acknowledge(filled: Database) -> None:
    (change,) = say(filled, began(0))
    say(filled, ended(60))
    (alert,) = listed(filled)
    assert (alert.state, alert.returned_ms, alert.ended_ms) == (State.RTNUN, T0_MS + 60_000, None)
    assert outbox(filled)[1:] == [("alert.returned", change.alert)]
    done = acknowledge(filled, change.alert, "seen")
    assert (done.state, done.ended_ms, done.acknowledged_by) == (State.NORM, NOW_MS + 5, "ming")
    with filled.read() as connection:
        detail = alerts.get_alert(connection, change.alert)
    assert detail.alert == done
    assert [(e.event, e.from_state, e.to_state, e.by, e.note) for e in detail.events] == [
        (Event.CONDITION, State.NORM, State.UNACK, "", ""),
        (Event.RETURN, State.UNACK, State.RTNUN, "", ""),
        (Event.ACKNOWLEDGE, State.RTNUN, State.NORM, "ming", "seen"),
    ]
    assert [e.value for e in detail.events] == [72.5, 55.0, None]
    assert detail.cases == []


def rose(severity: Severity, at_s: float = 20) -> ConditionRose:
    at_ms = T0_MS + round(at_s * 1000)
    return ConditionRose(
        rule="loud",
        rule_version="1-abc",
        device="noise-1",
        series=SERIES_A,
        severity=severity,
        began_ms=at_ms,
        observed_ms=at_ms,
        value=80.0,
        limit=75.0,
    )


def test_a_rise_before_anybody_has_seen_the_alert_is_noted_and_told(filled: Database) -> None:
    (change,) = say(filled, began(0))
    say(filled, rose(Severity.CRITICAL))
    (alert,) = listed(filled)
    assert (alert.state, alert.severity, alert.limit_value) == ("UNACK", "critical", 75.0)
    assert outbox(filled)[1:] == [("alert.escalated", change.alert)]
    assert say(filled, rose(Severity.CRITICAL, 30)) == []  # it has been there before
    assert say(filled, rose(Severity.LOW, 40)) == []


def test_a_rise_calls_again_after_an_acknowledgement(filled: Database) -> None:
    """ThingsBoard #11434: an acknowledged alarm cannot re-raise."""
    (change,) = say(filled, began(0))
    acknowledge(filled, change.alert)
    (again,) = say(filled, rose(Severity.CRITICAL))
    assert (again.from_state, again.to_state) == (State.ACKED, State.UNACK)
    assert outbox(filled)[-1] == ("alert.escalated", change.alert)


def test_what_is_not_open_does_not_rise(filled: Database) -> None:
    assert say(filled, rose(Severity.CRITICAL)) == []
    say(filled, began(0))
    say(filled, ended(60))
    assert say(filled, rose(Severity.CRITICAL, 90)) == []


def test_acknowledge_then_return(filled: Database) -> None:
    (change,) = say(filled, began(0))
    assert acknowledge(filled, change.alert).state is State.ACKED
    say(filled, ended(60))
    (alert,) = listed(filled)
    assert (alert.state, alert.ended_ms) == (State.NORM, T0_MS + 70_000)


def test_what_comes_again_before_it_was_seen_is_the_same_alert(filled: Database) -> None:
    say(filled, began(0), ended(60), began(120))
    (alert,) = listed(filled)
    assert (alert.state, alert.returned_ms, alert.began_ms) == (State.UNACK, None, T0_MS)
    assert [topic for topic, _ in outbox(filled)] == [
        "alert.raised",
        "alert.returned",
        "alert.raised",
    ]


def test_what_comes_again_after_it_was_over_is_another(filled: Database) -> None:
    (change,) = say(filled, began(0))
    acknowledge(filled, change.alert)
    say(filled, ended(60), began(120))
    newest, oldest = listed(filled)
    assert (newest.state, oldest.state) == (State.UNACK, State.NORM)
    assert newest.id > oldest.id


# thingsboard #15583, #2986: duplicate alarms from near-simultaneous messages.
def test_saying_it_twice_changes_nothing(filled: Database) -> None:
    say(filled, began(0), began(0))
    assert say(filled, began(1)) == []
    say(filled, ended(60), ended(61))
    assert say(filled, ended(62)) == []
    assert len(listed(filled)) == 1
    assert len(outbox(filled)) == 2


def test_a_whole_life_in_one_block(filled: Database) -> None:
    say(filled, began(0), ended(60), began(120), ended(180))
    (alert,) = listed(filled)
    assert (alert.state, alert.version) == (State.RTNUN, 4)
    say(filled, began(240), ended(300))
    assert listed(filled)[0].version == 6


def test_each_series_and_each_rule_has_its_own(filled: Database) -> None:
    say(filled, began(0), began(0, series=SERIES_B), began(0, rule="very-loud"))
    assert len({alert.id for alert in listed(filled)}) == 3


def test_a_rule_that_no_longer_applies_says_so(filled: Database) -> None:
    (change,) = say(filled, began(0))
    say(filled, ended(60, value=math.nan))
    with filled.read() as connection:
        last = alerts.get_alert(connection, change.alert).events[-1]
    assert (last.note, last.value) == ("the rule no longer applies", None)


def test_while_shelved_the_condition_is_only_remembered(filled: Database) -> None:
    (change,) = say(filled, began(0))
    with filled.write() as connection:
        connection.execute(sa.update(schema.alerts).values(state=State.SHLVD.value))
    say(filled, ended(60))
    assert (listed(filled)[0].state, listed(filled)[0].returned_ms) == (
        State.SHLVD,
        T0_MS + 60_000,
    )
    say(filled, began(120))
    assert (listed(filled)[0].id, listed(filled)[0].returned_ms) == (change.alert, None)


def test_acknowledging_what_cannot_be_is_refused(filled: Database) -> None:
    (change,) = say(filled, began(0))
    acknowledge(filled, change.alert)
    with pytest.raises(ConflictError, match=r"is ACKED; it can be acknowledged in UNACK, RTNUN"):
        acknowledge(filled, change.alert)
    with pytest.raises(NotFoundError, match="no alert 'nobody'"):
        acknowledge(filled, "nobody")
    with filled.read() as connection, pytest.raises(NotFoundError):
        alerts.get_alert(connection, "nobody")


def test_a_refused_acknowledgement_leaves_nothing_behind(filled: Database) -> None:
    (change,) = say(filled, began(0))
    acknowledge(filled, change.alert)
    with pytest.raises(ConflictError):
        acknowledge(filled, change.alert)
    with filled.read() as connection:
        assert len(alerts.get_alert(connection, change.alert).events) == 2


def test_active_conditions_are_those_that_hold(filled: Database) -> None:
    (first,) = say(filled, began(0))
    acknowledge(filled, first.alert)
    say(filled, began(1, series=SERIES_B), began(2, rule="very-loud"), ended(3, rule="very-loud"))
    with filled.read() as connection:
        assert alerts.active_conditions(connection) == [("loud", SERIES_A), ("loud", SERIES_B)]


def test_listing_filters_and_pages(filled: Database) -> None:
    say(filled, *(began(at, rule=rule) for at, rule in enumerate(RULES.by_id)))
    say(filled, began(50, series=SERIES_GAS), ended(60))
    with filled.read() as connection:
        everything = alerts.list_alerts(connection, limit=100)
        assert everything.cursor is None
        assert [a.began_ms for a in everything.alerts] == sorted(
            (a.began_ms for a in everything.alerts), reverse=True
        )
        paged: list[Alert] = []
        cursor: str | None = ""
        while cursor is not None:
            page = alerts.list_alerts(connection, limit=2, cursor=cursor)
            paged += page.alerts
            cursor = page.cursor
        assert paged == everything.alerts
        assert len(alerts.list_alerts(connection, kind="gas").alerts) == 1
        assert len(alerts.list_alerts(connection, device="noise-1").alerts) == 4
        assert len(alerts.list_alerts(connection, since_ms=T0_MS + 2_000).alerts) == 3
        assert len(alerts.list_alerts(connection, states=[State.RTNUN]).alerts) == 1
        assert len(alerts.list_alerts(connection, limit=-5).alerts) == 1
        assert alerts.count_alerts(connection) == {
            ("noise", State.UNACK): 3,
            ("noise", State.RTNUN): 1,
            ("gas", State.UNACK): 1,
        }


def test_ids_sort_by_time_and_are_the_same_in_every_replay() -> None:
    ids = [alerts.alert_id(at_ms, "loud", 1) for at_ms in (0, 1, 255, 256, T0_MS, T0_MS + 1)]
    assert ids == sorted(ids)
    assert len({len(one) for one in ids}) == 1
    assert alerts.alert_id(T0_MS, "loud", 1) == alerts.alert_id(T0_MS, "loud", 1)
    assert alerts.alert_id(T0_MS, "loud", 1) != alerts.alert_id(T0_MS, "loud", 2)


def test_a_thousand_series_at_once(filled: Database) -> None:
    numbers = range(1000, 2000)
    rows = [{"id": n, "device": "gas-1", "measurement": f"gas_pressure.c{n}"} for n in numbers]
    with filled.write() as connection:
        connection.execute(sa.insert(schema.series), rows)
    event = began(0, series=SERIES_GAS)
    changes = say(filled, *(replace(event, series=number) for number in numbers))
    assert len({change.alert for change in changes}) == 1000


moves = st.lists(
    st.tuples(
        st.sampled_from(["began", "ended", "acknowledge"]), st.sampled_from([SERIES_A, SERIES_B])
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path_factory.mktemp("alerts") / "state.sqlite"))
    migrate(database)
    fill(database)
    yield database
    database.close()


@given(moves)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_sequence_leaves_the_table(shared: Database, steps: list[tuple[str, int]]) -> None:
    """The history is a walk along the table, and its end is the alert's state."""
    with shared.write() as connection:
        for table in (schema.alert_events, schema.outbox, schema.alerts):
            connection.execute(sa.delete(table))
    for at, (what, series) in enumerate(steps):
        if what == "acknowledge":
            for alert in listed(shared):
                if alert.series == series and alert.state in (State.UNACK, State.RTNUN):
                    acknowledge(shared, alert.id)
        else:
            say(shared, (began if what == "began" else ended)(at, series=series))
    for alert in listed(shared):
        with shared.read() as connection:
            events = alerts.get_alert(connection, alert.id).events
        state = State.NORM
        for event in events:
            assert event.from_state is state
            assert isinstance(event.event, Event)
            state = apply(state, event.event)
            assert event.to_state is state
        assert state is alert.state
        assert (alert.ended_ms is not None) == (state is State.NORM)
