"""Messages written in one transaction: by which ways, at once or held, and what a flood does.

Nothing is left out: what is held waits for a digest or for the end of the quiet hours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.core import flood
from cloud.core.flood import Turn
from cloud.core.model import Severity
from cloud.core.rota import How
from cloud.core.telling import (
    ABOUT_TELLING,
    CALLS,
    COUNTED,
    TO_THOSE_TOLD,
    What,
    Why,
    quiet_until,
    wants_digest,
    ways_for,
)
from cloud.notify import messages, rows
from cloud.notify.facts import Known
from cloud.notify.messages import CaseFacts, Words
from cloud.notify.policy import Person, Policy
from cloud.notify.rows import Fate, Telling
from cloud.state import schema
from cloud.web.wording import Wording

log = logging.getLogger(__name__)

GROUP_MS = 60_000  # those that begin together are told together, after their first
LOUD = Severity.CRITICAL  # is told by itself in a flood too, unless it is a flood of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Until when a message waits, and for what; hold is "" for none."""

    hold: str
    next_ms: int


class Post:
    """Plans messages in its caller's transaction, at one moment."""

    def __init__(
        self, connection: sa.Connection, policy: Policy, zone: ZoneInfo, now_ms: int
    ) -> None:
        self.connection = connection
        self.policy = policy
        self.zone = zone
        self.now_ms = now_ms
        self.dead = rows.dead_channels(connection)

    @property
    def local(self) -> datetime:
        """The moment by the clock on the wall."""
        at = datetime.fromtimestamp(self.now_ms / 1000, UTC)
        return at.astimezone(self.zone).replace(tzinfo=None)

    def words(self, person: Person) -> Wording:
        return Wording(language=person.language, zone=self.zone)

    def person(self, name: str) -> Person | None:
        """Return somebody who is configured; it is said of one who is not any more."""
        person = self.policy.people.get(name)
        if person is None:
            log.warning("%s was to be told, and is nobody that is configured", name)
        return person

    def tell(
        self, what: What, event: str, people: Mapping[str, Why], known: Known, *, late: bool = False
    ) -> list[str]:
        """Tell people of an alert; return those who will hear of it.

        late: it was over before it could be told; that is only written down.
        """
        told = []
        for name, why in people.items():
            person = self.person(name)
            if person is None:
                continue
            facts, w = known.facts, self.words(person)
            words = messages.of_alert(what, facts, w, self.policy.base_url, why)
            severity = known.subject.severity
            held = Held(hold="", next_ms=self.now_ms)
            if not late:
                held = self._held(person, what, known, event)
            self._insert(person, what, event, known.alert.id, severity, why, words, held, late=late)
            told += [] if late else [name]
        return told

    def announce(
        self,
        what: What,
        event: str,
        people: Mapping[str, Words],
        severity: Severity = Severity.HIGH,
        alert: str = "",
    ) -> None:
        """Tell people, at once, of what is about no single alert."""
        for name, words in people.items():
            person = self.person(name)
            if person is not None:
                why = Why(how=How.DEFAULT)
                held = Held(hold="", next_ms=self.now_ms)
                self._insert(person, what, event, alert, severity, why, words, held)

    def tell_of_case(
        self,
        what: What,
        event: str,
        people: Mapping[str, Why],
        facts: CaseFacts,
        *,
        late: bool = False,
    ) -> None:
        """Tell people of a case's due time, outside of their quiet hours."""
        severity = Severity(facts.severity)
        for name, why in people.items():
            person = self.person(name)
            if person is None:
                continue
            words = messages.of_case(what, facts, self.words(person), self.policy.base_url, why)
            held = self._quiet(severity) or Held(hold="", next_ms=self.now_ms)
            case = facts.case
            self._insert(person, what, event, "", severity, why, words, held, late=late, case=case)

    def _insert(
        self,
        person: Person,
        what: What,
        event: str,
        alert: str,
        severity: Severity,
        why: Why,
        words: Words,
        held: Held,
        *,
        late: bool = False,
        case: str = "",
    ) -> None:
        tellings = [
            Telling(
                what=what,
                event=event,
                alert=alert,
                case=case,
                person=person,
                way=way,
                severity=severity.value,
                why=why,
                words=words,
                next_ms=held.next_ms,
                hold=held.hold,
                fate=Fate.SKIPPED if late else Fate.WAITING,
                note="it was over long before it could be told" if late else "",
            )
            for way in ways_for(person.ways, severity, self.dead)
        ]
        rows.insert(self.connection, tellings, self.now_ms)

    def _held(self, person: Person, what: What, known: Known, event: str) -> Held:
        severity = known.subject.severity
        if what in ABOUT_TELLING:
            return Held(hold="", next_ms=self.now_ms)
        if what in TO_THOSE_TOLD and (earlier := self._waits(person, known.alert.id)):
            return earlier
        if quiet := self._quiet(severity):
            return quiet
        if known.follows and what in COUNTED:
            return Held(hold="group", next_ms=self.now_ms + GROUP_MS)
        return self._in_flood(person, what, known, event)

    def _quiet(self, severity: Severity) -> Held | None:
        until = quiet_until(self.policy.quiet, severity, self.local)
        if until is None:
            return None
        at_ms = round(until.replace(tzinfo=self.zone).timestamp() * 1000)
        digested = wants_digest(self.policy.quiet, severity, self.local)
        return Held(hold="quiet" if digested else "", next_ms=at_ms)

    def _waits(self, person: Person, alert: str) -> Held | None:
        """Return how an earlier message of this alert to the same person is held."""
        table = schema.notifications
        row = self.connection.execute(
            sa.select(table.c.hold, table.c.next_ms)
            .where(
                table.c.alert == alert,
                table.c.person == person.id,
                table.c.state == Fate.WAITING.value,
                table.c.next_ms > self.now_ms,
                table.c.attempts == 0,
            )
            .order_by(table.c.id.desc())
            .limit(1)
        ).one_or_none()
        return Held(hold=row.hold, next_ms=row.next_ms) if row else None

    def _in_flood(self, person: Person, what: What, known: Known, event: str) -> Held:
        now = Held(hold="", next_ms=self.now_ms)
        bounds, table = self.policy.flood, schema.notify_floods
        at = self.connection.execute(
            sa.select(table).where(table.c.person == person.id, table.c.ended_ms.is_(None))
        ).one_or_none()
        new = what in COUNTED
        if at is None:
            raised = self.raised(person.id) + 1
            if not new or flood.turn(False, raised, bounds) is not Turn.BEGINS:
                return now
            digest_ms = self.now_ms + self.policy.digest_ms
            values = {"began_ms": self.now_ms, "digest_ms": digest_ms, "messages": 1}
            self.connection.execute(sa.insert(table).values(person=person.id, **values))
            self._flood_began(person, event)
        else:
            digest_ms = at.digest_ms
            more = table.c.messages + 1
            self.connection.execute(
                sa.update(table).where(table.c.id == at.id).values(messages=more)
            )
        loud = known.subject.severity is LOUD and what in (*CALLS, What.ESCALATED)
        if loud and self.raised(person.id, LOUD) < bounds.begins:
            return now
        return Held(hold="flood", next_ms=digest_ms)

    def raised(self, person: str, severity: Severity | None = None) -> int:
        """Return how many calls came to a person in the window of floods."""
        table = schema.notifications
        query = sa.select(sa.func.count(sa.distinct(table.c.message))).where(
            table.c.person == person,
            table.c.created_ms > self.now_ms - self.policy.flood.window_ms,
            table.c.what.in_([what.value for what in COUNTED]),
            table.c.hold.in_(("", "flood")),
            table.c.state != Fate.SKIPPED.value,
        )
        if severity is not None:
            query = query.where(table.c.severity == severity.value)
        return self.connection.scalar(query) or 0

    def _flood_began(self, person: Person, event: str) -> None:
        table, bounds, w = schema.notifications, self.policy.flood, self.words(person)
        first = self.connection.scalar(
            sa.select(table.c.subject)
            .where(
                table.c.person == person.id,
                table.c.created_ms > self.now_ms - bounds.window_ms,
                table.c.what.in_([what.value for what in COUNTED]),
            )
            .order_by(table.c.id)
            .limit(1)
        )
        about = messages.say("first out", person.language, text=first or "")
        text = messages.say(
            "flood.began",
            person.language,
            window=round(bounds.window_ms / 60_000),
            begins=bounds.begins,
            every=round(self.policy.digest_ms / 60_000),
        )
        words = messages.plain(What.FLOOD_BEGAN, about, text, w, self.policy.base_url)
        self.announce(What.FLOOD_BEGAN, event, {person.id: words})
