"""Cases that are due soon or overdue: who is told, once, and that it is written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.cases.timers import tick
from cloud.core.model import Severity
from cloud.core.rota import Hours, How
from cloud.core.telling import What
from cloud.notify.case_dues import MOST
from cloud.notify.rows import Fate
from cloud.state.database import Database
from tests.cloud.cases.case_kit import HOUR_MS, arise, look
from tests.cloud.notify.town import NIGHT, POLICY, Town

CASES = {What.DUE_SOON: ("unit",), What.OVERDUE: ("unit", "boss")}


@pytest.fixture
def town(database: Database) -> Town:
    return Town(database, replace(POLICY, routes=(), cases=CASES))


def at_due(town: Town, case: str, after_ms: int = 0) -> None:
    """Go to a case's due time, and have its clock looked at."""
    due_ms = look(town.database, case).case.due_ms or 0
    town.clock.advance_ms(due_ms + after_ms - town.clock.now_ms())
    tick(town.database, town.clock.now_ms())


def test_the_units_rota_is_told_before_and_those_named_after(town: Town) -> None:
    case = arise(town.database, 0)
    at_due(town, case, -HOUR_MS)
    assert town.work() == [("wang", "due soon")]
    at_due(town, case)
    assert town.work() == [("wang", "overdue"), ("boss", "overdue")]
    (notice, *_) = town.channels["mail"].taken
    assert (notice.case, notice.link) == (case, f"https://city.example/cases/{case}")
    assert case in notice.subject
    assert "文化路街道办" in notice.body
    first = town.entries()[0]
    assert (first.case, first.alert, first.state) == (case, "", Fate.SENT)
    assert (first.why.how, first.why.route) == (How.WEEK, "cases")


def test_nothing_is_told_twice_or_passed_over_at_a_restart(town: Town) -> None:
    case = arise(town.database, 0)
    at_due(town, case)
    town.plan()
    town.restart()
    assert {what for _, what in town.work()} == {"overdue"}
    town.restart()
    assert town.work() == []


def test_what_happened_before_there_were_channels_is_not_told(database: Database) -> None:
    town = Town(database, replace(POLICY, routes=(), cases={}))
    case = arise(database, 0)
    at_due(town, case)
    assert town.work() == []


def test_quiet_hours_hold_it(database: Database) -> None:
    night = replace(NIGHT, below=Severity.CRITICAL, hours=Hours(from_min=0, to_min=1440))
    town = Town(database, replace(POLICY, routes=(), cases=CASES, quiet=(night,)))
    case = arise(database, 0)
    at_due(town, case)
    assert town.work() == []
    assert {entry.hold for entry in town.entries(Fate.WAITING)} == {"quiet"}


def test_many_at_once_are_all_told(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST > 1
    monkeypatch.setattr("cloud.notify.case_dues.MOST", 1)
    case = arise(town.database, 0)
    at_due(town, case, -HOUR_MS)
    at_due(town, case)
    assert len(town.work()) == 3
