"""Cases as people see them: the ledger's, with the device's name and what may come next."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict

import sqlalchemy as sa

from cloud.cases import files, ledger, lists, rows, sealing, tasks, waiting
from cloud.core.case_roles import Actor, CaseRole
from cloud.core.case_steps import OPEN_STATES, STEPS, next_steps
from cloud.errors import NotFoundError
from cloud.state import schema
from cloud.web import models
from cloud.web.queries import alerts
from cloud.web.queries.devices import names_of
from contract.errors import RejectedError


def page(
    connection: sa.Connection,
    *,
    wanted: lists.Wanted = lists.EVERYTHING,
    now_ms: int,
    limit: int,
    cursor: str = "",
) -> models.Page[models.Case]:
    """Return cases, the latest opened first, or the first due. Raises: InvalidError."""
    found = lists.page(connection, wanted, now_ms, cursor=cursor, limit=limit)
    return models.Page[models.Case](
        items=_views(connection, found.cases, now_ms), next=found.cursor
    )


def some(connection: sa.Connection, wanted: Collection[str], now_ms: int) -> list[models.Case]:
    """Return these cases."""
    table = schema.cases
    found = connection.execute(sa.select(table).where(table.c.id.in_(wanted)).order_by(table.c.id))
    return _views(connection, map(rows.case_of, found), now_ms)


def one(connection: sa.Connection, case: str, actor: Actor, now_ms: int) -> models.CaseDetail:
    """Return a case with its trail, its alerts, and what this person may do next.

    Raises: NotFoundError.
    """
    found = ledger.get_case(connection, case)
    if not lists.sees(connection, actor, found.case):
        raise NotFoundError(f"there is no case {case!r} of {actor.unit}")
    view = _views(connection, [found.case], now_ms)[0]
    return models.CaseDetail(
        **view.model_dump(),
        trail=[_event(event) for event in found.trail],
        alerts=alerts.views(connection, found.alerts),
        next_steps=_next_steps(found, actor),
        request=_request(found.request),
        tasks=[models.CaseTask(**asdict(each)) for each in tasks.tasks_of(connection, case)],
        files=[models.CaseFile(**asdict(each)) for each in files.files_of(connection, case)],
        may_add_files=_may_add(connection, case, actor),
        chain=_chain(sealing.verify(connection, case)),
        gate=[models.CasePassed(**asdict(each)) for each in waiting.passed_of(connection, case)],
    )


def at_the_gate(connection: sa.Connection) -> list[models.CaseWaiting]:
    """Return the alerts that wait to become cases, the oldest first."""
    found = waiting.listed(connection)
    shown = alerts.views(connection, [each.alert for each in found])
    return [
        models.CaseWaiting(alert=alert, why=each.why.value, since_ms=each.since_ms)
        for alert, each in zip(shown, found, strict=True)
    ]


def counts(connection: sa.Connection) -> dict[str, int]:
    """Return how many open cases there are by state."""
    found: dict[str, int] = {}
    for (_, state), number in ledger.count_cases(connection).items():
        if state in OPEN_STATES:
            found[state.value] = found.get(state.value, 0) + number
    return found


def singled_out(connection: sa.Connection) -> int:
    """Return how many open cases stand out as recurring."""
    table = schema.cases
    often = sa.select(sa.func.count()).where(
        table.c.state.in_([state.value for state in OPEN_STATES]), table.c.singled_ms.is_not(None)
    )
    return connection.scalar(often) or 0


def _next_steps(found: rows.CaseDetail, actor: Actor) -> list[models.NextStep]:
    case = found.case
    asked_for = found.request is not None
    manages = CaseRole.MANAGER in actor.roles
    return [
        models.NextStep(
            step=step.value,
            label=STEPS[step].label.zh,
            label_en=STEPS[step].label.en,
            note=note.zh if (note := STEPS[step].note) else None,
            note_en=note.en if note else None,
            until=until.zh if (until := STEPS[step].until) else None,
            until_en=until.en if until else None,
            asks=STEPS[step].approval and not manages,
        )
        for step in next_steps(case.state, actor, case.unit, asked_for=asked_for)
        if not (asked_for and STEPS[step].approval and not manages)
    ]


def _may_add(connection: sa.Connection, case: str, actor: Actor) -> bool:
    try:
        files.check_addable(connection, case, actor)
    except RejectedError:
        return False
    return True


def _chain(found: sealing.Verified) -> models.CaseChain:
    broken = found.broken
    return models.CaseChain(
        entries=found.head.entries,
        seal=found.head.seal,
        holds=broken is None,
        broken_at=broken.number if broken else None,
        broken_why=broken.why if broken else "",
        damaged=[],
    )


def _request(request: rows.Request | None) -> models.CaseRequest | None:
    if request is None:
        return None
    return models.CaseRequest(
        step=request.step.value,
        by=request.by,
        at_ms=request.at_ms,
        note=request.note,
        until_ms=request.until_ms,
    )


def _event(event: rows.CaseEvent) -> models.CaseEvent:
    return models.CaseEvent(
        at_ms=event.at_ms,
        step=event.step.value,
        from_state=event.from_state.value,
        to_state=event.to_state.value,
        by=event.by,
        note=event.note,
        about=event.about,
        unit=event.unit,
        due_ms=event.due_ms,
    )


def _views(connection: sa.Connection, found: Iterable[rows.Case], now_ms: int) -> list[models.Case]:
    cases = list(found)
    names = names_of(connection, {case.device for case in cases if case.device})
    return [
        models.Case(
            id=case.id,
            title=case.title,
            title_en=case.title_en,
            asset=case.asset,
            category=case.category,
            kind=case.kind,
            device=case.device,
            device_name=names.get(case.device) or case.device,
            severity=case.severity.value,
            state=case.state.value,
            unit=case.unit,
            sensor_normal_ms=case.sensor_normal_ms,
            opened_ms=case.opened_ms,
            due_ms=case.due_ms,
            secure_due_ms=case.secure_due_ms,
            handle_due_ms=case.handle_due_ms,
            verify_due_ms=case.verify_due_ms,
            close_due_ms=case.close_due_ms,
            secured_ms=case.secured_ms,
            resume_ms=case.resume_ms,
            closed_ms=case.closed_ms,
            source=case.source,
            cell=case.cell,
            occurrences=case.occurrences,
            singled_ms=case.singled_ms,
            merged_into=case.merged_into,
            satisfaction=case.satisfaction,
            address=case.address,
            description=case.description,
            tags=case.tags,
            overdue=case.state in OPEN_STATES and case.due_ms is not None and case.due_ms < now_ms,
            version=case.version,
        )
        for case in cases
    ]
