"""/rules: what is in force, what an alert's version says, and changing it at a moment."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from cloud import applying
from cloud.applying import Wanted
from cloud.web import rule_models as models
from cloud.web.api.common import milliseconds, problems
from cloud.web.auth import Having, Manager, Viewer, Visitor
from cloud.web.queries import rules
from cloud.web.services import Services
from contract.quantities import Kind

router = APIRouter(prefix="/rules", tags=["rules"])

SetNumber = Annotated[int, Path(alias="set", description="The set's number", ge=1, lt=1 << 62)]


@router.get("", responses=problems())
def list_rules(
    services: Having,
    _: Viewer,
    kind: Annotated[Kind | None, Query(description="Only rules for this kind of device")] = None,
) -> models.RuleBook:
    """List the rules in force, the sets that wait for their moment, and those before."""
    return rules.book(services, kind.value if kind else "")


@router.post("/check", responses=problems(403, 409))
def check_rules(
    services: Having, asking: Manager, asked: models.AskedChange
) -> models.PlannedChange:
    """Say what a change would do, and store nothing. Takes a manager."""
    return rules.plan(services, _wanted(services, asking, asked))


@router.post(
    "",
    status_code=201,
    responses={200: {"description": "It was done before"}, **problems(403, 409)},
)
def apply_rules(
    services: Having, asking: Manager, asked: models.AskedChange, response: Response
) -> models.PlannedChange:
    """Change rules from a moment on: all of it, or nothing. Takes a manager.

    Told again word for word, it answers 200 with what it did the first time.
    """
    wanted = _wanted(services, asking, asked)
    with services.database.write() as connection:
        done, is_new = rules.apply(services, connection, wanted)
    response.status_code = 201 if is_new else 200
    return done


@router.get("/sets/{set}", responses=problems(404))
def get_set(services: Having, _: Viewer, number: SetNumber) -> models.RuleSetView:
    """Get a set of rules, with what it changed of the one before it."""
    return rules.one_set(services, number)


@router.post("/sets/{set}/withdraw", responses=problems(403, 404, 409))
def withdraw_set(services: Having, asking: Manager, number: SetNumber) -> models.RuleSetView:
    """Withdraw what waits for a set's moment, before it comes. Takes a manager."""
    with services.database.write() as connection:
        by, now_ms = asking.account.name, services.clock.now_ms()
        applying.withdraw(connection, number, by, now_ms)
    return rules.one_set(services, number)


@router.get("/{rule}/versions/{version}", responses=problems(404))
def get_version(
    services: Having,
    _: Viewer,
    rule: Annotated[str, Path(description="The rule's id", max_length=63)],
    version: Annotated[str, Path(description="As an alert names it", max_length=63)],
) -> models.RuleVersion:
    """Get a rule as it was, also one that is gone."""
    return rules.version(services, rule, version)


def _wanted(services: Services, asking: Visitor, asked: models.AskedChange) -> Wanted:
    return Wanted(
        by=asking.account.name,
        rules=rules.read(services, models.as_text(asked.rules)),
        at_ms=milliseconds(asked.at, 0) if asked.at else None,
        note=asked.reason,
        base=asked.base,
    )
