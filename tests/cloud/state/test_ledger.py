from __future__ import annotations

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.state import ledger, schema
from cloud.state.database import Database
from contract.codec import Rejected
from contract.intervals import IntervalSet
from contract.readings import Batch, Gap

EPOCH = "0123abcd"
GAP = Gap(first_seq=2, last_seq=4, first_ms=10, last_ms=20, readings=30, reason="disk full")


def test_numbers_survive_a_restart_with_their_holes(database: Database) -> None:
    with database.write() as connection:
        book = ledger.BatchLedger()
        book.load(connection, "here", EPOCH)
        for seq in (1, 2, 5):
            book.add("here", Batch(epoch=EPOCH, seq=seq, readings=()), 3)
        book.save(connection, {("here", EPOCH)}, 7)
    with database.read() as connection:
        again = ledger.BatchLedger().load(connection, "here", EPOCH)
        row = connection.execute(sa.select(schema.epochs)).one()
    assert again == IntervalSet([(1, 2), (5, 5)])
    assert (row.readings, row.first_ms) == (9, 7)


def test_a_declared_gap_closes_the_hole_and_is_kept(database: Database) -> None:
    batch = Batch(epoch=EPOCH, seq=5, readings=(), gaps=(GAP,))
    with database.write() as connection:
        book = ledger.BatchLedger()
        book.load(connection, "here", EPOCH)
        book.add("here", Batch(epoch=EPOCH, seq=1, readings=()), 0)
        book.add("here", batch, 0)
        ledger.record_gaps(connection, "here", batch, 7)
        row = connection.execute(sa.select(schema.gaps)).one()
    assert book.have("here", EPOCH) == IntervalSet([(1, 5)])
    assert (row.readings, row.reason, row.last_seq) == (30, "disk full", 4)


def test_each_epoch_counts_for_itself(database: Database) -> None:
    with database.read() as connection:
        book = ledger.BatchLedger()
        book.load(connection, "here", EPOCH)
        book.load(connection, "here", "ffffffff")
        book.add("here", Batch(epoch=EPOCH, seq=1, readings=()), 0)
    assert 1 not in book.have("here", "ffffffff")


def test_quarantine_keeps_a_sample_and_why(database: Database) -> None:
    with database.write() as connection:
        ledger.quarantine(connection, "gw/v1/07/here/data", b"x" * 9999, "not JSON", 7)
        row = connection.execute(sa.select(schema.quarantine)).one()
    assert (row.gateway, row.record, row.reason, len(row.sample)) == ("here", None, "not JSON", 512)


def test_quarantine_is_bounded(database: Database) -> None:
    many = [Rejected(n, "a:b", "bad") for n in range(100)]
    with database.write() as connection:
        for _ in range(600):
            ledger.quarantine_records(connection, "gw/v1/07/here/data", b"x", many, 7)
        kept = connection.scalar(sa.select(sa.func.count()).select_from(schema.quarantine))
    assert kept == ledger.QUARANTINE_ROWS


def test_audit_says_who_tried_what(database: Database) -> None:
    with database.write() as connection:
        ledger.audit(
            connection, who="thief", action="device.refused", subject="noise-1", note="", at_ms=7
        )
        assert connection.execute(sa.select(schema.audit)).one().who == "thief"


def rows(connection: sa.Connection) -> list[tuple[int, int]]:
    table = schema.epoch_intervals
    return [
        (row.first_seq, row.last_seq)
        for row in connection.execute(sa.select(table).order_by(table.c.first_seq))
    ]


batches = st.builds(
    lambda seq, back: Batch(
        epoch=EPOCH,
        seq=seq,
        readings=(),
        gaps=(
            Gap(first_seq=max(1, seq - back), last_seq=seq - 1, first_ms=0, last_ms=0, readings=0,
                reason="full"),
        ) if back and seq > 1 else (),
    ),
    st.integers(1, 40),
    st.sampled_from([0, 0, 0, 1, 7]),
)  # fmt: skip


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(batches, max_size=4), max_size=12))
def test_the_rows_are_always_what_is_in_memory(
    database: Database, commits: list[list[Batch]]
) -> None:
    with database.write() as connection:
        for table in (schema.epochs, schema.epoch_intervals):
            connection.execute(table.delete())
        book = ledger.BatchLedger()
        for commit in commits:
            book.load(connection, "here", EPOCH)
            for batch in commit:
                book.add("here", batch, 1)
            book.save(connection, {("here", EPOCH)}, 7)
            assert rows(connection) == list(book.have("here", EPOCH))
        assert ledger.BatchLedger().load(connection, "here", EPOCH) == IntervalSet(rows(connection))


def test_a_commit_writes_what_changed_however_many_holes_there_are(database: Database) -> None:
    written: list[object] = []
    with database.write() as connection:
        book = ledger.BatchLedger()
        book.load(connection, "here", EPOCH)
        for seq in range(1, 2001, 2):
            book.add("here", Batch(epoch=EPOCH, seq=seq, readings=()), 0)
        book.save(connection, {("here", EPOCH)}, 7)
        sa.event.listen(connection, "before_cursor_execute", lambda *args: written.append(args[3]))
        book.add("here", Batch(epoch=EPOCH, seq=2, readings=()), 0)
        book.save(connection, {("here", EPOCH)}, 8)
        assert len(rows(connection)) == 999
    assert len(str(written)) < 400


def test_epochs_that_are_quiet_leave_the_memory_and_are_known_again(database: Database) -> None:
    with database.write() as connection:
        book = ledger.BatchLedger(most_in_memory=2)
        for epoch in ("aaaaaaaa", "bbbbbbbb", "cccccccc"):
            book.load(connection, "here", epoch)
            book.add("here", Batch(epoch=epoch, seq=1, readings=()), 5)
        book.save(connection, [("here", e) for e in ("aaaaaaaa", "bbbbbbbb", "cccccccc")], 7)
        book.forget()
        assert 1 in book.load(connection, "here", "aaaaaaaa")
        book.add("here", Batch(epoch="aaaaaaaa", seq=2, readings=()), 5)
        book.save(connection, [("here", "aaaaaaaa")], 8)
        found = connection.execute(
            sa.select(schema.epochs).where(schema.epochs.c.epoch == "aaaaaaaa")
        ).one()
    assert (found.readings, found.first_ms, found.last_ms) == (10, 7, 8)
