"""Cases as people see them: the ledger's, with the device's name and what may come next."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from cloud.cases import ledger, rows
from cloud.core.case_steps import OPEN_STATES, STEPS, State, next_steps
from cloud.core.model import Role
from cloud.state import schema
from cloud.web import models
from cloud.web.queries import alerts
from cloud.web.queries.devices import names_of


def page(
    connection: sa.Connection,
    *,
    states: Collection[State] = (),
    kind: str = "",
    device: str = "",
    now_ms: int,
    limit: int,
    cursor: str = "",
) -> models.Page[models.Case]:
    """Return cases, the latest opened first."""
    found = ledger.list_cases(
        connection, states=states, kind=kind, device=device, cursor=cursor, limit=limit
    )
    return models.Page[models.Case](
        items=_views(connection, found.cases, now_ms), next=found.cursor
    )


def some(connection: sa.Connection, wanted: Collection[str], now_ms: int) -> list[models.Case]:
    """Return these cases."""
    table = schema.cases
    found = connection.execute(sa.select(table).where(table.c.id.in_(wanted)).order_by(table.c.id))
    return _views(connection, map(rows.case_of, found), now_ms)


def one(connection: sa.Connection, case: str, role: Role, now_ms: int) -> models.CaseDetail:
    """Return a case with its trail, its alerts, and what this role may do next.

    Raises: NotFoundError.
    """
    found = ledger.get_case(connection, case)
    view = _views(connection, [found.case], now_ms)[0]
    return models.CaseDetail(
        **view.model_dump(),
        trail=[_event(event) for event in found.trail],
        alerts=alerts.views(connection, found.alerts),
        next_steps=_next_steps(found.case.state, role),
    )


def counts(connection: sa.Connection) -> dict[str, int]:
    """Return how many open cases there are by state."""
    found: dict[str, int] = {}
    for (_, state), number in ledger.count_cases(connection).items():
        if state in OPEN_STATES:
            found[state.value] = found.get(state.value, 0) + number
    return found


def _next_steps(state: State, role: Role) -> list[models.NextStep]:
    return [
        models.NextStep(
            step=step.value,
            label=STEPS[step].label.zh,
            label_en=STEPS[step].label.en,
            note=note.zh if (note := STEPS[step].note) else None,
            note_en=note.en if note else None,
        )
        for step in next_steps(state, role)
    ]


def _event(event: rows.CaseEvent) -> models.CaseEvent:
    return models.CaseEvent(
        at_ms=event.at_ms,
        step=event.step.value,
        from_state=event.from_state.value,
        to_state=event.to_state.value,
        by=event.by,
        note=event.note,
    )


def _views(connection: sa.Connection, found: Iterable[rows.Case], now_ms: int) -> list[models.Case]:
    cases = list(found)
    names = names_of(connection, {case.device for case in cases})
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
            closed_ms=case.closed_ms,
            overdue=case.state in OPEN_STATES and case.due_ms is not None and case.due_ms < now_ms,
            version=case.version,
        )
        for case in cases
    ]
