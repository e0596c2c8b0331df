"""A gateway that goes and comes, through the whole line: messages in, alerts out."""

from __future__ import annotations

import sqlalchemy as sa

from cloud import alerts
from cloud.alerts import Alert
from cloud.core.alert_policy import AlertPolicy
from cloud.core.isa_18_2 import State as AlertState
from cloud.core.model import Severity
from cloud.pipeline import Line, Message
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.queries import devices, gateways
from contract import codec, messages, topics
from contract.clock import ManualClock
from contract.lifelines import Modem, Supply, modem_figures, supply_figures
from contract.messages import State
from contract.readings import Batch, Reading
from tests.cloud.test_pipeline import EPOCH, SILENCE, ZONE, birth, new_line


def state(online: bool) -> Message:
    payload = messages.encode(State(online=online, at_ms=0))
    return Message(topic=topics.gateway_topic("cabinet", "state"), payload=payload)


def listed(database: Database) -> list[Alert]:
    with database.read() as connection:
        return alerts.list_alerts(connection).alerts


def wait(line: Line, clock: ManualClock, for_s: float) -> int:
    """Let time go by as intake does: it commits when something is due, and not else."""
    clock.advance_ms(round(for_s * 1000))
    return 0 if line.is_settled() else line.take([]).alerts


def test_it_goes_it_is_an_alert_it_comes_and_the_alert_returns(database: Database) -> None:
    clock = ManualClock()
    line = new_line(database, clock)
    line.take([birth()])
    line.take([state(online=False)])
    assert wait(line, clock, 30) == 0
    assert wait(line, clock, 40) == 1
    (alert,) = listed(database)
    assert (alert.rule, alert.state) == ("gateway.offline", AlertState.UNACK)
    assert wait(line, clock, 500) == 0
    line.take([state(online=True)])
    assert wait(line, clock, 31) == 1
    assert listed(database)[0].state is AlertState.RTNUN
    wait(line, clock, 200)
    with database.read() as connection:
        assert connection.scalar(sa.select(schema.holds.c.id).where(~schema.holds.c.begun)) is None
        assert connection.scalar(sa.select(sa.func.count(schema.holds.c.ended_ms))) == 1


def test_a_restart_neither_repeats_nor_returns_it(database: Database) -> None:
    """No engine watches a gateway, and none may say that its rule is gone."""
    clock = ManualClock()
    line = new_line(database, clock)
    line.take([birth(), state(online=False)])
    wait(line, clock, 70)
    again = new_line(database, clock)
    assert wait(again, clock, 70) == 0
    assert [alert.state for alert in listed(database)] == [AlertState.UNACK]
    again.take([state(online=True)])
    assert wait(again, clock, 31) == 1


def test_it_is_in_no_list_of_devices_and_in_no_registry(database: Database) -> None:
    clock = ManualClock()
    line = new_line(database, clock)
    line.take([birth(), state(online=False)])
    wait(line, clock, 70)
    again = new_line(database, clock)
    assert not [each for each in again._registry.all_series() if each.measurement == "online"]
    with database.read() as connection:
        assert [each.id for each in devices.sensors(connection)] == ["gas-1"]
        assert [each.devices for each in gateways.all_of(connection)] == [1]


def said(*, supply: Supply | None = None, modem: Modem | None = None) -> Message:
    """Return a `state` of a gateway that watches these."""
    health = supply_figures(supply) if supply else {}
    health |= modem_figures(modem) if modem else {}
    payload = messages.encode(State(online=True, at_ms=0, health=health))
    return Message(topic=topics.gateway_topic("cabinet", "state"), payload=payload)


def history(database: Database, alert: str) -> list[tuple[str, str]]:
    with database.read() as connection:
        events = alerts.get_alert(connection, alert).events
    return [(event.event.value, event.note) for event in events]


def reasons(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(schema.holds.c.reason)))


BATTERY = Supply(mains=False, battery_percent=40.0)


def test_on_battery_it_is_an_alert_and_silent_then_the_same_alert_says_power(
    database: Database,
) -> None:
    clock = ManualClock()
    line = new_line(database, clock)
    line.take([birth(), said(supply=Supply(mains=True))])
    wait(line, clock, 60)
    line.take([said(supply=BATTERY)])
    assert wait(line, clock, 9) == 0
    assert wait(line, clock, 2) == 1
    (alert,) = listed(database)
    assert (alert.rule, alert.severity) == ("gateway.power", Severity.MEDIUM)
    assert alert.due_ms - alert.began_ms == 10_000
    line.take([state(online=False)])
    assert wait(line, clock, 61) == 1
    (alert,) = listed(database)
    assert (alert.rule, alert.severity, alert.state) == (
        "gateway.power",
        Severity.HIGH,
        AlertState.UNACK,
    )
    notes = [note for _, note in history(database, alert.id)]
    assert notes[0].endswith("gateway without mains, on battery, 40 % left")
    assert notes[-1].endswith("gateway offline")
    (reason,) = reasons(database)
    assert "gateway without mains" in reason
    assert wait(line, clock, 500) == 0
    line.take([said(supply=Supply(mains=True))])
    assert wait(line, clock, 31) == 1
    assert listed(database)[0].state is AlertState.RTNUN


def test_what_a_gateway_said_last_outlives_intake(database: Database) -> None:
    """Its will overwrites its state; the figures stay."""
    clock = ManualClock()
    line = new_line(database, clock)
    line.take([birth(), said(supply=BATTERY)])
    line.take([state(online=False)])
    again = new_line(database, clock)
    assert wait(again, clock, 70) == 1
    assert [alert.rule for alert in listed(database)] == ["gateway.power"]
    third = new_line(database, clock)
    assert wait(third, clock, 70) == 0
    third.take([state(online=True)])
    assert wait(third, clock, 31) == 1  # it watches its mains no more


def test_a_modem_that_was_weak_or_cut_off_is_named(database: Database) -> None:
    clock = ManualClock()
    line = new_line(database, clock)
    line.take([birth(), said(modem=Modem(sim=True, registered=True, signal_percent=8.0))])
    assert wait(line, clock, 400) == 0
    line.take([state(online=False)])
    assert wait(line, clock, 61) == 1
    (alert,) = listed(database)
    assert (alert.rule, alert.severity) == ("gateway.modem", Severity.HIGH)
    assert "signal weak (8 %)" in history(database, alert.id)[0][1]
    assert "signal weak (8 %)" in reasons(database)[0]
    line.take([said(modem=Modem(sim=False, registered=False))])
    assert wait(line, clock, 100) == 0  # there by another way, and still without SIM
    line.take([said(modem=Modem(sim=True, registered=True, signal_percent=70.0))])
    assert wait(line, clock, 31) == 1


def test_devices_that_are_silent_behind_it_are_suppressed_for_that_reason(
    database: Database,
) -> None:
    clock = ManualClock()
    line = Line(database, SILENCE, ZONE, clock, policy=AlertPolicy(start_rest_s=0))
    reading = Reading("gas-1", "gas_pressure", clock.now_ms(), 2.0)
    data = codec.encode_batch(Batch(epoch=EPOCH, seq=1, readings=(reading,), gaps=()))
    line.take([birth(), Message(topic=topics.gateway_topic("cabinet", "data"), payload=data)])
    line.take([said(supply=BATTERY), state(online=False)])
    for _ in range(40):
        wait(line, clock, 10)
    found = {alert.rule: alert for alert in listed(database)}
    assert found["gas.silent"].state is AlertState.DSUPR
    assert "gateway without mains" in history(database, found["gas.silent"].id)[0][1]
    assert found["gateway.power"].state is AlertState.UNACK
