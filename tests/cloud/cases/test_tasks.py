from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.cases import lists, matters, tasks
from cloud.cases.lists import Wanted
from cloud.cases.timers import OVERDUE_TOPIC, tick
from cloud.core.case_roles import CaseRole
from cloud.core.case_steps import State, Step
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state.database import Database
from tests.cloud.alert_kit import SERIES_B, began, fill
from tests.cloud.cases.case_kit import (
    CREW,
    DESK,
    HOUR_MS,
    NOISE,
    NOW_MS,
    arise,
    do,
    look,
    open_case,
    outbox,
    person,
    say,
    trail,
)

POLICE = person("police", CaseRole.HANDLER, unit="公安")


@pytest.fixture
def case(database: Database) -> str:
    fill(database)
    found = arise(database, 0)
    do(database, found, Step.DISPATCH, DESK)
    return found


def invite(database: Database, case: str, unit: str = "公安", due_ms: int | None = None) -> int:
    with database.write() as connection:
        version = look(database, case).case.version
        tasks.invite(connection, case, unit, "封路", due_ms, DESK, version, NOW_MS)
        return tasks.tasks_of(connection, case)[-1].id


def finish(database: Database, case: str, task: int, note: str = "done") -> None:
    with database.write() as connection:
        tasks.finish(connection, case, task, POLICE, note, NOW_MS + 1)


def test_a_case_of_several_units_is_handled_when_all_are_done(
    database: Database, case: str
) -> None:
    task = invite(database, case)
    with pytest.raises(ConflictError, match="公安 has not done its task"):
        do(database, case, Step.HANDLE, CREW)
    finish(database, case, task)
    assert do(database, case, Step.HANDLE, CREW).state is State.HANDLED
    lines = look(database, case).trail
    assert [(e.step, e.unit) for e in lines[-3:-1]] == [
        (Step.INVITE, "公安"),
        (Step.TASK_DONE, "公安"),
    ]
    with database.read() as connection:
        (found,) = tasks.tasks_of(connection, case)
    assert (found.done_by, found.note) == ("police", "done")


def test_who_helps_sees_the_case(database: Database, case: str) -> None:
    seen = look(database, case).case
    mine = Wanted(for_unit="公安")
    with database.read() as connection:
        assert not lists.sees(connection, POLICE, seen)
        assert lists.page(connection, mine, NOW_MS).cases == []
    invite(database, case)
    with database.read() as connection:
        assert lists.sees(connection, POLICE, seen)
        assert [each.id for each in lists.page(connection, mine, NOW_MS).cases] == [case]


def test_a_task_past_its_time_is_told_once(database: Database, case: str) -> None:
    invite(database, case, due_ms=NOW_MS + HOUR_MS)
    assert tick(database, NOW_MS + HOUR_MS).tasks == 1
    assert tick(database, NOW_MS + HOUR_MS).tasks == 0
    assert trail(database, case)[-1] == "overdue"
    assert look(database, case).trail[-1].unit == "公安"
    assert outbox(database, OVERDUE_TOPIC) == [case]


def test_a_merged_case_takes_what_is_still_to_be_done_along(database: Database, case: str) -> None:
    alert = say(database, began(1, series=SERIES_B))
    other = open_case(database, alert, device=replace(NOISE, asset="GR-2"))
    done = invite(database, case)
    finish(database, case, done)
    undone = invite(database, case, "社区")
    with database.write() as connection:
        version = look(database, case).case.version
        matters.merge(connection, case, other, DESK, version, "", NOW_MS)
    with database.read() as connection:
        assert [task.id for task in tasks.tasks_of(connection, other)] == [undone]
        assert [task.id for task in tasks.tasks_of(connection, case)] == [done]


def test_what_is_no_task(database: Database, case: str) -> None:
    with pytest.raises(InvalidError, match="needs a unit"):
        invite(database, case, " ")
    with pytest.raises(InvalidError, match="still to come"):
        invite(database, case, due_ms=NOW_MS)
    task = invite(database, case, "燃气公司")
    with pytest.raises(ForbiddenError, match="is 燃气公司's"):
        finish(database, case, task)
    with pytest.raises(NotFoundError, match="no task 99"):
        finish(database, case, 99)
    mine = invite(database, case)
    with pytest.raises(InvalidError, match="needs a note"):
        finish(database, case, mine, " ")
    finish(database, case, mine)
    with pytest.raises(ConflictError, match="done already"):
        finish(database, case, mine)
