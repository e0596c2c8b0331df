"""Changing the rules of a running installation: checked, then stored whole with its moment.

Intake takes what is stored when its moment comes (cloud/standing_rules.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import rule_sets
from cloud.core.rule_changes import RuleChange, changes, digest, laid_over
from cloud.core.rules import Rule, RuleSet
from cloud.errors import ConflictError, InvalidError
from cloud.rule_sets import Origin, StoredSet
from cloud.standing_rules import local_date
from cloud.state import ledger
from contract.clock import iso_utc

SOON_MS = 3_000  # "now": intake must have heard of it by then, or its first seconds come again
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A change that somebody asks for.

    rules: laid over those that are there; or files: what the configuration says, whole.
    at_ms: the moment in event time; None for as soon as can be. by, note: who, and why.
    """

    by: str
    rules: Sequence[Rule] | None = None
    files: RuleSet | None = None
    at_ms: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The set that was stored, and what it changes of the one before it."""

    stored: StoredSet
    changes: tuple[RuleChange, ...]


def apply(connection: sa.Connection, wanted: Wanted, now_ms: int, zone: ZoneInfo) -> Applied:
    """Store a changed set of rules, to be taken at its moment.

    Raises: InvalidError if it changes nothing, or its moment is past; ConflictError if a change
    waits for a later moment, or intake has not run yet. Nothing is stored then.
    """
    known = rule_sets.listed(connection)
    if not known:
        raise ConflictError("no rules are in force yet: start gridwarden cloud intake once, first")
    last = known[0]
    effective_ms = _moment(wanted, last, now_ms)
    before = rule_sets.rules_of(connection, last.number)
    after, one = _made(wanted, before, last, effective_ms, now_ms, zone)
    found = changes(before.by_id, after.by_id)
    if not found and after.fingerprint == last.fingerprint and one.applied == last.applied:
        raise InvalidError("it changes nothing: the rules say all of this already")
    stored = rule_sets.store(connection, after, one)
    note = f"{len(found)} changed, in force from {iso_utc(effective_ms)}; {wanted.note}"
    ledger.audit(
        connection,
        who=wanted.by,
        action="rules.applied",
        subject=f"rules {stored.number}",
        note=note.removesuffix("; "),
        at_ms=now_ms,
    )
    return Applied(stored=stored, changes=tuple(found))


def _moment(wanted: Wanted, last: StoredSet, now_ms: int) -> int:
    if len(wanted.note) > LONGEST_NOTE:
        raise InvalidError(f"note: {len(wanted.note)} characters; at most {LONGEST_NOTE}")
    if wanted.at_ms is not None and wanted.at_ms < now_ms:
        raise InvalidError(
            f"at: {iso_utc(wanted.at_ms)} is past; what was read until now keeps its rules."
            f" Leave it out for as soon as can be, or say a moment after {iso_utc(now_ms)}"
        )
    effective_ms = now_ms + SOON_MS if wanted.at_ms is None else wanted.at_ms
    if effective_ms < last.effective_ms:
        raise ConflictError(
            f"a change waits for {iso_utc(last.effective_ms)} (set {last.number}); it would undo"
            " this one. Say its moment, or a later one: of one moment the last change counts"
        )
    return effective_ms


def _made(
    wanted: Wanted,
    before: RuleSet,
    last: StoredSet,
    effective_ms: int,
    now_ms: int,
    zone: ZoneInfo,
) -> tuple[RuleSet, StoredSet]:
    """Return the rules as they are to be, and what is to be known of them."""
    if wanted.files is not None:
        rules = wanted.files.rules
        after = RuleSet(rules=rules, fingerprint=digest(rules))
        files, applied = after.fingerprint, frozenset[str]()
    else:
        over = tuple(wanted.rules or ())
        after = laid_over(before.rules, over, local_date(effective_ms, zone))
        files, applied = last.files, frozenset({*last.applied, *(rule.id for rule in over)})
    one = StoredSet(
        number=0,
        fingerprint=after.fingerprint,
        files=files,
        made_ms=now_ms,
        effective_ms=effective_ms,
        taken_ms=None,
        origin=Origin.CHANGE if wanted.files is None else Origin.READ,
        by=wanted.by,
        note=wanted.note,
        applied=tuple(sorted(applied)),
    )
    return after, one
