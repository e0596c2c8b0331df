from __future__ import annotations

import pytest
import sqlalchemy as sa

from cloud.state import ledger, retention, schema
from cloud.state.database import Database

NOW_MS = 1_790_000_000_000


def test_what_grows_is_bounded_and_says_so_before(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOST_GAPS", "MOST_EPOCHS", "MOST_REFUSALS"):
        monkeypatch.setattr(retention, name, 10)
    said = []
    with database.write() as connection:
        ledger.audit(connection, who="op", action="user.added", subject="x", note="", at_ms=1)
        for n in range(30):
            key = {"gateway": "cabinet", "epoch": f"{n:08x}"}
            span = {"first_seq": 1, "last_seq": 2}
            connection.execute(
                schema.epochs.insert().values(
                    **key, readings=1, first_ms=NOW_MS + n, last_ms=NOW_MS + n
                )
            )
            connection.execute(schema.epoch_intervals.insert().values(**key, **span))
            connection.execute(
                schema.gaps.insert().values(
                    **key, **span, first_ms=1, last_ms=2, readings=1, reason="", recorded_ms=NOW_MS
                )
            )
            ledger.audit_again(
                connection,
                who="thief",
                action="reading.refused",
                subject=f"gas-{n}",
                note="",
                at_ms=NOW_MS,
            )
            said.append([str(each) for each in retention.tidy(connection, NOW_MS)])
        kept = {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (schema.epochs, schema.epoch_intervals, schema.gaps, schema.audit)
        }
        newest = connection.scalar(sa.select(sa.func.max(schema.epochs.c.epoch)))
    assert said[7] == []
    assert said[8] == [
        "declared gaps of cabinet: 9 of at most 10; then the oldest go",
        "epochs of cabinet: 9 of at most 10; then the oldest go",
        "audited refusals: 9 of at most 10; then the oldest go",
    ]
    assert "epochs of cabinet: 11 of at most 10; the oldest are forgotten" in said[-1]
    assert kept == {"epochs": 10, "epoch_intervals": 10, "gaps": 10, "audit": 11}
    assert newest == f"{29:08x}"


def test_what_is_too_old_is_forgotten(database: Database) -> None:
    with database.write() as connection:
        for who, action in (("op", "user.added"), ("thief", "reading.refused")):
            ledger.audit(connection, who=who, action=action, subject="x", note="", at_ms=1)
        retention.tidy(connection, NOW_MS)
        left = connection.execute(sa.select(schema.audit)).all()
    assert [row.who for row in left] == ["op"]
