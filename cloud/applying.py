"""Changing the rules of a running installation: checked, then stored whole with its moment.

Intake takes what is stored when its moment comes (cloud/standing_rules.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import rule_sets
from cloud.core.rule_changes import RuleChange, changes, digest, laid_over
from cloud.core.rules import Rule, RuleSet
from cloud.errors import ConflictError, InvalidError, NotFoundError
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
    base: the set that the change was made against; None for whichever is the last.
    """

    by: str
    rules: Sequence[Rule] | None = None
    files: RuleSet | None = None
    at_ms: int | None = None
    note: str = ""
    base: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The set that was stored, and what it changes of the one before it.

    again: it had been asked for before, word for word, and nothing was stored now.
    """

    stored: StoredSet
    changes: tuple[RuleChange, ...]
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a change would store, on top of which set."""

    before: StoredSet
    stored: StoredSet
    rules: RuleSet
    changes: tuple[RuleChange, ...]


def apply(connection: sa.Connection, wanted: Wanted, now_ms: int, zone: ZoneInfo) -> Applied:
    """Store a changed set of rules, to be taken at its moment.

    What was asked for before, against the same set, is not stored twice.

    Raises: InvalidError if it changes nothing, or its moment is past; ConflictError if a change
    waits for a later moment, somebody was faster, or intake has not run yet. Nothing is stored
    then.
    """
    done = _done_before(connection, wanted, zone)
    if done is not None:
        return done
    plan = planned(connection, wanted, now_ms, zone)
    stored = rule_sets.store(connection, plan.rules, plan.stored)
    note = f"{len(plan.changes)} changed, in force from {iso_utc(stored.effective_ms)}"
    _audit(connection, wanted.by, "rules.applied", stored, f"{note}; {wanted.note}", now_ms)
    return Applied(stored=stored, changes=plan.changes)


def withdraw(connection: sa.Connection, number: int, by: str, now_ms: int) -> StoredSet:
    """Withdraw what waits for the moment of a set, so that it never comes into force.

    Raises: NotFoundError; ConflictError if it does not wait any more, or a later one builds on it.
    """
    known = {one.number: one for one in rule_sets.recorded(connection)}
    one = known.get(number)
    if one is None:
        raise NotFoundError(f"there is no set of rules {number}")
    if one.withdrawn_ms is not None:
        return one
    if one.taken_ms is not None or one.effective_ms < now_ms + SOON_MS:
        raise ConflictError(
            f"set {number} is in force since {iso_utc(one.effective_ms)}, or will be within"
            f" {SOON_MS // 1000} s: apply another one instead"
        )
    last = rule_sets.listed(connection)[0]
    if last.effective_ms > one.effective_ms:
        raise ConflictError(
            f"set {last.number}, which waits for {iso_utc(last.effective_ms)}, builds on set"
            f" {number}: withdraw that one first"
        )
    waiting = rule_sets.waiting(connection)
    same = [other.number for other in waiting if other.effective_ms == one.effective_ms]
    rule_sets.withdraw(connection, same, by, now_ms)
    words = f"was to be in force from {iso_utc(one.effective_ms)}"
    _audit(connection, by, "rules.withdrawn", one, words, now_ms)
    return replace(one, withdrawn_ms=now_ms, withdrawn_by=by)


def planned(connection: sa.Connection, wanted: Wanted, now_ms: int, zone: ZoneInfo) -> Plan:
    """Return what a change would store, and what it changes. Raises: as apply()."""
    known = rule_sets.listed(connection)
    if not known:
        raise ConflictError("no rules are in force yet: start gridwarden cloud intake once, first")
    last = known[0]
    if wanted.base is not None and wanted.base != last.number:
        raise ConflictError(
            f"the rules are no longer those of set {wanted.base}: {last.by or 'the files'} made set"
            f" {last.number} at {iso_utc(last.made_ms)}. Look at what it says, then try again"
        )
    effective_ms = _moment(wanted, last, now_ms)
    before = rule_sets.rules_of(connection, last.number)
    after, one = _made(wanted, before, last, effective_ms, now_ms, zone)
    found = changes(before.by_id, after.by_id)
    if not found and after.fingerprint == last.fingerprint and one.applied == last.applied:
        raise InvalidError("it changes nothing: the rules say all of this already")
    return Plan(before=last, stored=one, rules=after, changes=tuple(found))


def _done_before(connection: sa.Connection, wanted: Wanted, zone: ZoneInfo) -> Applied | None:
    """Return what the same words, told again, have made already: an answer may get lost."""
    known = rule_sets.listed(connection)
    if wanted.base is None or wanted.rules is None or len(known) < 2:
        return None
    last, before = known[:2]
    if (before.number, last.by, last.note) != (wanted.base, wanted.by, wanted.note):
        return None
    if wanted.at_ms not in (None, last.effective_ms):
        return None
    then = rule_sets.rules_of(connection, before.number)
    after = laid_over(then.rules, wanted.rules, local_date(last.effective_ms, zone))
    if after.fingerprint != last.fingerprint:
        return None
    found = changes(then.by_id, after.by_id)
    return Applied(stored=last, changes=tuple(found), again=True)


def _audit(
    connection: sa.Connection, who: str, action: str, one: StoredSet, note: str, now_ms: int
) -> None:
    ledger.audit(
        connection,
        who=who,
        action=action,
        subject=f"rules {one.number}",
        note=note.removesuffix("; "),
        at_ms=now_ms,
    )


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
