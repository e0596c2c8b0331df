"""A changed set of rules run over what is stored, beside the current one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from cloud import hold_rows
from cloud.cases.handling import handlings, lives
from cloud.core.backtest import DAY_MS, EXAMPLES, Backtest
from cloud.core.backtest_figures import Comparison, Example
from cloud.core.checks import Difference, Value
from cloud.core.evaluate import GAP_PERIODS, LEAST_GAP_S
from cloud.core.gate import GatePolicy
from cloud.core.model import Series
from cloud.core.noise import Noise, Suggestion
from cloud.core.past import Past, PastHolds, shelving_of
from cloud.core.rules import RuleSet
from cloud.errors import InvalidError, NotFoundError
from cloud.ports import SeriesStore
from cloud.state import schema
from cloud.state.chunks import chunks
from cloud.state.database import Database
from cloud.state.registry import Registry

MOST_DAYS = 400
MOST_REACH_MS = 8 * DAY_MS  # no rule looks further back than this
MOST_AT_ONCE = 4_000_000  # readings; more than these in a day make for shorter steps
UNKNOWN_PERIOD_S = 60.0

HANDLINGS_MS = 365 * DAY_MS  # so far back the ledger is asked how long handling takes
LONGEST_STRETCH_MS = 6 * 3_600_000
LEAST_MARGIN_MS = 600_000
STRETCH_POINTS = 300

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the noise of a series suggests for a rule on it, beside what the rule has."""

    rule: str
    measurement: str
    unit: str
    deadband: float
    on_delay_s: float
    suggested: Suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A comparison, and advice for the changed rules on the device that was asked for."""

    compared: Comparison
    advice: tuple[Advice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Readings about an alert: each step's begin and mean; None where none is usable."""

    from_ms: int
    until_ms: int
    at_ms: tuple[int, ...]
    value: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is asked for: from_ms <= t < until_ms, of one device, or of all for ""."""

    from_ms: int
    until_ms: int
    device: str = ""
    examples: int = EXAMPLES


def backtest(
    database: Database,
    store: SeriesStore,
    zone: ZoneInfo,
    policy: GatePolicy,
    current: RuleSet,
    changed: RuleSet,
    span: Span,
    tell: Tell | None = None,
    at_once: int = MOST_AT_ONCE,
) -> Tested:
    """Run both sets of rules over stored readings.

    tell: hears how much of the time is done; what it raises ends the run. at_once: readings.

    Raises: InvalidError for a period of nothing or over 400 days; NotFoundError for a device that
    is not there; StorageError.
    """
    if not 0 < span.until_ms - span.from_ms <= MOST_DAYS * DAY_MS:
        raise InvalidError(f"a period must end after it begins, and be of at most {MOST_DAYS} days")
    with database.read() as connection:
        registry = Registry.load(connection)
        past = _past(connection, span)
    mine = registry.series_of(span.device) if span.device else list(registry.all_series())
    if not mine:
        raise NotFoundError(f"no device {span.device!r}" if span.device else "there are no series")
    others = any(isinstance(r.check, Difference) for r in (*current.rules, *changed.rules))
    series = list(registry.all_series()) if others else mine
    test = Backtest(current, changed, zone, series, span.from_ms, span.device)
    noises = {one.id: Noise(_gap_ms(one)) for one in mine} if span.device else {}
    numbers = [one.id for one in series]
    begun_ms = at_ms = span.from_ms - min(test.reach_ms(), MOST_REACH_MS)
    step_ms = _step_ms(series, at_once)
    while at_ms < span.until_ms:
        # Up to the end of a UTC day, or of a part of one: so the store reads each file once.
        until_ms = min((at_ms // step_ms + 1) * step_ms, span.until_ms)
        if at_ms < span.from_ms:
            until_ms = min(until_ms, span.from_ms)
        readings = store.range(numbers, at_ms, until_ms)
        test.feed(readings, until_ms)
        if at_ms >= span.from_ms:
            for number, noise in noises.items():
                noise.feed(readings.take(readings.series == np.int32(number)))
        at_ms = until_ms
        if tell:
            tell(at_ms - begun_ms, span.until_ms - begun_ms)
    return Tested(
        compared=test.compare(policy, span.examples, past),
        advice=tuple(_advice(test, changed, mine, noises)),
    )


def _past(connection: sa.Connection, span: Span) -> Past:
    """Read what held alerts in that time, and how long cases take."""
    since_ms = span.until_ms - HANDLINGS_MS
    holds = hold_rows.in_force_between(connection, span.from_ms, span.until_ms)
    alerts, devices = schema.alerts, schema.devices
    of_alerts: dict[str, tuple[str, str]] = {}
    for some in chunks(sorted({hold.alert for hold in holds if hold.alert})):
        named = sa.select(alerts.c.id, alerts.c.rule, alerts.c.device).where(alerts.c.id.in_(some))
        of_alerts |= {row.id: (row.rule, row.device) for row in connection.execute(named)}
    found = [shelving_of(hold, of_alerts) for hold in holds]
    query = sa.select(devices.c.id, devices.c.gateway)
    gateways = {row.id: row.gateway for row in connection.execute(query)} if holds else {}
    return Past(
        holds=PastHolds([hold for hold in found if hold], gateways),
        handlings=handlings(connection, since_ms),
        lives=lives(connection, since_ms, span.from_ms, span.until_ms),
    )


def _advice(
    test: Backtest, changed: RuleSet, series: Sequence[Series], noises: dict[int, Noise]
) -> list[Advice]:
    named = {one.id: one for one in series}
    found: list[Advice] = []
    for name, number in sorted(test.changed.pairs()):
        rule, noise = changed.by_id[name], noises.get(number)
        suggested = noise.suggest(rule) if noise and isinstance(rule.check, Value) else None
        if suggested:
            found.append(
                Advice(
                    rule=name,
                    measurement=named[number].measurement,
                    unit=rule.unit,
                    deadband=rule.deadband,
                    on_delay_s=rule.on_delay_s,
                    suggested=suggested,
                )
            )
    return found


def readings_due(series: Sequence[Series], from_ms: int, until_ms: int) -> int:
    """Return about how many readings there should be in a period."""
    return round(_per_day(series) * (until_ms - from_ms) / DAY_MS)


def stretch(store: SeriesStore, series: int, example: Example, until_ms: int) -> Stretch:
    """Return the readings about an alert, averaged where there are many. Raises: StorageError."""
    ended_ms = min(until_ms if example.ended_ms is None else example.ended_ms, until_ms)
    length_ms = min(max(ended_ms - example.began_ms, 0), LONGEST_STRETCH_MS)
    margin_ms = max(length_ms // 2, LEAST_MARGIN_MS)
    from_ms = example.began_ms - margin_ms
    to_ms = min(example.began_ms + length_ms + margin_ms, until_ms)
    step_ms = max(1_000, -(-(to_ms - from_ms) // STRETCH_POINTS))
    points = store.stepped(series, from_ms, max(to_ms, from_ms + 1), step_ms)
    return Stretch(
        from_ms=from_ms, until_ms=to_ms, at_ms=tuple(points.from_ms), value=tuple(points.mean)
    )


def _per_day(series: Sequence[Series]) -> float:
    return sum(86_400 / (one.device.period_s or UNKNOWN_PERIOD_S) for one in series)


def _step_ms(series: Sequence[Series], at_once: int) -> int:
    """Return a day, or a part of it that divides it, for as much as is taken at once."""
    per_day = _per_day(series)
    parts = next((n for n in (1, 2, 4, 8, 24, 48, 96, 288) if per_day / n <= at_once), 1440)
    return DAY_MS // parts


def _gap_ms(series: Series) -> int:
    period_s = series.device.period_s or UNKNOWN_PERIOD_S
    return round(max(GAP_PERIODS * period_s, LEAST_GAP_S) * 1000)
