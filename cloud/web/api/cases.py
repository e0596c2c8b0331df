"""/cases: what must be done, and each step until it is closed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from cloud.cases import ledger
from cloud.core.case_steps import OPEN_STATES, STEPS, State
from cloud.web import models
from cloud.web.api.common import Cursor, Limit, problems
from cloud.web.auth import Having, Operator, Viewer
from cloud.web.queries import cases
from contract.quantities import Kind

router = APIRouter(prefix="/cases", tags=["cases"])

CaseId = Annotated[str, Path(description="The case's number", examples=["20261122-000017"])]
ENDED_STATES = tuple(state for state in State if state not in OPEN_STATES)


class Taken(BaseModel):
    """The step a person takes."""

    step: str = Field(
        description="One of the case's next_steps",
        json_schema_extra={"enum": [step.value for step, info in STEPS.items() if info.least]},
        max_length=32,
    )
    version: int = Field(description="The case's version as this person saw it")
    note: str = Field("", max_length=ledger.LONGEST_NOTE, description="For the case's trail")


@router.get("", responses=problems(400))
def list_cases(
    services: Having,
    _: Viewer,
    state: Annotated[list[State] | None, Query(description="Only these states")] = None,
    is_open: Annotated[
        bool | None, Query(alias="open", description="true: not closed or void; false: those")
    ] = None,
    kind: Annotated[Kind | None, Query(description="Only this kind of device")] = None,
    device: Annotated[str, Query(description="Only this device")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> models.Page[models.Case]:
    """List cases, the latest opened first."""
    of_openness = {None: tuple(State), True: OPEN_STATES, False: ENDED_STATES}[is_open]
    states = [each for each in state or State if each in of_openness]
    if not states:
        return models.Page[models.Case](items=[], next=None)
    with services.database.read() as connection:
        return cases.page(
            connection,
            states=states,
            kind=kind or "",
            device=device,
            now_ms=services.clock.now_ms(),
            limit=limit,
            cursor=cursor,
        )


@router.get("/{case}", responses=problems(404))
def get_case(services: Having, asking: Viewer, case: CaseId) -> models.CaseDetail:
    """Return one case with its trail, its alerts, and the steps that you may take next."""
    with services.database.read() as connection:
        return cases.one(connection, case, asking.account.role, services.clock.now_ms())


@router.post("/{case}/steps", responses=problems(403, 404, 409))
def take_step(services: Having, asking: Operator, case: CaseId, taken: Taken) -> models.CaseDetail:
    """Take the next step. Takes an operator, for some steps a manager.

    409 when the state does not allow it (the answer names the steps it does allow), or when
    somebody was faster (the version is not the case's any more: load it again).
    """
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        ledger.step(
            connection,
            case,
            taken.step,
            asking.account.name,
            asking.account.role,
            taken.version,
            taken.note,
            now_ms,
        )
        return cases.one(connection, case, asking.account.role, now_ms)
