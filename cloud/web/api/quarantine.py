"""/quarantine: what could not be taken, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud.web import models
from cloud.web.api.common import Cursor, Limit, problems
from cloud.web.auth import Having, Operator
from cloud.web.problems import Problem
from cloud.web.queries import quarantine

router = APIRouter(prefix="/quarantine", tags=["quarantine"])


@router.get("", responses=problems(400, 403))
def list_quarantine(
    services: Having,
    _: Operator,
    gateway: Annotated[str, Query(description="Only from this gateway")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> models.Page[models.Quarantined]:
    """List messages and records that were set aside, the newest first. Takes an operator.

    A bounded sample: the counts are in /metrics.
    """
    if cursor and not cursor.isdecimal():
        raise Problem.bad_cursor(cursor)
    before = int(cursor) if cursor else None
    with services.database.read() as connection:
        return quarantine.page(connection, gateway=gateway, limit=limit, before=before)
