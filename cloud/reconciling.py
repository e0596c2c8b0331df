"""Alerts made equal to what all readings say, once late ones have been evaluated.

What came and went is recorded as historical, and nobody is told. What was raised and never was is
refuted: closed, marked, and no longer counted. Where a condition held before and after, only its
times are corrected. Told is only what changed now: a condition that holds and nobody knew of, or
one that was told of and does not hold.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from cloud import alert_rows, alerts, condition_log
from cloud.alert_book import Book, alert_id, ways_out
from cloud.alert_rows import Alert, AlertEvent, Remark
from cloud.alert_topics import message_of
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.hindsight import Pair, Recorded, Replay, assign, episodes, equal
from cloud.core.isa_18_2 import Event, State
from cloud.core.isa_18_2 import apply as next_state
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, Severity
from cloud.core.reminders import next_due_ms
from cloud.core.rule_changes import RuleHistory
from cloud.core.rules import Rule
from cloud.state import schema
from cloud.state.values import values_of

Running = tuple[str, str]  # the alert of what held before a stretch, and the rule's version
NOTHING: Running = "", ""
LATE_NOTE = "late readings"  # in the history of what they changed


class Reconciliation:
    """Writes what replays found, in its caller's transaction.

    counts: what was done, by name of counter.
    """

    def __init__(
        self,
        connection: sa.Connection,
        history: RuleHistory,
        now_ms: int,
        policy: AlertPolicy = POLICY,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._connection = connection
        self._history = history
        self._rules = history.current.rules
        self._now_ms = now_ms
        self._policy = policy
        self._lines: list[dict[str, object]] = []
        self._messages: list[dict[str, object]] = []
        self._raised: list[ConditionBegan] = []

    def settle(self, replay: Replay, series: Collection[int], stale: Collection[int]) -> None:
        """Put a replay of some series into effect.

        stale: those of them whose newest reading is old: what holds there is told to nobody.
        """
        old, running = self._before(replay, series)
        is_open = condition_log.open_alerts(self._connection, series)
        for pair in sorted(replay.pairs()):
            new = replay.events.get(pair, [])
            if pair[1] in series and not equal(new, [one.event for one in old[pair]]):
                alert, version = running.get(pair, NOTHING)
                still_open = is_open.get(pair, "")
                given = assign(alert, old[pair], new, still_open, version)
                touched = {one.alert for one in old[pair]} | {alert}
                kept = {one.alert for one in given} | {alert}
                if still_open in touched - kept:
                    still_open = ""
                condition_log.forget(self._connection, pair, replay.free_from(pair))
                named = self._name(given, (alert, version), still_open)
                self._pair(named, touched, bool(alert), pair[1] not in stale)
        self._write()

    def _before(
        self, replay: Replay, series: Collection[int]
    ) -> tuple[dict[Pair, list[Recorded]], dict[Pair, Running]]:
        """Return the record of each pair's stretch, and the alerts of what held before it."""
        held = condition_log.raised_before(self._connection, series, replay.first_ms)
        running = {pair: _running(one) for pair, one in held.items()}
        old: dict[Pair, list[Recorded]] = defaultdict(list)
        for one in condition_log.since(self._connection, series, replay.first_ms):
            if one.event.observed_ms >= replay.free_from(one.pair):
                old[one.pair].append(one)
            elif isinstance(one.event, ConditionEnded):
                running.pop(one.pair, None)
            else:
                running[one.pair] = _running(one)
        return old, running

    def _name(self, given: list[Recorded], running: Running, still_open: str) -> list[Recorded]:
        """Find alerts for the conditions that none told of, and write the record."""
        named: list[Recorded] = []
        found = episodes(given, *running)
        versions = {one.version for one in found if one.alert == still_open} - {""}
        for episode in found:
            home = still_open if versions <= {episode.version} else ""
            alert = episode.alert or self._home(episode.events, home)
            named += [Recorded(event=event, alert=alert) for event in episode.events]
        condition_log.write(self._connection, named)
        return named

    def _pair(self, named: list[Recorded], touched: set[str], running: bool, fresh: bool) -> None:
        """Correct the alerts of one rule on one series; make those that are not there."""
        found = self._load({one.alert for one in named} | touched)
        known = {alert.id for alert in found}
        held = any(_holds(alert) for alert in found)
        holds = not isinstance(named[-1].event, ConditionEnded) if named else running
        events_of = {
            alert.id: condition_log.of_alert(self._connection, alert.id) for alert in found
        }
        # Those that close go first: the unique index allows one open alert per rule and series.
        for alert in sorted(found, key=lambda each: bool(events_of[each.id])):
            self._correct(alert, events_of[alert.id], tell=fresh and not held, returns=not holds)
        for new in dict.fromkeys(one.alert for one in named if one.alert not in known):
            events = [one.event for one in named if one.alert == new]
            self._record(new, events, fresh)

    def _home(self, events: Sequence[ConditionEvent], open_alert: str) -> str:
        """Return the alert of a condition that no alert told of: often one to be made."""
        begins, last = events[0], events[-1]
        if open_alert and not isinstance(last, ConditionEnded):
            return open_alert
        if not isinstance(begins, ConditionBegan):
            return alert_id(begins.observed_ms, begins.rule, begins.series)
        return alert_id(begins.began_ms, begins.rule, begins.series, begins.rule_version)

    def _record(self, new: str, events: Sequence[ConditionEvent], fresh: bool) -> None:
        """Make the alert of a condition that nobody knew of."""
        begins, last = events[0], events[-1]
        if not isinstance(begins, ConditionBegan):
            return
        if fresh and not isinstance(last, ConditionEnded):
            self._raised.append(begins)
            return
        book = Book.load(self._connection, {begins.series}, self._now_ms, self._policy)
        alert = replace(book.first(begins, self._rule(begins)), id=new, historical=True, version=1)
        if isinstance(last, ConditionEnded):
            alert = replace(alert, returned_ms=last.ended_ms, ended_ms=last.observed_ms)
        else:
            alert = replace(alert, state=State.UNACK)
        self._connection.execute(sa.insert(schema.alerts), [values_of(alert)])
        for event in events:
            what = Event.RETURN if isinstance(event, ConditionEnded) else Event.CONDITION
            self._line(alert, alert, what, event.observed_ms, event.value)
        self.counts["alerts_historical"] += 1

    def _rule(self, begins: ConditionBegan) -> Rule:
        found = self._history.rule(begins.rule, begins.rule_version)
        return found or self._rules.by_id[begins.rule]

    def _correct(
        self, alert: Alert, events: Sequence[ConditionEvent], *, tell: bool, returns: bool
    ) -> None:
        """Make an alert what its events are; it may have none left.

        tell: whether a condition that holds is news. returns: whether none holds any more.
        """
        if not events:
            self._refute(alert, returns)
            return
        changed = _retimed(alert, events)
        last = events[-1]
        holds, held = not isinstance(last, ConditionEnded), _holds(alert)
        if holds and not held:
            changed = self._move(changed, Event.CONDITION, last, tell=tell)
            changed = replace(changed, historical=changed.historical and not tell)
        elif held and not holds:
            withdrawn = math.isnan(last.value)
            for event in ways_out(changed) if withdrawn else [Event.RETURN]:
                changed = self._move(changed, event, last, tell=returns and event is Event.RETURN)
        elif changed != alert:
            self._line(alert, changed, Remark.CORRECT, last.observed_ms)
        if changed != alert:
            self._save(alert, changed)
            self.counts["alerts_corrected"] += 1

    def _refute(self, alert: Alert, returns: bool) -> None:
        """Close an alert of a condition that never was, or that is one with another alert's."""
        tell = not alert.historical and alert.refuted_ms is None
        changed = alert
        for event in ways_out(alert):
            after = replace(
                changed,
                state=next_state(changed.state, event),
                returned_ms=alert.began_ms if alert.returned_ms is None else alert.returned_ms,
            )
            told = tell and returns and event is Event.RETURN
            self._line(changed, after, event, alert.observed_ms, tell=told)
            changed = after
        after = replace(
            changed,
            ended_ms=self._now_ms if alert.ended_ms is None else alert.ended_ms,
            held_by="",
            refuted_ms=self._now_ms,
        )
        self._line(changed, after, Remark.REFUTE, alert.observed_ms, tell=tell)
        self._save(alert, after)
        self.counts["alerts_refuted"] += 1

    def _move(self, alert: Alert, event: Event, because: ConditionEvent, *, tell: bool) -> Alert:
        """Take an alert along the table."""
        state = next_state(alert.state, event)
        after = replace(
            alert,
            state=state,
            ended_ms=because.observed_ms if state is State.NORM else None,
            told_ms=self._now_ms if tell and state is State.UNACK else alert.told_ms,
        )
        self._line(alert, after, event, because.observed_ms, because.value, tell=tell)
        return after

    def _line(
        self,
        before: Alert,
        after: Alert,
        event: Event | Remark,
        at_ms: int,
        value: float | None = None,
        *,
        tell: bool = False,
    ) -> None:
        line = AlertEvent(
            at_ms=at_ms,
            recorded_ms=self._now_ms,
            event=event,
            from_state=before.state,
            to_state=after.state,
            note=LATE_NOTE,
            value=value,
        )
        self._lines.append({"alert": after.id, **values_of(line)})
        if tell:
            self._messages.append(message_of(after, line))

    def _save(self, before: Alert, after: Alert) -> None:
        after = replace(after, next_ms=next_due_ms(after.lasting), version=before.version + 1)
        alert_rows.correct(self._connection, after)

    def _load(self, wanted: Iterable[str]) -> list[Alert]:
        table = schema.alerts
        query = sa.select(table).where(table.c.id.in_(sorted(wanted))).order_by(table.c.id)
        rows = self._connection.execute(query.with_for_update())
        return [alert_rows.alert_of(row) for row in rows]

    def _write(self) -> None:
        """Write histories and messages, and raise what holds now and nobody knew of."""
        rows_of = ((schema.alert_events, self._lines), (schema.outbox, self._messages))
        for table, rows in rows_of:
            if rows:
                self._connection.execute(sa.insert(table), rows)
        alerts.apply(self._connection, self._raised, self._rules, self._now_ms, self._policy)
        self._lines, self._messages, self._raised = [], [], []


def _running(one: Recorded) -> Running:
    version = "" if isinstance(one.event, ConditionEnded) else one.event.rule_version
    return one.alert, version


def untold(connection: sa.Connection) -> set[int]:
    """Return the series where something holds that nobody was told."""
    table = schema.alerts
    query = sa.select(table.c.series).where(
        table.c.historical, table.c.state != State.NORM.value, table.c.returned_ms.is_(None)
    )
    return set(connection.scalars(query))


def tell_of(connection: sa.Connection, series: Collection[int], now_ms: int) -> int:
    """Raise what was shown to nobody: conditions that hold, of series that speak again.

    Returns how many there were.
    """
    table = schema.alerts
    query = sa.select(table).where(
        table.c.series.in_(series),
        table.c.historical,
        table.c.state != State.NORM.value,
        table.c.returned_ms.is_(None),
    )
    found = [alert_rows.alert_of(row) for row in connection.execute(query.with_for_update())]
    for alert in found:
        told = replace(alert, historical=False, told_ms=now_ms, version=alert.version + 1)
        line = AlertEvent(
            at_ms=now_ms,
            recorded_ms=now_ms,
            event=Event.CONDITION,
            from_state=alert.state,
            to_state=alert.state,
        )
        alert_rows.correct(connection, replace(told, next_ms=next_due_ms(told.lasting)))
        rows = [{"alert": alert.id, **values_of(line)}]
        connection.execute(sa.insert(schema.alert_events), rows)
        connection.execute(sa.insert(schema.outbox), [message_of(told, line)])
    return len(found)


def _holds(alert: Alert) -> bool:
    return alert.state is not State.NORM and alert.returned_ms is None


def _retimed(alert: Alert, events: Sequence[ConditionEvent]) -> Alert:
    """Return an alert with the times and figures of its events."""
    first, last = events[0], events[-1]
    levels = [event for event in events if not isinstance(event, ConditionEnded)]
    if isinstance(first, ConditionBegan):
        worst = max(levels, key=lambda event: list(Severity).index(event.severity))
        alert = replace(
            alert,
            rule_version=first.rule_version,
            severity=worst.severity,
            limit_value=worst.limit,
            first_value=first.value,
            began_ms=first.began_ms,
            due_ms=first.due_ms,
            observed_ms=first.observed_ms,
        )
    returned_ms = last.ended_ms if isinstance(last, ConditionEnded) else None
    return replace(alert, returned_ms=returned_ms, refuted_ms=None)
