from __future__ import annotations

import sqlalchemy as sa

from cloud.ports import ColdStore, Sealing, Written
from cloud.series import hot
from cloud.series.sealer import FORGET_BLOCKS, Keep, Sealer
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.upsert import upsert
from contract.clock import ManualClock
from tests.suites.series_store import GAS, OK, T0_MS, columns_of


class FakeCold:
    """A cold store in memory."""

    def __init__(self) -> None:
        self.taken: list[Sealing] = []
        self.committed = 0

    def recover(self) -> int:
        return 0

    def write(self, sealing: Sealing) -> Written:
        self.taken.append(sealing)

        def commit(connection: sa.Connection) -> None:
            self.committed += 1

        return Written(parts=1, commit=commit)

    def tidy(self) -> bool:
        return False


def commit(database: Database, blocks: int = 1, readings: int = 1) -> None:
    with database.write() as connection:
        for _ in range(blocks):
            columns = columns_of([(GAS, second, 1.0, OK) for second in range(readings)])
            block = hot.append(connection, columns, T0_MS)
        row = {"id": 1, "block": block, "rules": "", "data": b""}
        upsert(connection, schema.engine_snapshot, row)


def kept(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(schema.blocks.c.id)))


def test_blocks_are_handed_over_in_order_and_once(database: Database) -> None:
    cold: ColdStore = (fake := FakeCold())
    sealer = Sealer(database, cold, ManualClock(T0_MS))
    commit(database, 2)
    assert sealer.waiting() == 2
    assert sealer.seal().readings == 2
    commit(database)
    sealer.seal()
    assert [(s.first_block, s.last_block) for s in fake.taken] == [(1, 2), (3, 3)]
    assert sealer.seal().parts == 0
    assert (sealer.waiting(), fake.committed) == (0, 2)


def test_what_is_sealed_stays_for_repairs_and_is_not_hot(database: Database) -> None:
    clock = ManualClock(T0_MS)
    sealer = Sealer(database, FakeCold(), clock, Keep(for_ms=60_000))
    commit(database, 2)
    sealer.seal()
    assert kept(database) == [1, 2]
    assert sealer.waiting() == 0
    clock.advance_ms(59_999)
    assert sealer.forget() == 0
    clock.advance_ms(1)
    assert sealer.forget() == 2
    with database.read() as connection:
        assert hot.sealed_upto(connection) == 2


def test_no_more_than_so_many_readings_stay(database: Database) -> None:
    sealer = Sealer(database, FakeCold(), ManualClock(T0_MS), Keep(for_ms=60_000, readings=10))
    for _ in range(3):
        commit(database, readings=4)
        sealer.seal()
    assert kept(database) == [2, 3]


def test_many_blocks_are_forgotten_a_few_at_a_time(database: Database) -> None:
    commit(database, 2 * FORGET_BLOCKS + 1)
    sealer = Sealer(database, FakeCold(), ManualClock(T0_MS))
    sealer.seal()
    assert kept(database) == []
    assert sealer.forget() == 0
