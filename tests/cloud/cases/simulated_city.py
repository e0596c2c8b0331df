"""A city's weeks, seeded: people's reports, sensors' alerts, and the steps of their cases."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from enum import StrEnum

import sqlalchemy as sa

from cloud import alerts
from cloud.cases import matters, reports
from cloud.cases.ledger import Ledger
from cloud.cases.outbox import drain
from cloud.cases.reports import Report
from cloud.cases.steps import Given, take
from cloud.cases.timers import tick
from cloud.core.case_steps import Step
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent
from cloud.errors import ConflictError, InvalidError
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import RULES
from tests.cloud.cases.case_kit import ANYBODY, DAY_MS, HOUR_MS, POLICY, SHANGHAI

BEGINS_MS = 1_788_624_000_000  # 2026-09-06 00:00 in Shanghai
UNITS = ("城管执法大队", "市政养护", "燃气公司")
CATEGORIES = ("05-08", "03-02", "01-05")
SENSORS = 4
TICK_MS = 8 * HOUR_MS


class What(StrEnum):
    """What happens."""

    TOLD = "told"
    BEYOND = "beyond"
    NORMAL = "normal"
    TICK = "tick"
    STEP = "step"


Happening = tuple[int, int, What, str, Step]
# What people do with a case in a state, how likely; what is not there waits.
WAYS: dict[str, tuple[tuple[Step, int], ...]] = {
    "reported": ((Step.ACCEPT, 90), (Step.REFUSE, 5), (Step.MERGE, 5)),
    "opened": ((Step.DISPATCH, 90), (Step.VOID, 4), (Step.MERGE, 6)),
    "dispatched": (
        (Step.HANDLE, 70),
        (Step.RETURN, 9),
        (Step.EXTEND, 9),
        (Step.DEFER, 6),
        (Step.SPLIT, 6),
    ),
    "deferred": ((Step.RESUME, 1),),
    "handled": ((Step.VERIFY, 88), (Step.REWORK, 12)),
    "verified": ((Step.CLOSE, 90), (Step.REWORK, 10)),
}
LEFT_LYING = 0.03


@dataclass(slots=True)
class City:
    """The city while its time goes on. planned: cases that somebody will do something about."""

    database: Database
    chance: random.Random
    happenings: list[Happening] = field(default_factory=list)
    planned: set[str] = field(default_factory=set)
    number: int = 0

    def plan(self, at_ms: int, what: What, about: str = "", step: Step = Step.OPEN) -> None:
        self.number += 1
        heapq.heappush(self.happenings, (at_ms, self.number, what, about, step))

    def later(self, at_ms: int, hours: float) -> int:
        return at_ms + HOUR_MS // 4 + round(self.chance.expovariate(1 / (hours * HOUR_MS)))


def simulate(database: Database, cases: int, days: int, seed: int) -> None:
    """Let so many be told within so many days, sensors alert, and time go on a while after."""
    city = City(database, random.Random(seed))
    ends_ms = BEGINS_MS + (days + 6) * DAY_MS
    _enter_sensors(database)
    for _ in range(cases):
        city.plan(BEGINS_MS + city.chance.randrange(days * DAY_MS), What.TOLD)
    for sensor in range(1, SENSORS + 1):
        city.plan(city.later(BEGINS_MS, 48), What.BEYOND, str(sensor))
    for at_ms in range(BEGINS_MS, ends_ms, TICK_MS):
        city.plan(at_ms, What.TICK)
    while city.happenings and city.happenings[0][0] < ends_ms:
        _happen(city, *heapq.heappop(city.happenings))


def _happen(city: City, at_ms: int, _: int, what: What, about: str, step: Step) -> None:
    match what:
        case What.TOLD:
            with city.database.write() as connection:
                _tell(connection, city.chance, at_ms)
        case What.BEYOND:
            _say(city, _began(int(about), at_ms), at_ms)
            city.plan(city.later(at_ms, 40), What.NORMAL, about)
        case What.NORMAL:
            _say(city, _ended(int(about), at_ms), at_ms)
            city.plan(city.later(at_ms, 80), What.BEYOND, about)
        case What.TICK:
            while tick(city.database, at_ms, POLICY).overdue:
                pass
        case What.STEP:
            city.planned.discard(about)
            _try(city, about, step, at_ms)
    _plan_ahead(city, at_ms)


def _plan_ahead(city: City, at_ms: int) -> None:
    """Let somebody take up each case that nobody has; some are left lying for good."""
    query = "SELECT id, state FROM cases WHERE state NOT IN ('closed','refused','void','merged')"
    with city.database.read() as connection:
        rows = connection.execute(sa.text(query)).all()
    for case, state in rows:
        if case in city.planned:
            continue
        city.planned.add(case)
        if city.chance.random() < LEFT_LYING:
            continue
        steps, weights = zip(*WAYS[state], strict=True)
        (step,) = city.chance.choices(steps, weights)
        city.plan(city.later(at_ms, 14), What.STEP, case, step)


def _try(city: City, case: str, step: Step, at_ms: int) -> None:
    """Do it, unless the case has gone another way meanwhile, or has nothing to do it with."""
    try:
        with city.database.write() as connection:
            match step:
                case Step.MERGE:
                    _merge(connection, case, at_ms, city.chance)
                case Step.SPLIT:
                    _split(connection, case, at_ms)
                case _:
                    _take(connection, case, step, at_ms, city.chance)
    except (ConflictError, InvalidError):
        return


def _tell(connection: sa.Connection, chance: random.Random, at_ms: int) -> None:
    report = Report(
        source=chance.choice(("phone", "app")),
        category=chance.choice(CATEGORIES),
        description="看见的",
        address=f"文化路 {at_ms}",
    )
    reports.file_report(connection, report, ANYBODY, at_ms, SHANGHAI)


def _take(
    connection: sa.Connection, case: str, step: Step, at_ms: int, chance: random.Random
) -> None:
    seen = sa.text("SELECT version, handle_due_ms FROM cases WHERE id = :case")
    version, due_ms = connection.execute(seen, {"case": case}).one()
    given = Given(
        note="情况",
        until_ms=max(at_ms, due_ms or 0) + chance.randrange(HOUR_MS, 3 * DAY_MS),
        unit=chance.choice(UNITS) if step is Step.DISPATCH else "",
        satisfaction=chance.choice((None, 1, 3, 4, 5)) if step is Step.CLOSE else None,
    )
    take(connection, case, step, ANYBODY, version, given, at_ms)


def _merge(connection: sa.Connection, case: str, at_ms: int, chance: random.Random) -> None:
    others = "SELECT id FROM cases WHERE state IN ('opened', 'dispatched') AND id <> :case"
    found = list(connection.scalars(sa.text(others + " ORDER BY id"), {"case": case}))
    if found:
        matters.merge(
            connection, case, chance.choice(found), ANYBODY, _version(connection, case), "", at_ms
        )


def _split(connection: sa.Connection, case: str, at_ms: int) -> None:
    table = schema.case_alerts
    query = sa.select(table.c.alert).where(table.c.case == case).order_by(table.c.alert)
    evidence = list(connection.scalars(query))
    matters.split(
        connection,
        case,
        evidence[:1],
        "03-01",
        f"another-{at_ms}",
        ANYBODY,
        _version(connection, case),
        "",
        at_ms,
        SHANGHAI,
    )


def _version(connection: sa.Connection, case: str) -> int:
    query = sa.text("SELECT version FROM cases WHERE id = :case")
    version: int = connection.execute(query, {"case": case}).scalar_one()
    return version


# --- sensors -----------------------------------------------------------------------------------


def _enter_sensors(database: Database) -> None:
    numbers = range(1, SENSORS + 1)
    common = {"gateway": "g", "profile": "p", "kind": "noise", "name": "", "address": ""}
    with database.write() as connection:
        devices = [
            common
            | {"id": f"meter-{n}", "asset": f"M-{n}", "owner": UNITS[n % 3], "tags": {}}
            | {"first_seen_ms": 0}
            for n in numbers
        ]
        connection.execute(sa.insert(schema.devices), devices)
        series = [{"id": n, "device": f"meter-{n}", "measurement": "noise_laeq"} for n in numbers]
        connection.execute(sa.insert(schema.series), series)


def _say(city: City, event: ConditionEvent, at_ms: int) -> None:
    """Raise or return the alert, and let it through the gate."""
    with city.database.write() as connection:
        alerts.apply(connection, [event], RULES, at_ms)
    drain(city.database, Ledger(SHANGHAI, POLICY), POLICY, at_ms)


def _began(sensor: int, at_ms: int) -> ConditionBegan:
    rule = RULES.by_id["loud"]
    return ConditionBegan(
        rule=rule.id,
        rule_version=rule.version,
        device=f"meter-{sensor}",
        series=sensor,
        severity=rule.severity,
        began_ms=at_ms - 10_000,
        due_ms=at_ms,
        observed_ms=at_ms,
        value=72.5,
        limit=rule.limit,
    )


def _ended(sensor: int, at_ms: int) -> ConditionEnded:
    return ConditionEnded(
        rule="loud",
        device=f"meter-{sensor}",
        series=sensor,
        ended_ms=at_ms - 10_000,
        observed_ms=at_ms,
        value=50.0,
    )
