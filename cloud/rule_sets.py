"""Sets of rules in the state database: what was in force when, what waits, what versions say.

A set is written whole in one transaction, and taken by intake (cloud/standing_rules.py) in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard

from cloud.core.rule_changes import DatedSet, RuleHistory
from cloud.core.rules import Rule, RuleSet
from cloud.errors import NotFoundError
from cloud.state import schema
from contract.errors import StorageError

MOST_REMEMBERED = 100  # readings are not later than so many changes
_LONGEST = 1 << 26  # a set of rules is not larger than this, whatever its header says


class Origin(StrEnum):
    """Where a set is from."""

    FILES = "files"  # the configuration and its files, at a start of intake
    READ = "read"  # the same, read again on demand
    CHANGE = "change"  # rules laid over those that were there


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """What is known of a set, but for its rules.

    files: the fingerprint of what the configuration's files said then. applied: rules that are
    not as they say. taken_ms: when intake began to evaluate with it; None if it has not.
    withdrawn_ms: when somebody withdrew it before its moment; None if nobody did.
    """

    number: int
    fingerprint: str
    files: str
    made_ms: int
    effective_ms: int
    taken_ms: int | None
    origin: Origin
    by: str
    note: str
    applied: tuple[str, ...]
    withdrawn_ms: int | None = None
    withdrawn_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version of a rule, since when it has been known, and from which set on."""

    rule: Rule
    first_set: int
    first_ms: int


def store(connection: sa.Connection, rules: RuleSet, one: StoredSet) -> StoredSet:
    """Write a set and its rules' versions; return it with its number."""
    table = schema.rule_sets
    values = {
        "fingerprint": rules.fingerprint,
        "files": one.files,
        "made_ms": one.made_ms,
        "effective_ms": one.effective_ms,
        "taken_ms": one.taken_ms,
        "origin": one.origin.value,
        "by": one.by,
        "note": one.note,
        "applied": list(one.applied),
        "data": zstandard.compress(msgspec.json.encode(rules.rules)),
    }
    number = connection.execute(sa.insert(table).values(values).returning(table.c.id)).scalar_one()
    _store_versions(connection, rules.rules, number, one.made_ms)
    return replace(one, number=number, fingerprint=rules.fingerprint)


def listed(connection: sa.Connection) -> list[StoredSet]:
    """Return the sets that are, were or will be in force, the newest moment first."""
    return [one for one in recorded(connection) if one.withdrawn_ms is None]


def recorded(connection: sa.Connection) -> list[StoredSet]:
    """Return the same with those that were withdrawn before their moment."""
    table = schema.rule_sets
    columns = [column for column in table.c if column.name != "data"]
    query = sa.select(*columns).order_by(table.c.effective_ms.desc(), table.c.id.desc())
    return [_set_of(row) for row in connection.execute(query)]


def newest(connection: sa.Connection) -> int:
    """Return a number that grows when a set is stored, or withdrawn; 0 while there is none."""
    table = schema.rule_sets
    withdrawn = sa.func.count(table.c.withdrawn_ms)
    query = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + withdrawn)
    return int(connection.execute(query).scalar_one())


def current(connection: sa.Connection) -> StoredSet | None:
    """Return the set that intake evaluates with; None before its first start."""
    return next((one for one in listed(connection) if one.taken_ms is not None), None)


def waiting(connection: sa.Connection) -> list[StoredSet]:
    """Return the sets whose moment is to come, or that intake has yet to take; in their order."""
    return [one for one in reversed(listed(connection)) if one.taken_ms is None]


def rules_of(connection: sa.Connection, number: int) -> RuleSet:
    """Return the rules of a set. Raises: NotFoundError; StorageError if they cannot be read."""
    table = schema.rule_sets
    row = connection.execute(
        sa.select(table.c.fingerprint, table.c.data).where(table.c.id == number)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no set of rules {number}")
    try:
        text = zstandard.ZstdDecompressor().decompress(row.data, max_output_size=_LONGEST)
        rules = msgspec.json.decode(text, type=tuple[Rule, ...])
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise StorageError(f"the rules of set {number} cannot be read: {error}") from error
    return RuleSet(rules=rules, fingerprint=row.fingerprint)


def history(connection: sa.Connection) -> RuleHistory:
    """Return the last sets that intake has taken, of which there must be one."""
    taken = [one for one in listed(connection) if one.taken_ms is not None][:MOST_REMEMBERED]
    return RuleHistory.of(dated(one, rules_of(connection, one.number)) for one in taken)


def dated(one: StoredSet, rules: RuleSet) -> DatedSet:
    """Return a set with its rules, as the engine's history has it."""
    return DatedSet(number=one.number, from_ms=one.effective_ms, rules=rules)


def take(connection: sa.Connection, number: int, at_ms: int) -> None:
    """Write down that intake evaluates with a set from now on."""
    table = schema.rule_sets
    connection.execute(sa.update(table).where(table.c.id == number).values(taken_ms=at_ms))


def withdraw(connection: sa.Connection, numbers: Sequence[int], by: str, at_ms: int) -> None:
    """Write down that sets will not come into force."""
    table = schema.rule_sets
    connection.execute(
        sa.update(table).where(table.c.id.in_(numbers)).values(withdrawn_ms=at_ms, withdrawn_by=by)
    )


def version_of(connection: sa.Connection, rule: str, version: str) -> StoredVersion:
    """Return a version of a rule. Raises: NotFoundError, naming those there are."""
    known = versions(connection, rule)
    found = [one for one in known if one.rule.version == version]
    if found:
        return found[0]
    if not known:
        raise NotFoundError(f"there is no rule {rule!r}, nor has there been one")
    names = ", ".join(one.rule.version for one in known)
    raise NotFoundError(f"rule {rule!r} has no version {version!r}; it has {names}")


def versions(connection: sa.Connection, rule: str) -> list[StoredVersion]:
    """Return the versions of a rule that are known, the newest first."""
    table = schema.rule_versions
    query = (
        sa.select(table)
        .where(table.c.rule == rule)
        .order_by(table.c.first_set.desc(), table.c.version)
    )
    return [
        StoredVersion(
            rule=msgspec.json.decode(row.content, type=Rule),
            first_set=row.first_set,
            first_ms=row.first_ms,
        )
        for row in connection.execute(query)
    ]


def _store_versions(
    connection: sa.Connection, rules: Sequence[Rule], number: int, at_ms: int
) -> None:
    """Write the versions down that were not known."""
    table = schema.rule_versions
    there = connection.execute(sa.select(table.c.rule, table.c.version))
    known = {(row.rule, row.version) for row in there}
    rows = [
        {
            "rule": rule.id,
            "version": rule.version,
            "first_set": number,
            "first_ms": at_ms,
            "content": msgspec.json.encode(rule).decode(),
        }
        for rule in rules
        if (rule.id, rule.version) not in known
    ]
    if rows:
        connection.execute(sa.insert(table), rows)


def _set_of(row: sa.Row[Any]) -> StoredSet:
    return StoredSet(
        number=row.id,
        fingerprint=row.fingerprint,
        files=row.files,
        made_ms=row.made_ms,
        effective_ms=row.effective_ms,
        taken_ms=row.taken_ms,
        origin=Origin(row.origin),
        by=row.by,
        note=row.note,
        applied=tuple(row.applied),
        withdrawn_ms=row.withdrawn_ms,
        withdrawn_by=row.withdrawn_by,
    )
