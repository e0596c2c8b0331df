"""What rules are, were and will be in force; changing them for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from cloud import applying, rule_sets
from cloud.applying import Wanted
from cloud.core.rule_changes import RuleChange, changes
from cloud.core.rules import Rule
from cloud.errors import InvalidError, InvalidFileError
from cloud.rule_sets import MOST_REMEMBERED, StoredSet
from cloud.rules.written import as_yaml
from cloud.state import schema
from cloud.web import rule_models as models
from cloud.web.rule_models import Standing
from cloud.web.services import Services
from contract.errors import RuleError

FILE = "rules.yaml"


def read(services: Services, text: str) -> list[Rule]:
    """Read a file of rules. Raises: InvalidFileError with every problem; InvalidError."""
    if len(text) > models.LONGEST_TEXT:
        raise InvalidError(
            f"rules: {len(text)} characters; at most {models.LONGEST_TEXT},"
            " for more there is gridwarden rules apply"
        )
    try:
        found = services.source.changes_of(text, FILE)
    except RuleError as error:
        raise InvalidFileError(error.problems) from error
    if not found:
        raise InvalidFileError([f"{FILE}:1: rules: there are none"])
    return found


def book(services: Services, kind: str = "") -> models.RuleBook:
    """Return the rules in force, and the sets about them. kind: only rules for this one."""
    with services.database.read() as connection:
        shelf = Shelf.read(connection)
        current = shelf.current
        rules: Sequence[Rule] = services.rules.rules
        if current is not None:
            rules = rule_sets.rules_of(connection, current.number).rules
        return models.RuleBook(
            base=shelf.base,
            current=shelf.view(current) if current else None,
            rules=[rule_view(rule) for rule in rules if is_for(rule, kind)],
            upcoming=[shelf.changed(connection, one) for one in shelf.upcoming],
            history=[shelf.view(one) for one in shelf.every[:MOST_REMEMBERED]],
        )


def mark_of_sets(services: Services) -> tuple[int, int]:
    """Return what is another one whenever a set is stored, withdrawn or taken."""
    with services.database.read() as connection:
        taken = sa.select(sa.func.count(schema.rule_sets.c.taken_ms))
        return rule_sets.newest(connection), int(connection.execute(taken).scalar_one())


def is_for(rule: Rule, kind: str) -> bool:
    """Whether a rule is for a kind of device, by its name or as one for every kind; "" is any."""
    return not kind or not rule.kinds or kind in rule.kinds


def sets(services: Services, most: int) -> list[models.RuleSetView]:
    """Return the last sets with what each changed, the newest moment first."""
    with services.database.read() as connection:
        shelf = Shelf.read(connection)
        return [shelf.changed(connection, one) for one in shelf.every[:most]]


def one_set(services: Services, number: int) -> models.RuleSetView:
    """Return a set with what it changed. Raises: NotFoundError."""
    with services.database.read() as connection:
        rule_sets.rules_of(connection, number)
        shelf = Shelf.read(connection)
        return shelf.changed(connection, next(o for o in shelf.every if o.number == number))


def version(services: Services, rule: str, version: str) -> models.RuleVersion:
    """Return a version of a rule, whole. Raises: NotFoundError, naming those there are."""
    with services.database.read() as connection:
        found = rule_sets.version_of(connection, rule, version)
        known = rule_sets.versions(connection, rule)
        stretches = _in_force(connection, found.rule, found.first_set)
    now_ms = services.clock.now_ms()
    return models.RuleVersion(
        rule=rule_view(found.rule),
        text=as_yaml([found.rule]),
        known_ms=found.first_ms,
        in_force=stretches,
        now=any(
            one.from_ms <= now_ms and (one.until_ms is None or one.until_ms > now_ms)
            for one in stretches
        ),
        versions=[one.rule.version for one in known],
    )


def plan(services: Services, wanted: Wanted) -> models.PlannedChange:
    """Return what a change would do. Raises: as applying.apply()."""
    now_ms = services.clock.now_ms()
    with services.database.read() as connection:
        planned = applying.planned(connection, wanted, now_ms, services.timezone)
        before = rule_sets.rules_of(connection, planned.before.number).by_id
    return models.PlannedChange(
        base=planned.before.number,
        from_ms=planned.stored.effective_ms,
        changes=_changes(planned.changes, before, planned.rules.by_id),
        stored=None,
    )


def apply(
    services: Services, connection: sa.Connection, wanted: Wanted
) -> tuple[models.PlannedChange, bool]:
    """Store a change; return it, and whether it is new. Raises: as applying.apply()."""
    done = applying.apply(connection, wanted, services.clock.now_ms(), services.timezone)
    shelf = Shelf.read(connection)
    view = shelf.changed(connection, done.stored)
    answer = models.PlannedChange(
        base=done.stored.number, from_ms=view.from_ms, changes=view.changes, stored=view
    )
    return answer, not done.again


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All sets, the newest moment first."""

    every: list[StoredSet]
    current: StoredSet | None

    @classmethod
    def read(cls, connection: sa.Connection) -> Shelf:
        """Read them, without their rules."""
        every = rule_sets.recorded(connection)
        taken = (one for one in every if one.taken_ms is not None and one.withdrawn_ms is None)
        return cls(every=every, current=next(taken, None))

    @property
    def base(self) -> int:
        """The last set that is not withdrawn; 0 for none."""
        return next((one.number for one in self.every if one.withdrawn_ms is None), 0)

    @property
    def upcoming(self) -> list[StoredSet]:
        """What is to come, in its order; of one moment the last."""
        waiting = [one for one in self.every if one.taken_ms is None and one.withdrawn_ms is None]
        last = {one.effective_ms: one for one in reversed(waiting)}
        return list(last.values())

    def standing(self, one: StoredSet) -> Standing:
        """Say how a set stands."""
        if one.withdrawn_ms is not None:
            return Standing.WITHDRAWN
        if one.taken_ms is None:
            return Standing.UPCOMING if one in self.upcoming else Standing.REPLACED
        is_current = self.current is not None and one.number == self.current.number
        return Standing.IN_FORCE if is_current else Standing.PAST

    def view(self, one: StoredSet) -> models.RuleSetView:
        """Show a set without its changes."""
        return models.RuleSetView(
            number=one.number,
            standing=self.standing(one),
            from_ms=one.effective_ms,
            made_ms=one.made_ms,
            origin=one.origin,
            by=one.by,
            note=one.note,
            withdrawn_ms=one.withdrawn_ms,
            withdrawn_by=one.withdrawn_by,
            changes=[],
        )

    def changed(self, connection: sa.Connection, one: StoredSet) -> models.RuleSetView:
        """Show a set with what it changes; the first changes nothing.

        Against the one before it; of what is to come, against what is in force until its moment.
        """
        earlier = self.every[self.every.index(one) + 1 :]
        if one in self.upcoming:
            earlier = [each for each in earlier if each.effective_ms < one.effective_ms]
        before = next((each for each in earlier if each.withdrawn_ms is None), None)
        if before is None:
            return self.view(one)
        then = rule_sets.rules_of(connection, before.number).by_id
        now = rule_sets.rules_of(connection, one.number).by_id
        told = _changes(changes(then, now), then, now)
        return self.view(one).model_copy(update={"changes": told})


def rule_view(rule: Rule) -> models.RuleView:
    """Show a rule."""
    return models.RuleView(
        id=rule.id,
        version=rule.version,
        title=rule.title_zh,
        title_en=rule.title_en,
        kinds=list(rule.kinds),
        measurements=list(rule.measurements),
        schedule=rule.schedule,
        hours=_hours(rule),
        check=str(msgspec.to_builtins(rule.check)["type"]),
        direction=rule.direction,
        unit=rule.unit,
        levels=[
            models.RuleLevel(limit=level.limit, severity=level.severity) for level in rule.levels
        ],
        deadband=rule.deadband,
        on_delay_s=rule.on_delay_s,
        off_delay_s=rule.off_delay_s,
        category=rule.category,
        source=rule.source,
        source_zh=rule.source_zh,
        mark=rule.mark,
        timing_source=rule.timing_source,
        timing_mark=rule.timing_mark,
        effective=rule.effective,
        until=rule.until,
    )


def _hours(rule: Rule) -> str:
    if rule.times is None:
        return ""
    hours = (f"{begins:%H:%M}-{ends:%H:%M}" for begins, ends in rule.times.hours)
    return " ".join([*rule.times.days, *hours])


def _in_force(connection: sa.Connection, rule: Rule, first_set: int) -> list[models.InForce]:
    """Return when a version of a rule counted, from its moment to that of a set without it."""
    listed = reversed(rule_sets.listed(connection))
    in_order = list({one.effective_ms: one for one in listed}.values())
    found: list[models.InForce] = []
    holds = False
    for one in in_order:
        known = None
        if one.number >= first_set:
            known = rule_sets.rules_of(connection, one.number).by_id.get(rule.id)
        had, holds = holds, known is not None and known.version == rule.version
        if holds and not had:
            begun = models.InForce(set_number=one.number, from_ms=one.effective_ms, until_ms=None)
            found.append(begun)
        elif had and not holds:
            found[-1] = found[-1].model_copy(update={"until_ms": one.effective_ms})
    return found


def _changes(
    found: Sequence[RuleChange], before: Mapping[str, Rule], after: Mapping[str, Rule]
) -> list[models.RuleChanged]:
    return [_change(one, after.get(one.rule) or before[one.rule]) for one in found]


def _change(one: RuleChange, rule: Rule) -> models.RuleChanged:
    return models.RuleChanged(
        rule=one.rule,
        title=rule.title_zh,
        title_en=rule.title_en,
        what=one.what,
        before=one.before,
        after=one.after,
        fields=[
            models.FieldChange(
                field=each.field,
                before=msgspec.to_builtins(each.before),
                after=msgspec.to_builtins(each.after),
            )
            for each in one.fields
        ],
    )
