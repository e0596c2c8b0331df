"""What people do with alerts beside acknowledging: assign, comment, shelve, take out of service.

Every function works in its caller's transaction, says no with a reason, and leaves an audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from cloud import alert_rows, hold_rows
from cloud.alert_book import Book
from cloud.alert_duties import follow
from cloud.alert_rows import Alert, Remark
from cloud.alert_scope import EVERYTHING, Scope
from cloud.core.alert_policy import HOUR_S, POLICY, AlertPolicy
from cloud.core.holds import Hold, HoldKind
from cloud.core.isa_18_2 import State
from cloud.core.model import Role
from cloud.core.rules import Rule
from cloud.core.topology import OWN_RULES
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state import ledger, schema

LONGEST_TEXT = 1_000
PLANNED = (HoldKind.MAINTENANCE, HoldKind.SERVICE)
# Whose hold may be ended by whom.
MAY_END = {
    HoldKind.SHELVED: Role.OPERATOR,
    HoldKind.TOPOLOGY: Role.ADMIN,
    HoldKind.MAINTENANCE: Role.MANAGER,
    HoldKind.SERVICE: Role.MANAGER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who acts, when, and on whose alerts they may."""

    name: str
    role: Role
    at_ms: int
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be held. until_ms: None is out of service, until it is put back."""

    device: str = ""
    rule: str = ""
    gateway: str = ""
    tag: str = ""
    tag_value: str = ""
    from_ms: int
    until_ms: int | None
    reason: str


def comment(connection: sa.Connection, alert_id: str, text: str, by: Person) -> Alert:
    """Write a comment into an alert's history, in any state. Raises: InvalidError, as all here."""
    alert = _to_change(connection, alert_id, Role.OPERATOR, by, "commenting")
    book = Book.of(connection, [alert], by.at_ms)
    text = _said(text, "a comment needs words")
    changed = book.remark(alert, alert, Remark.COMMENT, by=by.name, note=text)
    book.write(connection)
    return changed


def assign(
    connection: sa.Connection,
    alert_id: str,
    to: str,
    by: Person,
    policy: AlertPolicy = POLICY,
) -> Alert:
    """Give an alert to somebody to look after; "" takes it from whoever has it.

    From then on it counts for their floods, and no longer for the desk's.
    """
    alert = _to_change(connection, alert_id, Role.OPERATOR, by, "assigning")
    if alert.state is State.NORM:
        raise ConflictError(f"alert {alert_id} is over; only its history can be added to")
    table = schema.accounts
    query = sa.select(table.c.name).where(table.c.name == to, ~table.c.disabled)
    if to and connection.scalar(query) is None:
        raise InvalidError(f"there is no account {to!r} that an alert could be assigned to")
    if to == alert.assignee:
        return alert
    book = Book.of(connection, [alert], by.at_ms, policy)
    given = replace(alert, assignee=to, desk=book.desk(alert.series, to))
    changed = book.remark(alert, given, Remark.ASSIGN, by=by.name, note=to)
    book.write(connection)
    return changed


def shelve(
    connection: sa.Connection,
    alert_id: str,
    reason: str,
    for_s: float,
    by: Person,
    rules: Mapping[str, Rule],
    policy: AlertPolicy = POLICY,
) -> Alert:
    """Shelve an alert for a time: it is not raised, evaluation goes on, and its end is told.

    Raises: InvalidError without a reason or a time; ForbiddenError for longer than the role may;
    ConflictError if it is over, or shelved already.
    """
    alert = _to_change(connection, alert_id, Role.OPERATOR, by, "shelving")
    reason = _said(reason, "shelving needs a reason")
    if not 0 < for_s < float("inf"):
        raise InvalidError(f"shelving for {for_s:g} s is no time; say how long, more than 0")
    most_s = policy.shelve_s.get(by.role, 0.0)
    if for_s > most_s:
        raise ForbiddenError(
            f"{by.role} may shelve for {most_s / HOUR_S:g} h at most, not {for_s / HOUR_S:g} h;"
            f" {_who_may(for_s, policy)}"
        )
    if alert.state is State.NORM:
        raise ConflictError(f"alert {alert_id} is over (NORM): there is nothing to shelve")
    shelved = _shelving(connection, alert_id)
    if shelved:
        raise ConflictError(f"alert {alert_id} is shelved already, by {shelved.made_by}")
    hold = Hold(
        id=hold_rows.new_id(by.at_ms),
        kind=HoldKind.SHELVED,
        alert=alert_id,
        from_ms=by.at_ms,
        until_ms=by.at_ms + round(for_s * 1000),
        reason=reason,
        made_by=by.name,
        made_ms=by.at_ms,
        begun=True,
    )
    hold_rows.insert(connection, hold)
    _audit(connection, by, "alert.shelved", alert_id, f"{for_s / HOUR_S:g} h: {reason}")
    return _followed(connection, alert, rules, by, policy)


def unshelve(
    connection: sa.Connection,
    alert_id: str,
    by: Person,
    rules: Mapping[str, Rule],
    policy: AlertPolicy = POLICY,
) -> Alert:
    """End a shelving before its time. Raises: ConflictError if it is not shelved."""
    alert = _to_change(connection, alert_id, Role.OPERATOR, by, "ending a shelving")
    shelved = _shelving(connection, alert_id)
    if shelved is None:
        raise ConflictError(f"alert {alert_id} is {alert.state.value}; it is not shelved")
    hold_rows.end(connection, shelved, by.at_ms, by.name)
    _audit(connection, by, "alert.unshelved", alert_id, "")
    return _followed(connection, alert, rules, by, policy)


def plan(connection: sa.Connection, wanted: Plan, by: Person, rules: Mapping[str, Rule]) -> Hold:
    """Plan a maintenance window, or take something out of service; intake begins it in time.

    Raises: ForbiddenError, InvalidError, NotFoundError.
    """
    _require(by, Role.MANAGER, "maintenance")
    by.scope.require_device(connection, wanted.device)
    reason = _said(wanted.reason, "maintenance needs a reason")
    _check_scope(connection, wanted)
    if wanted.rule and wanted.rule not in rules and wanted.rule not in OWN_RULES:
        raise NotFoundError(f"there is no rule {wanted.rule!r}")
    if wanted.until_ms is not None and wanted.until_ms <= max(wanted.from_ms, by.at_ms):
        raise InvalidError("the window must end after it begins, and after now")
    hold = Hold(
        id=hold_rows.new_id(by.at_ms),
        kind=HoldKind.SERVICE if wanted.until_ms is None else HoldKind.MAINTENANCE,
        device=wanted.device,
        rule=wanted.rule,
        gateway=wanted.gateway,
        tag=wanted.tag,
        tag_value=wanted.tag_value,
        from_ms=wanted.from_ms,
        until_ms=wanted.until_ms,
        reason=reason,
        made_by=by.name,
        made_ms=by.at_ms,
    )
    hold_rows.insert(connection, hold)
    _audit(connection, by, f"{hold.kind}.planned", hold.id, f"{scope(hold)}: {reason}")
    return hold


def end_hold(
    connection: sa.Connection,
    hold_id: str,
    by: Person,
    rules: Mapping[str, Rule],
    policy: AlertPolicy = POLICY,
) -> Hold:
    """End a hold now, or call off one that was planned; what still holds is raised.

    Raises: NotFoundError, ForbiddenError; ConflictError if it has ended.
    """
    hold = hold_rows.load(connection, hold_id, to_change=True)
    _require(by, MAY_END[hold.kind], f"ending a hold of kind {hold.kind}")
    if hold.alert:
        by.scope.require_alert(connection, hold.alert)
    else:
        by.scope.require_device(connection, hold.device)
    if hold.ended_ms is not None:
        raise ConflictError(f"hold {hold_id} has ended already")
    ended = hold_rows.end(connection, hold, by.at_ms, by.name)
    follow(connection, [ended], by.at_ms, rules, policy, by.name)
    _audit(connection, by, f"{hold.kind}.ended", hold_id, scope(hold))
    return ended


def scope(hold: Hold) -> str:
    """Say what a hold is about, as "device=noise-1 rule=loud"."""
    named = {
        "alert": hold.alert,
        "rule": hold.rule,
        "device": hold.device,
        "gateway": hold.gateway,
        hold.tag: hold.tag_value,
    }
    return " ".join(f"{name}={value}" for name, value in named.items() if name and value)


def _followed(
    connection: sa.Connection,
    alert: Alert,
    rules: Mapping[str, Rule],
    by: Person,
    policy: AlertPolicy,
) -> Alert:
    book = Book.of(connection, [alert], by.at_ms, policy)
    changed = book.follow_holds(alert, rules.get(alert.rule), by.name)
    book.write(connection)
    return changed


def _shelving(connection: sa.Connection, alert_id: str) -> Hold | None:
    mine = (hold for hold in hold_rows.not_ended(connection) if hold.alert == alert_id)
    return next(mine, None)


def _to_change(
    connection: sa.Connection, alert_id: str, role: Role, by: Person, what: str
) -> Alert:
    _require(by, role, what)
    by.scope.require_alert(connection, alert_id)
    return alert_rows.load(connection, alert_id, to_change=True)


def _require(by: Person, role: Role, what: str) -> None:
    if not by.role.includes(role):
        raise ForbiddenError(f"{what} takes the role {role}; {by.name} has {by.role}")


def _said(text: str, otherwise: str) -> str:
    text = text.strip()
    if not text:
        raise InvalidError(otherwise)
    if len(text) > LONGEST_TEXT:
        raise InvalidError(f"{len(text)} characters; the most are {LONGEST_TEXT}")
    return text


def _who_may(for_s: float, policy: AlertPolicy) -> str:
    may = [role for role in Role if policy.shelve_s.get(role, 0.0) >= for_s]
    if may:
        return f"a role that may: {', '.join(may)}"
    return "nobody may; take it out of service instead"


def _check_scope(connection: sa.Connection, wanted: Plan) -> None:
    if bool(wanted.tag) != bool(wanted.tag_value):
        raise InvalidError("a tag needs a value, as area=east, and a value needs a tag")
    if not any((wanted.device, wanted.rule, wanted.gateway, wanted.tag)):
        raise InvalidError("say what it is about: a device, a rule, a gateway or a tag")
    table = schema.devices
    for column, value, what in (
        (table.c.id, wanted.device, "device"),
        (table.c.gateway, wanted.gateway, "gateway"),
    ):
        found = sa.select(table.c.id).where(column == value).limit(1)
        if value and connection.execute(found).first() is None:
            raise NotFoundError(f"there is no {what} {value!r}")


def _audit(connection: sa.Connection, by: Person, action: str, subject: str, note: str) -> None:
    ledger.audit(connection, who=by.name, action=action, subject=subject, note=note, at_ms=by.at_ms)
