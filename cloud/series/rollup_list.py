"""Which files of rollups there are: `rollup_files`. What is not in it is a stray of a crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import sqlalchemy as sa

from cloud.core.rollup import DAY_MS, Tier
from cloud.series import hot
from cloud.state import schema

UNITS: dict[Tier, str] = {Tier.MINUTE: "D", Tier.HOUR: "M", Tier.DAY: "Y"}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file; first_ms and last_ms are where its first and its last bucket begin."""

    path: str
    tier: str
    period: str  # 2026-11-22 of minutes, 2026-11 of hours, 2026 of days: UTC, by a bucket's begin
    level: int  # how often its rows were merged
    rows: int
    bytes: int
    sha256: str
    first_ms: int
    last_ms: int
    made_ms: int


def listed(
    connection: sa.Connection, between: tuple[int, int] | None = None, tier: Tier | None = None
) -> list[File]:
    """Return the files that may have buckets which begin in a stretch, of one tier or of all."""
    table = schema.rollup_files
    query = sa.select(table).order_by(table.c.tier, table.c.period, table.c.level, table.c.path)
    if between:
        query = query.where(table.c.first_ms < between[1], table.c.last_ms >= between[0])
    if tier:
        query = query.where(table.c.tier == tier.value)
    return [File(**row._mapping) for row in connection.execute(query)]


def swap(connection: sa.Connection, old: Sequence[File], new: Sequence[File]) -> None:
    """Name new files in place of old ones."""
    table = schema.rollup_files
    for file in old:
        connection.execute(table.delete().where(table.c.path == file.path))
    if new:
        connection.execute(table.insert(), [asdict(file) for file in new])


def period_end_ms(file: File) -> int:
    """Return when the period ends that a file is filed under."""
    after = np.datetime64(file.period) + 1  # the text's own unit: a day, a month or a year
    return int(after.astype("datetime64[ms]").astype(np.int64))


def kept_from_ms(connection: sa.Connection, tier: Tier) -> int:
    """Return from when on a tier is whole; what is older was deleted as its retention says."""
    table = schema.rollup_tiers
    return connection.scalar(sa.select(table.c.kept_from_ms).where(table.c.tier == tier.value)) or 0


def keep_from(connection: sa.Connection, tier: Tier, from_ms: int) -> None:
    """Write down from when on a tier is whole."""
    table = schema.rollup_tiers
    later_ms = max(from_ms, kept_from_ms(connection, tier))
    connection.execute(table.delete().where(table.c.tier == tier.value))
    connection.execute(table.insert().values(tier=tier.value, kept_from_ms=later_ms))


def make_anew(connection: sa.Connection, from_ms: int, to_ms: int) -> list[str]:
    """Have the UTC days of a stretch rolled up anew from their readings; return the days."""
    due = schema.rollup_due
    days = [day_name(day) for day in range(from_ms // DAY_MS, (to_ms - 1) // DAY_MS + 1)]
    known = due_days(connection)
    fresh = [{"day": day} for day in days if day not in known]
    if fresh:
        connection.execute(due.insert(), fresh)
    return days


def due_days(connection: sa.Connection) -> list[str]:
    """Return the UTC days that must be rolled up anew; until then nobody reads their rollups."""
    due = schema.rollup_due
    return list(connection.scalars(sa.select(due.c.day).order_by(due.c.day)))


def day_name(day: int) -> str:
    """Return a day, counted from 1970, as 2026-11-22."""
    return str(np.datetime64(day, "D"))


def day_begins_ms(day: str) -> int:
    """Return when a UTC day begins."""
    return int(np.datetime64(day, "D").astype(int)) * DAY_MS


def is_hot(connection: sa.Connection, from_ms: int, to_ms: int) -> bool:
    """Whether any reading of a stretch may not be sealed yet."""
    blocks = schema.blocks
    found = connection.scalar(
        sa.select(sa.func.count())
        .select_from(blocks)
        .where(blocks.c.id > hot.sealed_upto(connection))
        .where(blocks.c.first_ms < to_ms, blocks.c.last_ms >= from_ms)
    )
    return bool(found)
