"""Engines of the sets of rules that have been in force, one after the other, over some series."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from cloud.core.arrivals import NEVER
from cloud.core.evaluate import Engine
from cloud.core.model import Series
from cloud.core.rule_changes import DatedSet, RuleHistory
from cloud.core.schedule import DayHours, cut_for


class Engines:
    """Fresh engines, each with the series bound, made when they are asked for.

    only: the devices that are watched; the others are there to be compared with. None: all.
    """

    def __init__(
        self,
        history: RuleHistory,
        zone: ZoneInfo,
        only: frozenset[str] | None,
        series: Sequence[Series],
    ) -> None:
        self._history = history
        self._zone = zone
        self._only = only
        self._series = series
        self._made: dict[int, Engine] = {}

    def since(self, at_ms: int) -> list[Engine]:
        """Return the engine of the set in force at a moment, and those of the sets after it."""
        return [self._of(one) for one in (self._history.at(at_ms), *self._history.after(at_ms))]

    def reach_ms(self, at_ms: int) -> int:
        """Return how far back any of these looks."""
        return max(engine.reach_ms() for engine in self.since(at_ms))

    def _of(self, one: DatedSet) -> Engine:
        if one.number not in self._made:
            engine = engine_of(self._history, one, self._zone, self._only)
            engine.bind(self._series)
            self._made[one.number] = engine
        return self._made[one.number]


def engine_of(
    history: RuleHistory, one: DatedSet, zone: ZoneInfo, only: frozenset[str] | None = None
) -> Engine:
    """Return an engine of one of the sets, with nothing bound. The first has always been."""
    is_first = one.number == history.sets[0].number
    return Engine(
        one.rules.rules,
        zone,
        cut_for(DayHours(), one.rules.rules),
        only=only,
        since_ms=int(NEVER) if is_first else one.from_ms,
    )
