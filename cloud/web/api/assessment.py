"""/cases/assessment: what became of the cases of a month, each figure with its cases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from cloud.assessment import Assessment, between, month
from cloud.core.assessment import By
from cloud.errors import InvalidError
from cloud.web import assessment_models as models
from cloud.web.api.common import From, To, milliseconds, problems
from cloud.web.auth import Having, Viewer, Visitor
from cloud.web.problems import Problem
from cloud.web.queries import assessment
from cloud.web.services import Services

router = APIRouter(prefix="/cases/assessment", tags=["cases"])

GroupBy = Annotated[By, Query(description="What cases are put together by")]


@router.get("", responses=problems(400))
def get_assessment(
    services: Having,
    asking: Viewer,
    name: Annotated[str, Query(alias="month", description="Like 2026-10", max_length=20)] = "",
    by: GroupBy = By.UNIT,
    begin: From = None,
    end: To = None,
) -> models.Assessment:
    """Assess the cases of a month, this one unless said otherwise, or of any period.

    A handling unit's account is shown its own figures.
    """
    return assessment.view(_assessed(services, asking, name, by, begin, end), by)


@router.get("/cases", responses=problems(400, 404))
def get_figure_cases(
    services: Having,
    asking: Viewer,
    figure: Annotated[str, Query(description="A figure's key", max_length=32)],
    name: Annotated[str, Query(alias="month", description="Like 2026-10", max_length=20)] = "",
    by: GroupBy = By.UNIT,
    key: Annotated[
        str | None, Query(description="One group's key; left out: all", max_length=200)
    ] = None,
    begin: From = None,
    end: To = None,
) -> models.FigureCases:
    """Name the cases that a figure is made of."""
    found = _assessed(services, asking, name, by, begin, end, comparing=False)
    groups = {group.key: group for group in found.groups[by]}
    group = found.total if key is None else groups.get(key)
    if group is None or figure not in group.figures:
        keys = ", ".join(formula.key for formula in found.formulas.figures)
        raise Problem("not-found", f"no figure {figure!r} of {key!r}; figures: {keys}")
    one = group.figures[figure]
    return models.FigureCases(figure=figure, numerator=list(one.cases), denominator=list(one.of))


def _assessed(
    services: Services,
    asking: Visitor,
    name: str,
    by: By,
    begin: AwareDatetime | None,
    end: AwareDatetime | None,
    *,
    comparing: bool = True,
) -> Assessment:
    zone, now_ms = services.timezone, services.clock.now_ms()
    try:
        if begin is not None and not name:
            period = between(milliseconds(begin, now_ms), milliseconds(end, now_ms), zone)
        else:
            period = month(name or f"{assessment.today(services):%Y-%m}", zone)
        unit = asking.account.actor.own_unit
        return assessment.assessed(services, period, by, unit, comparing=comparing)
    except InvalidError as error:
        raise Problem("bad-range", str(error)) from error
