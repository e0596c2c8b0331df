"""A gateway that goes and comes, through the whole line: messages in, alerts out."""

from __future__ import annotations

import sqlalchemy as sa

from cloud import alerts
from cloud.alerts import Alert
from cloud.core.isa_18_2 import State as AlertState
from cloud.pipeline import Line, Message
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.queries import devices, gateways
from contract import messages, topics
from contract.clock import ManualClock
from contract.messages import State
from tests.cloud.test_pipeline import birth, new_line


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
