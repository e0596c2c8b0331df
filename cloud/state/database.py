"""The door to the state database: read() sees one consistent state, write() is one transaction.

SQLite is written by two processes, so it must be 3.51.3 or later (before, a WAL reset could lose
what another connection had committed); pysqlite3 bundles one. See docs/decisions/0002.
"""

from __future__ import annotations

import functools
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from contract.errors import ConfigError, StorageError

SAFE_SQLITE = (3, 51, 3)
BUSY_TIMEOUT_S = 20.0
# PostgreSQL gives one of two up that wait for each other: serialization_failure, deadlock_detected.
COLLISIONS = ("40001", "40P01")
TRIES = 5
FIRST_PAUSE_S = 0.01

P = ParamSpec("P")
T = TypeVar("T")


class CollidedError(StorageError):
    """Nothing of a transaction was done, as another stood in its way: done again, it may pass."""


def retrying(work: Callable[P, T]) -> Callable[P, T]:
    """Have a function done again, a few times, if its transaction collided with another.

    For functions that do nothing but one transaction (or several that may each be done again).
    """

    @functools.wraps(work)
    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for tried in range(1, TRIES):
            try:
                return work(*args, **kwargs)
            except CollidedError:
                pause_s = FIRST_PAUSE_S * 2**tried * random.random()  # noqa: S311
                time.sleep(pause_s)  # by chance, else the two meet again
        return work(*args, **kwargs)

    return again


class Database:
    """One state database. Connections are pooled; close() gives them back.

    Raises: ConfigError if the URL cannot be used, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.engine = _sqlite(url) if url.startswith("sqlite") else sa.create_engine(url)
        except (ArgumentError, ImportError) as error:
            raise ConfigError(
                f"database: {url.split('@')[-1]!r} cannot be used: {error}"
            ) from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection whose selects all see the same moment.

        Raises: StorageError if the database cannot be reached or read.
        """
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Yield a connection; commit at the end of the block, roll back if it raised.

        Raises: StorageError if the database cannot be reached or written.
        """
        with _translated(), self.engine.connect() as connection:
            connection = connection.execution_options(gridwarden_write=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise  # a broken promise between rows is the caller's to understand, or a bug
    except DBAPIError as error:
        collided = getattr(error.orig, "sqlstate", None) in COLLISIONS
        kind = CollidedError if collided else StorageError
        raise kind(f"state database: {error.orig}") from error


def _sqlite(url: str) -> sa.Engine:
    module = sqlite_module()
    engine = sa.create_engine(
        url, module=module, connect_args={"timeout": BUSY_TIMEOUT_S}, pool_size=4, max_overflow=16
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        # A write must take its lock first: a read lock raised later may be refused at once.
        write = connection.get_execution_options().get("gridwarden_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def sqlite_module() -> Any:
    """Return the newest DB-API module for SQLite at hand: the stdlib's, or pysqlite3."""
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return sqlite3
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        return sqlite3
    return dbapi2


def two_processes_may_write(url: str) -> bool:
    """Whether intake and web may run as two processes on this database."""
    if not url.startswith("sqlite"):
        return True
    version: tuple[int, ...] = sqlite_module().sqlite_version_info
    return version >= SAFE_SQLITE
