"""The chain that seals a case: added to with everything that is written, and verified.

Every function works in its caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.core import chain
from cloud.core.case_steps import REPORTED, Step
from cloud.core.chain import Broken, Content, Entry, Head, Kind
from cloud.state import schema
from cloud.state.upsert import upsert

# What of each is sealed: what never changes; an alert's times and values do, with late readings.
# Migration 0015 seals what was there before by it.
SEALED: dict[Kind, tuple[str, ...]] = {
    Kind.CASE: (
        "id",
        "asset",
        "category",
        "title",
        "kind",
        "device",
        "opened_ms",
        "source",
        "address",
        "description",
    ),
    Kind.EVENT: (
        "case",
        "at_ms",
        "step",
        "from_state",
        "to_state",
        "by",
        "note",
        "about",
        "unit",
        "due_ms",
        "handle_due_ms",
        "verify_due_ms",
        "close_due_ms",
    ),
    Kind.ALERT: (
        "id",
        "rule",
        "rule_source",
        "device",
        "measurement",
        "recorded_ms",
    ),
    Kind.FILE: ("case", "name", "type", "size", "sha256", "by", "at_ms"),
}
# Written since migration 0019: an entry that was sealed without them says nothing of them.
_LATER = frozenset(("handle_due_ms", "verify_due_ms", "close_due_ms"))
TABLES: dict[Kind, sa.Table] = {
    Kind.CASE: schema.cases,
    Kind.EVENT: schema.case_events,
    Kind.ALERT: schema.alerts,
    Kind.FILE: schema.case_files,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verifying a case's chain came to. broken: None if every entry holds."""

    head: Head
    broken: Broken | None


def add(
    connection: sa.Connection, case: str, kind: Kind, ref: object, row: Mapping[str, object]
) -> None:
    """Seal a row that was just written, as the case's next entry. One writer at a time a case."""
    heads = schema.case_heads
    query = sa.select(heads.c.entries, heads.c.seal).where(heads.c.case == case)
    last = connection.execute(query.with_for_update()).one_or_none()
    number = 1 + (last.entries if last else 0)
    previous = last.seal if last else chain.beginning(case)
    made = chain.seal(previous, number, kind, str(ref), content_of(kind, row))
    entry = {"case": case, "number": number, "kind": kind.value, "ref": str(ref), "seal": made}
    connection.execute(sa.insert(schema.case_chain), [entry])
    upsert(connection, heads, {"case": case, "entries": number, "seal": made})


def add_alert(connection: sa.Connection, case: str, alert: str) -> None:
    """Seal that an alert is evidence in a case."""
    found = connection.execute(sa.select(schema.alerts).where(schema.alerts.c.id == alert)).one()
    add(connection, case, Kind.ALERT, alert, dict(found._mapping))


def content_of(kind: Kind, row: Mapping[str, object]) -> Content:
    """Return what is sealed of a row."""
    said = [each for each in SEALED[kind] if each not in _LATER or row.get(each) is not None]
    content = {name: _plain(row[name]) for name in said}
    if kind is Kind.CASE:  # accepted, a report becomes the case of what it named
        content["asset"] = str(content["asset"]).removeprefix(REPORTED)
    return content


def verify(connection: sa.Connection, case: str) -> Verified:
    """Hold a case and all that belongs to it against its chain."""
    table, heads = schema.case_chain, schema.case_heads
    rows = connection.execute(
        sa.select(table).where(table.c.case == case).order_by(table.c.number)
    ).all()
    refs: dict[Kind, set[str]] = {
        kind: {row.ref for row in rows if row.kind == kind.value} for kind in Kind
    }
    contents = {kind: _contents(connection, case, kind, refs[kind]) for kind in Kind}
    entries = [
        Entry(
            number=row.number,
            kind=Kind(row.kind),
            ref=row.ref,
            content=contents[Kind(row.kind)].get(row.ref),
            seal=row.seal,
        )
        for row in rows
    ]
    found = connection.execute(sa.select(heads).where(heads.c.case == case)).one_or_none()
    head = Head(entries=found.entries, seal=found.seal) if found else None
    loose = [
        (kind, ref)
        for kind in (Kind.EVENT, Kind.FILE, Kind.ALERT)
        for ref in _belonging(connection, case, kind)
        if ref not in refs[kind]
    ]
    return Verified(
        head=head or Head(entries=0, seal=""),
        broken=chain.verify(case, entries, head, loose),
    )


def _contents(
    connection: sa.Connection, case: str, kind: Kind, refs: Iterable[str]
) -> dict[str, Content]:
    """Return, by what they are called in the chain, the rows that a case's entries seal."""
    table = TABLES[kind]
    wanted = [int(ref) for ref in refs] if kind in (Kind.EVENT, Kind.FILE) else list(refs)
    query = sa.select(table).where(table.c.id.in_(wanted))
    if kind is Kind.ALERT:
        query = query.where(table.c.id.in_(_attached(connection, case)))
    rows = connection.execute(query)
    return {str(row.id): content_of(kind, dict(row._mapping)) for row in rows}


def _attached(connection: sa.Connection, case: str) -> sa.Select[tuple[str]]:
    """Select the alerts that are evidence: here, or, once it was split, in whatever case."""
    events, attached = schema.case_events, schema.case_alerts
    split = sa.select(events.c.id).where(events.c.case == case, events.c.step == Step.SPLIT.value)
    query = sa.select(attached.c.alert)
    if connection.scalar(split.limit(1)) is None:
        query = query.where(attached.c.case == case)
    return query


def _belonging(connection: sa.Connection, case: str, kind: Kind) -> list[str]:
    """Return what the chain must have sealed of a case."""
    if kind is Kind.ALERT:
        attached = schema.case_alerts
        query = sa.select(attached.c.alert).where(attached.c.case == case).order_by("alert")
    else:
        table = TABLES[kind]
        query = sa.select(table.c.id).where(table.c.case == case).order_by(table.c.id)
    return [str(ref) for ref in connection.scalars(query)]


def _plain(value: object) -> str | int | float | None:
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{value!r} cannot be sealed")
