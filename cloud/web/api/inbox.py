"""/inbox: devices that nobody has adopted, and what people decide about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cloud import adoption
from cloud.adoption import Waiter
from cloud.web import models
from cloud.web.api.common import problems
from cloud.web.auth import Having, Manager, Viewer
from contract.quantities import Kind

router = APIRouter(prefix="/inbox", tags=["inbox"])

DeviceId = Annotated[str, Path(description="The device's id")]


class Refusal(BaseModel):
    """Which device is meant, if several brought it."""

    gateway: str | None = Field(
        default=None, description="The gateway that brought it; empty for one that spoke for itself"
    )


class Adoption(Refusal):
    """What a person says of a device. What is left out, its birth said, or is guessed."""

    kind: Kind | None = Field(default=None, description="If it is not clear from what it measures")
    name: str = Field(default="", max_length=200, description="What people call it")
    period_s: float | None = Field(default=None, gt=0, le=10_000_000, description="Its period")


@router.get("", responses=problems())
def list_inbox(services: Having, _: Viewer) -> list[models.Waiting]:
    """List devices that wait or were refused, the latest to speak first."""
    with services.database.read() as connection:
        return [view(each) for each in adoption.waiters(connection)]


@router.post("/{device}/adopt", responses=problems(403, 404, 409), status_code=202)
def adopt_device(
    services: Having, asking: Manager, device: DeviceId, said: Adoption | None = None
) -> models.Waiting:
    """Let a device in with the readings that wait; intake does it within a second. A manager's."""
    said = said or Adoption()
    with services.database.write() as connection:
        found = adoption.adopt(
            connection,
            device,
            by=asking.account.name,
            now_ms=services.clock.now_ms(),
            sender=said.gateway,
            kind=said.kind or "",
            name=said.name,
            period_s=said.period_s,
        )
    return view(found)


@router.post("/{device}/refuse", responses=problems(403, 404, 409), status_code=202)
def refuse_device(
    services: Having, asking: Manager, device: DeviceId, said: Refusal | None = None
) -> models.Waiting:
    """Keep a device out: its readings are dropped, now and from now on. A manager's."""
    with services.database.write() as connection:
        found = adoption.refuse(
            connection,
            device,
            by=asking.account.name,
            now_ms=services.clock.now_ms(),
            sender=said.gateway if said else None,
        )
    return view(found)


def view(waiter: Waiter) -> models.Waiting:
    """Return a device of the inbox as the API and the console show it."""
    return models.Waiting(
        device=waiter.device,
        gateway=waiter.sender,
        state=waiter.state,
        kind=waiter.kind,
        measurements=list(waiter.measurements),
        readings=waiter.readings,
        dropped=waiter.dropped,
        first_ms=waiter.first_ms,
        last_ms=waiter.last_ms,
        decided_by=waiter.decided_by,
        decided_ms=waiter.decided_ms,
    )
