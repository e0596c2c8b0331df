"""/notifications: who was told what, and how the channels are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from cloud.notify.rows import Fate
from cloud.web import notify_models as models
from cloud.web.api.common import Cursor, Limit, problems
from cloud.web.auth import Having, Viewer
from cloud.web.models import Page
from cloud.web.problems import Problem
from cloud.web.queries import notifications

router = APIRouter(prefix="/notifications", tags=["notifications"])

MessageId = Annotated[int, Path(description="The message's id", ge=0, le=2**53)]


@router.get("", responses=problems(400))
def list_notifications(
    services: Having,
    _: Viewer,
    alert: Annotated[str, Query(description="Only this alert's")] = "",
    person: Annotated[str, Query(description="Only to this person")] = "",
    state: Annotated[list[Fate] | None, Query(description="Only what became these")] = None,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[models.Notification]:
    """List messages to people, the newest first. Addresses and texts are not shown."""
    try:
        with services.database.read() as connection:
            return notifications.page(
                connection,
                alert=alert,
                person=person,
                states=state or (),
                limit=limit,
                cursor=cursor,
            )
    except ValueError as error:
        raise Problem.bad_cursor(cursor) from error


@router.get("/channels", responses=problems())
def list_notification_channels(services: Having, _: Viewer) -> list[models.NotifyChannel]:
    """List the channels, with those that are dead and what waits for them."""
    with services.database.read() as connection:
        return notifications.channels(connection)


@router.get("/{message}/attempts", responses=problems())
def list_notification_attempts(
    services: Having, _: Viewer, message: MessageId
) -> list[models.NotificationAttempt]:
    """List every attempt at a message, the first one first; none for one that nobody tried."""
    with services.database.read() as connection:
        return notifications.attempts(connection, message)
