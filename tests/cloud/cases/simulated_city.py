"""A city's month of cases, seeded, by the real steps of the ledger."""

from __future__ import annotations

import heapq
import random

import sqlalchemy as sa

from cloud.cases import reports
from cloud.cases.reports import Report
from cloud.cases.steps import Given, take
from cloud.cases.timers import tick
from cloud.core.case_steps import Step
from cloud.state.database import Database
from tests.cloud.cases.case_kit import ANYBODY, DAY_MS, HOUR_MS, SHANGHAI

BEGINS_MS = 1_788_624_000_000  # 2026-09-06 00:00 in Shanghai
SLOT_MS = DAY_MS
UNITS = ("城管执法大队", "市政养护", "燃气公司")
CATEGORIES = ("05-08", "03-02", "01-05")
Doing = tuple[int, int, str, Step]


def simulate(database: Database, cases: int, days: int, seed: int) -> None:
    """Let so many cases arise within so many days, and time go on a while after."""
    chance = random.Random(seed)
    doings: list[Doing] = []
    arising = sorted(BEGINS_MS + chance.randrange(days * DAY_MS) for _ in range(cases))
    number = 0
    for now_ms in range(BEGINS_MS, BEGINS_MS + (days + 6) * DAY_MS, SLOT_MS):
        with database.write() as connection:
            while arising and arising[0] < now_ms:
                at_ms = arising.pop(0)
                number += 1
                _plan(doings, number, _tell(connection, chance, at_ms), at_ms, chance)
            while doings and doings[0][0] < now_ms:
                at_ms, serial, case, step = heapq.heappop(doings)
                _do(connection, case, step, at_ms, chance)
                _follow(doings, serial, case, step, at_ms, chance)
        while tick(database, now_ms).overdue:
            pass


def _tell(connection: sa.Connection, chance: random.Random, at_ms: int) -> str:
    report = Report(
        source=chance.choice(("phone", "app")),
        category=chance.choice(CATEGORIES),
        description="看见的",
        address=f"文化路 {at_ms}",
    )
    return reports.file_report(connection, report, ANYBODY, at_ms, SHANGHAI).id


def _plan(doings: list[Doing], serial: int, case: str, at_ms: int, chance: random.Random) -> None:
    step = Step.REFUSE if chance.random() < 0.05 else Step.ACCEPT
    heapq.heappush(doings, (at_ms + chance.randrange(HOUR_MS), serial, case, step))


def _follow(
    doings: list[Doing], serial: int, case: str, step: Step, at_ms: int, chance: random.Random
) -> None:
    """Decide what comes next; some cases are left lying for good."""
    ways: dict[Step, tuple[tuple[Step, ...], tuple[int, ...]]] = {
        Step.ACCEPT: ((Step.DISPATCH, Step.VOID), (95, 5)),
        Step.DISPATCH: ((Step.HANDLE, Step.RETURN, Step.EXTEND, Step.DEFER), (75, 10, 10, 5)),
        Step.RETURN: ((Step.DISPATCH,), (1,)),
        Step.EXTEND: ((Step.HANDLE,), (1,)),
        Step.DEFER: ((Step.RESUME,), (1,)),
        Step.RESUME: ((Step.HANDLE,), (1,)),
        Step.HANDLE: ((Step.VERIFY, Step.REWORK), (9, 1)),
        Step.REWORK: ((Step.HANDLE,), (1,)),
        Step.VERIFY: ((Step.CLOSE, Step.REWORK), (9, 1)),
    }
    if step not in ways or chance.random() < 0.04:
        return
    steps, weights = ways[step]
    (following,) = chance.choices(steps, weights)
    later_ms = at_ms + round(chance.expovariate(1 / (14 * HOUR_MS)))
    heapq.heappush(doings, (later_ms, serial, case, following))


def _do(
    connection: sa.Connection, case: str, step: Step, at_ms: int, chance: random.Random
) -> None:
    seen = sa.text("SELECT version, handle_due_ms FROM cases WHERE id = :case")
    version, due_ms = connection.execute(seen, {"case": case}).one()
    given = Given(
        note="情况",
        until_ms=max(at_ms, due_ms or 0) + 3 * DAY_MS,
        unit=chance.choice(UNITS) if step is Step.DISPATCH else "",
        satisfaction=chance.choice((None, 1, 3, 4, 5)) if step is Step.CLOSE else None,
    )
    take(connection, case, step, ANYBODY, version, given, at_ms)
