"""How long handling took, from the ledger's trail."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.cases.handling import handlings
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.cases.told_cases import open_case

HOUR_MS = 3_600_000
OPENED_MS = 1_790_000_000_000


def step(database: Database, case: str, name: str, at_ms: int) -> None:
    row = {
        "case": case,
        "at_ms": at_ms,
        "step": name,
        "from_state": "dispatched",
        "to_state": "handled",
        "by": "ann",
        "note": "x",
    }
    with database.write() as connection:
        connection.execute(sa.insert(schema.case_events), [row])


def test_from_opening_to_the_first_handling(database: Database) -> None:
    first, second, third = (open_case(database, n, OPENED_MS + n) for n in (1, 2, 3))
    step(database, first, "handle", OPENED_MS + 1 + 3 * HOUR_MS)
    step(database, first, "handle", OPENED_MS + 9 * HOUR_MS)  # after a rework
    step(database, second, "handle", OPENED_MS + 2 + HOUR_MS)
    step(database, third, "dispatch", OPENED_MS + HOUR_MS)
    with database.read() as connection:
        seen = handlings(connection, OPENED_MS)
        late = handlings(connection, OPENED_MS + 2)
    assert list(seen.every) == [HOUR_MS, 3 * HOUR_MS]
    assert {key: list(each) for key, each in seen.by_category.items()} == {
        "05-08": [HOUR_MS, 3 * HOUR_MS]
    }
    assert list(late.every) == [HOUR_MS]
