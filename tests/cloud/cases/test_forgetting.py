"""What other systems were told long ago is forgotten, and nothing that is still needed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from cloud.cases import deliveries, forgetting
from cloud.cases.forgetting import DAY_MS, Forgetting
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import began, fill
from tests.cloud.cases.case_kit import COVER, NOW_MS, arise, close, open_case, say

LATER_MS = NOW_MS + 900 * DAY_MS


@pytest.fixture
def told(database: Database) -> Database:
    """A closed and an open case, of which a system was told everything, with three files."""
    fill(database)
    with database.write() as connection:
        connection.execute(sa.insert(schema.case_systems).values(name="grid", event=0))
    closed = arise(database, 0)
    close(database, closed)
    open_case(database, say(database, began(0, series=3)), device=COVER)
    table, files = schema.case_deliveries, schema.case_uploads
    with database.write() as connection:
        while deliveries.feed(connection, "grid", NOW_MS):
            pass
        done = sa.update(table).values(state=deliveries.State.DONE.value, done_ms=NOW_MS)
        connection.execute(done)
        common = {"system": "grid", "kind": "cases", "from_ms": 0, "records": 1, "sha256": ""}
        connection.execute(
            sa.insert(files),
            [
                common | {"number": n, "name": f"{n}", "to_ms": n, "body": b"", "state": state}
                for n, state in enumerate(("received", "dead", "received"))
            ],
        )
    return database


def left(database: Database) -> tuple[list[tuple[str, int]], list[int]]:
    table, files = schema.case_deliveries, schema.case_uploads
    with database.read() as connection:
        count = sa.select(table.c.case, sa.func.count()).group_by(table.c.case)
        cases = [(str(case), int(n)) for case, n in connection.execute(count.order_by("case"))]
        return cases, list(connection.scalars(sa.select(files.c.number).order_by("number")))


def test_of_finished_cases_the_last_step_stays_and_of_files_the_last(told: Database) -> None:
    before, _ = left(told)
    assert before[0][1] > 1
    work = Forgetting(told, 800)
    assert work.step(LATER_MS) == before[0][1] - 1 + 1
    after, files = left(told)
    assert after == [(before[0][0], 1), before[1]]
    assert files == [1, 2]  # what was refused is for people to see
    assert work.step(LATER_MS) == 0


def test_a_piece_at_a_time(told: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 1)
    work, steps = Forgetting(told, 800), 0
    while work.step(LATER_MS):
        steps += 1
    assert steps > 1
    assert left(told)[0][0][1] == 1


@pytest.mark.parametrize(("days", "at_ms"), [(0, LATER_MS), (800, NOW_MS + 799 * DAY_MS)])
def test_what_is_young_stays_and_with_0_everything(told: Database, days: float, at_ms: int) -> None:
    before, _ = left(told)
    Forgetting(told, days).step(at_ms)
    assert left(told)[0] == before
