"""What only ever grows, bounded: declared gaps, audit, epochs. It says so before it is full."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud.state import schema

DAY_MS = 86_400_000
KEEP_GAPS_DAYS = 400
MOST_GAPS = 10_000  # of a gateway
MOST_EPOCHS = 1_000  # of a gateway: a buffer made anew each day for three years
KEEP_REFUSALS_DAYS = 400
MOST_REFUSALS = 100_000  # what people did is never forgotten here
NEARLY = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A bound that is nearly reached, or was: what is older is being forgotten."""

    what: str
    rows: int
    most: int

    def __str__(self) -> str:
        then = "the oldest are forgotten" if self.rows > self.most else "then the oldest go"
        return f"{self.what}: {self.rows} of at most {self.most}; {then}"


def tidy(connection: sa.Connection, now_ms: int) -> list[Filling]:
    """Forget what is too old or too much; return which bounds are nearly reached."""
    gaps, epochs, audit = schema.gaps, schema.epochs, schema.audit
    connection.execute(gaps.delete().where(gaps.c.recorded_ms < now_ms - KEEP_GAPS_DAYS * DAY_MS))
    connection.execute(
        audit.delete().where(_REFUSAL, audit.c.at_ms < now_ms - KEEP_REFUSALS_DAYS * DAY_MS)
    )
    full = []
    for gateway, rows in _crowded(connection, gaps, MOST_GAPS):
        full.append(Filling(what=f"declared gaps of {gateway}", rows=rows, most=MOST_GAPS))
        mine = gaps.c.gateway == gateway
        _forget_oldest(connection, gaps, mine, MOST_GAPS)
    for gateway, rows in _crowded(connection, epochs, MOST_EPOCHS):
        full.append(Filling(what=f"epochs of {gateway}", rows=rows, most=MOST_EPOCHS))
        _forget_epochs(connection, gateway)
    refusals = connection.scalar(sa.select(sa.func.count()).where(_REFUSAL)) or 0
    if refusals > NEARLY * MOST_REFUSALS:
        full.append(Filling(what="audited refusals", rows=refusals, most=MOST_REFUSALS))
        _forget_oldest(connection, audit, _REFUSAL, MOST_REFUSALS)
    return full


# Those that intake wrote; a person who refuses a device is remembered.
_REFUSAL = (schema.audit.c.action == "reading.refused") | (
    (schema.audit.c.action == "device.refused") & schema.audit.c.note.not_like("%readings waited%")
)


def _crowded(connection: sa.Connection, table: sa.Table, most: int) -> list[tuple[str, int]]:
    number = sa.func.count()
    rows = connection.execute(
        sa.select(table.c.gateway, number)
        .group_by(table.c.gateway)
        .having(number > NEARLY * most)
        .order_by(table.c.gateway)
    )
    return [(row[0], row[1]) for row in rows]


def _forget_oldest(
    connection: sa.Connection, table: sa.Table, of: sa.ColumnElement[bool], most: int
) -> None:
    ids = sa.select(table.c.id).where(of).order_by(table.c.id.desc())
    oldest_kept = connection.scalar(ids.offset(most - 1).limit(1))
    if oldest_kept is not None:
        connection.execute(table.delete().where(of, table.c.id < oldest_kept))


def _forget_epochs(connection: sa.Connection, gateway: str) -> None:
    epochs, intervals = schema.epochs, schema.epoch_intervals
    old = connection.scalars(
        sa.select(epochs.c.epoch)
        .where(epochs.c.gateway == gateway)
        .order_by(epochs.c.last_ms.desc())
        .offset(MOST_EPOCHS)
    ).all()
    for table in (epochs, intervals):
        connection.execute(table.delete().where(table.c.gateway == gateway, table.c.epoch.in_(old)))
