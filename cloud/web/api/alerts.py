"""/alerts: what is beyond its limits, and who has seen it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from cloud import alert_desk
from cloud import alerts as occurrences
from cloud.alert_desk import Person
from cloud.alert_scope import scope_of
from cloud.core.alert_policy import HOUR_S
from cloud.core.isa_18_2 import State
from cloud.state.database import retrying
from cloud.web import models
from cloud.web.api.common import Cursor, Limit, milliseconds, problems
from cloud.web.auth import Having, Operator, Viewer, Visitor
from cloud.web.queries import alerts
from cloud.web.services import Services
from contract.quantities import Kind

router = APIRouter(prefix="/alerts", tags=["alerts"])

AlertId = Annotated[str, Path(description="The alert's id")]


class Comment(BaseModel):
    """What a person adds to an alert's history."""

    text: str = Field(min_length=1, max_length=alert_desk.LONGEST_TEXT)


class Assignment(BaseModel):
    """Who shall look after an alert."""

    to: str = Field(max_length=63, description="An account's name; empty takes it from whoever")


class Shelving(BaseModel):
    """Why, and for how long."""

    reason: str = Field(max_length=alert_desk.LONGEST_TEXT, description="Needed")
    hours: float = Field(gt=0, description="At most what the role may: alerts.shelve_hours")


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
    kind: Annotated[
        Kind | Literal["gateway", "channel"] | None, Query(description="Only this kind of device")
    ] = None,
    device: Annotated[str, Query(description="Only this device")] = "",
    record: Annotated[
        list[occurrences.Record] | None,
        Query(description="Only those known live, from late readings, or refuted by them"),
    ] = None,
    since: Annotated[AwareDatetime | None, Query(description="Begun then or later")] = None,
    group: Annotated[str, Query(description="Only this group, named after its first")] = "",
    flood: Annotated[int | None, Query(description="Only this flood")] = None,
    assignee: Annotated[str | None, Query(description="Only whose it is; empty: nobody's")] = None,
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
            group=group,
            flood=flood,
            assignee=assignee,
            limit=limit,
            cursor=cursor,
        )


@router.get("/floods", responses=problems())
def list_floods(services: Having, _: Viewer) -> models.Page[models.Flood]:
    """List the floods that are not over: more alerts than a person can answer."""
    with services.database.read() as connection:
        return models.Page[models.Flood](items=alerts.floods(connection), next=None)


@router.get("/{alert}", responses=problems(404))
def get_alert(services: Having, _: Viewer, alert: AlertId) -> models.AlertDetail:
    """Return one alert with its history, oldest first, and the cases it is evidence in."""
    with services.database.read() as connection:
        return alerts.one(connection, alert)


@router.post("/{alert}/acknowledge", responses=problems(403, 404, 409))
@retrying
def acknowledge(
    services: Having, asking: Operator, alert: AlertId, said: Acknowledgement | None = None
) -> models.AlertDetail:
    """Acknowledge an alert that is UNACK or RTNUN: a person has seen it. Takes an operator."""
    with services.database.write() as connection:
        scope_of(asking.account.actor, services.policy).require_alert(connection, alert)
        occurrences.acknowledge(
            connection,
            alert,
            asking.account.name,
            services.clock.now_ms(),
            said.note if said else "",
        )
        return alerts.one(connection, alert)


@router.post("/{alert}/comment", responses=problems(403, 404))
@retrying
def comment(
    services: Having, asking: Operator, alert: AlertId, said: Comment
) -> models.AlertDetail:
    """Add to an alert's history, also when it is over. Takes an operator."""
    with services.database.write() as connection:
        alert_desk.comment(connection, alert, said.text, person(services, asking))
        return alerts.one(connection, alert)


@router.post("/{alert}/assign", responses=problems(403, 404, 409))
@retrying
def assign(
    services: Having, asking: Operator, alert: AlertId, said: Assignment
) -> models.AlertDetail:
    """Give an alert to somebody to look after. Takes an operator."""
    with services.database.write() as connection:
        alert_desk.assign(connection, alert, said.to, person(services, asking), services.alerts)
        return alerts.one(connection, alert)


@router.post("/{alert}/shelve", responses=problems(403, 404, 409))
@retrying
def shelve(
    services: Having, asking: Operator, alert: AlertId, said: Shelving
) -> models.AlertDetail:
    """Shelve an alert: it is not raised meanwhile, evaluation goes on, and its end is told.

    Takes an operator; how long depends on the role. What still holds then is raised.
    """
    with services.database.write() as connection:
        alert_desk.shelve(
            connection,
            alert,
            said.reason,
            said.hours * HOUR_S,
            person(services, asking),
            services.in_force.by_id,
            services.alerts,
        )
        return alerts.one(connection, alert)


@router.post("/{alert}/unshelve", responses=problems(403, 404, 409))
@retrying
def unshelve(services: Having, asking: Operator, alert: AlertId) -> models.AlertDetail:
    """End a shelving before its time. Takes an operator."""
    with services.database.write() as connection:
        by = person(services, asking)
        alert_desk.unshelve(connection, alert, by, services.in_force.by_id, services.alerts)
        return alerts.one(connection, alert)


def person(services: Services, asking: Visitor) -> Person:
    """Return who acts, and when."""
    account = asking.account
    scope = scope_of(account.actor, services.policy)
    return Person(name=account.name, role=account.role, at_ms=services.clock.now_ms(), scope=scope)
