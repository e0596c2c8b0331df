"""What users of other platforms suffer with alarms, each complaint a test, on the cloud's own line.

Reminders (thingsboard #7898) and alarms that never raise again (#11434) are in test_alert_life.py.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloud.alert_rows import Alert
from cloud.alerts import list_alerts
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.checks import NoData
from cloud.core.isa_18_2 import State
from cloud.core.rules import Rule, RuleSet, Schedule
from cloud.pipeline import Line, Message
from cloud.state import schema
from cloud.state.database import Database
from contract import codec, messages, topics
from contract.clock import ManualClock
from contract.messages import Birth, DeviceBirth
from contract.readings import Batch, Reading
from tests.cloud.core.rule_kit import make_rule

ZONE = ZoneInfo("Asia/Shanghai")
PERIOD_S = 10


class Street:
    """A cabinet with a noise meter that is read every ten seconds, and the cloud."""

    def __init__(self, database: Database, *rules: Rule, begins: time = time(10)) -> None:
        self.policy = POLICY
        self.database = database
        began = datetime.combine(date(2026, 9, 22), begins, ZONE).astimezone(UTC)
        self.clock = ManualClock(round(began.timestamp() * 1000))
        self.begins_ms = self.clock.now_ms()
        self._rules = RuleSet(rules=rules, fingerprint="test")
        self._seq = 0
        self.restart()
        self.line.take([self._birth()])

    def restart(self) -> None:
        """Let intake start anew."""
        self.line = Line(self.database, self._rules, ZONE, self.clock, policy=self.policy)

    def message(self, *readings: tuple[float, str, float]) -> Message:
        """Return a batch of (seconds since the beginning, measurement, value)."""
        self._seq += 1
        told = tuple(
            Reading("meter", name, self.begins_ms + round(at_s * 1000), value)
            for at_s, name, value in readings
        )
        batch = Batch(epoch="0123abcd", seq=self._seq, readings=told)
        topic = topics.gateway_topic("cabinet", "data")
        return Message(topic=topic, payload=codec.encode_batch(batch))

    def live(self, *values: float, name: str = "noise_laeq") -> None:
        """Let values come one after the other, each as it is read."""
        for value in values:
            self.line.take([self.message((self.now_s(), name, value))])
            self.clock.advance_ms(PERIOD_S * 1000)

    def idle_until(self, at_s: float) -> None:
        """Let time pass while nothing comes."""
        while self.now_s() < at_s:
            self.clock.advance_ms(1000)
            if not self.line.is_settled():
                self.line.take([])

    def now_s(self) -> float:
        """Return seconds since the beginning."""
        return (self.clock.now_ms() - self.begins_ms) / 1000

    def alerts(self) -> list[Alert]:
        """Return all alerts, newest first."""
        with self.database.read() as connection:
            return list_alerts(connection).alerts

    def told(self) -> list[str]:
        """Return what was put in the outbox."""
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(schema.outbox.c.topic)))

    def _birth(self) -> Message:
        meter = DeviceBirth(
            id="meter", kind="noise", profile="x", period_s=PERIOD_S, measurements=()
        )
        born = Birth(
            gateway="cabinet", agent_version="1", config_version="1", born_ms=1, devices=(meter,)
        )
        topic = topics.gateway_topic("cabinet", "birth")
        return Message(topic=topic, payload=messages.encode(born))


def test_thingsboard_7943_a_value_that_hovers_about_its_limit_is_one_alarm(
    database: Database,
) -> None:
    street = Street(database, make_rule(deadband=3.0))
    street.live(61.0, 59.0, 61.0, 58.0, 60.5, 57.5, 62.0)
    assert [alert.state for alert in street.alerts()] == [State.UNACK]
    assert street.told() == ["alert.raised"]
    street.live(57.0)
    assert street.told() == ["alert.raised", "alert.returned"]


def test_thingsboard_14210_a_gap_in_the_data_fulfils_no_duration(database: Database) -> None:
    street = Street(database, make_rule(on_delay_s=300.0))
    street.live(61.0)
    street.clock.advance_ms(3_600_000)
    street.live(61.0)
    assert street.alerts() == []
    street.live(*[61.0] * 30)
    (alert,) = street.alerts()
    assert alert.began_ms == street.begins_ms + 3_610_000


def test_thingsboard_14210_a_backlog_is_judged_by_when_it_was_read(database: Database) -> None:
    """Ten minutes come at once: by the wall clock nothing lasted, by the readings it did."""
    street = Street(database, make_rule(on_delay_s=300.0))
    street.clock.advance_ms(600_000)
    backlog = [(10.0 * n, "noise_laeq", 61.0) for n in range(60)]
    street.line.take([street.message(*backlog[:15])])
    street.line.take([street.message(*backlog[15:30])])
    assert street.alerts() == []  # 290 s
    street.line.take([street.message(*backlog[30:])])
    (alert,) = street.alerts()
    assert alert.began_ms == street.begins_ms


def test_thingsboard_14210_a_backlog_that_comes_slowly_lasts_no_longer(database: Database) -> None:
    """Twenty seconds of readings trickle in over an hour: no five minutes were beyond."""
    street = Street(database, make_rule(on_delay_s=300.0))
    for at_s in (0.0, 10.0, 20.0):
        street.clock.advance_ms(1_200_000)
        street.line.take([street.message((at_s, "noise_laeq", 61.0))])
    assert street.alerts() == []


def test_thingsboard_pr_16118_a_schedule_opens_while_the_value_is_already_beyond(
    database: Database,
) -> None:
    night = make_rule(schedule=Schedule.NIGHT, limit=50.0, on_delay_s=30.0)
    street = Street(database, night, begins=time(21, 59))
    street.live(*[55.0] * 6)
    assert street.alerts() == []
    street.live(*[55.0] * 4)
    (alert,) = street.alerts()
    assert alert.began_ms == street.begins_ms + 60_000  # 22:00


@pytest.mark.parametrize("at_once", [True, False], ids=["one commit", "a commit each"])
def test_thingsboard_15583_messages_at_nearly_the_same_time_are_one_alarm(
    database: Database, at_once: bool
) -> None:
    """And #2986. The same reading twice, the next a millisecond later, an older one last."""
    street = Street(database, make_rule())
    near = [(0.0, 61.0), (0.0, 61.0), (0.001, 62.0), (0.002, 63.0), (0.001, 62.5)]
    sent = [street.message((at_s, "noise_laeq", value)) for at_s, value in near]
    for part in [sent] if at_once else [[message] for message in sent]:
        street.line.take([*part, *part])  # the broker doubles them too
    assert len(street.alerts()) == 1
    assert street.told() == ["alert.raised"]


def test_thingsboard_2986_nor_are_there_two_after_a_restart(database: Database) -> None:
    street = Street(database, make_rule())
    first, second = (street.message((at_s, "noise_laeq", 61.0)) for at_s in (0.0, 0.001))
    street.line.take([first])
    street.restart()
    street.line.take([first, second])
    assert street.told() == ["alert.raised"]


SILENT = make_rule(
    id="silent", measurements=(), check=NoData(periods=6), limit=0.5, unit="", deadband=0.0
)


def test_thingsboard_14013_one_sensor_of_a_device_falls_silent(database: Database) -> None:
    street = Street(database, SILENT)
    street.live(50.0)
    street.live(*[50.0] * 20, name="noise_lmax")
    (alert,) = street.alerts()
    assert (alert.measurement, alert.began_ms) == ("noise_laeq", street.begins_ms + 60_000)


def test_thingsboard_6821_silence_is_told_when_it_is_due(database: Database) -> None:
    street = Street(database, SILENT)
    street.live(*[50.0] * (round(POLICY.start_rest_s) // PERIOD_S))
    missed_s = street.now_s() - PERIOD_S + 60
    street.idle_until(missed_s + POLICY.lag_s - 1)
    assert street.alerts() == []
    street.idle_until(missed_s + POLICY.lag_s + 2)
    (alert,) = street.alerts()
    assert alert.began_ms == street.begins_ms + round(missed_s * 1000)
    street.live(50.0)
    assert [alert.state for alert in street.alerts()] == [State.RTNUN]


def test_an_installation_sets_how_long_silence_waits_for_what_is_on_its_way(
    database: Database,
) -> None:
    street = Street(database, SILENT)
    street.policy = AlertPolicy(lag_s=5.0, start_rest_s=300.0)
    street.restart()
    street.live(50.0)
    street.idle_until(299)
    assert street.alerts() == []
    street.idle_until(303)
    assert len(street.alerts()) == 1
    street.live(*[50.0] * 2)
    street.idle_until(street.now_s() - PERIOD_S + 60 + 4)
    assert len(street.alerts()) == 1
    street.idle_until(street.now_s() + 3)
    assert [alert.state for alert in street.alerts()] == [State.UNACK]


def test_thingsboard_6821_data_that_are_on_their_way_are_not_missed(database: Database) -> None:
    street = Street(database, SILENT)
    street.live(*[50.0] * 6)
    waiting = [street.message((street.now_s() + 10.0 * n, "noise_laeq", 50.0)) for n in range(7)]
    street.idle_until(street.now_s() + 60 + POLICY.lag_s - PERIOD_S - 2)
    street.line.take(waiting)
    street.idle_until(street.now_s() + 10)
    assert street.alerts() == []
