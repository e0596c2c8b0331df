"""What changed between two snapshots, told to streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from cloud.web import models
from cloud.web.queries.devices import latest_values
from cloud.web.snapshots import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One event of the stream; data is JSON."""

    number: int
    event: str
    data: bytes


class DeviceValues(models.View):
    """The values of one device that are new."""

    device: str
    latest: list[models.LatestValue]


V = TypeVar("V", models.Alert, models.Case)

_values = TypeAdapter(list[DeviceValues])


def differences(before: Snapshot, after: Snapshot) -> Iterator[tuple[str, bytes]]:
    """Yield (event, JSON) for every alert, case and gateway that changed, and for new values."""
    for alert in (*after.ended_alerts, *_changed(before.alerts, after.alerts)):
        yield "alert", _json(alert)
    for case in (*after.ended_cases, *_changed(before.cases, after.cases)):
        yield "case", _json(case)
    known = {gateway.id: gateway for gateway in before.gateways}
    for gateway in after.gateways:
        if known.get(gateway.id) != gateway:
            yield "gateway", _json(gateway)
    fresh = _new_values(before, after)
    if fresh:
        yield "values", _values.dump_json(fresh, by_alias=True)


def _changed(before: Sequence[V], after: Sequence[V]) -> Iterator[V]:
    known: Mapping[str, int] = {row.id: row.version for row in before}
    # The oldest first, as they happened.
    return (row for row in reversed(after) if known.get(row.id) != row.version)


def _new_values(before: Snapshot, after: Snapshot) -> list[DeviceValues]:
    if after.latest is before.latest:
        return []
    news = []
    for sensor in after.sensors.values():
        fresh = {
            number: after.latest[number]
            for number in sensor.series.values()
            if number in after.latest and after.latest[number] != before.latest.get(number)
        }
        if fresh:
            values = latest_values(sensor, fresh, after.at_ms)
            news.append(DeviceValues(device=sensor.id, latest=values))
    return news


def _json(view: models.View) -> bytes:
    return view.model_dump_json(by_alias=True).encode()
