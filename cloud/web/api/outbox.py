"""/outbox: what other case systems were not told, and what people do about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cloud.cases import deliveries
from cloud.cases.deliveries import Delivery
from cloud.state.database import retrying
from cloud.web import models
from cloud.web.api.common import problems
from cloud.web.auth import Having, Manager, Viewer

router = APIRouter(prefix="/outbox", tags=["outbox"])

DeliveryId = Annotated[int, Path(description="The delivery's number", ge=1, le=2**62)]


class Reason(BaseModel):
    """Why a system is not told."""

    reason: str = Field(min_length=1, max_length=500, description="For the audit")


@router.get("", responses=problems())
def list_outbox(services: Having, asking: Viewer) -> models.Outbox:
    """List what was refused or has failed, the refused first, and how much there is of each.

    A handling unit's account is shown its own cases', and those it helps in.
    """
    unit = asking.account.actor.own_unit
    with services.database.read() as connection:
        counts = deliveries.counts(connection, unit)
        found = deliveries.unfinished(connection, for_unit=unit)
    return models.Outbox(
        systems=[
            models.OutboxCount(system=system, state=state.value, deliveries=number)
            for (system, state), number in sorted(counts.items())
        ],
        items=[view(each) for each in found],
    )


@router.post("/{delivery}/retry", responses=problems(403, 404, 409))
@retrying
def retry_delivery(services: Having, asking: Manager, delivery: DeliveryId) -> models.Delivery:
    """Have it told at once, whatever it waits for. A manager's."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        deliveries.require_seen(connection, delivery, asking.account.actor.own_unit)
        found = deliveries.retry(connection, delivery, asking.account.name, now_ms)
    return view(found)


@router.post("/{delivery}/give-up", responses=problems(403, 404, 409))
@retrying
def give_up_delivery(
    services: Having, asking: Manager, delivery: DeliveryId, why: Reason
) -> list[models.Delivery]:
    """Tell it nothing of this step; of the whole case, if it does not know it yet. A manager's."""
    with services.database.write() as connection:
        deliveries.require_seen(connection, delivery, asking.account.actor.own_unit)
        given = deliveries.give_up(
            connection, delivery, asking.account.name, why.reason, services.clock.now_ms()
        )
    return [view(each) for each in given]


def view(found: Delivery) -> models.Delivery:
    """Return a delivery as the API and the console show it."""
    return models.Delivery(
        id=found.id,
        system=found.system,
        case=found.case,
        step=found.message.step,
        state=found.state.value,
        attempts=found.attempts,
        error=found.error,
        created_ms=found.created_ms,
        next_attempt_ms=found.next_attempt_ms,
        by=found.by,
    )
