"""How an alarm system performs: ISA-18.2's figures, each with the alerts it is made of.

Source: ISA-18.2 / IEC 62682 as in the project's facts of the field, §10 [M]: the figures are meant
for one operator's position and at least 30 days.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cloud.core.model import Severity

INTERVAL_MS = 600_000
FLOOD_BEGINS_ABOVE = 10  # alerts in an interval
FLOOD_ENDS_BELOW = 5
CHATTER_CYCLES = 3
CHATTER_MS = 60_000
STALE_MS = 86_400_000
TOP = 10


class Figure(StrEnum):
    """What is measured, by the names that the API, the page and the command share."""

    RATE = "alerts per 10 minutes"
    BUSY = "intervals above 10, %"
    FLOOD = "time in flood, %"
    TOP_TEN = "share of the top ten, %"
    CHATTERING = "chattering"
    STALE = "stale"
    LOW = "low priority, %"
    MEDIUM = "medium priority, %"
    HIGH = "high priority, %"
    CRITICAL = "critical priority, %"


class Verdict(StrEnum):
    """How a figure stands against its target."""

    GOOD = "good"
    TOLERABLE = "tolerable"
    POOR = "poor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure is good up to `good`, tolerable up to `tolerable`; both inclusive."""

    good: float
    tolerable: float


# ISA-18.2's recommendations; priorities are 80/15/5/<1 %, and too many of the upper ones are bad.
TARGETS: dict[Figure, Target] = {
    Figure.RATE: Target(good=1, tolerable=2),
    Figure.BUSY: Target(good=1, tolerable=5),
    Figure.FLOOD: Target(good=1, tolerable=5),
    Figure.TOP_TEN: Target(good=5, tolerable=20),
    Figure.CHATTERING: Target(good=0, tolerable=0),
    Figure.STALE: Target(good=4, tolerable=10),
    Figure.LOW: Target(good=100, tolerable=100),
    Figure.MEDIUM: Target(good=15, tolerable=30),
    Figure.HIGH: Target(good=5, tolerable=10),
    Figure.CRITICAL: Target(good=1, tolerable=2),
}
_OF_SEVERITY: dict[Severity, Figure] = {
    Severity.LOW: Figure.LOW,
    Severity.MEDIUM: Figure.MEDIUM,
    Severity.HIGH: Figure.HIGH,
    Severity.CRITICAL: Figure.CRITICAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annunciation:
    """One time that an alert called for an operator: raised, raised again, or risen.

    operator: whom it is assigned to; "" for nobody in particular.
    """

    at_ms: int
    alert: str
    rule: str
    device: str
    severity: Severity
    operator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One stretch that an alert's condition held. until_ms: None while it still does."""

    alert: str
    rule: str
    device: str
    from_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Intervals from one with more than 10 alerts to the first with fewer than 5.

    first: the alert that opened it; most: in one interval; operator: whose it was, "" for that of
    all the alerts that were nobody's in particular.
    """

    from_ms: int
    until_ms: int
    first: str
    alerts: tuple[str, ...]
    most: int
    operator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offender:
    """A rule on a device, and the alerts that count against it. share: of all, 0 to 1."""

    rule: str
    device: str
    times: int
    share: float
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """The figures of a period, and what each is made of.

    rate and the shares count for `operators` positions together; by_operator: how often each was
    called, "" for nobody in particular. made_of: the alerts of each figure, in their order;
    of_operator: of each operator.
    """

    from_ms: int
    until_ms: int
    operators: int
    times: int
    busiest_ms: int | None
    busiest: int
    figures: Mapping[Figure, float]
    floods: tuple[Flood, ...]
    top: tuple[Offender, ...]
    chattering: tuple[Offender, ...]
    stale: tuple[Standing, ...]
    by_severity: Mapping[Severity, int]
    by_operator: Mapping[str, int]
    made_of: Mapping[Figure, tuple[str, ...]]
    of_operator: Mapping[str, tuple[str, ...]]

    def verdict(self, figure: Figure) -> Verdict:
        """Hold a figure against its target."""
        return verdict(figure, self.figures[figure])


def verdict(figure: Figure, value: float) -> Verdict:
    """Hold a value against a figure's target."""
    target = TARGETS[figure]
    if value <= target.good:
        return Verdict.GOOD
    return Verdict.TOLERABLE if value <= target.tolerable else Verdict.POOR


def measure(
    calls: Iterable[Annunciation],
    standing: Iterable[Standing],
    from_ms: int,
    until_ms: int,
    operators: int = 1,
) -> Performance:
    """Measure a period: from_ms <= t < until_ms, in intervals of 10 minutes from its begin.

    Args:   standing: every stretch that reaches into the period. operators: positions staffed.
    Raises: ValueError if the period is empty or there is no operator.
    """
    if until_ms <= from_ms or operators < 1:
        raise ValueError(f"{from_ms} to {until_ms} with {operators} operators is nothing")
    mine = sorted(
        (call for call in calls if from_ms <= call.at_ms < until_ms), key=lambda call: call.at_ms
    )
    intervals = -(-(until_ms - from_ms) // INTERVAL_MS)
    counts = Counter((call.at_ms - from_ms) // INTERVAL_MS for call in mine)
    floods = _floods_of_all(mine, from_ms, until_ms, operators)
    top = offenders(mine)[:TOP]
    chattering = tuple(_chattering(mine))
    stale = tuple(one for one in standing if _length(one, until_ms) > STALE_MS)
    by_severity = Counter(call.severity for call in mine)
    busiest = max(counts, key=lambda at: (counts[at], -at), default=None)
    return Performance(
        from_ms=from_ms,
        until_ms=until_ms,
        operators=operators,
        times=len(mine),
        busiest_ms=None if busiest is None else from_ms + busiest * INTERVAL_MS,
        busiest=0 if busiest is None else counts[busiest],
        figures={
            Figure.RATE: len(mine) / intervals / operators,
            Figure.BUSY: 100
            * sum(n > FLOOD_BEGINS_ABOVE * operators for n in counts.values())
            / intervals,
            Figure.FLOOD: 100 * _covered(floods) / (until_ms - from_ms),
            Figure.TOP_TEN: 100 * sum(one.share for one in top),
            Figure.CHATTERING: len(chattering),
            Figure.STALE: len(stale),
            **{
                figure: 100 * by_severity[severity] / max(len(mine), 1)
                for severity, figure in _OF_SEVERITY.items()
            },
        },
        floods=floods,
        top=top,
        chattering=chattering,
        stale=stale,
        by_severity={severity: by_severity[severity] for severity in Severity},
        by_operator=dict(Counter(call.operator for call in mine).most_common()),
        of_operator={
            operator: _alerts(call for call in mine if call.operator == operator)
            for operator in {call.operator for call in mine}
        },
        made_of={
            Figure.RATE: _alerts(mine),
            Figure.BUSY: _alerts(
                call
                for call in mine
                if counts[(call.at_ms - from_ms) // INTERVAL_MS] > FLOOD_BEGINS_ABOVE * operators
            ),
            Figure.FLOOD: _all_of(flood.alerts for flood in floods),
            Figure.TOP_TEN: _all_of(one.alerts for one in top),
            Figure.CHATTERING: _all_of(one.alerts for one in chattering),
            Figure.STALE: tuple(dict.fromkeys(one.alert for one in stale)),
            **{
                figure: _alerts(call for call in mine if call.severity is severity)
                for severity, figure in _OF_SEVERITY.items()
            },
        },
    )


def _alerts(calls: Iterable[Annunciation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(call.alert for call in calls))


def _all_of(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(alert for part in parts for alert in part))


def _covered(floods: Sequence[Flood]) -> int:
    """Return for how long there was a flood; those of several operators at once count once."""
    covered = until_ms = 0
    for flood in sorted(floods, key=lambda one: one.from_ms):
        covered += max(0, flood.until_ms - max(flood.from_ms, until_ms))
        until_ms = max(until_ms, flood.until_ms)
    return covered


def offenders(calls: Sequence[Annunciation]) -> tuple[Offender, ...]:
    """Return every rule on a device that called, the most frequent first."""
    return tuple(
        _offender(mine, len(calls))
        for _, mine in sorted(_by_culprit(calls).items(), key=lambda one: (-len(one[1]), one[0]))
    )


def _by_culprit(calls: Sequence[Annunciation]) -> Mapping[tuple[str, str], list[Annunciation]]:
    found: dict[tuple[str, str], list[Annunciation]] = defaultdict(list)
    for call in calls:
        found[call.rule, call.device].append(call)
    return found


def _offender(calls: Sequence[Annunciation], of: int) -> Offender:
    return Offender(
        rule=calls[0].rule,
        device=calls[0].device,
        times=len(calls),
        share=len(calls) / of,
        alerts=tuple(dict.fromkeys(call.alert for call in calls)),
    )


def _floods_of_all(
    calls: Sequence[Annunciation], from_ms: int, until_ms: int, operators: int
) -> tuple[Flood, ...]:
    """Return each operator's floods, and those of what is nobody's, which all positions share."""
    found: list[Flood] = []
    for operator in dict.fromkeys(call.operator for call in calls):
        mine = [call for call in calls if call.operator == operator]
        counts = Counter((call.at_ms - from_ms) // INTERVAL_MS for call in mine)
        positions = 1 if operator else operators
        found += _floods(mine, counts, from_ms, until_ms, positions)
    return tuple(sorted(found, key=lambda flood: (flood.from_ms, flood.operator)))


def _floods(
    calls: Sequence[Annunciation],
    counts: Mapping[int, int],
    from_ms: int,
    until_ms: int,
    operators: int,
) -> Iterator[Flood]:
    """Yield floods; an interval that no alert fell into ends one."""
    begun: int | None = None
    for interval in sorted({*counts, *(at + 1 for at in counts)}):
        number = counts.get(interval, 0)
        if begun is None and number > FLOOD_BEGINS_ABOVE * operators:
            begun = interval
        elif begun is not None and number < FLOOD_ENDS_BELOW * operators:
            yield _flood(calls, counts, from_ms, until_ms, (begun, interval))
            begun = None


def _flood(
    calls: Sequence[Annunciation],
    counts: Mapping[int, int],
    from_ms: int,
    until_ms: int,
    intervals: tuple[int, int],
) -> Flood:
    first, end = (from_ms + one * INTERVAL_MS for one in intervals)
    within = dict.fromkeys(call.alert for call in calls if first <= call.at_ms < end)
    return Flood(
        from_ms=first,
        until_ms=min(end, until_ms),
        first=next(iter(within)),
        alerts=tuple(within),
        most=max(counts.get(one, 0) for one in range(*intervals)),
        operator=calls[0].operator,
    )


def _chattering(calls: Sequence[Annunciation]) -> Iterator[Offender]:
    """Yield what called at least three times within some minute, with those calls only."""
    for _, mine in sorted(_by_culprit(calls).items()):
        close = [
            group
            for group in zip(*(mine[start:] for start in range(CHATTER_CYCLES)), strict=False)
            if group[-1].at_ms - group[0].at_ms < CHATTER_MS
        ]
        within = list({id(call): call for group in close for call in group}.values())
        if within:
            yield _offender(within, len(calls))


def _length(one: Standing, until_ms: int) -> int:
    return (until_ms if one.until_ms is None else min(one.until_ms, until_ms)) - one.from_ms
