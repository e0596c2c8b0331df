"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloud.state import schema


def upsert(connection: sa.Connection, table: sa.Table, row: Mapping[str, object]) -> None:
    """Insert the row, or update the one with its primary key."""
    upsert_all(connection, table, [row])


def upsert_all(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    keep: Sequence[str] = (),
) -> None:
    """Insert rows of the same columns, or update those that are there, but for what they keep."""
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    insert = make(table)
    changed = {name: insert.excluded[name] for name in rows[0] if name not in (*key, *keep)}
    connection.execute(
        insert.on_conflict_do_update(index_elements=key, set_=changed), [dict(row) for row in rows]
    )


def add_all(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]], what: str
) -> None:
    """Insert rows, or add to a number of those that are there."""
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    insert = make(table)
    added = {what: table.c[what] + insert.excluded[what]}
    connection.execute(
        insert.on_conflict_do_update(index_elements=key, set_=added), [dict(row) for row in rows]
    )


def count(connection: sa.Connection, amounts: Mapping[str, int]) -> None:
    """Add to the named counters."""
    table = schema.counters
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for name, amount in amounts.items():
        if amount:
            connection.execute(
                make(table)
                .values(name=name, value=amount)
                .on_conflict_do_update(
                    index_elements=["name"], set_={"value": table.c.value + amount}
                )
            )
