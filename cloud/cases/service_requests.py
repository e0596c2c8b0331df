"""Requests that others file over Open311, as cases of the ledger; and the ledger as requests.

Every function works in its caller's transaction.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud.cases import reports
from cloud.cases.reports import TAGS, Report
from cloud.cases.rows import Case, case_of, load, trace
from cloud.cases.steps import POLICY
from cloud.core.case_steps import OPEN_STATES, State, Step
from cloud.core.gate import GatePolicy
from cloud.core.open311 import FORBIDDEN, MOST, Fault, RefusedError, Said, Search, Wanted
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.state import ledger, schema

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SOURCE = "open311"
_TRIES = 5
_OPEN = [state.value for state in OPEN_STATES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A case as a service request. updated_ms: of the last line of its trail."""

    case: Case
    latitude: float | None
    longitude: float | None
    address: str
    address_id: str
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A line of a case's trail, as others may see it: no names and no notes."""

    id: int
    case: str
    step: Step
    is_open: bool
    at_ms: int


# --- keys --------------------------------------------------------------------------------------


def add_key(connection: sa.Connection, name: str, by: str, now_ms: int) -> str:
    """Make a key and return it; it is nowhere stored. Raises: InvalidError, ConflictError."""
    if not NAME.fullmatch(name):
        raise InvalidError(f"key name {name!r}: allowed are a-z, 0-9, '.', '_' and '-', up to 63")
    key = secrets.token_urlsafe(24)
    row = {"name": name, "key_sha256": _hash(key), "created_ms": now_ms}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(schema.open311_keys), [row])
    except IntegrityError:
        raise ConflictError(f"there is a key {name!r}; remove it first") from None
    ledger.audit(connection, who=by, action="key.added", subject=name, note="", at_ms=now_ms)
    return key


def remove_key(connection: sa.Connection, name: str, by: str, now_ms: int) -> None:
    """Let a key file nothing more. Raises: NotFoundError."""
    table = schema.open311_keys
    done = connection.execute(sa.delete(table).where(table.c.name == name))
    if not done.rowcount:
        raise NotFoundError(f"there is no key {name!r}")
    ledger.audit(connection, who=by, action="key.removed", subject=name, note="", at_ms=now_ms)


def keys(connection: sa.Connection) -> list[str]:
    """Return the names of the keys."""
    table = schema.open311_keys
    return list(connection.scalars(sa.select(table.c.name).order_by(table.c.name)))


def key_name(connection: sa.Connection, key: str) -> str:
    """Return whose key this is. Raises: RefusedError (403)."""
    table = schema.open311_keys
    name = connection.scalar(sa.select(table.c.name).where(table.c.key_sha256 == _hash(key)))
    if not key or name is None:
        words = "api_key is not one of ours" if key else "api_key was not provided"
        raise RefusedError(Fault(code=FORBIDDEN, description=words))
    return str(name)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


# --- filing ------------------------------------------------------------------------------------


def file(
    connection: sa.Connection,
    wanted: Wanted,
    key: str,
    at_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy = POLICY,
) -> str:
    """File a request as a person's report that waits to be accepted (受理); return its number.

    The same reference again, with the same key, is the same request. One about an asset that has
    an open case of the category is a line in that one's trail.
    Raises: InvalidError, ConflictError, as reports.file().
    """
    for _ in range(_TRIES):
        known = _known(connection, wanted, key)
        if known:
            return known
        try:
            with connection.begin_nested():
                return _file(connection, wanted, key, at_ms, zone, policy)
        except (IntegrityError, ConflictError) as error:  # another writer was faster: look again
            lost = error
    raise lost


def _known(connection: sa.Connection, wanted: Wanted, key: str) -> str:
    if not wanted.reference:
        return ""
    table = schema.service_requests
    mine = sa.and_(table.c.key == key, table.c.reference == wanted.reference)
    return connection.scalar(sa.select(table.c.case).where(mine)) or ""


def _file(
    connection: sa.Connection,
    wanted: Wanted,
    key: str,
    at_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy,
) -> str:
    told = f"{key}: {wanted.description}"
    case = reports.file(connection, _report(wanted), at_ms, zone, policy, told=told)
    row = {
        "case": case.id,
        "key": key,
        "reference": wanted.reference,
        "address_id": wanted.address_id,
        "attributes": {code: list(values) for code, values in wanted.attributes.items()},
        "fields": dict(wanted.fields),
        "at_ms": at_ms,
    }
    connection.execute(sa.insert(schema.service_requests), [row])
    return case.id


def _report(wanted: Wanted) -> Report:
    tags = {name: ", ".join(values) for name, values in wanted.attributes.items() if name in TAGS}
    return Report(
        source=SOURCE,
        category=wanted.service.code,
        description=wanted.description,
        latitude=wanted.latitude,
        longitude=wanted.longitude,
        address=wanted.address or wanted.address_id,
        asset=wanted.asset,
        tags=tags,
    )


# --- reading -----------------------------------------------------------------------------------


def search(connection: sa.Connection, wanted: Search) -> list[Listed]:
    """Return cases as requests, the latest first, at most 1,000."""
    cases, devices, filed = schema.cases, schema.devices, schema.service_requests
    events = schema.case_events
    updated = (
        sa.select(sa.func.max(events.c.at_ms)).where(events.c.case == cases.c.id).scalar_subquery()
    )
    address_id = (  # of the request that became the case; others were only added to it
        sa.select(filed.c.address_id)
        .where(filed.c.case == cases.c.id, cases.c.source == SOURCE)
        .order_by(filed.c.id)
        .limit(1)
        .scalar_subquery()
    )
    beside = (
        sa.select(
            cases.c.id,
            sa.func.coalesce(cases.c.latitude, devices.c.latitude).label("lat"),
            sa.func.coalesce(cases.c.longitude, devices.c.longitude).label("long"),
            sa.func.coalesce(devices.c.address, "").label("device_address"),
            sa.func.coalesce(updated, cases.c.opened_ms).label("updated_ms"),
            sa.func.coalesce(address_id, "").label("address_id"),
        )
        .join(devices, devices.c.id == cases.c.device, isouter=True)
        .where(*_conditions(wanted))
        .order_by(cases.c.opened_ms.desc(), cases.c.id.desc())
        .limit(MOST)
    )
    rows = connection.execute(beside).all()
    found = _cases(connection, [row.id for row in rows])
    return [
        Listed(
            case=found[row.id],
            latitude=row.lat,
            longitude=row.long,
            address=found[row.id].address or row.device_address,
            address_id=row.address_id,
            updated_ms=row.updated_ms,
        )
        for row in rows
    ]


def _cases(connection: sa.Connection, wanted: list[str]) -> dict[str, Case]:
    table = schema.cases
    rows = connection.execute(sa.select(table).where(table.c.id.in_(wanted)))
    return {row.id: case_of(row) for row in rows}


def _conditions(wanted: Search) -> list[sa.ColumnElement[bool]]:
    cases = schema.cases
    if wanted.ids:
        return [cases.c.id.in_(wanted.ids)]
    found: list[sa.ColumnElement[bool]] = [
        cases.c.opened_ms >= wanted.from_ms,
        cases.c.opened_ms <= wanted.to_ms,
    ]
    if wanted.codes:
        found.append(cases.c.category.in_(wanted.codes))
    if set(wanted.statuses) == {"open"}:
        found.append(cases.c.state.in_(_OPEN))
    if set(wanted.statuses) == {"closed"}:
        found.append(cases.c.state.not_in(_OPEN))
    return found


# --- updates -----------------------------------------------------------------------------------


def say(connection: sa.Connection, said: Said, key: str, at_ms: int) -> int:
    """Note what a sender says of the case that its request became; return the update's number.

    The same number of theirs again is the same update. It closes nothing.
    Raises: NotFoundError for a case that this key filed nothing about; RefusedError (403) for one
    that was there before its request, as a sensor's is.
    """
    table = schema.service_updates
    _check_filed(connection, said.case, key)
    known = sa.select(table.c.id).where(table.c.key == key, table.c.update == said.update)
    if (number := connection.scalar(known)) is not None:
        return int(number)
    row = {
        "case": said.case,
        "key": key,
        "update": said.update,
        "status": said.status,
        "description": said.description,
        "at_ms": at_ms,
    }
    number = connection.scalar(sa.insert(table).values(row).returning(table.c.id))
    case = load(connection, said.case)
    if case.state in OPEN_STATES:
        note = f"{key}: {said.status.lower()}: {said.description}".rstrip(": ")
        trace(connection, case, Step.ELSEWHERE, case.state, at_ms, note=note[:4_000])
    return int(number or 0)


def _check_filed(connection: sa.Connection, case: str, key: str) -> None:
    filed, cases = schema.service_requests, schema.cases
    query = (
        sa.select(filed.c.key, cases.c.source)
        .join(cases, cases.c.id == filed.c.case)
        .where(filed.c.case == case)
        .order_by(filed.c.id)
    )
    rows = connection.execute(query).all()
    if key not in {row.key for row in rows}:
        raise NotFoundError(f"service_request_id {case[:64]!r} was not found among yours")
    if rows[0].source != SOURCE or rows[0].key != key:
        words = f"service_request_id {case!r} was there before your request: file another about it"
        raise RefusedError(Fault(code=FORBIDDEN, description=words))


def updates(connection: sa.Connection, from_ms: int, to_ms: int) -> list[Update]:
    """Return what happened to cases in a stretch of time, in order, at most 1,000."""
    events = schema.case_events
    query = (
        sa.select(events)
        .where(
            events.c.at_ms >= from_ms,
            events.c.at_ms <= to_ms,
            sa.or_(events.c.from_state != events.c.to_state, events.c.step == Step.OPEN.value),
        )
        .order_by(events.c.id)
        .limit(MOST)
    )
    return [
        Update(
            id=row.id,
            case=row.case,
            step=Step(row.step),
            is_open=State(row.to_state) in OPEN_STATES,
            at_ms=row.at_ms,
        )
        for row in connection.execute(query)
    ]
