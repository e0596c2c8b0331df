"""A database, people to be told, and channels that remember: what tests of telling share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import alert_desk, alerts
from cloud.alert_desk import Person as Clerk
from cloud.alert_duties import Duties
from cloud.core.alert_policy import AlertPolicy
from cloud.core.channel_life import DeadWhen
from cloud.core.flood import Bounds
from cloud.core.model import ConditionEvent, Role, Severity
from cloud.core.rota import Hours, Rota, Shift
from cloud.core.rules import RuleSet
from cloud.core.telling import Quiet, Route, Step, Way
from cloud.notify import log
from cloud.notify.courier import Courier
from cloud.notify.log import Entry
from cloud.notify.planner import Planner
from cloud.notify.policy import Person, Policy
from cloud.notify.rows import Fate
from cloud.ports import Notice
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import ManualClock
from contract.errors import GridwardenError
from tests.cloud.alert_kit import RULES, T0_MS, fill
from tests.cloud.core.rule_kit import make_rule

ZONE = ZoneInfo("Asia/Shanghai")
NOW_MS = T0_MS + 2 * 3_600_000  # 12:00 local
CRITICAL = make_rule(id="worst", severity=Severity.CRITICAL)
ALL = RuleSet(rules=(*RULES.rules, CRITICAL), fingerprint="f")
ALWAYS = (Shift(days=frozenset(range(7)), hours=Hours(from_min=0, to_min=1440), people=("wang",)),)


def person(name: str, *ways: Way, language: str = "en") -> Person:
    at_mail = Way(channel="mail", to=f"{name}@city.example")
    return Person(id=name, name=name.title(), language=language, ways=ways or (at_mail,))


POLICY = Policy(
    base_url="https://city.example",
    people={name: person(name) for name in ("li", "wang", "boss", "desk")},
    default=("desk",),
    rotas={"noise": Rota(name="noise", units=("文化路街道办",), week=ALWAYS)},
    routes=(
        Route(
            name="noise",
            kinds=("noise",),
            steps=(Step(after_s=0, tell=("unit", "li")), Step(after_s=900, tell=("boss",))),
        ),
        Route(name="rest", steps=(Step(after_s=0, tell=("desk",)),)),
    ),
    flood=Bounds(begins=10, ends=5, window_ms=600_000),
    dead=DeadWhen(failures=3),
)
NIGHT = Quiet(hours=Hours(from_min=22 * 60, to_min=7 * 60), below=Severity.HIGH)


@dataclass
class FakeChannel:
    """Takes everything, until told otherwise."""

    taken: list[Notice] = field(default_factory=list)
    error: GridwardenError | None = None

    def send(self, notice: Notice) -> None:
        if self.error is not None:
            raise self.error
        self.taken.append(notice)


class Town:
    """Alerts happen, time goes by, and people are told. Channels: mail, sms."""

    def __init__(self, database: Database, policy: Policy = POLICY) -> None:
        self.database = database
        self.policy = policy
        self.clock = ManualClock(NOW_MS)
        self.channels = {"mail": FakeChannel(), "sms": FakeChannel()}
        self.alert_policy = AlertPolicy(group_within_s=0, reminder_s=0, realarm_s=0)
        fill(database)
        self.restart()

    def restart(self) -> None:
        """Forget everything that is not in the database."""
        kinds = dict.fromkeys(self.channels, "fake")
        self.planner = Planner(self.database, self.policy, kinds, ZONE)
        self.planner.start()
        self.couriers = [
            Courier(self.database, name, channel, self.policy, self.clock)
            for name, channel in self.channels.items()
        ]

    def say(self, *events: ConditionEvent) -> list[str]:
        """Have the engine say something, and return the alerts."""
        with self.database.write() as connection:
            now_ms = self.clock.now_ms()
            changes = alerts.apply(connection, events, ALL, now_ms, self.alert_policy)
        return [change.alert for change in changes]

    def acknowledge(self, alert: str) -> None:
        with self.database.write() as connection:
            alerts.acknowledge(connection, alert, "ming", self.clock.now_ms())

    def shelve(self, alert: str, for_s: float) -> None:
        clerk = Clerk(name="ming", role=Role.ADMIN, at_ms=self.clock.now_ms())
        with self.database.write() as connection:
            alert_desk.shelve(connection, alert, "known leak", for_s, clerk, ALL.by_id)

    def duties(self) -> None:
        """Do what falls due of alerts."""
        with self.database.write() as connection:
            duties = Duties.load(connection, ALL, self.alert_policy)
            duties.step(connection, self.clock.now_ms())

    def plan(self) -> None:
        while self.planner.step(self.clock.now_ms()):
            pass

    def deliver(self) -> None:
        for courier in self.couriers:
            while courier.step():
                pass

    def work(self, after_s: float = 0.0) -> list[tuple[str, str]]:
        """Let time go by, plan and deliver; return who took what since the last call."""
        self.clock.advance_ms(round(after_s * 1000))
        seen = {name: len(channel.taken) for name, channel in self.channels.items()}
        self.plan()
        self.deliver()
        fresh = [
            notice
            for name, channel in self.channels.items()
            for notice in channel.taken[seen[name] :]
        ]
        return [(notice.to.partition("@")[0], notice.what) for notice in fresh]

    def entries(self, *states: Fate) -> list[Entry]:
        """Return what is written down, the first one first."""
        with self.database.read() as connection:
            return log.entries(connection, states=states, limit=500).entries[::-1]

    def more_meters(self, number: int) -> Sequence[int]:
        """Enter more noise meters, and return their series."""
        found = list(range(100, 100 + number))
        common = {"gateway": "g", "profile": "p", "name": "", "address": "", "tags": {}}
        with self.database.write() as connection:
            connection.execute(
                sa.insert(schema.devices),
                [
                    common
                    | {
                        "id": f"n-{n}",
                        "kind": "noise",
                        "asset": "",
                        "owner": "",
                        "first_seen_ms": 0,
                    }
                    for n in found
                ],
            )
            connection.execute(
                sa.insert(schema.series),
                [{"id": n, "device": f"n-{n}", "measurement": "noise_laeq"} for n in found],
            )
        return found


def of(event: ConditionEvent, series: int) -> ConditionEvent:
    """Return the same event on another meter."""
    return replace(event, series=series, device=f"n-{series}")
