"""Late readings: a stretch of some series evaluated anew, and held against what was recorded.

By induction the record is the truth of what had come. So it tells which conditions held before the
first late reading; what was under way just then is told by the readings before it, from as far
back as the rules look. From there on the same engine that runs live finds the truth.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cloud.core.columns import Columns
from cloud.core.evaluate import Engine
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent
from cloud.core.rule_changes import DatedSet, RuleHistory
from cloud.core.rules import RuleSet

Pair = tuple[str, int]  # rule, series


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as it was recorded, and the alert that it belongs to; "" for none."""

    event: ConditionEvent
    alert: str

    @property
    def pair(self) -> Pair:
        """The rule and the series."""
        return self.event.rule, self.event.series


class Replay:
    """A stretch evaluated anew, by an engine of its own.

    Until a pair's own moment the record is right, and the engine is held to it; from then on the
    engine is. That moment is `late_ms`, or where the last condition that a version of the rule
    began which no engine here has is through, or the rule did not apply for a while: what was
    found then stays.

    Args: engine: fresh, with the series bound. raised: what held before the first reading to be
          fed. record: what was recorded from that reading on, in order of time. later: engines of
          the rules that came into force since, each from its since_ms on. lag_ms: how far behind
          such a moment time had been passed. history: all sets that are known, none for these.
    """

    def __init__(
        self,
        engine: Engine,
        late_ms: int,
        raised: Mapping[Pair, Recorded],
        record: Sequence[Recorded],
        later: Sequence[Engine] = (),
        history: RuleHistory | None = None,
        lag_ms: int = 30_000,
    ) -> None:
        self.engine = engine
        self._later = list(later)
        self._lag_ms = lag_ms
        self.late_ms = late_ms
        self.events: dict[Pair, list[ConditionEvent]] = defaultdict(list)
        self._history = history or _history_of(engine, later)
        self._watched = {pair for one in (engine, *later) for pair in one.pairs()}
        self._watched |= {one.pair for one in record if self._is_misplaced(one.event)}
        self._free_from = self._freed(raised, record)
        self._bound = frozenset(self._free_from)  # to what another version of their rule found
        self._raised = {pair for pair in raised if pair in self._watched}
        held = (one for one in record if one.pair in self._watched)
        self._record = [one for one in held if one.event.observed_ms < self.free_from(one.pair)]
        engine.adopt(self._raised, late_ms)

    def free_from(self, pair: Pair) -> int:
        """From when on the pair's events are this replay's, and no longer the record's."""
        return self._free_from.get(pair, self.late_ms)

    @property
    def first_ms(self) -> int:
        """From when on there may be events of this replay."""
        return min([self.late_ms, *self._free_from.values()])

    def pairs(self) -> set[Pair]:
        """Return every rule and series that is watched at any time."""
        return self._watched

    def feed(self, readings: Columns, until_ms: int) -> None:
        """Evaluate all readings of the stretch's next piece, up to before until_ms."""
        while (at_ms := self._next_stop_ms()) < until_ms:
            changes = bool(self._later) and self._later[0].since_ms == at_ms
            before = readings.observed_ms < at_ms + (not changes)
            self._evaluate(readings.take(before))
            readings = readings.take(~before)
            if changes:
                self._change()
            else:
                self._hold_to_record(round(at_ms))
        self._evaluate(readings)

    def _next_stop_ms(self) -> float:
        """Return when rules change next, or the record says something."""
        changes = self._later[0].since_ms if self._later else math.inf
        said = self._record[0].event.observed_ms if self._record else math.inf
        return min(changes, said)

    def _change(self) -> None:
        engine = self._later.pop(0)
        self._keep(self.engine.advance(engine.since_ms - self._lag_ms))
        self._keep(engine.succeed(self.engine))
        engine.belated()
        self.engine = engine

    def pass_time(self, watermark_ms: int) -> None:
        """Let time make of the stretch what it makes by itself, as the live engine has."""
        self._keep(self.engine.advance(watermark_ms))

    def _evaluate(self, readings: Columns) -> None:
        late = readings.observed_ms >= self.late_ms
        self._keep(self.engine.evaluate(readings.take(~late)))
        found = self.engine.evaluate(readings.take(late))
        for event in found:
            self._reach_back(event)
        self._keep(found)

    def _reach_back(self, event: ConditionEvent) -> None:
        """Free a pair from before the late reading that made known what time had not yet told."""
        pair = event.rule, event.series
        if pair not in self._bound:
            self._free_from[pair] = min(event.observed_ms, self.free_from(pair))

    def _keep(self, events: Sequence[ConditionEvent]) -> None:
        for event in events:
            pair = event.rule, event.series
            if event.observed_ms >= self.free_from(pair):
                self.events[pair].append(event)

    def _hold_to_record(self, at_ms: int) -> None:
        while self._record and self._record[0].event.observed_ms == at_ms:
            one = self._record.pop(0)
            if isinstance(one.event, ConditionEnded):
                self._raised.discard(one.pair)
            else:
                self._raised.add(one.pair)
        free = {pair for pair in self.engine.active() if self.free_from(pair) <= at_ms}
        held = {pair for pair in self._raised if self.free_from(pair) > at_ms}
        self.engine.adopt(free | held, at_ms)

    def _freed(
        self, raised: Mapping[Pair, Recorded], record: Sequence[Recorded]
    ) -> dict[Pair, int]:
        """Return from when on a pair is free, where that is later than late_ms."""
        running = dict(raised)
        moments: dict[Pair, int] = {}
        for one in record:
            began = running.get(one.pair, one)
            running[one.pair] = began
            is_current = self._is_known(began.event) and not self._is_foreign(one.event)
            if not is_current and one.event.observed_ms >= self.late_ms:
                moments[one.pair] = one.event.observed_ms + 1
            if isinstance(one.event, ConditionEnded):
                del running[one.pair]
        return moments

    def _is_known(self, event: ConditionEvent) -> bool:
        if not isinstance(event, ConditionBegan):
            return True
        return self._history.rule(event.rule, event.rule_version) is not None

    def _is_misplaced(self, event: ConditionEvent) -> bool:
        """Whether a version found something at a time that is another's."""
        if not isinstance(event, ConditionBegan) or not self._is_known(event):
            return False
        return self._version_at(event.rule, event.observed_ms) != event.rule_version

    def _is_foreign(self, event: ConditionEvent) -> bool:
        """Whether an end is neither of a reading nor of a change of rules."""
        return (
            isinstance(event, ConditionEnded)
            and _is_withdrawal(event)
            and event.ended_ms not in self._history.moments
        )

    def _version_at(self, rule: str, at_ms: int) -> str:
        known = self._history.at(at_ms).rules.by_id.get(rule)
        return known.version if known else ""


def _history_of(engine: Engine, later: Sequence[Engine]) -> RuleHistory:
    return RuleHistory.of(
        DatedSet(number=n, from_ms=one.since_ms, rules=RuleSet(rules=one.rules, fingerprint=""))
        for n, one in enumerate((engine, *later))
    )


def _is_withdrawal(event: ConditionEvent) -> bool:
    return isinstance(event, ConditionEnded) and math.isnan(event.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A condition from its beginning to its end, or still held; the first may have begun before.

    Times are those of readings: the first beyond the limit, and the last that showed it ended.
    version: that of the rule which found it; "" where it is not known.
    """

    events: tuple[ConditionEvent, ...]
    alert: str
    from_ms: float
    until_ms: float
    version: str = ""

    def is_of(self, other: Episode) -> bool:
        """Whether both may be one condition: they held at some time, and no version differs."""
        versions = {self.version, other.version} - {""}
        return len(versions) < 2 and self.overlaps(other)

    def overlaps(self, other: Episode) -> bool:
        """Whether both held at some time."""
        return self.from_ms <= other.until_ms and other.from_ms <= self.until_ms


def episodes(record: Sequence[Recorded], running: str, version: str = "") -> list[Episode]:
    """Cut a pair's events into episodes.

    running: the alert of what held before them, or ""; version: the one that had found it.
    """
    cuts: list[list[Recorded]] = [[]] if running else []
    for one in record:
        if isinstance(one.event, ConditionBegan) or not cuts:
            cuts.append([])
        cuts[-1].append(one)
    found = []
    for at, cut in enumerate(cuts):
        is_running = bool(running) and at == 0
        first, last = (cut[0].event, cut[-1].event) if cut else (None, None)
        begun = first if isinstance(first, ConditionBegan) and not is_running else None
        found.append(
            Episode(
                events=tuple(one.event for one in cut),
                alert=running if is_running else cut[0].alert,
                from_ms=begun.began_ms if begun else -math.inf,
                until_ms=_until_ms(last),
                version=begun.rule_version if begun else version,
            )
        )
    return found


def _until_ms(last: ConditionEvent | None) -> float:
    """Return until when a condition held; one that was withdrawn held until just before."""
    if not isinstance(last, ConditionEnded):
        return math.inf
    return last.observed_ms - _is_withdrawal(last)


def equal(some: Sequence[ConditionEvent], others: Sequence[ConditionEvent]) -> bool:
    """Whether events are the same. What has no value is NaN, which is not itself."""
    return list(map(_comparable, some)) == list(map(_comparable, others))


def _comparable(event: ConditionEvent) -> ConditionEvent:
    return replace(event, value=-math.inf) if math.isnan(event.value) else event


def assign(
    running: str,
    old: Sequence[Recorded],
    new: Sequence[ConditionEvent],
    still_open: str,
    version: str = "",
) -> list[Recorded]:
    """Give a pair's events, found anew, to the alerts that told of them before.

    A condition that overlaps one that was recorded, of the same version of the rule, is that one,
    begun or ended at another time; where it overlaps several it is the open alert's, else the
    first's. "" is an alert of its own.

    Args: running: the alert of the condition that held when the stretch began. old: what was
          recorded of the stretch. still_open: the pair's open alert. version: that of `running`.
          Each of them "" for none.
    """
    before = episodes(old, running, version)
    given: list[Recorded] = []
    for episode in episodes([Recorded(event=event, alert="") for event in new], running, version):
        alert = episode.alert
        if not alert:
            touched = [each.alert for each in before if each.alert and each.is_of(episode)]
            alert = still_open if still_open in touched else next(iter(touched), "")
        given += [Recorded(event=event, alert=alert) for event in episode.events]
    return given
