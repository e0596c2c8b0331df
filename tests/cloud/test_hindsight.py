"""Late readings: when all has come, the alerts are those of the ordered, undoubled stream."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud import alerts, hindsight
from cloud.alert_rows import Remark
from cloud.cases import outbox
from cloud.cases.ledger import Ledger
from cloud.core.alert_policy import AlertPolicy
from cloud.core.checks import Difference, Expression, NoData, Rate, Statistic, Stuck, Window
from cloud.core.gate import GatePolicy
from cloud.core.isa_18_2 import Event, State
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, Severity
from cloud.core.rules import Counted, Direction, Level, RuleSet, Schedule
from cloud.ports import SeriesName, SeriesStore
from cloud.series.importing import Importer, Part
from cloud.state import schema
from cloud.state.database import Database
from cloud.voices import hot_past
from contract.errors import StorageError
from tests.cloud.core.rule_kit import T0_MS, make_rule, told
from tests.cloud.history_kit import ZONE, Street, in_order

RULES = [
    make_rule(on_delay_s=20.0, off_delay_s=20.0, deadband=2.0),
    make_rule(id="peak", limit=80.0),
    make_rule(id="still", limit=30.0, direction=Direction.BELOW, on_delay_s=30.0),
    make_rule(id="night", limit=50.0, schedule=Schedule.NIGHT, on_delay_s=10.0),
]

ALL_KINDS = [
    *RULES,
    make_rule(
        id="levels",
        on_delay_s=20.0,
        off_delay_s=10.0,
        deadband=2.0,
        higher=(
            Level(limit=70.0, severity=Severity.HIGH),
            Level(limit=80.0, severity=Severity.CRITICAL),
        ),
    ),
    make_rule(id="counted", counted=Counted(count=2, of=4)),
    make_rule(id="rate", check=Rate(over_s=40.0), limit=0.5, deadband=0.2),
    make_rule(id="stuck", check=Stuck(for_s=30.0), limit=0.5),
    make_rule(id="silent", check=NoData(periods=3.0, at_least_s=30.0), limit=0.5),
    make_rule(
        id="laeq", check=Window(statistic=Statistic.MEAN, over_s=60.0, aligned=True, valid_rate=0.3)
    ),
    make_rule(id="peaks", check=Window(statistic=Statistic.L10, over_s=60.0, valid_rate=0.3)),
    make_rule(id="either", check=Expression(text="noise_laeq > 60 or noise_laeq < 52"), limit=0.5),
]

said = st.lists(
    st.tuples(
        st.sampled_from(["noise-1", "noise-1", "noise-2"]),
        st.integers(0, 60).map(lambda n: 10.0 * n + 43_000),  # 21:56:40 to 22:06:40
        st.sampled_from([None, 20.0, 40.0, 55.0, 59.0, 61.0, 85.0]),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda one: one[:2],
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said, st.data())
def test_when_all_has_come_the_alerts_are_those_of_the_ordered_stream(
    database: Database, readings: list[tuple[str, float, float | None]], data: st.DataObject
) -> None:
    """Shuffled, doubled, cut anywhere, with passes and restarts in between."""
    with database.write() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(table.delete())
    street = Street(database, ALL_KINDS, "noise-1", "noise-2", now_s=43_700)
    doubled = data.draw(st.lists(st.sampled_from(readings), max_size=10))
    left = data.draw(st.permutations(readings + doubled))
    while left:
        size = data.draw(st.integers(1, 20))
        street.take(left[:size])
        left = left[size:]
        if data.draw(st.booleans()):
            street.look_back()
        if data.draw(st.booleans()):
            street.restart()
    street.look_back()
    assert in_order(street.recorded()) == in_order(street.truth(readings))
    assert_alerts_are_the_record(street)


def assert_alerts_are_the_record(street: Street) -> None:
    """Every condition has its alert, with its times; who has none is refuted, and closed."""
    begun: dict[str, list[ConditionBegan]] = {}
    last: dict[str, ConditionEvent] = {}
    alert_of = {row.data: row.alert for row in street.rows(schema.conditions)}
    assert len(alert_of) == len(street.recorded())
    ordered = sorted(street.rows(schema.conditions), key=lambda row: (row.observed_ms, row.id))
    for row, event in zip(ordered, street.recorded(), strict=True):
        if isinstance(event, ConditionBegan):
            begun.setdefault(row.alert, []).append(event)
        last[row.alert] = event
    for alert in street.alerts():
        if alert.refuted_ms is not None:
            assert alert.id not in begun
            assert alert.state == State.NORM
            continue
        assert (alert.began_ms, alert.observed_ms, alert.first_value) == (
            begun[alert.id][0].began_ms,
            begun[alert.id][0].observed_ms,
            begun[alert.id][0].value,
        )
        end = last[alert.id]
        returned_ms = end.ended_ms if isinstance(end, ConditionEnded) else None
        assert alert.returned_ms == returned_ms
        if returned_ms is None:
            assert alert.state == State.UNACK
    assert set(begun) <= {alert.id for alert in street.alerts()}


def span(value: float, begin: int, end: int) -> list[tuple[float, float | None]]:
    """Return a reading every ten seconds, the last at `end`."""
    return [(float(s), value) for s in range(begin, end + 1, 10)]


def test_a_late_reading_ends_a_silence_that_time_had_not_told_yet(database: Database) -> None:
    """The silence began before the late reading, and no record knows of it."""
    silent = make_rule(id="silent", check=NoData(periods=3.0, at_least_s=30.0), limit=0.5)
    street = Street(database, [silent], now_s=43_700)
    readings = [(43_000.0, 20.0), (43_050.0, None), (43_040.0, 20.0)]
    street.say(*readings)
    street.look_back()
    truth = street.truth([("noise-1", at_s, value) for at_s, value in readings])
    assert len(truth) == 2
    assert in_order(street.recorded()) == in_order(truth)
    assert_alerts_are_the_record(street)


# thingsboard #14210 and its family: backfill fired duration rules by the wall clock.
def test_history_wakes_nobody(database: Database) -> None:
    street = Street(database, RULES)
    street.say(*span(40, 500, 600))
    street.say(*span(70, 0, 100), *span(40, 110, 200))
    assert street.alerts() == []
    street.look_back()
    (alert,) = street.alerts()
    assert (alert.rule, alert.state, alert.historical) == ("loud", "NORM", True)
    assert (alert.began_ms, alert.returned_ms) == (T0_MS, T0_MS + 110_000)
    assert street.told() == []


def test_a_silence_longer_than_rules_look_back_still_ends(database: Database) -> None:
    """A pass over the reading that ended it, told again, does not see when it began."""
    rule = make_rule(id="silent", check=NoData(periods=3.0), limit=0.5)
    street = Street(database, [rule], now_s=6_000)
    street.say((0, 50), (5000, 50))
    before = street.recorded()
    assert len(before) == 2
    street.say((5000, 50))
    street.look_back()
    assert street.recorded() == before


OVER_OTHERS = make_rule(
    id="over",
    devices=("noise-1",),
    check=Difference(over_s=60.0, to_device="noise-2", valid_rate=0.5),
    limit=10.0,
)


def test_late_readings_of_a_reference_have_those_compared_with_it_looked_at(
    database: Database,
) -> None:
    street = Street(database, [OVER_OTHERS, make_rule()], "noise-1", "noise-2", now_s=700)
    street.say(*span(55, 0, 690))
    street.clock.advance_ms(90_000)
    street.say((690, 70), device="noise-2")
    assert [row.rule for row in street.alerts()] == ["loud"]
    street.say(*span(40, 60, 110), device="noise-2")
    street.look_back()
    over, loud = street.alerts()
    assert (over.rule, over.observed_ms, over.historical) == ("over", T0_MS + 119_999, False)
    assert (loud.rule, loud.state, loud.device) == ("loud", "UNACK", "noise-2")
    street.restart()
    street.say(*span(50, 120, 170), device="noise-2")
    street.look_back()
    assert [row.historical for row in street.alerts() if row.rule == "over"] == [False]
    assert [row.returned_ms for row in street.alerts()] == [T0_MS + 179_999, None]


def test_late_readings_of_who_is_compared_leave_the_reference_as_it_is(
    database: Database,
) -> None:
    street = Street(database, [OVER_OTHERS, make_rule(on_delay_s=20)], "noise-1", "noise-2")
    street.say(*span(40, 0, 120), *span(40, 180, 580))
    street.say(*span(40, 0, 570), (580, 70), (590, 70), device="noise-2")
    street.say(*span(55, 130, 170))
    street.look_back()
    assert [(row.rule, row.historical) for row in street.alerts()] == [("over", True)]
    street.say((600, 70), device="noise-2")
    assert [row.rule for row in street.alerts()] == ["over", "loud"]


def test_devices_compared_with_each_other_do_not_keep_the_pass_busy(database: Database) -> None:
    back = replace(
        OVER_OTHERS,
        id="back",
        devices=("noise-2",),
        check=Difference(over_s=60.0, to_device="noise-1"),
    )
    street = Street(database, [OVER_OTHERS, back], "noise-1", "noise-2")
    for device in ("noise-1", "noise-2"):
        street.say(*span(40, 60, 500), device=device)
    street.say(*span(80, 0, 50))
    street.say(*span(40, 0, 50), device="noise-2")
    street.look_back()
    assert [(row.rule, row.historical) for row in street.alerts()] == [("over", True)]


def test_a_pass_waits_until_the_backlog_is_quiet_but_not_for_ever(database: Database) -> None:
    street = Street(database, RULES)
    street.say((600, 40))
    street.say((10, 40))
    assert not street.line.has_history(busy=False)
    for at in range(20):
        street.clock.advance_ms(3_000)
        street.say((20 + at, 40))
    assert street.line.has_history(busy=False)


def test_an_active_alerts_start_moves_earlier_and_nothing_is_told_twice(
    database: Database,
) -> None:
    street = Street(database, RULES)
    street.say(*span(70, 500, 540))
    (live,) = street.alerts()
    street.say(*span(70, 450, 490))
    street.look_back()
    (alert,) = street.alerts()
    assert (alert.id, alert.state, alert.historical) == (live.id, "UNACK", False)
    assert (live.began_ms, alert.began_ms) == (T0_MS + 500_000, T0_MS + 450_000)
    assert street.told() == ["alert.raised"]
    street.say(*span(40, 550, 580))
    assert [row.state for row in street.alerts()] == ["RTNUN"]


def test_a_condition_that_late_readings_show_to_hold_now_is_raised(database: Database) -> None:
    street = Street(database, RULES)
    street.say((600, 70))
    street.say(*span(70, 560, 590))
    assert street.told() == []
    street.look_back()
    assert [(row.state, row.historical) for row in street.alerts()] == [("UNACK", False)]
    assert street.told() == ["alert.raised"]


def test_what_the_whole_stream_would_not_have_raised_is_refuted(database: Database) -> None:
    street = Street(database, RULES)
    street.say((500, 70), (520, 70))
    assert [row.state for row in street.alerts()] == ["UNACK"]
    street.say((510, 40))
    street.look_back()
    (alert,) = street.alerts()
    assert (alert.state, alert.refuted_ms) == ("NORM", street.clock.now_ms())
    assert street.told() == ["alert.raised", "alert.returned", "alert.refuted"]
    with database.read() as connection:
        history = alerts.get_alert(connection, alert.id).events
    assert [line.event for line in history][1:3] == [Event.RETURN, Event.ACKNOWLEDGE]
    assert history[-1].event is Remark.REFUTE
    street.say((530, 70), (540, 70))
    assert [row.began_ms for row in street.alerts()] == [T0_MS + 500_000, T0_MS + 520_000]


def test_beside_what_was_refuted_there_may_be_what_was_missed(database: Database) -> None:
    street = Street(database, [make_rule(on_delay_s=20.0)])
    street.say((500, 70), (520, 70), (550, 40))
    street.say((510, 40))
    street.look_back()
    street.say((480, 70), (490, 70))
    street.look_back()
    assert [(row.began_ms, row.historical, row.refuted_ms is None) for row in street.alerts()] == [
        (T0_MS + 480_000, True, True),
        (T0_MS + 500_000, False, False),
    ]


def test_an_end_that_late_readings_take_back_is_told(database: Database) -> None:
    street = Street(database, RULES)
    street.say(*span(70, 400, 440), (450, 40), (470, 40))
    assert [row.state for row in street.alerts()] == ["RTNUN"]
    street.say((460, 70))
    street.look_back()
    assert [(row.state, row.returned_ms) for row in street.alerts()] == [("UNACK", None)]
    assert street.told() == ["alert.raised", "alert.returned", "alert.raised"]


def test_of_two_values_of_one_moment_the_first_one_counts_as_in_the_store(
    database: Database,
) -> None:
    street = Street(database, RULES)
    street.say(*span(40, 500, 520))
    street.say(*[(s, 90.0) for s, _ in span(0, 500, 520)])
    street.look_back()
    assert street.alerts() == []


def test_what_holds_at_the_end_of_old_data_is_shown_and_told_to_nobody(
    database: Database,
) -> None:
    street = Street(database, RULES, now_s=86_400)
    street.say((600, 70))
    street.say(*span(70, 560, 590))
    street.look_back()
    assert [(row.state, row.historical) for row in street.alerts()] == [("UNACK", True)]
    assert street.told() == []


def test_an_alert_that_another_version_of_its_rule_raised_stays(database: Database) -> None:
    street = Street(database, RULES)
    street.say(*span(70, 400, 440), *span(40, 450, 500))
    (before,) = street.alerts()
    street.rules = RuleSet(rules=(make_rule(version="2", limit=75.0),), fingerprint="other")
    street.restart()
    street.say((600, 40))
    street.say((410, 40), (415, 40), (520, 78))
    street.look_back()
    assert [(row.rule_version, row.began_ms) for row in street.alerts()] == [
        ("1", before.began_ms),
        ("2", T0_MS + 520_000),
    ]


def test_a_restart_in_the_middle_of_a_pass_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hindsight, "READINGS_A_TURN", 2)
    readings = [*span(70, 100, 200), *span(40, 210, 300), *span(70, 310, 400)]
    late, live = readings[:-1], readings[-1:]
    street = Street(database, RULES)
    street.say(*live)
    street.say(*late)
    street.clock.advance_ms(5_000)
    for _ in range(5):
        assert not street.line.look_back()
    street.restart()
    with database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON conditions"
            " BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
    street.clock.advance_ms(5_000)
    with pytest.raises((StorageError, sa.exc.IntegrityError), match="disk full"):
        street.look_back()
    with database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    street.restart()
    street.look_back()
    expected = street.truth([("noise-1", s, value) for s, value in readings])
    assert in_order(street.recorded()) == in_order(expected)
    assert [row.historical for row in street.alerts()] == [True, False]
    assert street.rows(schema.hindsight) == []


def test_readings_that_come_late_during_a_pass_have_their_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hindsight, "READINGS_A_TURN", 2)
    street = Street(database, RULES)
    street.say((590, 40))
    street.say(*span(40, 300, 400))
    street.clock.advance_ms(5_000)
    for _ in range(10):
        street.line.look_back()
    street.say(*span(70, 200, 290))
    street.say(*span(70, 600, 620))
    while not street.line.look_back():
        pass
    assert [row.from_ms for row in street.rows(schema.hindsight)] == [T0_MS + 200_000]
    street.look_back()
    assert [(row.historical, row.state) for row in street.alerts()] == [
        (True, "NORM"),
        (False, "UNACK"),
    ]


def test_live_readings_go_before_late_ones(database: Database) -> None:
    street = Street(database, RULES)
    street.say((590, 40))
    street.say((10, 40))
    street.clock.advance_ms(5_000)
    assert street.line.look_back()
    street.say((20, 40))
    street.clock.advance_ms(5_000)
    assert street.line.has_history(busy=True)
    counted = {row.name: row.value for row in street.rows(schema.counters)}
    assert counted["history_passes"] == 1


def test_imported_readings_are_evaluated_as_history(database: Database) -> None:
    street = Street(database, RULES, now_s=86_400 * 30)
    street.say((86_000 * 30, 40))
    past = hot_past(database)
    importer = Importer(database, cast("SeriesStore", SimpleNamespace(range=past)), T0_MS)
    loud = [*span(70, 0, 100), *span(40, 110, 200)]
    columns = told(*loud)
    columns.series[:] = 0
    done = importer.bring_in(
        Part(names=[SeriesName(device="noise-1", measurement="noise_laeq")], columns=columns)
    )
    assert done.readings == len(loud)
    street.restart()
    street.look_back()
    assert [(row.historical, row.began_ms) for row in street.alerts()] == [(True, T0_MS)]
    assert street.told() == []


def test_an_open_case_hears_that_its_alert_is_refuted_and_stays_open(
    database: Database,
) -> None:
    street = Street(database, RULES)
    ledger, gate = Ledger(ZONE), GatePolicy()
    street.say((500, 70), (520, 70))
    outbox.drain(database, ledger, gate, street.clock.now_ms())
    street.say((510, 40))
    street.look_back()
    outbox.drain(database, ledger, gate, street.clock.now_ms())
    (case,) = street.rows(schema.cases)
    (alert,) = street.alerts()
    assert case.state == "opened"
    notes = [row.note for row in street.rows(schema.case_events)]
    assert notes[-1] == f"{alert.id}: refuted by late readings"


def test_what_was_refuted_before_anybody_looked_opens_no_case(database: Database) -> None:
    street = Street(database, RULES)
    street.say((500, 70), (520, 70))
    street.say((510, 40))
    street.look_back()
    outbox.drain(database, Ledger(ZONE), GatePolicy(), street.clock.now_ms())
    assert street.rows(schema.cases) == []


def test_a_condition_shown_to_nobody_is_told_when_its_series_speaks_again(
    database: Database,
) -> None:
    street = Street(database, RULES, now_s=7_200)
    street.say((600, 70))
    street.say(*span(70, 560, 590))
    street.look_back()
    assert street.told() == []
    street.restart()
    street.say((7_200, 70))
    assert street.told() == ["alert.raised"]
    assert [(row.state, row.historical) for row in street.alerts()] == [("UNACK", False)]
    street.say((7_201, 70))
    assert street.told() == ["alert.raised"]


def policy(days: float) -> AlertPolicy:
    return AlertPolicy(record_days=days)


def old_street(database: Database, now_s: float, days: float = 30.0) -> Street:
    """Whose record is kept for a month, and which stood still since."""
    street = Street(database, RULES, "noise-1", "noise-2", now_s=now_s)
    street.policy = policy(days)
    street.restart()
    return street


DAY_S = 86_400.0


def test_the_record_is_bounded_and_what_holds_or_is_late_enough_stays(database: Database) -> None:
    street = old_street(database, 500.0)
    street.say(*span(70, 0, 100), *span(40, 110, 200))  # came and went
    street.say(*span(90, 300, 400), device="noise-2")  # holds
    before = street.recorded()
    assert street.clock.now_ms() < T0_MS + DAY_S * 1000
    street.clock.advance_ms(round(37 * DAY_S * 1000))
    street.line.take([])
    assert street.recorded() == before  # a month, and as long as rules look back
    street.clock.advance_ms(round(2 * DAY_S * 1000))
    street.line.take([])
    street.clock.advance_ms(4_000_000)
    street.line.take([])
    kept = street.recorded()
    assert {event.rule for event in kept} == {"loud", "peak"}
    assert [event for event in kept if isinstance(event, ConditionEnded)] == []
    assert len(street.alerts()) == 3  # alerts are not forgotten


def test_what_comes_later_than_the_record_is_kept_changes_no_alert(database: Database) -> None:
    street = old_street(database, 500.0)
    street.say(*span(70, 0, 100), *span(40, 110, 200))
    before = street.alerts()
    street.clock.advance_ms(round(40 * DAY_S * 1000))
    street.line.take([])
    street.say((40 * DAY_S, 40))
    street.say((50, 40), (55, 40), (150, 95))  # would split it, and make another
    street.look_back()
    assert street.alerts() == before
    assert street.rows(schema.hindsight) == []


def test_for_ever_is_for_ever(database: Database) -> None:
    street = old_street(database, 500.0, days=0.0)
    street.say(*span(70, 0, 100), *span(40, 110, 200))
    before = street.recorded()
    street.clock.advance_ms(round(4_000 * DAY_S * 1000))
    street.line.take([])
    assert street.recorded() == before


def test_a_late_reading_within_the_record_is_evaluated_as_if_nothing_was_forgotten(
    database: Database,
) -> None:
    street = old_street(database, 500.0)
    street.say(*span(70, 0, 100), *span(40, 110, 200))
    street.clock.advance_ms(round(60 * DAY_S * 1000))
    street.line.take([])
    recent_s = 50 * 86_400
    street.say((60 * DAY_S, 40))
    street.say(*span(70, recent_s, recent_s + 100), *span(40, recent_s + 110, recent_s + 200))
    street.look_back()
    assert [(row.began_ms, row.historical, row.refuted_ms) for row in street.alerts()] == [
        (T0_MS, False, None),
        (T0_MS + round(recent_s * 1000), True, None),
    ]
