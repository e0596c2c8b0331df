"""/gateways: who sends, how they fare, and the proof of what has arrived from them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from cloud.web import models
from cloud.web.api.common import problems
from cloud.web.auth import Having, Viewer
from cloud.web.problems import Problem
from cloud.web.queries import gateways

router = APIRouter(prefix="/gateways", tags=["gateways"])


@router.get("", responses=problems())
def list_gateways(services: Having, _: Viewer) -> list[models.Gateway]:
    """List gateways by id, each with its state, its health, and how complete its data is."""
    with services.database.read() as connection:
        return [gateways.summary(found) for found in gateways.all_of(connection)]


@router.get("/{gateway}", responses=problems(404))
def get_gateway(
    services: Having, _: Viewer, gateway: Annotated[str, Path(description="The gateway's id")]
) -> models.GatewayDetail:
    """Return one gateway with the intervals of batches that arrived, and its declared gaps."""
    with services.database.read() as connection:
        found = gateways.all_of(connection, only=gateway)
    if not found:
        raise Problem.not_found("gateway", gateway)
    return found[0]
