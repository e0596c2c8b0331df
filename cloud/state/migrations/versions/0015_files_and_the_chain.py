"""Files of cases, and the chain that seals their evidence"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa
from alembic import op

from cloud.core import chain
from cloud.core.chain import Kind

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None

Row = dict[str, str | int | float | None]

# As cloud/cases/sealing.py has it, a stretch of cases at a time.
_CASES = (
    "SELECT id, asset, category, title, kind, device, opened_ms, source, address, description"
    " FROM cases WHERE id > :after ORDER BY id LIMIT 1000"
)
_ALERTS = (
    'SELECT attached."case" AS of_case, alerts.id, rule, rule_source, device,'
    " measurement, recorded_ms FROM case_alerts attached"
    " JOIN alerts ON alerts.id = attached.alert"
    ' WHERE attached."case" BETWEEN :first AND :last ORDER BY attached."case", alerts.id'
)
_EVENTS = (
    'SELECT "case" AS of_case, id, "case", at_ms, step, from_state, to_state, "by", note, about,'
    ' unit, due_ms FROM case_events WHERE "case" BETWEEN :first AND :last ORDER BY "case", id'
)


def upgrade() -> None:
    op.create_table(
        "case_files",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_files_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_files")),
    )
    op.create_index(op.f("ix_case_files_case"), "case_files", ["case"])
    op.create_index("ix_case_files_sha256", "case_files", ["sha256"])
    chains = op.create_table(
        "case_chain",
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_chain_case")),
        sa.PrimaryKeyConstraint("case", "number", name=op.f("pk_case_chain")),
    )
    heads = op.create_table(
        "case_heads",
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_heads_case")),
        sa.PrimaryKeyConstraint("case", name=op.f("pk_case_heads")),
    )
    _seal_what_is_there(op.get_bind(), chains, heads)
    for statement in _CHAIN_STAYS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for statement in _CHAIN_MAY_CHANGE[op.get_bind().dialect.name]:
        op.execute(statement)
    op.drop_table("case_heads")
    op.drop_table("case_chain")
    op.drop_index("ix_case_files_sha256", "case_files")
    op.drop_index(op.f("ix_case_files_case"), "case_files")
    op.drop_table("case_files")


def _seal_what_is_there(connection: sa.Connection, chains: sa.Table, heads: sa.Table) -> None:
    """Seal every case as it stands: itself, its alerts, its trail."""
    after = ""
    while cases := _rows(connection, _CASES, after=after):
        first, after = str(cases[0]["id"]), str(cases[-1]["id"])
        alerts = _of_cases(_rows(connection, _ALERTS, first=first, last=after))
        events = _of_cases(_rows(connection, _EVENTS, first=first, last=after))
        entries: list[Row] = []
        ends: list[Row] = []
        for case in cases:
            name = str(case["id"])
            parts = [(Kind.CASE, name, case)]
            parts += [(Kind.ALERT, str(row["id"]), row) for row in alerts.get(name, [])]
            parts += [(Kind.EVENT, str(row.pop("id")), row) for row in events.get(name, [])]
            last = chain.beginning(name)
            for number, (kind, ref, part) in enumerate(parts, start=1):
                last = chain.seal(last, number, kind, ref, part)
                entry: Row = {"case": name, "number": number, "kind": kind.value, "ref": ref}
                entries.append(entry | {"seal": last})
            ends.append({"case": name, "entries": len(parts), "seal": last})
        connection.execute(sa.insert(chains), entries)
        connection.execute(sa.insert(heads), ends)


def _rows(connection: sa.Connection, query: str, **values: str) -> list[Row]:
    return [dict(row) for row in connection.execute(sa.text(query), values).mappings()]


def _of_cases(rows: list[Row]) -> dict[str, list[Row]]:
    return {
        str(case): [{key: row[key] for key in row if key != "of_case"} for row in found]
        for case, found in groupby(rows, itemgetter("of_case"))
    }


_CHAIN_STAYS = {
    "sqlite": [
        f"CREATE TRIGGER case_chain_{what.lower()} BEFORE {what} ON case_chain"
        " BEGIN SELECT RAISE(ABORT, 'the chain of a case is never changed'); END"
        for what in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION case_chain_stays() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the chain of a case is never changed'"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER case_chain_stays BEFORE UPDATE OR DELETE ON case_chain"
        " FOR EACH ROW EXECUTE FUNCTION case_chain_stays()",
    ],
}
_CHAIN_MAY_CHANGE = {
    "sqlite": [f"DROP TRIGGER case_chain_{what}" for what in ("update", "delete")],
    "postgresql": [
        "DROP TRIGGER case_chain_stays ON case_chain",
        "DROP FUNCTION case_chain_stays()",
    ],
}
