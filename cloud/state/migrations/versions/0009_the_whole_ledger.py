"""Cases in all their steps: requests, tasks, due times, people's reports, a trail that stays"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIMES = (
    "secure_due_ms",
    "handle_due_ms",
    "verify_due_ms",
    "close_due_ms",
    "secured_ms",
    "deferred_ms",
    "resume_ms",
    "warned_due_ms",
    "overdue_due_ms",
    "singled_ms",
)
_OPEN = "state NOT IN ('closed', 'refused', 'void', 'merged')"
_OPEN_BEFORE = "state NOT IN ('closed', 'void')"
_PLACES = ("latitude", "longitude")
_TEXTS = ("address", "description")


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("accounts", _text("case_roles"))
    op.add_column("accounts", _text("unit"))
    op.drop_index("uq_cases_open", "cases")
    with _children_aside(), op.batch_alter_table("cases") as cases:
        cases.alter_column("device", existing_type=sa.String(length=63), nullable=True)
        for name in _TIMES:
            cases.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        for name in _PLACES:
            cases.add_column(sa.Column(name, sa.Float(), nullable=True))
        for name in _TEXTS:
            cases.add_column(_text(name))
        cases.add_column(_text("source", "alert", sa.String(length=16)))
        cases.add_column(_text("cell", "", sa.String(length=63)))
        cases.add_column(sa.Column("occurrences", sa.Integer(), server_default="1", nullable=False))
        cases.add_column(
            sa.Column("by_clock", sa.Boolean(), server_default=sa.text("true"), nullable=False)
        )
        cases.add_column(sa.Column("merged_into", sa.String(length=32), nullable=True))
        cases.add_column(sa.Column("satisfaction", sa.Integer(), nullable=True))
        cases.add_column(sa.Column("tags", sa.JSON(), server_default="{}", nullable=False))
    _open_index(_OPEN)
    op.create_index("ix_cases_state_due_ms", "cases", ["state", "due_ms"])
    op.create_index("ix_cases_asset_category", "cases", ["asset", "category"])
    op.execute("UPDATE cases SET handle_due_ms = due_ms")
    op.add_column("case_events", _text("about", "", sa.String(length=32)))
    op.add_column("case_events", _text("unit"))
    op.add_column("case_events", sa.Column("due_ms", sa.BigInteger(), nullable=True))
    _requests()
    _tasks()
    _waiting()
    for statement in _TRAIL_STAYS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for statement in _TRAIL_MAY_CHANGE[op.get_bind().dialect.name]:
        op.execute(statement)
    for table in ("case_waiting", "case_tasks", "case_requests"):
        op.drop_table(table)
    for name in ("due_ms", "unit", "about"):
        op.drop_column("case_events", name)
    op.drop_index("ix_cases_asset_category", "cases")
    op.drop_index("ix_cases_state_due_ms", "cases")
    op.drop_index("uq_cases_open", "cases")
    op.execute("UPDATE cases SET state = 'void' WHERE state IN ('refused', 'merged')")
    with _children_aside(), op.batch_alter_table("cases") as cases:
        for name in (*_TIMES, *_PLACES, *_TEXTS, "source", "cell", "occurrences", "merged_into"):
            cases.drop_column(name)
        for name in ("satisfaction", "by_clock"):
            cases.drop_column(name)
        cases.drop_column("tags")
    _open_index(_OPEN_BEFORE)
    op.drop_column("accounts", "unit")
    op.drop_column("accounts", "case_roles")


def _text(
    name: str, default: str = "", kind: sa.types.TypeEngine[str] | None = None
) -> sa.Column[str]:
    return sa.Column(name, kind or sa.Text(), server_default=default, nullable=False)


def _open_index(which: str) -> None:
    op.create_index(
        "uq_cases_open",
        "cases",
        ["asset", "category"],
        unique=True,
        sqlite_where=sa.text(which),
        postgresql_where=sa.text(which),
    )


@contextmanager
def _children_aside() -> Iterator[None]:
    """SQLite makes the table anew, and drops no table that others' rows refer to."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        yield
        return
    inspector = sa.inspect(connection)
    children = [
        table
        for table in inspector.get_table_names()
        if any(key["referred_table"] == "cases" for key in inspector.get_foreign_keys(table))
    ]
    for table in children:
        op.execute(f'CREATE TABLE "{table}_aside" AS SELECT * FROM "{table}"')  # noqa: S608
        op.execute(f'DELETE FROM "{table}"')  # noqa: S608
    yield
    for table in children:
        op.execute(f'INSERT INTO "{table}" SELECT * FROM "{table}_aside"')  # noqa: S608
        op.drop_table(f"{table}_aside")


def _requests() -> None:
    op.create_table(
        "case_requests",
        sa.Column("id", _id(), nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("step", sa.String(length=32), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        _text("decided_by"),
        sa.Column("approved", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_requests_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_requests")),
    )
    op.create_index(op.f("ix_case_requests_case"), "case_requests", ["case"])
    op.create_index(
        "uq_case_requests_waiting",
        "case_requests",
        ["case"],
        unique=True,
        sqlite_where=sa.text("decided_ms IS NULL"),
        postgresql_where=sa.text("decided_ms IS NULL"),
    )


def _tasks() -> None:
    op.create_table(
        "case_tasks",
        sa.Column("id", _id(), nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=True),
        sa.Column("overdue_ms", sa.BigInteger(), nullable=True),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        _text("done_by"),
        _text("note"),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_tasks_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_tasks")),
    )
    op.create_index(op.f("ix_case_tasks_case"), "case_tasks", ["case"])


def _waiting() -> None:
    op.create_table(
        "case_waiting",
        sa.Column("alert", sa.String(length=32), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        _text("decided_by"),
        _text("note"),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name=op.f("fk_case_waiting_alert")),
        sa.PrimaryKeyConstraint("alert", name=op.f("pk_case_waiting")),
    )
    op.create_index("ix_case_waiting_state", "case_waiting", ["state", "since_ms"])


_TRAIL_STAYS = {
    "sqlite": [
        f"CREATE TRIGGER case_events_{what.lower()} BEFORE {what} ON case_events"
        " BEGIN SELECT RAISE(ABORT, 'the trail of a case is never changed'); END"
        for what in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION case_events_stay() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the trail of a case is never changed'"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER case_events_stay BEFORE UPDATE OR DELETE ON case_events"
        " FOR EACH ROW EXECUTE FUNCTION case_events_stay()",
    ],
}
_TRAIL_MAY_CHANGE = {
    "sqlite": [f"DROP TRIGGER case_events_{what}" for what in ("update", "delete")],
    "postgresql": [
        "DROP TRIGGER case_events_stay ON case_events",
        "DROP FUNCTION case_events_stay()",
    ],
}
