"""/alerts: what is beyond its limits, and who has seen it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from cloud import alerts as occurrences
from cloud.core.isa_18_2 import State
from cloud.web import models
from cloud.web.api.common import Cursor, Limit, milliseconds, problems
from cloud.web.auth import Having, Operator, Viewer
from cloud.web.queries import alerts
from contract.quantities import Kind

router = APIRouter(prefix="/alerts", tags=["alerts"])

AlertId = Annotated[str, Path(description="The alert's id")]


class Acknowledgement(BaseModel):
    """What a person says when acknowledging."""

    note: str = Field("", max_length=1000, description="For the alert's history")


@router.get("", responses=problems(400))
def list_alerts(
    services: Having,
    _: Viewer,
    state: Annotated[list[State] | None, Query(description="Only these states")] = None,
    is_open: Annotated[
        bool | None, Query(alias="open", description="true: every state but NORM; false: NORM")
    ] = None,
    kind: Annotated[Kind | None, Query(description="Only this kind of device")] = None,
    device: Annotated[str, Query(description="Only this device")] = "",
    record: Annotated[
        list[occurrences.Record] | None,
        Query(description="Only those known live, from late readings, or refuted by them"),
    ] = None,
    since: Annotated[AwareDatetime | None, Query(description="Begun then or later")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> models.Page[models.Alert]:
    """List alerts, the latest begun first."""
    of_openness = {None: tuple(State), True: alerts.OPEN, False: (State.NORM,)}[is_open]
    states = [each for each in state or State if each in of_openness]
    if not states:
        return models.Page[models.Alert](items=[], next=None)
    with services.database.read() as connection:
        return alerts.page(
            connection,
            states=states if len(states) < len(State) else (),
            kind=kind or "",
            device=device,
            since_ms=milliseconds(since, 0) if since else None,
            records=record or (),
            limit=limit,
            cursor=cursor,
        )


@router.get("/{alert}", responses=problems(404))
def get_alert(services: Having, _: Viewer, alert: AlertId) -> models.AlertDetail:
    """Return one alert with its history, oldest first, and the cases it is evidence in."""
    with services.database.read() as connection:
        return alerts.one(connection, alert)


@router.post("/{alert}/acknowledge", responses=problems(403, 404, 409))
def acknowledge(
    services: Having, asking: Operator, alert: AlertId, said: Acknowledgement | None = None
) -> models.AlertDetail:
    """Acknowledge an alert that is UNACK or RTNUN: a person has seen it. Takes an operator."""
    with services.database.write() as connection:
        occurrences.acknowledge(
            connection,
            alert,
            asking.account.name,
            services.clock.now_ms(),
            said.note if said else "",
        )
        return alerts.one(connection, alert)
