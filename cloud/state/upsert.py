"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps apart."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloud.state import schema


def upsert(connection: sa.Connection, table: sa.Table, row: Mapping[str, object]) -> None:
    """Insert the row, or update the one with its primary key."""
    key = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in key}
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        make(table).values(**row).on_conflict_do_update(index_elements=key, set_=changed)
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
