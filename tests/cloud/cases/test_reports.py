from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from cloud.cases import reports, sealing
from cloud.cases.ledger import Case
from cloud.cases.reports import Report
from cloud.core.case_steps import State, Step
from cloud.core.gate import GatePolicy
from cloud.core.grid import parse_grid
from cloud.errors import ForbiddenError, InvalidError
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import began, fill
from tests.cloud.cases.case_kit import (
    ANYBODY,
    CREW,
    NOW_MS,
    POLICY,
    SHANGHAI,
    arise,
    do,
    look,
    say,
)
from tests.cloud.core.test_grid import feature, grid, square

LOUD = Report(
    source="phone",
    category="05-08",
    description="夜里很吵",
    latitude=39.5,
    longitude=116.5,
    tags={"keyword": "噪声", "area": "文化路"},
)
GRID = replace(POLICY, cells=parse_grid(grid(feature("A", square(116, 39), unit="东城"))))


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    with database.write() as connection:
        place = {"latitude": 39.5, "longitude": 116.501}  # 86 m to the east
        connection.execute(sa.update(schema.devices).values(**place))
    return database


def tell(database: Database, report: Report = LOUD, policy: GatePolicy = POLICY) -> Case:
    with database.write() as connection:
        return reports.file_report(connection, report, ANYBODY, NOW_MS, SHANGHAI, policy)


def test_a_report_waits_to_be_accepted(filled: Database) -> None:
    case = tell(filled, policy=GRID)
    assert (case.state, case.source, case.cell, case.unit) == (
        State.REPORTED,
        "phone",
        "A",
        "东城",
    )
    assert (case.device, case.tags, case.due_ms) == ("", LOUD.tags, None)
    accepted = do(filled, case.id, Step.ACCEPT)
    assert accepted.state is State.OPENED
    assert accepted.due_ms is not None
    assert do(filled, tell(filled).id, Step.REFUSE).state is State.REFUSED


def test_an_accepted_report_is_still_as_it_was_sealed(filled: Database) -> None:
    """Accepted, it is the case of the asset that it named."""
    case = tell(filled, replace(LOUD, asset="ZS-9"))
    accepted = do(filled, case.id, Step.ACCEPT)
    assert (case.asset, accepted.asset) == ("report-of:ZS-9", "ZS-9")
    with filled.read() as connection:
        assert sealing.verify(connection, case.id).broken is None


def test_it_is_held_against_the_sensors_near_it(filled: Database) -> None:
    alert = say(filled, began(0))
    case = tell(filled)
    assert [each.id for each in look(filled, case.id).alerts] == [alert.id]
    away = tell(filled, replace(LOUD, latitude=39.51))
    assert look(filled, away.id).alerts == []
    other = tell(filled, replace(LOUD, category="01-05"))
    assert look(filled, other.id).alerts == []


def test_what_is_known_is_not_opened_twice(filled: Database) -> None:
    case = arise(filled, 0)
    again = tell(filled, replace(LOUD, asset="GR-1"))
    assert again.id == case
    assert look(filled, case).trail[-1].note == "phone: 夜里很吵"


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (replace(LOUD, category="99"), "category '99' is none"),
        (replace(LOUD, source="crow"), "allowed: phone, app"),
        (replace(LOUD, tags={"mood": "bad"}), "allowed are keyword"),
        (replace(LOUD, description=" "), "needs a description"),
        (replace(LOUD, latitude=None), "needs a place"),
        (replace(LOUD, latitude=1.0), "outside every cell"),
    ],
)
def test_what_is_refused_and_leaves_nothing(filled: Database, report: Report, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        tell(filled, report, replace(GRID, outside_refused=True))
    with filled.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.cases)) == 0


def test_who_may_not_report(filled: Database) -> None:
    with filled.write() as connection, pytest.raises(ForbiddenError, match="collector"):
        reports.file_report(connection, LOUD, CREW, NOW_MS, SHANGHAI)
