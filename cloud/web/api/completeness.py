"""/devices/{device}/completeness: what was due, what arrived, what is missing, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from cloud.completeness import midnight_ms, report
from cloud.errors import InvalidError
from cloud.web import models
from cloud.web.api.common import From, To, milliseconds, problems
from cloud.web.auth import Having, Viewer
from cloud.web.problems import Problem
from cloud.web.queries import completeness

router = APIRouter(prefix="/devices", tags=["devices"])

WEEK = 7


@router.get("/{device}/completeness", responses=problems(400, 404))
def get_completeness(
    services: Having,
    _: Viewer,
    device: Annotated[str, Path(description="The device's id", examples=["noise-01"])],
    begin: From = None,
    end: To = None,
) -> models.DeviceCompleteness:
    """Tell how many readings were due, arrived, were late, are missing, and why; by local day.

    The last seven days unless said otherwise; at most 92 days at once.
    """
    now_ms = services.clock.now_ms()
    to_ms = milliseconds(end, now_ms)
    from_ms = milliseconds(begin, midnight_ms(to_ms, services.timezone, WEEK - 1))
    try:
        found = report(
            services.database,
            services.series_store,
            services.timezone,
            device,
            from_ms=from_ms,
            to_ms=to_ms,
            now_ms=now_ms,
        )
    except InvalidError as error:
        raise Problem("bad-range", str(error)) from error
    return completeness.view(found)
