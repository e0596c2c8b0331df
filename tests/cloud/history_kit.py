"""A line that takes readings in any order, and what the alerts say when all have come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import condition_log, hindsight
from cloud.core.alert_policy import POLICY
from cloud.core.model import ConditionBegan, ConditionEvent, Device, Series
from cloud.core.rules import Rule, RuleSet
from cloud.pipeline import Line, Message
from cloud.state import schema
from cloud.state.database import Database
from contract import codec, messages, topics
from contract.clock import ManualClock
from contract.messages import Birth, DeviceBirth
from contract.quality import Quality
from contract.readings import Batch, Reading
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_engine import ReferenceEngine
from tests.cloud.core.rule_kit import T0_MS

ZONE = ZoneInfo("Asia/Shanghai")
EPOCH = "0123abcd"


class Street:
    """One gateway with noise meters of a 10 s period, a database, and lines that come and go."""

    def __init__(
        self,
        database: Database,
        rules: Sequence[Rule],
        *devices: str,
        now_s: float = 600.0,
        births: Sequence[DeviceBirth] = (),
    ) -> None:
        self.database = database
        self.policy = POLICY
        self.rules = RuleSet(rules=tuple(rules), fingerprint="test")
        self.clock = ManualClock(T0_MS + round(1000 * now_s))
        self.births = tuple(births) or tuple(map(noise_meter, devices or ("noise-1",)))
        self._seq = count(1)
        self.restart()
        self.line.take([self._birth()])

    def restart(self) -> None:
        """Lose the memory, as kill -9 does."""
        self.line = Line(self.database, self.rules, ZONE, self.clock, policy=self.policy)

    def say(self, *readings: tuple[float, float | None], device: str = "noise-1") -> None:
        """Take one batch of (seconds after T0, value) of a device's LAeq."""
        self.take([(device, s, value) for s, value in readings])

    def take(self, readings: Iterable[tuple[str, float, float | None]]) -> None:
        """Take one batch of (device, seconds after T0, value)."""
        self.commit(
            Reading(device, "noise_laeq", T0_MS + round(1000 * s), value, quality_of(value))
            for device, s, value in readings
        )

    def commit(self, readings: Iterable[Reading]) -> None:
        """Take one batch."""
        batch = Batch(epoch=EPOCH, seq=next(self._seq), readings=tuple(readings))
        payload = codec.encode_batch(batch)
        self.line.take([Message(topic=topics.gateway_topic("cabinet", "data"), payload=payload)])

    def look_back(self) -> None:
        """Wait until late readings have been quiet, and run the pass to its end."""
        self.clock.advance_ms(round(1000 * hindsight.QUIET_S))
        while self.line.has_history(busy=False):
            self.line.look_back()

    def rows(self, table: sa.Table) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(sa.select(table)))

    def alerts(self) -> list[Any]:
        """Return the alerts' rows, by when they began."""
        return sorted(self.rows(schema.alerts), key=lambda row: (row.began_ms, row.rule))

    def told(self) -> list[str]:
        """Return the topics of what is to be told, in order."""
        return [row.topic for row in self.rows(schema.outbox)]

    def recorded(self) -> list[ConditionEvent]:
        """Return the record of conditions, in its order."""
        numbers = [row.id for row in self.rows(schema.series)]
        with self.database.read() as connection:
            return [one.event for one in condition_log.since(connection, numbers, 0)]

    def truth(self, readings: Sequence[tuple[str, float, float | None]]) -> list[ConditionEvent]:
        """Return what the reference engine finds in the ordered, undoubled stream."""
        number = {row.device: row.id for row in self.rows(schema.series)}
        reference = ReferenceEngine(list(self.rules.rules), ZONE)
        self._bind(reference, number)
        return reference.evaluate(self._ordered(readings, number))

    def truth_with_changes(
        self,
        readings: Sequence[tuple[str, float, float | None]],
        changes: Sequence[tuple[float, Sequence[Rule]]],
    ) -> list[ConditionEvent]:
        """Return the same where rules change at (seconds after T0)."""
        number = {row.device: row.id for row in self.rows(schema.series)}
        reference = ReferenceEngine(list(self.rules.rules), ZONE)
        self._bind(reference, number)
        left, found = self._ordered(readings, number), list[ConditionEvent]()
        for at_s, rules in changes:
            at_ms = T0_MS + round(1000 * at_s)
            found += reference.evaluate([one for one in left if one.at_ms < at_ms])
            found += reference.change(list(rules), at_ms)
            left = [one for one in left if one.at_ms >= at_ms]
        return found + reference.evaluate(left)

    def _bind(self, reference: ReferenceEngine, number: Mapping[str, int]) -> None:
        reference.bind(
            [
                Series(
                    id=number[name],
                    device=Device(id=name, kind="noise", period_s=10.0),
                    measurement="noise_laeq",
                )
                for name in number
            ]
        )

    def _ordered(
        self,
        readings: Sequence[tuple[str, float, float | None]],
        number: Mapping[str, int],
    ) -> list[Plain]:
        at = {(device, s): value for device, s, value in reversed(readings)}
        ordered = sorted(at.items(), key=lambda one: (one[0][1], one[0][0]))
        return [
            Plain(number[d], T0_MS + round(1000 * s), value, quality_of(value))
            for (d, s), value in ordered
        ]

    def _birth(self) -> Message:
        said = Birth(
            gateway="cabinet",
            agent_version="1",
            config_version="1",
            born_ms=1,
            devices=self.births,
        )
        return Message(
            topic=topics.gateway_topic("cabinet", "birth"), payload=messages.encode(said)
        )


def noise_meter(name: str) -> DeviceBirth:
    return DeviceBirth(id=name, kind="noise", profile="x", period_s=10, measurements=())


def quality_of(value: float | None) -> Quality:
    return Quality.COMMUNICATION if value is None else Quality.NORMAL


def in_order(events: Iterable[ConditionEvent]) -> list[ConditionEvent]:
    """Return events in an order that does not depend on how they were found."""
    return sorted(
        events,
        key=lambda e: (e.observed_ms, e.rule, e.series, isinstance(e, ConditionBegan)),
    )
