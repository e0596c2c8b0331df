"""What people do to a case: each step of theirs, what it needs, and what needs approval.

Every function works in its caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud.cases.rows import (
    Case,
    Request,
    change,
    columns_of,
    find_open,
    load,
    named_asset,
    trace,
    waiting_request,
)
from cloud.core import case_steps
from cloud.core.assessment import scored
from cloud.core.case_dues import CaseDues, fresh
from cloud.core.case_roles import Actor, CaseRole, spell_roles
from cloud.core.case_steps import OPEN_STATES, STEPS, State, Step
from cloud.core.file_types import PHOTOS
from cloud.core.gate import GatePolicy, PhotoRule, dues_of
from cloud.core.working_time import due
from cloud.errors import ConflictError, ForbiddenError, InvalidError
from cloud.state import schema

LONGEST_NOTE = 4_000
LONGEST_UNIT = 200
POLICY = GatePolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What comes with a step. until_ms: the new due time, or when a deferred case goes on.

    unit: who is to handle it, with a dispatch. satisfaction: 1 to 5, with the closure.
    """

    note: str = ""
    until_ms: int | None = None
    unit: str = ""
    satisfaction: int | None = None


def take(
    connection: sa.Connection,
    case_id: str,
    step: Step | str,
    actor: Actor,
    version: int,
    given: Given,
    at_ms: int,
    policy: GatePolicy = POLICY,
) -> Case:
    """Take a case's next step, or ask for it where it takes a manager's approval.

    Raises: NotFoundError; InvalidError for an unknown step, or for what is missing or wrong;
    ForbiddenError if this person may not; ConflictError if the state does not allow it, or the case
    has changed since that version.
    """
    case = load(connection, case_id, to_change=True)
    wanted = _step_of(step)
    check_may(actor, wanted, case)
    check_version(case, version)
    after(case, wanted)
    _check_given(case, wanted, given, at_ms)
    if wanted is Step.HANDLE:
        _check_tasks(connection, case)
    photo = photo_wanted(connection, case, wanted, policy)
    if photo is not None:
        raise InvalidError(
            f"{wanted.value!r} needs a photo that was added since the case is {case.state.value}"
            f" (cases.photos: step {photo.step}, category {photo.category or 'any'}): add one first"
        )
    if wanted in (Step.APPROVE, Step.DECLINE):
        _decide(connection, case, wanted, actor.name, given, at_ms, policy)
    elif STEPS[wanted].approval and CaseRole.MANAGER not in actor.roles:
        _ask(connection, case, wanted, actor.name, given, at_ms)
    else:
        perform(connection, case, wanted, actor.name, given, at_ms, policy)
    return load(connection, case_id)


def photo_wanted(
    connection: sa.Connection, case: Case, step: Step, policy: GatePolicy
) -> PhotoRule | None:
    """Return the rule by which a step lacks a photo; None if it takes none, or has one.

    What was added before the case came to its state does not count: rework takes a new one.
    """
    rule = next((each for each in policy.photos if each.fits(step, case.category)), None)
    if rule is None:
        return None
    events, files = schema.case_events.c, schema.case_files.c
    came = sa.select(sa.func.max(events.at_ms)).where(
        events.case == case.id,
        events.to_state == case.state.value,
        events.from_state != case.state.value,
    )
    photo = sa.select(files.id).where(
        files.case == case.id,
        files.type.in_([each.value for each in PHOTOS]),
        files.at_ms >= sa.func.coalesce(came.scalar_subquery(), 0),
    )
    return rule if connection.scalar(photo.limit(1)) is None else None


def check_may(actor: Actor, step: Step, case: Case) -> None:
    """Raise ForbiddenError unless this person may take a step in this case."""
    if case_steps.may(actor, step, case.unit):
        return
    if actor.roles & STEPS[step].who:
        raise ForbiddenError(
            f"case {case.id} is {case.unit or 'nobody'}'s; {actor.name} is of {actor.unit}"
        )
    needed = spell_roles(STEPS[step].who).replace(",", " or ")
    having = spell_roles(actor.roles).replace(",", ", ") or "none"
    raise ForbiddenError(f"{step.value!r} takes the case role {needed}; {actor.name} has {having}")


def check_version(case: Case, version: int) -> None:
    """Raise ConflictError unless the case is as the person saw it."""
    if case.version != version:
        raise ConflictError(
            f"case {case.id} has changed: it is version {case.version}, not {version}; "
            f"load it again"
        )


def after(case: Case, step: Step) -> State:
    """Return the state that a step leads a case to. Raises: ConflictError."""
    try:
        return case_steps.apply(case.state, step)
    except case_steps.NotAllowedError as error:
        raise ConflictError(f"case {case.id}: {error}") from error


def check_note(what: str, note: str) -> None:
    """Raise InvalidError if a note is too long."""
    if len(note) > LONGEST_NOTE:
        raise InvalidError(f"{what} has {len(note)} characters; at most {LONGEST_NOTE}")


def perform(
    connection: sa.Connection,
    case: Case,
    step: Step,
    by: str,
    given: Given,
    at_ms: int,
    policy: GatePolicy = POLICY,
) -> None:
    """Do a step that is allowed: its line in the trail, and the case as it is then."""
    state = after(case, step)
    if state is not case.state:
        withdraw(connection, case, at_ms)
    dues, values = _effect(case, step, given, at_ms, policy)
    if step is Step.ACCEPT and (asset := named_asset(case)):
        _stand_for(connection, case, asset)
    if case.state is State.DEFERRED and state is not State.DEFERRED:
        values |= {"deferred_ms": None, "resume_ms": None}
    if given.unit and step is Step.DISPATCH:
        case = replace(case, unit=given.unit)
        values["unit"] = given.unit
    met_ms = given.until_ms if step is Step.EXTEND else case.dues.of_step(step)
    about = scored(given.satisfaction) if step is Step.CLOSE else ""
    trace(
        connection,
        case,
        step,
        state,
        at_ms,
        by=by,
        note=given.note.strip(),
        about=about,
        due_ms=met_ms,
        dues=dues,
    )
    values["closed_ms"] = None if state in OPEN_STATES else at_ms
    columns = columns_of(dues, state)
    if state not in OPEN_STATES:
        columns["due_ms"] = case.due_ms
    change(connection, case, state=state.value, **columns, **values)


def _effect(
    case: Case, step: Step, given: Given, at_ms: int, policy: GatePolicy
) -> tuple[CaseDues, dict[str, object]]:
    """Return the due times after a step, and what else of the case it changes."""
    match step:
        case Step.ACCEPT | Step.REWORK | Step.RELAPSE:
            dues = fresh(dues_of(case.severity, case.kind, at_ms, policy))
            again = {"sensor_normal_ms": None} if step is Step.RELAPSE else {}
            return replace(dues, secured_ms=case.secured_ms), {"satisfaction": None, **again}
        case Step.SECURE:
            return replace(case.dues, secured_ms=at_ms), {}
        case Step.HANDLE:
            verify_ms = due(policy.calendar, at_ms, policy.verify)
            return replace(case.dues, verify_due_ms=verify_ms), {}
        case Step.EXTEND:
            return case.dues.extended(given.until_ms or at_ms), {}
        case Step.DEFER:
            return case.dues, {"deferred_ms": at_ms, "resume_ms": given.until_ms}
        case Step.RESUME:
            dues = case.dues.paused(policy.calendar, case.deferred_ms or at_ms, at_ms)
            return dues, {}
        case Step.CLOSE:
            return case.dues, {"satisfaction": given.satisfaction}
        case _:
            return case.dues, {}


# --- what takes approval -----------------------------------------------------------------------


def _ask(
    connection: sa.Connection, case: Case, step: Step, by: str, given: Given, at_ms: int
) -> None:
    waiting = waiting_request(connection, case.id)
    if waiting is not None:
        raise ConflictError(
            f"case {case.id}: {waiting.step.value!r} has been asked for by {waiting.by}, "
            "and waits for a manager"
        )
    connection.execute(
        sa.insert(schema.case_requests).values(
            case=case.id,
            step=step.value,
            by=by,
            at_ms=at_ms,
            note=given.note.strip(),
            until_ms=given.until_ms,
        )
    )
    note = given.note.strip()
    trace(
        connection,
        case,
        Step.REQUEST,
        case.state,
        at_ms,
        by=by,
        note=note,
        about=step.value,
        due_ms=given.until_ms,
    )
    change(connection, case)


def _decide(
    connection: sa.Connection,
    case: Case,
    decision: Step,
    by: str,
    given: Given,
    at_ms: int,
    policy: GatePolicy,
) -> None:
    request = waiting_request(connection, case.id)
    if request is None:
        raise ConflictError(f"case {case.id}: nothing waits for approval")
    approved = decision is Step.APPROVE
    _mark(connection, request, by, at_ms, approved=approved)
    note = given.note.strip()
    trace(connection, case, decision, case.state, at_ms, by=by, note=note, about=request.step.value)
    if not approved:
        change(connection, case)
        return
    asked = Given(note=request.note, until_ms=request.until_ms)
    _check_given(case, request.step, asked, at_ms)
    perform(connection, case, request.step, by, asked, at_ms, policy)


def withdraw(connection: sa.Connection, case: Case, at_ms: int) -> None:
    """A request that waits for approval means nothing once another step is taken."""
    request = waiting_request(connection, case.id)
    if request is not None:
        _mark(connection, request, "", at_ms, approved=False)
        about = request.step.value
        trace(connection, case, Step.DECLINE, case.state, at_ms, about=about)


def _mark(
    connection: sa.Connection, request: Request, by: str, at_ms: int, *, approved: bool
) -> None:
    table = schema.case_requests
    connection.execute(
        sa.update(table)
        .where(table.c.id == request.id)
        .values(decided_ms=at_ms, decided_by=by, approved=approved)
    )


# --- what must come with a step ----------------------------------------------------------------


def _step_of(step: Step | str) -> Step:
    steps = [one for one, info in STEPS.items() if info.who and not info.apart]
    try:
        wanted = Step(step)
    except ValueError:
        allowed = ", ".join(one.value for one in steps)
        raise InvalidError(f"unknown step {step!r}; allowed: {allowed}") from None
    if not STEPS[wanted].who:
        raise InvalidError(f"{wanted.value!r} is nothing a person does")
    if wanted not in steps:
        raise InvalidError(f"{wanted.value!r} has an address of its own; see the API")
    return wanted


def _check_given(case: Case, step: Step, given: Given, at_ms: int) -> None:
    info = STEPS[step]
    if info.note and not given.note.strip():
        raise InvalidError(f"{step.value!r} needs a note: {info.note.en}")
    beyond = case.sensor_normal_ms is None and case.source == "alert"
    if step is Step.CLOSE and beyond and not given.note.strip():
        raise InvalidError("the sensor is not back to normal: 'close' needs a note that says why")
    check_note("the note", given.note)
    if given.satisfaction is not None and not 1 <= given.satisfaction <= 5:
        raise InvalidError(f"satisfaction {given.satisfaction}; allowed: 1 to 5")
    if len(given.unit) > LONGEST_UNIT:
        raise InvalidError(f"the unit has {len(given.unit)} characters; at most {LONGEST_UNIT}")
    _check_until(case, step, given.until_ms, at_ms)


def _check_tasks(connection: sa.Connection, case: Case) -> None:
    """A case of several units is handled when all of them have done their part."""
    table = schema.case_tasks
    query = sa.select(table.c.unit).where(table.c.case == case.id, table.c.done_ms.is_(None))
    unit = connection.scalar(query.limit(1))
    if unit is not None:
        raise ConflictError(f"case {case.id}: {unit} has not done its task")


def _stand_for(connection: sa.Connection, case: Case, asset: str) -> None:
    """Accepted, a report is the case of the asset that it names: there must be no other."""
    other = find_open(connection, asset, case.category)
    if other is None:
        mine = schema.cases.c.id == case.id
        try:
            with connection.begin_nested():
                connection.execute(sa.update(schema.cases).where(mine).values(asset=asset))
        except IntegrityError:  # another writer opened one this moment
            other = find_open(connection, asset, case.category)
    if other is not None:
        raise ConflictError(
            f"case {case.id}: case {other.id} of {asset} and {case.category} is open: "
            "merge this one into it"
        )


def _check_until(case: Case, step: Step, until_ms: int | None, at_ms: int) -> None:
    wanted = STEPS[step].until
    if wanted is None:
        return
    if until_ms is None:
        raise InvalidError(f"{step.value!r} needs a time: {wanted.en}")
    if until_ms <= at_ms:
        raise InvalidError(f"{step.value!r} needs a time that is still to come: {wanted.en}")
    if step is Step.EXTEND and until_ms <= (case.handle_due_ms or 0):
        raise InvalidError("'extend' needs a time after the one it is due at")
