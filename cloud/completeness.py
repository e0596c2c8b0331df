"""How complete a device's data is, day by day: from the store, and from what intake wrote down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from cloud.core.completeness import (
    Counts,
    Known,
    Outage,
    Part,
    Stretch,
    Tally,
    bucket_ms,
    buckets,
    measure,
    shortest_ms,
)
from cloud.errors import InvalidError, NotFoundError
from cloud.ports import SeriesStore
from cloud.state import schema
from cloud.state.database import Database
from contract.aggregates import period_ms_of
from contract.intervals import IntervalSet
from contract.quality import Quality
from contract.readings import NOT_RUNNING

DAY_MS = 86_400_000
MOST_DAYS = 92
WAY_MS = 60_000  # what is younger may still be on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One local day, or the part of it that was asked for. late: arrived, but long after."""

    day: str
    from_ms: int
    to_ms: int
    part: Part
    late: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What an edge declared lost, in its own words; of the gateway, not of the device alone."""

    from_ms: int
    to_ms: int
    readings: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How complete a device's data is."""

    device: str
    period_s: float | None
    days: tuple[Day, ...]
    losses: tuple[Loss, ...]

    @property
    def total(self) -> Part:
        return sum((day.part for day in self.days), Part())

    @property
    def late(self) -> int:
        return sum(day.late for day in self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the database says about a device."""

    gateway: str
    period_s: float | None
    series: Mapping[str, int]
    stretches: Mapping[str, Sequence[Stretch]]
    known: Known
    losses: tuple[Loss, ...]
    late: Mapping[int, int]  # by hour


def report(
    database: Database,
    store: SeriesStore,
    zone: ZoneInfo,
    device: str,
    *,
    from_ms: int,
    to_ms: int,
    now_ms: int,
) -> Report:
    """Count a device's readings in a time, by local days.

    Raises: NotFoundError; InvalidError if the time runs backwards or is too long; StorageError.
    """
    if not 0 < to_ms - from_ms <= MOST_DAYS * DAY_MS:
        raise InvalidError(f"`from` must lie before `to`, and at most {MOST_DAYS} days")
    with database.read() as connection:
        facts = _facts(connection, device, from_ms, to_ms, now_ms)
    periods = [each.period_ms for those in facts.stretches.values() for each in those]
    days = list(local_days(from_ms, to_ms, zone))
    width_ms = bucket_ms(periods)
    edges = np.unique(np.concatenate([buckets(begin, end, width_ms) for _, begin, end in days]))
    parts = _measured(store, facts, edges)
    found = []
    for name, begin, end in days:
        within = range(int(np.searchsorted(edges, begin)), int(np.searchsorted(edges, end)))
        late = sum(number for hour, number in facts.late.items() if begin <= hour < end)
        part = sum((parts[at] for at in within), Part())
        found.append(Day(day=name, from_ms=begin, to_ms=end, part=part, late=late))
    return Report(device=device, period_s=facts.period_s, days=tuple(found), losses=facts.losses)


def local_days(from_ms: int, to_ms: int, zone: ZoneInfo) -> Iterator[tuple[str, int, int]]:
    """Yield (date, begin, end) of the local days between two moments."""
    begin_ms = from_ms
    while begin_ms < to_ms:
        day = datetime.fromtimestamp(begin_ms / 1000, UTC).astimezone(zone).date()
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
        end_ms = min(round(midnight.timestamp() * 1000), to_ms)
        yield day.isoformat(), begin_ms, end_ms
        begin_ms = end_ms


def midnight_ms(at_ms: int, zone: ZoneInfo, days_before: int = 0) -> int:
    """Return when the local day of a moment began, or one some days before it."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
    begin = datetime.combine(day - timedelta(days=days_before), datetime.min.time(), zone)
    return round(begin.timestamp() * 1000)


def _measured(store: SeriesStore, facts: _Facts, edges: Counts) -> list[Part]:
    """Return, bucket by bucket, all measurements together."""
    names = sorted(
        {*facts.series, *facts.stretches}, key=lambda each: (bool(period_ms_of(each)), each)
    )
    tallies = _tallies(store, [facts.series.get(name) for name in names], edges)
    total = [Part()] * (len(edges) - 1)
    known = facts.known
    mute_ms = np.zeros(len(edges) - 1)
    for name, tally in zip(names, tallies, strict=True):
        stretches = facts.stretches.get(name, ())
        if period_ms_of(name):
            parts = measure(edges, stretches, tally, known, mute_ms)
        else:
            parts = measure(edges, stretches, tally, known)
            mute_ms = np.maximum(mute_ms, tally.silent * shortest_ms(stretches))
        known = replace(
            known,
            given_up_readings=known.given_up_readings - sum(part.given_up for part in parts),
            hole_readings=known.hole_readings - sum(part.hole for part in parts),
        )
        total = [each + part for each, part in zip(total, parts, strict=True)]
    return total


def _tallies(store: SeriesStore, numbers: Sequence[int | None], edges: Counts) -> list[Tally]:
    """Count what the store has of some series by bucket, a part of it in memory at a time."""
    many = len(edges) - 1
    there = sorted(number for number in numbers if number is not None)
    answered = np.zeros(len(there) * many, np.int64)
    silent = np.zeros_like(answered)
    if there:
        for columns in store.read(there, int(edges[0]), int(edges[-1])):
            row = np.searchsorted(there, columns.series) * many
            row += np.searchsorted(edges, columns.observed_ms, side="right") - 1
            mute = (columns.quality & np.uint16(Quality.COMMUNICATION)) != 0
            mute &= np.isnan(columns.value)
            answered += np.bincount(row[~mute], minlength=len(answered))
            silent += np.bincount(row[mute], minlength=len(silent))
    nothing = np.zeros(many, np.int64)
    found = {
        number: Tally(
            answered=answered[at * many : (at + 1) * many],
            silent=silent[at * many : (at + 1) * many],
        )
        for at, number in enumerate(there)
    }
    none = Tally(answered=nothing, silent=nothing)
    return [found[number] if number is not None else none for number in numbers]


def _facts(connection: sa.Connection, device: str, from_ms: int, to_ms: int, now_ms: int) -> _Facts:
    devices, late = schema.devices, schema.late_readings
    row = connection.execute(sa.select(devices).where(devices.c.id == device)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no device {device!r}")
    numbers = connection.execute(
        sa.select(schema.series.c.measurement, schema.series.c.id).where(
            schema.series.c.device == device
        )
    )
    series: dict[str, int] = {each.measurement: each.id for each in numbers}
    lates = connection.execute(
        sa.select(late.c.hour_ms, late.c.readings).where(
            late.c.device == device, late.c.hour_ms >= from_ms, late.c.hour_ms < to_ms
        )
    )
    losses = _losses(connection, row.gateway, from_ms, to_ms)
    hole, hole_readings = _holes(connection, row.gateway)
    return _Facts(
        gateway=row.gateway,
        period_s=row.period_s,
        series=series,
        stretches=_stretches(connection, row, list(series), to_ms, now_ms),
        known=Known(
            given_up=[Outage(from_ms=loss.from_ms, to_ms=loss.to_ms + 1) for loss in losses],
            given_up_readings=sum(loss.readings for loss in losses),
            offline=_offline(connection, row.gateway, now_ms),
            hole=hole,
            hole_readings=hole_readings,
        ),
        losses=losses,
        late={each.hour_ms: each.readings for each in lates},
    )


def _stretches(
    connection: sa.Connection,
    device: sa.Row[tuple[object, ...]],
    names: Sequence[str],
    to_ms: int,
    now_ms: int,
) -> dict[str, list[Stretch]]:
    """Return when which measurement was due; what a device has said is due if no birth named it."""
    table = schema.device_periods
    query = sa.select(table).where(table.c.device == device.id).order_by(table.c.id)
    told = [(row.from_ms, row.period_s, row.measurements) for row in connection.execute(query)]
    told = told or [(device.first_seen_ms, device.period_s, [])]
    ends = [row[0] for row in told[1:]] + [to_ms]
    found: dict[str, list[Stretch]] = {}
    for (begin_ms, period_s, measurements), end_ms in zip(told, ends, strict=True):
        if not period_s:
            continue
        for name in measurements or names:
            period_ms = max(period_s * 1000, period_ms_of(name) or 0)
            settled_ms = now_ms - round(period_ms) - WAY_MS
            stretch = Stretch(
                from_ms=begin_ms, to_ms=min(end_ms, to_ms, settled_ms), period_ms=period_ms
            )
            found.setdefault(name, []).append(stretch)
    return found


def _losses(connection: sa.Connection, gateway: str, from_ms: int, to_ms: int) -> tuple[Loss, ...]:
    table = schema.gaps
    rows = connection.execute(
        sa.select(table)
        .where(table.c.gateway == gateway, table.c.first_ms < to_ms, table.c.last_ms >= from_ms)
        .where(table.c.reason != NOT_RUNNING)
        .order_by(table.c.first_ms)
    )
    return tuple(
        Loss(from_ms=row.first_ms, to_ms=row.last_ms, readings=row.readings, reason=row.reason)
        for row in rows
    )


def _offline(connection: sa.Connection, gateway: str, now_ms: int) -> list[Outage]:
    table = schema.gateway_states
    query = sa.select(table).where(table.c.gateway == gateway).order_by(table.c.id)
    rows = connection.execute(query).all()
    ends = [row.at_ms for row in rows[1:]] + [now_ms]
    gaps = schema.gaps
    not_running = connection.execute(
        sa.select(gaps).where(gaps.c.gateway == gateway, gaps.c.reason == NOT_RUNNING)
    )
    return [
        *(
            Outage(from_ms=row.at_ms, to_ms=end_ms)
            for row, end_ms in zip(rows, ends, strict=False)  # no rows: one end too many
            if not row.online
        ),
        *(Outage(from_ms=row.first_ms, to_ms=row.last_ms) for row in not_running),
    ]


def _holes(connection: sa.Connection, gateway: str) -> tuple[list[Outage], int]:
    """Return when epochs with holes were filled, and about how many readings the holes are."""
    epochs, intervals = schema.epochs, schema.epoch_intervals
    have: dict[str, IntervalSet] = {}
    for row in connection.execute(sa.select(intervals).where(intervals.c.gateway == gateway)):
        have.setdefault(row.epoch, IntervalSet()).add(row.first_seq, row.last_seq)
    outages = []
    readings = 0.0
    for row in connection.execute(sa.select(epochs).where(epochs.c.gateway == gateway)):
        numbers = have.get(row.epoch, IntervalSet())
        missing = sum(last - first + 1 for first, last in numbers.holes(1))
        if missing:
            arrived = sum(last - first + 1 for first, last in numbers)
            readings += missing * row.readings / arrived
            outages.append(Outage(from_ms=row.first_ms, to_ms=row.last_ms + 1))
    return outages, round(readings)
