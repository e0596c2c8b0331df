"""/maintenance: what is held, ahead of time or until it is put back, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from cloud import alert_desk, hold_rows
from cloud.alert_desk import Plan
from cloud.core.holds import HoldKind
from cloud.web import models
from cloud.web.api.alerts import person
from cloud.web.api.common import Cursor, Limit, milliseconds, problems
from cloud.web.auth import Having, Manager, Operator, Viewer
from cloud.web.queries.alerts import hold_view

router = APIRouter(prefix="/maintenance", tags=["alerts"])


class Window(BaseModel):
    """What is to be held, and when. All that is named must fit an alert."""

    device: str = Field("", max_length=63)
    rule: str = Field("", max_length=63)
    gateway: str = Field("", max_length=63, description="The gateway and all its devices")
    tag: str = Field("", max_length=63, description="E.g. site or area, with tag_value")
    tag_value: str = Field("", max_length=200)
    begins: AwareDatetime | None = Field(None, alias="from", description="Left out: now")
    ends: AwareDatetime | None = Field(
        None, alias="until", description="Left out: out of service, until it is put back"
    )
    reason: str = Field(max_length=alert_desk.LONGEST_TEXT, description="Needed")


@router.get("", responses=problems())
def list_holds(
    services: Having,
    _: Viewer,
    kind: Annotated[list[HoldKind] | None, Query(description="Only these kinds")] = None,
    ended: Annotated[bool | None, Query(description="Only those that have, or have not")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> models.Page[models.Hold]:
    """List what holds alerts, the newest made first: windows, shelving, gateways that are away."""
    with services.database.read() as connection:
        found = hold_rows.page(
            connection, kinds=tuple(kind or ()), ended=ended, cursor=cursor, limit=limit
        )
    return models.Page[models.Hold](
        items=[hold_view(hold) for hold in found.holds], next=found.cursor
    )


@router.post("", status_code=201, responses=problems(403, 404))
def plan(services: Having, asking: Manager, window: Window) -> models.Hold:
    """Plan a maintenance window, or take something out of service. Takes a manager.

    Evaluation goes on meanwhile; what still holds when it ends is raised.
    """
    by = person(services, asking)
    wanted = Plan(
        device=window.device,
        rule=window.rule,
        gateway=window.gateway,
        tag=window.tag,
        tag_value=window.tag_value,
        from_ms=milliseconds(window.begins, by.at_ms),
        until_ms=milliseconds(window.ends, 0) if window.ends else None,
        reason=window.reason,
    )
    with services.database.write() as connection:
        return hold_view(alert_desk.plan(connection, wanted, by, services.in_force.by_id))


@router.post("/{hold}/end", responses=problems(403, 404, 409))
def end(
    services: Having, asking: Operator, hold: Annotated[str, Path(description="Its id")]
) -> models.Hold:
    """End a hold now, or call off one that is planned. Takes a manager; for shelving an operator.

    Suppression by design takes an administrator.
    """
    with services.database.write() as connection:
        by = person(services, asking)
        rules, policy = services.in_force.by_id, services.alerts
        return hold_view(alert_desk.end_hold(connection, hold, by, rules, policy))
