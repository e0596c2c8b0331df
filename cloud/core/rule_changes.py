"""Sets of rules one after the other: which is in force at a moment, and what one changes."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum
from functools import cached_property

import msgspec

from cloud.core.narrowing import settled
from cloud.core.rules import Rule, RuleSet

NOT_SAID = ("id", "version", "beats")  # a name, and what follows from the other rules


@dataclass(frozen=True, kw_only=True)
class DatedSet:
    """Rules in force from a moment on. number: of equal moments the greater one counts."""

    number: int
    from_ms: int
    rules: RuleSet


@dataclass(frozen=True, kw_only=True)
class RuleHistory:
    """The sets that have been in force, one after the other; there is at least one.

    Readings older than the first set are the first set's: nobody knows of rules before it.
    """

    sets: tuple[DatedSet, ...]

    @classmethod
    def of(cls, sets: Iterable[DatedSet]) -> RuleHistory:
        """Put sets in order. Of those of one moment only the last was ever in force."""
        last = {one.from_ms: one for one in sorted(sets, key=lambda one: one.number)}
        return cls(sets=tuple(last[from_ms] for from_ms in sorted(last)))

    @property
    def current(self) -> DatedSet:
        """The last one."""
        return self.sets[-1]

    def at(self, at_ms: int) -> DatedSet:
        """Return the set in force at a moment."""
        return self.sets[max(bisect_right(self.moments, at_ms) - 1, 0)]

    def after(self, at_ms: int) -> tuple[DatedSet, ...]:
        """Return the sets that came into force after a moment, in order."""
        return self.sets[max(bisect_right(self.moments, at_ms), 1) :]

    def rule(self, rule: str, version: str) -> Rule | None:
        """Return a version of a rule, None if no set had it."""
        for one in reversed(self.sets):
            known = one.rules.by_id.get(rule)
            if known and known.version == version:
                return known
        return None

    @cached_property
    def moments(self) -> tuple[int, ...]:
        """When each came into force."""
        return tuple(one.from_ms for one in self.sets)


def digest(rules: Rule | Sequence[Rule]) -> str:
    """Return SHA-256 in hex over all that a rule, or a set of them, says."""
    return hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()


def laid_over(rules: Iterable[Rule], over: Iterable[Rule], on: date) -> RuleSet:
    """Return rules with others added, or in place of those of the same id, as it is on a date."""
    changed = {rule.id: rule for rule in over}
    every = [*(rule for rule in rules if rule.id not in changed), *changed.values()]
    whole = tuple(settled(sorted(every, key=lambda rule: rule.id), on))
    return RuleSet(rules=whole, fingerprint=digest(whole))


class Changed(StrEnum):
    """What becomes of a rule from one set to the next."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """What a rule said and says; None where there was, or is, no such rule."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """A rule that is not in both sets as it was. before, after: its versions, "" for none."""

    rule: str
    what: Changed
    before: str
    after: str
    fields: tuple[FieldChange, ...] = ()


def is_same(one: Rule, other: Rule) -> bool:
    """Whether two rules say the same. Whom they win over follows from the others."""
    return replace(one, beats=()) == replace(other, beats=())


def unchanged(before: Sequence[Rule], after: Sequence[Rule]) -> frozenset[str]:
    """Return the ids of the rules that both have and that say the same in both."""
    earlier = {rule.id: rule for rule in before}
    return frozenset(
        rule.id for rule in after if rule.id in earlier and is_same(earlier[rule.id], rule)
    )


def changes(before: Mapping[str, Rule], after: Mapping[str, Rule]) -> list[RuleChange]:
    """Return what becomes of rules, by id: added, removed, and changed ones with their fields."""
    found: list[RuleChange] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old and new and is_same(old, new):
            continue
        what = Changed.CHANGED if old and new else Changed.ADDED if new else Changed.REMOVED
        found.append(
            RuleChange(
                rule=name,
                what=what,
                before=old.version if old else "",
                after=new.version if new else "",
                fields=field_changes(old, new) if old and new else (),
            )
        )
    return found


def field_changes(before: Rule, after: Rule) -> tuple[FieldChange, ...]:
    """Return the fields that two versions of a rule say otherwise, in the rule's order."""
    return tuple(
        FieldChange(field=name, before=getattr(before, name), after=getattr(after, name))
        for name in (field.name for field in fields(Rule))
        if name not in NOT_SAID and getattr(before, name) != getattr(after, name)
    )
