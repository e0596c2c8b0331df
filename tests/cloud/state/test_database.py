from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from cloud.core.columns import Columns
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import SAFE_SQLITE, Database, sqlite_module, sqlite_url
from cloud.state.lock import exclusive
from cloud.state.migrate import migrate, require_current
from cloud.state.upsert import count, upsert, upsert_all
from contract.errors import ConfigError, StorageError

MIGRATIONS = Path(__file__).parents[3] / "cloud" / "state" / "migrations"


def test_the_migrations_make_the_schema(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    require_current(database)


def test_migrating_twice_changes_nothing(database: Database) -> None:
    migrate(database)
    require_current(database)


def test_an_empty_database_is_refused_with_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="run: gridwarden cloud init"):
        require_current(Database(sqlite_url(tmp_path / "new.sqlite")))


def test_batch_numbers_become_rows_and_come_back(tmp_path: Path) -> None:
    """Version 1 kept an epoch's numbers as one JSON; none may be forgotten on the way."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    database = Database(sqlite_url(tmp_path / "old.sqlite"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO epochs (gateway, epoch, intervals, readings, first_ms, last_ms) VALUES"
            " ('a', 'aaaaaaaa', '[[1, 17], [19, 19]]', 3, 5, 6), ('a', 'bbbbbbbb', '[]', 0, 5, 6)"
        )
        command.upgrade(config, "0002")
        rows = connection.execute(sa.select(schema.epoch_intervals)).all()
        assert rows == [("a", "aaaaaaaa", 1, 17), ("a", "aaaaaaaa", 19, 19)]
        command.downgrade(config, "0001")
        back = connection.exec_driver_sql("SELECT epoch, intervals FROM epochs").all()
        assert back == [("aaaaaaaa", "[[1, 17], [19, 19]]"), ("bbbbbbbb", "[]")]
    migrate(database)
    database.close()


def test_a_block_number_is_never_given_twice(database: Database) -> None:
    """Snapshots and tails count on it, and the sealer empties the table."""
    columns: Columns = Columns(
        series=np.ones(3, np.int32),
        observed_ms=np.arange(3, dtype=np.int64),
        value=np.ones(3),
        quality=np.zeros(3, np.uint16),
    )
    with database.write() as connection:
        first = hot.append(connection, columns, 1)
        connection.execute(schema.blocks.delete())
    with database.write() as connection:
        assert hot.append(connection, columns, 1) == first + 1


def test_sqlite_is_safe_for_two_processes() -> None:
    assert sqlite_module().sqlite_version_info >= SAFE_SQLITE


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            count(connection, {"a": 1})
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as connection:
        assert connection.execute(sa.select(schema.counters)).all() == []


def test_writers_wait_for_each_other(database: Database) -> None:
    def add() -> None:
        for _ in range(20):
            with database.write() as connection:
                count(connection, {"a": 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.scalar(sa.select(schema.counters.c.value)) == 80


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database" * 100)
    database = Database(sqlite_url(tmp_path / "state.sqlite"))
    with pytest.raises(StorageError, match="state database"), database.read():
        pass


@pytest.mark.parametrize("url", ["nonsense", "nosuchdb://x", "sqlite+nosuch:///x"])
def test_a_url_that_cannot_be_used_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="database: "):
        Database(url)


def test_a_database_of_a_newer_program_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for look in (migrate, require_current):
        with pytest.raises(StorageError, match="made by a newer one"):
            look(database)


def test_upsert_inserts_and_then_updates(database: Database) -> None:
    for value in (1, 2):
        with database.write() as connection:
            upsert(connection, schema.counters, {"name": "a", "value": value})
    with database.read() as connection:
        assert connection.execute(sa.select(schema.counters)).all() == [("a", 2)]


def test_many_rows_are_upserted_at_once_and_keep_what_they_are_told_to(database: Database) -> None:
    one = {"gateway": "a", "epoch": "aaaaaaaa", "readings": 1, "first_ms": 1, "last_ms": 1}
    with database.write() as connection:
        upsert_all(connection, schema.epochs, [])
        upsert_all(connection, schema.epochs, [one])
        later = one | {"readings": 2, "first_ms": 9, "last_ms": 9}
        upsert_all(connection, schema.epochs, [later, one | {"gateway": "b"}], keep=["first_ms"])
        rows = connection.execute(sa.select(schema.epochs)).all()
    assert rows == [("a", "aaaaaaaa", 2, 1, 9), ("b", "aaaaaaaa", 1, 1, 1)]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "lock", "intake"),
        pytest.raises(ConfigError, match="another intake is running"),
        exclusive(tmp_path / "lock", "intake"),
    ):
        pass
