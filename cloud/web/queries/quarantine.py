"""What could not be taken."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.state import schema
from cloud.web import models

SAMPLE_BYTES = 512


def page(
    connection: sa.Connection, *, gateway: str = "", limit: int, before: int | None = None
) -> models.Page[models.Quarantined]:
    """Return what was set aside, the newest first."""
    table = schema.quarantine
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit + 1)
    if gateway:
        query = query.where(table.c.gateway == gateway)
    if before is not None:
        query = query.where(table.c.id < before)
    rows = connection.execute(query).all()
    items = [
        models.Quarantined(
            id=row.id,
            received_ms=row.received_ms,
            gateway=row.gateway,
            topic=row.topic,
            record=row.record,
            name=row.name,
            reason=row.reason,
            sample=printable(row.sample[:SAMPLE_BYTES]),
        )
        for row in rows[:limit]
    ]
    more = len(rows) > limit
    return models.Page[models.Quarantined](items=items, next=str(items[-1].id) if more else None)


def printable(sample: bytes) -> str:
    """Write bytes as text, those that are no printable ASCII as \\xNN."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in sample)
