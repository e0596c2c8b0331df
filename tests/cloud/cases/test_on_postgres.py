"""Parts of the suites of cases and of both outboxes once more, on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from cloud.state import schema
from cloud.state.database import TRIES, CollidedError, Database, retrying
from cloud.state.migrate import migrate
from contract.errors import StorageError
from tests.cloud.cases.test_ledger import (
    filled,
)
from tests.cloud.cases.test_other_systems import TestWebhook, clock, webhook
from tests.postgres import Postgres, programs, running

__all__ = [name for name in globals() if name.startswith("test_")]
__all__ += ["TestWebhook", "clock", "filled", "webhook"]


@pytest.fixture(scope="module")
def migrated() -> Iterator[tuple[Postgres, str]]:
    """Migrate one database, which the tests' own are copies of."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    with running(folder) as server:
        url = server.url()
        database = Database(url)
        migrate(database)
        database.close()
        yield server, url


@pytest.fixture
def database(migrated: tuple[Postgres, str]) -> Iterator[Database]:
    server, url = migrated
    opened = Database(server.url(like=url))
    yield opened
    opened.close()


def test_two_that_lock_each_other_are_both_done_in_the_end(database: Database) -> None:
    counters = schema.counters
    with database.write() as connection:
        rows = [{"name": "a", "value": 0}, {"name": "b", "value": 0}]
        connection.execute(sa.insert(counters), rows)
    both_hold_one = threading.Barrier(2)
    collided: list[str] = []
    errors: list[BaseException] = []

    def count(first: str, second: str) -> None:
        tries: list[str] = []

        @retrying
        def once() -> None:
            tries.append(first)
            with database.write() as connection:
                for name in (first, second):
                    mine = counters.c.name == name
                    more = sa.update(counters).where(mine).values(value=counters.c.value + 1)
                    connection.execute(more)
                    if name == first and len(tries) == 1:
                        both_hold_one.wait(10)

        try:
            once()
        except BaseException as error:
            errors.append(error)
        collided.extend(tries[1:])

    threads = [threading.Thread(target=count, args=each) for each in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(collided) == 1
    with database.read() as connection:
        assert list(connection.scalars(sa.select(counters.c.value))) == [2, 2]


def test_what_goes_on_colliding_is_said_in_the_end(database: Database) -> None:
    tries: list[int] = []

    @retrying
    def collides() -> None:
        tries.append(1)
        with database.write() as connection:
            failure = "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"
            connection.exec_driver_sql(failure)

    with pytest.raises(CollidedError):
        collides()
    assert len(tries) == TRIES

    @retrying
    def fails() -> None:
        tries.append(1)
        with database.read() as connection:
            connection.exec_driver_sql("SELECT nothing")

    with pytest.raises(StorageError, match="nothing"):
        fails()
    assert len(tries) == TRIES + 1
