"""Gateways, and the proof of what has arrived from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from cloud.core.topology import OWN_KINDS
from cloud.state import schema
from cloud.web import models
from contract.intervals import IntervalSet

MAX_GAPS = 200

Row = sa.Row[tuple[object, ...]]
Have = dict[tuple[str, str], IntervalSet]


def all_of(connection: sa.Connection, only: str | None = None) -> list[models.GatewayDetail]:
    """Return all gateways by id, or the one, with batches and gaps."""
    gateways, devices = schema.gateways, schema.devices
    query = sa.select(gateways).order_by(gateways.c.id)
    if only is not None:
        query = query.where(gateways.c.id == only)
    per_gateway = connection.execute(
        sa.select(devices.c.gateway, sa.func.count())
        .where(devices.c.kind.not_in(OWN_KINDS))
        .group_by(devices.c.gateway)
    )
    numbers = {row[0]: row[1] for row in per_gateway}
    epochs = _by_gateway(connection.execute(_of(schema.epochs, only)))
    have = _have(connection.execute(_of(schema.epoch_intervals, only)))
    gaps = _by_gateway(connection.execute(_of(schema.gaps, only)))
    return [
        _gateway(row, numbers.get(row.id, 0), epochs.get(row.id, []), have, gaps.get(row.id, []))
        for row in connection.execute(query)
    ]


def summary(detail: models.GatewayDetail) -> models.Gateway:
    """Return a gateway without its batches and gaps."""
    return models.Gateway(**detail.model_dump(exclude={"epochs", "gaps"}))


def completeness(epochs: Sequence[models.Epoch], gaps: Sequence[models.Gap]) -> models.Completeness:
    """Count what was numbered, what arrived, what was given up, and what is missing."""
    settled = sum(_length(epoch.intervals) for epoch in epochs)  # given-up numbers are among them
    missing = sum(_length(epoch.missing) for epoch in epochs)
    given_up = sum(_length(lost) for epoch in epochs for lost in [_lost(epoch.epoch, gaps)])
    return models.Completeness(
        due=settled + missing,
        arrived=settled - given_up,
        given_up=given_up,
        missing=missing,
        readings=sum(epoch.readings for epoch in epochs),
        readings_given_up=sum(gap.readings for gap in gaps),
    )


def _lost(epoch: str, gaps: Sequence[models.Gap]) -> list[models.Interval]:
    numbers = IntervalSet((gap.first_seq, gap.last_seq) for gap in gaps if gap.epoch == epoch)
    return _intervals(numbers)


def _of(table: sa.Table, only: str | None) -> sa.Select[tuple[object, ...]]:
    query: sa.Select[tuple[object, ...]] = sa.select(table).order_by(*table.primary_key)
    return query if only is None else query.where(table.c.gateway == only)


def _by_gateway(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.gateway, []).append(row)
    return found


def _have(rows: Iterable[Row]) -> Have:
    """Return the sets of batch numbers, by gateway and epoch."""
    found: Have = {}
    for row in rows:
        found.setdefault((row.gateway, row.epoch), IntervalSet()).add(row.first_seq, row.last_seq)
    return found


def _gateway(
    row: Row, devices: int, epoch_rows: Sequence[Row], have: Have, gap_rows: Sequence[Row]
) -> models.GatewayDetail:
    gaps = [_gap(gap) for gap in gap_rows]
    epochs = [_epoch(epoch, have.get((row.id, epoch.epoch), IntervalSet())) for epoch in epoch_rows]
    return models.GatewayDetail(
        id=row.id,
        online=row.online,
        state_ms=row.state_ms,
        born_ms=row.born_ms,
        agent_version=row.agent_version,
        config_version=row.config_version,
        health=row.health,
        problems=row.problems,
        devices=devices,
        completeness=completeness(epochs, gaps),
        epochs=epochs,
        gaps=gaps[-MAX_GAPS:],
    )


def _epoch(row: Row, have: IntervalSet) -> models.Epoch:
    return models.Epoch(
        epoch=row.epoch,
        intervals=_intervals(have),
        missing=_intervals(have.holes(1)),
        readings=row.readings,
        first_ms=row.first_ms,
        last_ms=row.last_ms,
    )


def _gap(row: Row) -> models.Gap:
    return models.Gap(
        epoch=row.epoch,
        first_seq=row.first_seq,
        last_seq=row.last_seq,
        first_ms=row.first_ms,
        last_ms=row.last_ms,
        readings=row.readings,
        reason=row.reason,
        recorded_ms=row.recorded_ms,
    )


def _length(intervals: Iterable[models.Interval]) -> int:
    return sum(interval.last - interval.first + 1 for interval in intervals)


def _intervals(numbers: Iterable[tuple[int, int]]) -> list[models.Interval]:
    return [models.Interval(first=first, last=last) for first, last in numbers]
