"""The rules as intake has them: which set it evaluates with, which wait for their moment.

Owned by the Line; works in its transactions. What was stored is taken whole or not yet at all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import alerts, condition_log, rule_sets
from cloud.alert_book import AlertChange
from cloud.core.alert_policy import AlertPolicy
from cloud.core.model import ConditionEnded
from cloud.core.rule_changes import DatedSet, RuleHistory, changes, digest, laid_over
from cloud.core.rules import RuleSet
from cloud.rule_sets import Origin, StoredSet
from contract.clock import iso_utc

RULE_CHANGED = "the rule was changed"
RULE_WITHDRAWN = "the rule was withdrawn"

log = logging.getLogger("gridwarden")


class StandingRules:
    """The sets that were in force, and those that wait."""

    def __init__(self, history: RuleHistory, waiting: Sequence[DatedSet], newest: int) -> None:
        self.history = history
        self._waiting = list(waiting)
        self._newest = newest

    @classmethod
    def load(cls, connection: sa.Connection, files: RuleSet, now_ms: int) -> StandingRules:
        """Read the sets; at the very first start that of the files is recorded, and taken."""
        if not rule_sets.listed(connection):
            one = _of_files(files, now_ms)
            one = rule_sets.store(connection, _known_by_content(files), one)
            rule_sets.take(connection, one.number, now_ms)
        loaded = cls(rule_sets.history(connection), [], 0)
        loaded.look(connection)
        return loaded

    @property
    def current(self) -> RuleSet:
        """The rules that intake evaluates with."""
        return self.history.current.rules

    def look(self, connection: sa.Connection) -> None:
        """Read what has been stored since the last look."""
        newest = rule_sets.newest(connection)
        if newest != self._newest:
            self._waiting = [
                rule_sets.dated(one, rule_sets.rules_of(connection, one.number))
                for one in rule_sets.waiting(connection)
            ]
            self._newest = newest

    def has_news(self, connection: sa.Connection, now_ms: int) -> bool:
        """Whether there is something to look at, or to take."""
        return bool(self.due(now_ms)) or rule_sets.newest(connection) != self._newest

    def due(self, now_ms: int) -> list[DatedSet]:
        """Return the sets whose moment has come, in order; of one moment the last alone."""
        last = {one.from_ms: one for one in self._waiting if one.from_ms <= now_ms}
        return list(last.values())

    def take(self, connection: sa.Connection, one: DatedSet, now_ms: int) -> None:
        """Have a set that is due in force."""
        passed = [other for other in self._waiting if other.from_ms <= one.from_ms]
        for other in passed:  # those of the same moment are over before they began
            rule_sets.take(connection, other.number, now_ms)
        self._waiting = [other for other in self._waiting if other not in passed]
        self.history = RuleHistory.of([*self.history.sets, one])
        log.info(
            "set %d of rules in force since %s: %d rules",
            *(one.number, iso_utc(one.from_ms), len(one.rules.rules)),
        )

    def follow_files(
        self, connection: sa.Connection, files: RuleSet, zone: ZoneInfo, now_ms: int
    ) -> None:
        """Have what the files say in force from now on, if it is not what they said before.

        Rules that were applied while it ran stay as they are, in this set and in those that wait.
        """
        known = rule_sets.listed(connection)
        last = max(known, key=lambda one: one.number)
        files = _known_by_content(files)
        if last.files == files.fingerprint:
            return
        on = local_date(now_ms, zone)
        running = next(one for one in known if one.number == self.history.current.number)
        made = [_of_files(files, now_ms, running.applied)]
        made += [
            _of_files(files, now_ms, one.applied, like=one)
            for one in reversed(known)
            if one.taken_ms is None
        ]
        for one in made:
            like = running.number if one is made[0] else one.number
            applied = rule_sets.rules_of(connection, like).by_id
            over = [applied[name] for name in one.applied if name in applied]
            rule_sets.store(connection, laid_over(files.rules, over, on), one)
        self.look(connection)


def close_alerts(
    connection: sa.Connection,
    sets: tuple[RuleSet, DatedSet],
    ended: Sequence[ConditionEnded],
    now_ms: int,
    policy: AlertPolicy,
) -> list[AlertChange]:
    """Close what rules raised that are gone or changed, and record what the change ended."""
    before, after = sets
    notes = {
        one.rule: f"{RULE_CHANGED}: {one.before} → {one.after}" if one.after else RULE_WITHDRAWN
        for one in changes(before.by_id, after.rules.by_id)
        if one.before
    }
    closed = alerts.withdraw(connection, notes, ended, after.from_ms, now_ms, policy)
    condition_log.append(connection, ended, closed)
    return closed


def local_date(at_ms: int, zone: ZoneInfo) -> date:
    """Return the local date of a moment."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()


def _known_by_content(rules: RuleSet) -> RuleSet:
    return RuleSet(rules=rules.rules, fingerprint=digest(rules.rules))


def _of_files(
    files: RuleSet, now_ms: int, applied: tuple[str, ...] = (), like: StoredSet | None = None
) -> StoredSet:
    """Return a set that the files make, now or at the moment of another one."""
    return StoredSet(
        number=like.number if like else 0,
        fingerprint="",
        files=digest(files.rules),
        made_ms=now_ms,
        effective_ms=like.effective_ms if like else now_ms,
        taken_ms=None,
        origin=like.origin if like else Origin.FILES,
        by=like.by if like else "",
        note=like.note if like else "",
        applied=applied,
    )
