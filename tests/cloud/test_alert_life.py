"""What happens to an alert after it was raised: people, time, gateways and neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from cloud import alert_crowds, alert_desk, alerts, hold_rows
from cloud.alert_desk import Person, Plan
from cloud.alert_duties import Duties
from cloud.alerts import Alert, AlertChange
from cloud.core.alert_policy import AlertPolicy
from cloud.core.checks import NoData
from cloud.core.holds import HoldKind
from cloud.core.isa_18_2 import Event, State
from cloud.core.model import ConditionBegan, ConditionEvent, Role
from cloud.core.rules import RuleSet, looks_for_silence
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import RULES, SERIES_A, SERIES_B, SERIES_GAS, T0_MS, began, ended, fill

NOW_MS = T0_MS + 1_000_000
HOUR_MS = 3_600_000
POLICY = AlertPolicy(reminder_s=3_600, realarm_s=4 * 3_600, group_within_s=300)
SILENT = replace(RULES.by_id["faint"], id="silent", check=NoData(periods=3))
ALL = RuleSet(rules=(*RULES.rules, SILENT), fingerprint="f")


class Desk:
    """A database with a clock of its own, and what one does with its alerts."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now_ms = NOW_MS
        self.policy = POLICY
        self.restart()

    def restart(self) -> None:
        with self.database.read() as connection:
            self.duties = Duties.load(connection, ALL, self.policy)

    def say(self, *events: ConditionEvent) -> list[AlertChange]:
        with self.database.write() as connection:
            return alerts.apply(connection, events, ALL, self.now_ms, self.policy)

    def at(self, after_s: float) -> list[AlertChange]:
        """Let time go by and do what is due then."""
        self.now_ms = NOW_MS + round(after_s * 1000)
        with self.database.write() as connection:
            due = self.duties.is_due(connection, self.now_ms)
            changes = self.duties.step(connection, self.now_ms)
        assert due or not changes
        return changes

    def person(self, role: Role = Role.OPERATOR, name: str = "ming") -> Person:
        return Person(name=name, role=role, at_ms=self.now_ms)

    def acknowledge(self, alert: str) -> Alert:
        with self.database.write() as connection:
            return alerts.acknowledge(connection, alert, "ming", self.now_ms)

    def shelve(
        self, alert: str, hours: float = 1, role: Role = Role.OPERATOR, reason: str = "known"
    ) -> Alert:
        with self.database.write() as connection:
            by = self.person(role)
            for_s, rules = hours * 3_600, ALL.by_id
            return alert_desk.shelve(connection, alert, reason, for_s, by, rules, self.policy)

    def unshelve(self, alert: str) -> Alert:
        with self.database.write() as connection:
            return alert_desk.unshelve(connection, alert, self.person(), ALL.by_id)

    def plan(
        self,
        named: dict[str, str] | None = None,
        /,
        *,
        from_s: float = 0,
        for_s: float | None = 600,
        **more: str,
    ) -> str:
        named = {**(named or {}), **more}
        from_ms = self.now_ms + round(from_s * 1000)
        plan = Plan(
            from_ms=from_ms,
            until_ms=None if for_s is None else from_ms + round(for_s * 1000),
            reason=named.pop("reason", "calibration"),
            **named,
        )
        with self.database.write() as connection:
            return alert_desk.plan(connection, plan, self.person(Role.MANAGER), ALL.by_id).id

    def end(self, hold: str, role: Role = Role.MANAGER) -> None:
        with self.database.write() as connection:
            alert_desk.end_hold(connection, hold, self.person(role), ALL.by_id)

    @property
    def listed(self) -> list[Alert]:
        with self.database.read() as connection:
            return alerts.list_alerts(connection, limit=500).alerts

    @property
    def one(self) -> Alert:
        (alert,) = self.listed
        return alert

    def state(self) -> State:
        return self.one.state

    def history(self, alert: str) -> list[str]:
        with self.database.read() as connection:
            return [line.event.value for line in alerts.get_alert(connection, alert).events]

    @property
    def told(self) -> list[str]:
        return [topic for topic, _ in self.messages]

    @property
    def messages(self) -> list[tuple[str, dict[str, Any]]]:
        table = schema.outbox
        with self.database.read() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.id)).all()
        return [(row.topic, row.payload) for row in rows]


@pytest.fixture
def desk(database: Database) -> Desk:
    fill(database)
    with database.write() as connection:
        for device, area in (("noise-1", "3"), ("noise-2", "3"), ("gas-1", "9")):
            table = schema.devices
            tags = {"area": area, "site": f"site-{area}"}
            connection.execute(sa.update(table).where(table.c.id == device).values(tags=tags))
    return Desk(database)


# --- told again -----------------------------------------------------------------------------------


def test_thingsboard_7898_people_are_reminded_while_it_lasts(desk: Desk) -> None:
    desk.say(began(0))
    assert desk.at(3_599) == []
    assert [change.event for change in desk.at(3_600)] == ["reminder"]
    assert desk.at(3_601) == []
    desk.at(7_200)
    assert desk.told == ["alert.raised", "alert.reminder", "alert.reminder"]
    desk.say(ended(60))
    assert desk.at(20_000) == []


def test_thingsboard_11434_an_acknowledged_alarm_raises_again(desk: Desk) -> None:
    desk.policy = replace(POLICY, reminder_s=0)
    desk.say(began(0))
    desk.acknowledge(desk.one.id)
    assert desk.at(4 * 3_600 - 1) == []
    (change,) = desk.at(4 * 3_600)
    assert (change.from_state, change.to_state) == (State.ACKED, State.UNACK)
    assert desk.told[-1] == "alert.realarm"
    assert desk.at(9 * 3_600) == []  # nobody has acknowledged it since
    desk.acknowledge(desk.one.id)
    assert desk.at(13 * 3_600)[0].event is Event.REALARM


def test_a_rule_says_its_own_times(desk: Desk) -> None:
    rule = replace(RULES.by_id["loud"], reminder_s=60.0, realarm_s=0.0)
    with desk.database.write() as connection:
        mine = RuleSet(rules=(rule,), fingerprint="f")
        alerts.apply(connection, [began(0)], mine, desk.now_ms, POLICY)
    desk.acknowledge(desk.one.id)
    assert len(desk.at(60)) == 1
    assert desk.one.realarm_s == 0


def test_a_restart_forgets_no_reminder_and_repeats_none(desk: Desk) -> None:
    desk.say(began(0))
    desk.restart()
    assert len(desk.at(3_700)) == 1
    desk.restart()
    assert desk.at(3_701) == []


def test_only_what_cases_take_waits_to_be_delivered(desk: Desk) -> None:
    """The rest is a record: nobody marks it, and it would be looked through for ever."""
    desk.say(began(0))
    desk.shelve(desk.one.id)
    desk.say(ended(60))
    desk.at(3_600)
    table = schema.outbox
    with desk.database.read() as connection:
        waiting = list(
            connection.scalars(sa.select(table.c.topic).where(table.c.done_ms.is_(None)))
        )
    assert waiting == ["alert.raised", "alert.returned"]


# --- people ---------------------------------------------------------------------------------------


def test_assigning_and_commenting_change_no_state_and_are_told(desk: Desk) -> None:
    desk.say(began(0))
    row = {"name": "hua", "password_hash": "", "role": "operator", "created_ms": 0}
    with desk.database.write() as connection:
        connection.execute(sa.insert(schema.accounts).values(**row))
        alert_desk.assign(connection, desk.one.id, "hua", desk.person())
        alert_desk.assign(connection, desk.one.id, "hua", desk.person())
        alert_desk.comment(connection, desk.one.id, " on my way ", desk.person(name="hua"))
    assert (desk.one.assignee, desk.one.state) == ("hua", State.UNACK)
    assert desk.history(desk.one.id) == ["condition", "assign", "comment"]
    assert desk.told == ["alert.raised", "alert.assigned", "alert.commented"]
    assert desk.messages[-1][1]["note"] == "on my way"


def test_assigning_to_nobody_there_is_and_what_is_over_is_refused(desk: Desk) -> None:
    desk.say(began(0))
    with desk.database.write() as connection:
        with pytest.raises(InvalidError, match="no account 'nobody'"):
            alert_desk.assign(connection, desk.one.id, "nobody", desk.person())
        with pytest.raises(InvalidError, match="needs words"):
            alert_desk.comment(connection, desk.one.id, "  ", desk.person())
        with pytest.raises(ForbiddenError, match="takes the role operator"):
            alert_desk.comment(connection, desk.one.id, "x", desk.person(Role.VIEWER))
    desk.acknowledge(desk.one.id)
    desk.say(ended(60))
    with desk.database.write() as connection:
        with pytest.raises(ConflictError, match="is over"):
            alert_desk.assign(connection, desk.one.id, "", desk.person())
        alert_desk.comment(connection, desk.one.id, "it was the fair", desk.person())


def test_acknowledging_says_what_else_can_be_done(desk: Desk) -> None:
    desk.say(began(0))
    desk.shelve(desk.one.id)
    with pytest.raises(ConflictError, match=r"is SHLVD; it can be acknowledged in UNACK, RTNUN; "):
        desk.acknowledge(desk.one.id)


# --- shelving -------------------------------------------------------------------------------------


def test_shelved_it_is_quiet_and_what_still_holds_then_is_raised(desk: Desk) -> None:
    desk.say(began(0))
    alert = desk.shelve(desk.one.id, hours=2)
    assert (alert.state, bool(alert.held_by)) == (State.SHLVD, True)
    assert desk.at(7_199) == []  # no reminder either
    (change,) = desk.at(7_200)
    assert (change.event, change.to_state) == (Event.EXIT_ABNORMAL, State.UNACK)
    assert desk.told[1:] == ["hold.began", "alert.shelved", "hold.ended", "alert.raised"]
    assert desk.one.held_by == ""


def test_alertmanager_226_what_resolves_while_shelved_says_so_and_the_end_is_told(
    desk: Desk,
) -> None:
    desk.say(began(0))
    desk.shelve(desk.one.id, hours=2)
    desk.say(ended(60))
    assert (desk.one.state, desk.told[-1]) == (State.SHLVD, "alert.returned")
    (change,) = desk.at(7_200)
    assert change.event is Event.EXIT_NORMAL
    assert (desk.one.state, desk.one.ended_ms) == (State.NORM, desk.now_ms)
    assert desk.told[-2:] == ["hold.ended", "alert.released"]


def test_while_shelved_it_goes_and_comes_without_a_word_to_cases(desk: Desk) -> None:
    desk.say(began(0))
    desk.shelve(desk.one.id)
    desk.say(ended(60), began(120))
    assert desk.state() is State.SHLVD
    assert desk.told.count("alert.raised") == 1


def test_shelving_ends_before_its_time_when_somebody_says_so(desk: Desk) -> None:
    desk.say(began(0))
    desk.shelve(desk.one.id)
    assert desk.unshelve(desk.one.id).state is State.UNACK
    with pytest.raises(ConflictError, match="is UNACK; it is not shelved"):
        desk.unshelve(desk.one.id)
    assert desk.at(3_599) == []


@pytest.mark.parametrize(
    ("hours", "role", "reason", "error", "words"),
    [
        (1, Role.OPERATOR, " ", InvalidError, "needs a reason"),
        (0, Role.OPERATOR, "x", InvalidError, "more than 0"),
        (float("nan"), Role.OPERATOR, "x", InvalidError, "is no time"),
        (9, Role.OPERATOR, "x", ForbiddenError, "operator may shelve for 8 h at most, not 9 h"),
        (9, Role.OPERATOR, "x", ForbiddenError, "a role that may: manager, admin"),
        (1_000, Role.ADMIN, "x", ForbiddenError, "nobody may; take it out of service"),
        (1, Role.VIEWER, "x", ForbiddenError, "takes the role operator"),
    ],
)
def test_shelving_is_refused_with_the_reason(
    desk: Desk, hours: float, role: Role, reason: str, error: type[Exception], words: str
) -> None:
    desk.say(began(0))
    with pytest.raises(error, match=words):
        desk.shelve(desk.one.id, hours, role, reason)
    assert (desk.one.state, desk.told) == (State.UNACK, ["alert.raised"])


def test_what_is_over_or_shelved_already_is_not_shelved(desk: Desk) -> None:
    desk.say(began(0))
    desk.shelve(desk.one.id)
    with pytest.raises(ConflictError, match="shelved already, by ming"):
        desk.shelve(desk.one.id)
    desk.say(ended(60))
    desk.unshelve(desk.one.id)
    with pytest.raises(ConflictError, match="nothing to shelve"):
        desk.shelve(desk.one.id)


def test_a_restart_forgets_no_expiry(desk: Desk) -> None:
    desk.say(began(0))
    desk.shelve(desk.one.id)
    desk.restart()
    assert len(desk.at(3_600)) == 1


# --- maintenance and out of service ---------------------------------------------------------------


@pytest.mark.parametrize(
    "named",
    [
        {"device": "noise-1"},
        {"tag": "site", "tag_value": "site-3"},
        {"tag": "area", "tag_value": "3"},
        {"gateway": "g"},
        {"rule": "loud"},
    ],
)
def test_a_window_planned_ahead_holds_what_is_raised_in_it(
    desk: Desk, named: dict[str, str]
) -> None:
    desk.plan(named, from_s=100)
    desk.say(began(0))
    assert desk.at(99) == []
    assert [change.to_state for change in desk.at(100)] == [State.OOSRV]
    desk.say(began(0, series=SERIES_B))
    assert desk.at(699) == []
    states = {alert.device: alert.state for alert in desk.listed}
    both = {"rule", "tag", "gateway"} & set(named)
    assert states == {"noise-1": State.OOSRV, "noise-2": State.OOSRV if both else State.UNACK}
    desk.at(700)
    assert {alert.state for alert in desk.listed} == {State.UNACK}
    assert desk.told.count("hold.began") == desk.told.count("hold.ended") == 1


def test_what_was_raised_and_returned_in_a_window_ends_with_it_unseen_by_cases(desk: Desk) -> None:
    desk.plan(device="noise-1")
    desk.at(0)
    desk.say(began(0), ended(60))
    assert desk.state() is State.OOSRV
    assert desk.history(desk.one.id) == ["remove", "condition", "return"]
    desk.at(600)
    assert desk.state() is State.NORM
    assert "alert.raised" not in desk.told
    assert desk.told[-1] == "alert.released"


def test_out_of_service_lasts_until_it_is_put_back(desk: Desk) -> None:
    hold = desk.plan(for_s=None, rule="loud", device="noise-1")
    desk.at(0)
    desk.say(began(0), began(0, rule="faint"))
    desk.at(10_000_000)
    states = {alert.rule: alert.state for alert in desk.listed}
    assert states == {"loud": State.OOSRV, "faint": State.UNACK}
    desk.end(hold)
    assert {alert.state for alert in desk.listed} == {State.UNACK}
    with pytest.raises(ConflictError, match="has ended already"):
        desk.end(hold)
    with pytest.raises(NotFoundError):
        desk.end("nothing")


def test_when_one_reason_ends_another_still_counts(desk: Desk) -> None:
    desk.say(began(0))
    desk.shelve(desk.one.id, hours=2)
    desk.plan(for_s=600, device="noise-1")
    desk.at(1)
    assert desk.state() is State.OOSRV
    desk.at(600)
    assert desk.state() is State.SHLVD
    desk.at(7_200)
    assert desk.state() is State.UNACK


def test_a_window_is_called_off(desk: Desk) -> None:
    hold = desk.plan(from_s=100, device="noise-1")
    with pytest.raises(ForbiddenError, match="takes the role manager"):
        desk.end(hold, Role.OPERATOR)
    desk.end(hold)
    desk.say(began(0))
    assert desk.at(101) == []
    assert "hold.began" not in desk.told
    with desk.database.read() as connection:
        page = hold_rows.page(connection, kinds=(HoldKind.MAINTENANCE,), ended=True)
    assert [each.ended_by for each in page.holds] == ["ming"]


@pytest.mark.parametrize(
    ("named", "error", "words"),
    [
        ({}, InvalidError, "say what it is about"),
        ({"tag": "site"}, InvalidError, "a tag needs a value"),
        ({"device": "noise-9"}, NotFoundError, "no device 'noise-9'"),
        ({"rule": "lout"}, NotFoundError, "no rule 'lout'"),
        ({"gateway": "g9"}, NotFoundError, "no gateway 'g9'"),
        ({"device": "noise-1", "reason": ""}, InvalidError, "needs a reason"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    desk: Desk, named: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        desk.plan(named)
    with pytest.raises(InvalidError, match="must end after it begins"):
        desk.plan(from_s=-100, for_s=50, device="noise-1")


# --- gateways -------------------------------------------------------------------------------------


def test_a_gateway_away_is_one_alert_and_its_devices_silence_none(desk: Desk) -> None:
    """Twenty devices go quiet when their cabinet loses power: people are told of the cabinet."""
    desk.duties.heard("g", online=False, now_ms=NOW_MS)
    desk.at(0)
    desk.say(*(silent(series) for series in (SERIES_A, SERIES_B)))
    desk.say(began(0, series=SERIES_GAS))
    desk.at(59)
    desk.at(60)
    told = {(alert.kind, alert.rule): alert.state for alert in desk.listed}
    assert told == {
        ("noise", "silent"): State.DSUPR,
        ("gas", "loud"): State.UNACK,
        ("gateway", "gateway.offline"): State.UNACK,
    }
    assert desk.told.count("alert.raised") == 2
    gateway = next(alert for alert in desk.listed if alert.kind == "gateway")
    assert (gateway.device, gateway.began_ms, gateway.first_value) == ("@g", NOW_MS, 0.0)


def test_when_it_is_back_its_devices_have_time_and_what_stays_silent_is_raised(desk: Desk) -> None:
    desk.say(*(silent(series) for series in (SERIES_A, SERIES_B)))
    desk.duties.heard("g", online=False, now_ms=NOW_MS)
    desk.at(60)
    assert {a.state for a in desk.listed if a.rule == "silent"} == {State.DSUPR}
    desk.restart()  # what is remembered is in the database
    desk.duties.heard("g", online=False, now_ms=desk.now_ms)
    desk.duties.heard("g", online=True, now_ms=NOW_MS + 100_000)
    desk.at(131)
    gateway = next(alert for alert in desk.listed if alert.kind == "gateway")
    assert (gateway.state, gateway.returned_ms) == (State.RTNUN, NOW_MS + 100_000)
    desk.say(replace(ended(60), rule=SILENT.id))
    assert desk.at(279) == []
    desk.at(281)
    states = {a.device: a.state for a in desk.listed if a.rule == "silent"}
    assert states == {"noise-1": State.NORM, "noise-2": State.UNACK}
    assert set(desk.told[-2:]) == {"alert.released", "alert.raised"}


def test_only_rules_about_missing_data_look_for_silence() -> None:
    assert [rule.id for rule in ALL.rules if looks_for_silence(rule)] == ["silent"]


def test_a_blip_is_no_alert(desk: Desk) -> None:
    desk.duties.heard("g", online=False, now_ms=NOW_MS)
    desk.at(30)
    desk.duties.heard("g", online=True, now_ms=NOW_MS + 31_000)
    for after_s in (32, 100, 300, 1_000):
        desk.at(after_s)
    assert desk.listed == []


def test_a_gateway_under_maintenance_is_quiet_too(desk: Desk) -> None:
    desk.plan(for_s=None, gateway="g")
    desk.at(0)
    desk.duties.heard("g", online=False, now_ms=NOW_MS)
    desk.at(60)
    assert desk.state() is State.OOSRV
    assert "alert.raised" not in desk.told


# --- neighbours and floods ------------------------------------------------------------------------


def test_neighbours_roll_up_and_are_all_there(desk: Desk) -> None:
    desk.say(began(10, series=SERIES_B))
    desk.say(began(0), began(0, series=SERIES_GAS), began(0, rule="faint"))
    groups = {(alert.rule, alert.device): alert.group_id for alert in desk.listed}
    assert groups["loud", "noise-1"] == groups["loud", "noise-2"]
    assert len(set(groups.values())) == 3
    leads = [payload["leads"] for topic, payload in desk.messages if topic == "alert.raised"]
    assert leads.count(False) == 1
    with desk.database.read() as connection:
        group = groups["loud", "noise-1"]
        assert len(alerts.list_alerts(connection, group=group).alerts) == 2


def silent(series: int) -> ConditionBegan:
    event = began(0, rule="faint", series=series)
    return replace(event, rule=SILENT.id)


def more(desk: Desk, first: int, number: int) -> list[int]:
    """Enter so many more series of the gas sensor."""
    numbers = list(range(first, first + number))
    rows = [{"id": n, "device": "gas-1", "measurement": f"gas_pressure.c{n}"} for n in numbers]
    with desk.database.write() as connection:
        connection.execute(sa.insert(schema.series), rows)
    return numbers


def test_a_flood_marks_the_first_and_has_all_the_others(desk: Desk) -> None:
    desk.say(began(0))
    first = desk.one.id
    event = began(1, series=SERIES_GAS)
    numbers = more(desk, 100, 14)
    desk.say(*(replace(event, series=number) for number in numbers[:9]))
    assert {alert.flood for alert in desk.listed} == {None}
    desk.say(*(replace(event, series=number) for number in numbers[9:12]))
    desk.say(replace(event, series=numbers[12]))
    with desk.database.read() as connection:
        (flood,) = alert_crowds.open_floods(connection)
    assert (flood.first_alert, flood.alerts) == (first, 14)
    assert {alert.flood for alert in desk.listed} == {flood.id}
    assert [alert.id for alert in desk.listed if alert.first_out] == [first]
    assert desk.told.count("alert.raised") == 14
    assert desk.told.count("flood.began") == 1
    with desk.database.read() as connection:
        assert len(alerts.list_alerts(connection, flood=flood.id).alerts) == 14


def test_a_flood_ends_with_fewer_than_five_in_ten_minutes(desk: Desk) -> None:
    event = began(1, series=SERIES_GAS)
    desk.say(*(replace(event, series=number) for number in more(desk, 100, 11)))
    assert sum(alert.first_out for alert in desk.listed) == 1
    desk.at(300)
    desk.say(*(replace(event, series=number) for number in more(desk, 200, 5)))
    desk.at(601)
    assert desk.told.count("flood.ended") == 0
    desk.at(901)
    assert desk.told.count("flood.ended") == 1
    desk.say(*(replace(event, series=number) for number in more(desk, 300, 1)))
    assert [alert.flood for alert in desk.listed if alert.series == 300] == [None]


def test_desks_flood_apart(desk: Desk) -> None:
    desk.policy = replace(POLICY, desk_tag="area")
    desk.say(began(0))
    event = began(1, series=SERIES_GAS)
    desk.say(*(replace(event, series=number) for number in more(desk, 100, 11)))
    with desk.database.read() as connection:
        assert [flood.desk for flood in alert_crowds.open_floods(connection)] == ["9"]
    assert [alert.device for alert in desk.listed if alert.flood is None] == ["noise-1"]


def test_neighbours_within_metres_roll_up_in_one_turn_and_the_next(desk: Desk) -> None:
    table = schema.devices
    north = {"noise-1": 0, "noise-2": 60, "gas-1": 500}
    with desk.database.write() as connection:
        for device, metres in north.items():
            place = {"longitude": 104.0, "latitude": 30.0 + metres / 111_195, "tags": {}}
            connection.execute(sa.update(table).where(table.c.id == device).values(**place))
    desk.policy = replace(POLICY, group_within_m=100.0)
    desk.say(began(0))
    desk.say(began(10, series=SERIES_B), began(20, series=SERIES_GAS))
    first = next(alert.id for alert in desk.listed if alert.device == "noise-1")
    groups = {alert.device: alert.group_id for alert in desk.listed}
    assert groups["noise-1"] == groups["noise-2"] == first
    assert groups["gas-1"] not in ("", first)


def accounts_of(desk: Desk, *names: str) -> None:
    row = {"role": "operator", "password_hash": "", "language": "zh", "disabled": False}
    columns = schema.accounts.c
    with desk.database.write() as connection:
        for name in names:
            values = {"name": name, **row, "created_ms": 0}
            mine = {key: value for key, value in values.items() if key in columns}
            connection.execute(sa.insert(schema.accounts).values(**mine))


def give(desk: Desk, to: str, *alert_ids: str) -> None:
    for alert in alert_ids:
        with desk.database.write() as connection:
            alert_desk.assign(connection, alert, to, desk.person(), desk.policy)


def test_what_is_given_to_an_operator_counts_for_their_flood(desk: Desk) -> None:
    accounts_of(desk, "li", "wang")
    event = began(1, series=SERIES_GAS)
    numbers = more(desk, 100, 16)
    desk.policy = replace(POLICY, flood_begins=10, desk_by_unit=True)
    desk.say(*(replace(event, series=number) for number in numbers[:8]))
    first = [alert.id for alert in desk.listed]
    give(desk, "li", *first[:4])
    give(desk, "wang", *first[4:])
    desk.at(1)
    desk.say(*(replace(event, series=number) for number in numbers[8:]))
    assert {alert.flood for alert in desk.listed} == {None}  # 4, 4 and 8
    give(desk, "li", *(alert.id for alert in desk.listed if not alert.assignee))
    with desk.database.read() as connection:
        (flood,) = alert_crowds.open_floods(connection)
    assert (flood.desk, flood.alerts) == ("@li", 12)
    assert {alert.assignee for alert in desk.listed if alert.flood} == {"li"}


def test_what_was_raised_long_ago_floods_nobody_it_is_given_to(desk: Desk) -> None:
    accounts_of(desk, "li")
    event = began(1, series=SERIES_GAS)
    for at_s in (0, 700):
        desk.at(at_s)
        numbers = more(desk, 100 + at_s, 8)
        desk.say(*(replace(event, series=number) for number in numbers))
    give(desk, "li", *(alert.id for alert in desk.listed))
    with desk.database.read() as connection:
        assert alert_crowds.open_floods(connection) == []
    assert {alert.desk for alert in desk.listed} == {"@li"}
    give(desk, "", desk.listed[0].id)
    assert desk.listed[0].desk == ""


def test_what_is_given_away_leaves_the_flood_it_was_in(desk: Desk) -> None:
    accounts_of(desk, "li")
    event = began(1, series=SERIES_GAS)
    desk.say(*(replace(event, series=number) for number in more(desk, 100, 24)))
    give(desk, "li", *(alert.id for alert in desk.listed[:12]))
    with desk.database.read() as connection:
        floods = {flood.desk: flood for flood in alert_crowds.open_floods(connection)}
    assert {name: flood.alerts for name, flood in floods.items()} == {"": 12, "@li": 12}
    for name, flood in floods.items():
        mine = [alert for alert in desk.listed if alert.flood == flood.id]
        assert {alert.desk for alert in mine} == {name}
        assert len(mine) == flood.alerts
