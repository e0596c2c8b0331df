"""/cases: what must be done, and each step until it is closed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from cloud.cases import matters, release, reports, steps, tasks
from cloud.cases.lists import Wanted
from cloud.cases.steps import Given
from cloud.core.case_steps import OPEN_STATES, STEPS, State
from cloud.core.model import Severity
from cloud.state.database import retrying
from cloud.web import models
from cloud.web.api.common import Cursor, Limit, problems
from cloud.web.auth import Having, Operator, Viewer
from cloud.web.queries import cases
from contract.quantities import Kind

router = APIRouter(prefix="/cases", tags=["cases"])

CaseId = Annotated[str, Path(description="The case's number", examples=["20261122-000017"])]
ENDED_STATES = tuple(state for state in State if state not in OPEN_STATES)
STEP_NAMES: list[JsonValue] = [
    step.value for step, info in STEPS.items() if info.who and not info.apart
]
Note = Annotated[str, Field(max_length=steps.LONGEST_NOTE, description="For the case's trail")]
Version = Annotated[int, Field(description="The case's version as this person saw it")]


class Taken(BaseModel):
    """The step a person takes, or asks for."""

    step: str = Field(
        description="One of the case's next_steps",
        json_schema_extra={"enum": STEP_NAMES},
        max_length=32,
    )
    version: Version
    note: Note = ""
    until: AwareDatetime | None = Field(
        None, description="extend: the new due time; defer: when it goes on"
    )
    unit: str = Field("", max_length=200, description="dispatch: to this unit, if not the case's")
    satisfaction: int | None = Field(None, ge=1, le=5, description="close: how content people are")

    def given(self) -> Given:
        """What comes with the step."""
        until_ms = None if self.until is None else round(self.until.timestamp() * 1000)
        return Given(
            note=self.note, until_ms=until_ms, unit=self.unit, satisfaction=self.satisfaction
        )


class Merging(BaseModel):
    """Another case that this one becomes part of."""

    into: str = Field(description="The number of an open case", max_length=32)
    version: Version
    note: Note = ""


class Splitting(BaseModel):
    """What of this case becomes a case of its own."""

    alerts: list[str] = Field(description="Alerts that are evidence here", max_length=500)
    category: str = Field("", max_length=8, description="Of the new case, if another")
    asset: str = Field("", max_length=200, description="Of the new case, if another")
    version: Version
    note: Note = ""


class Invited(BaseModel):
    """A task for another unit."""

    unit: str = Field(description="Who does it", max_length=200)
    what: Note
    due: AwareDatetime | None = None
    version: Version


class Finished(BaseModel):
    """What a unit did."""

    note: Note


class Reported(BaseModel):
    """What a person tells. A place is needed: latitude and longitude, an address, or an asset."""

    source: str = Field(description=f"One of {', '.join(reports.SOURCES)}", max_length=16)
    category: str = Field(max_length=8)
    description: Note
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    address: str = Field("", max_length=500)
    asset: str = Field("", max_length=200)
    severity: Severity = Severity.MEDIUM
    tags: dict[str, str] = Field(
        default_factory=dict, description=f"Some of {', '.join(reports.TAGS)}"
    )


class Confirmed(BaseModel):
    """What a person says of an alert that waits."""

    opens: bool = Field(description="true: it is a case; false: it is none, with a note")
    note: Note = ""


@router.get("", responses=problems(400))
def list_cases(
    services: Having,
    asking: Viewer,
    state: Annotated[list[State] | None, Query(description="Only these states")] = None,
    is_open: Annotated[
        bool | None, Query(alias="open", description="true: not closed or void; false: those")
    ] = None,
    kind: Annotated[Kind | None, Query(description="Only this kind of device")] = None,
    device: Annotated[str, Query(description="Only this device")] = "",
    unit: Annotated[str, Query(description="Only this responsible unit's")] = "",
    category: Annotated[str, Query(description="Only this category")] = "",
    cell: Annotated[str, Query(description="Only this cell of the area grid")] = "",
    source: Annotated[str, Query(description="Only from this source: alert, phone, …")] = "",
    overdue: Annotated[bool, Query(description="Only what is open past its due time")] = False,
    singled: Annotated[bool, Query(description="Only what stands out as recurring")] = False,
    asked_for: Annotated[bool, Query(description="Only what waits for approval")] = False,
    sort: Annotated[
        Literal["opened", "due"], Query(description="The latest opened first, or the first due")
    ] = "opened",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> models.Page[models.Case]:
    """List cases. A handling unit's account is shown its own, and those it helps in."""
    of_openness = {None: tuple(State), True: OPEN_STATES, False: ENDED_STATES}[is_open]
    states = tuple(each for each in state or State if each in of_openness)
    if not states:
        return models.Page[models.Case](items=[], next=None)
    wanted = Wanted(
        states=states,
        kind=kind or "",
        device=device,
        unit=unit,
        category=category,
        cell=cell,
        source=source,
        overdue=overdue,
        singled=singled,
        asked_for=asked_for,
        by_due=sort == "due",
        for_unit=asking.account.actor.own_unit,
    )
    with services.database.read() as connection:
        now_ms = services.clock.now_ms()
        return cases.page(connection, wanted=wanted, now_ms=now_ms, limit=limit, cursor=cursor)


@router.get("/waiting", responses=problems())
def list_waiting(services: Having, _: Viewer) -> list[models.CaseWaiting]:
    """List the alerts that wait at the gate, the oldest first; nothing of them is dropped."""
    with services.database.read() as connection:
        return cases.at_the_gate(connection)


@router.post("/waiting/{alert}", responses=problems(403, 404, 409))
@retrying
def decide_waiting(
    services: Having,
    asking: Operator,
    alert: Annotated[str, Path(description="The alert's id")],
    told: Confirmed,
) -> models.CaseDetail | None:
    """Let an alert become a case, which is returned, or refuse it with a reason."""
    now_ms, actor = services.clock.now_ms(), asking.account.actor
    with services.database.write() as connection:
        case = release.confirm(
            connection,
            alert,
            actor,
            opens=told.opens,
            note=told.note,
            now_ms=now_ms,
            zone=services.timezone,
            policy=services.policy,
        )
        return cases.one(connection, case, actor, now_ms) if case else None


@router.post("", status_code=201, responses=problems(403, 409))
@retrying
def file_report(services: Having, asking: Operator, told: Reported) -> models.CaseDetail:
    """Report a matter. It waits to be accepted, with the alerts of sensors near it as evidence."""
    now_ms, actor = services.clock.now_ms(), asking.account.actor
    report = reports.Report(**told.model_dump())
    with services.database.write() as connection:
        case = reports.file_report(
            connection, report, actor, now_ms, services.timezone, services.policy
        )
        return cases.one(connection, case.id, actor, now_ms)


@router.get("/{case}", responses=problems(404))
def get_case(services: Having, asking: Viewer, case: CaseId) -> models.CaseDetail:
    """Return one case with its trail, its alerts, and the steps that you may take next."""
    with services.database.read() as connection:
        return cases.one(connection, case, asking.account.actor, services.clock.now_ms())


@router.post("/{case}/steps", responses=problems(403, 404, 409))
@retrying
def take_step(services: Having, asking: Operator, case: CaseId, taken: Taken) -> models.CaseDetail:
    """Take the next step, or ask for it: 回退, 作废, 延期 and 缓办 take a manager's approval.

    409 when the state does not allow it (the answer names the steps it does allow), or when
    somebody was faster (the version is not the case's any more: load it again).
    """
    now_ms, actor = services.clock.now_ms(), asking.account.actor
    with services.database.write() as connection:
        steps.take(
            connection,
            case,
            taken.step,
            actor,
            taken.version,
            taken.given(),
            now_ms,
            services.policy,
        )
        return cases.one(connection, case, actor, now_ms)


@router.post("/{case}/tasks", responses=problems(403, 404, 409))
@retrying
def invite(services: Having, asking: Operator, case: CaseId, told: Invited) -> models.CaseDetail:
    """Give a unit a task in this case, by a due time of its own."""
    now_ms, actor = services.clock.now_ms(), asking.account.actor
    due_ms = None if told.due is None else round(told.due.timestamp() * 1000)
    with services.database.write() as connection:
        tasks.invite(connection, case, told.unit, told.what, due_ms, actor, told.version, now_ms)
        return cases.one(connection, case, actor, now_ms)


@router.post("/{case}/tasks/{task}/done", responses=problems(403, 404, 409))
@retrying
def finish_task(
    services: Having,
    asking: Operator,
    case: CaseId,
    task: Annotated[int, Path(description="One of the case's tasks")],
    told: Finished,
) -> models.CaseDetail:
    """Say that a unit's task is done. The case is handled when all tasks are."""
    now_ms, actor = services.clock.now_ms(), asking.account.actor
    with services.database.write() as connection:
        tasks.finish(connection, case, task, actor, told.note, now_ms)
        return cases.one(connection, case, actor, now_ms)


@router.post("/{case}/merge", responses=problems(403, 404, 409))
@retrying
def merge(services: Having, asking: Operator, case: CaseId, merging: Merging) -> models.CaseDetail:
    """Merge a case into another one, which is returned; its evidence goes there."""
    now_ms, actor = services.clock.now_ms(), asking.account.actor
    with services.database.write() as connection:
        matters.merge(connection, case, merging.into, actor, merging.version, merging.note, now_ms)
        return cases.one(connection, merging.into, actor, now_ms)


@router.post("/{case}/split", responses=problems(403, 404, 409))
@retrying
def split(services: Having, asking: Operator, case: CaseId, taken: Splitting) -> models.CaseDetail:
    """Take alerts out of a case into a new one, which is returned."""
    now_ms, actor = services.clock.now_ms(), asking.account.actor
    with services.database.write() as connection:
        new = matters.split(
            connection,
            case,
            taken.alerts,
            taken.category,
            taken.asset,
            actor,
            taken.version,
            taken.note,
            now_ms,
            services.timezone,
        )
        return cases.one(connection, new.id, actor, now_ms)
