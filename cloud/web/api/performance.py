"""/alerts/performance: ISA-18.2's figures, each with what it is made of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud import performance as measured
from cloud.errors import InvalidError
from cloud.web import performance_models as models
from cloud.web.api.common import From, To, milliseconds, problems
from cloud.web.auth import Having, Viewer
from cloud.web.problems import Problem
from cloud.web.queries import performance

router = APIRouter(prefix="/alerts", tags=["alerts"])

MONTH_MS = 30 * 86_400_000


@router.get("/performance", responses=problems(400))
def get_performance(
    services: Having,
    _: Viewer,
    begin: From = None,
    end: To = None,
    operators: Annotated[int, Query(description="Positions that share the alerts")] = 1,
) -> models.Performance:
    """Measure how well alerts serve the people who answer them, by ISA-18.2.

    The last 30 days unless said otherwise, at most 400; alerts count when they were made known.
    """
    until_ms = milliseconds(end, services.clock.now_ms())
    from_ms = milliseconds(begin, until_ms - MONTH_MS)
    try:
        with services.database.read() as connection:
            found = measured.performance(connection, from_ms, until_ms, operators)
            return performance.view(connection, found)
    except InvalidError as error:
        raise Problem("bad-range", str(error)) from error
