"""How far alerts are behind the clock."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud.state import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """history_*: devices with late readings to be evaluated, and how long the first has waited.

    last_commit_age_s: since readings were last stored; None for never.
    """

    history_devices: int
    history_lag_s: float
    last_commit_age_s: float | None


def lag(connection: sa.Connection, now_ms: int) -> Lag:
    """Return how far it is."""
    waiting, blocks = schema.hindsight, schema.blocks
    number, oldest_ms = connection.execute(
        sa.select(sa.func.count(), sa.func.min(waiting.c.queued_ms)).select_from(waiting)
    ).one()
    newest_ms = connection.scalar(
        sa.select(blocks.c.committed_ms).order_by(blocks.c.id.desc()).limit(1)
    )
    return Lag(
        history_devices=number,
        history_lag_s=0.0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000,
        last_commit_age_s=None if newest_ms is None else max(0, now_ms - newest_ms) / 1000,
    )
