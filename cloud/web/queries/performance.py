"""ISA-18.2's figures as people see them, with the devices' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import sqlalchemy as sa

from cloud.core.performance import TARGETS, Figure, Offender, Performance
from cloud.web import performance_models as models
from cloud.web.queries.devices import names_of

MOST_ALERTS = 100


def view(connection: sa.Connection, found: Performance) -> models.Performance:
    """Return the figures as the API shows them."""
    offenders = {one.device for one in (*found.top, *found.chattering)}
    names = names_of(connection, offenders | {one.device for one in found.stale})
    return models.Performance(
        from_ms=found.from_ms,
        until_ms=found.until_ms,
        operators=found.operators,
        times=found.times,
        busiest=found.busiest,
        busiest_ms=found.busiest_ms,
        figures=[
            models.Figure(
                key=figure.name.lower(),
                value=found.figures[figure],
                verdict=found.verdict(figure).value,
                alerts=list(found.made_of[figure][-MOST_ALERTS:]),
                **asdict(TARGETS[figure]),
            )
            for figure in Figure
        ],
        floods=[
            models.Flood(**{**asdict(flood), "alerts": list(flood.alerts)})
            for flood in found.floods
        ],
        top=[_offender(one, names) for one in found.top],
        chattering=[_offender(one, names) for one in found.chattering],
        stale=[
            models.Stale(**asdict(one), device_name=names.get(one.device) or one.device)
            for one in found.stale
        ],
        by_operator=dict(found.by_operator),
    )


def _offender(one: Offender, names: Mapping[str, str]) -> models.Offender:
    return models.Offender(
        rule=one.rule,
        device=one.device,
        device_name=names.get(one.device) or one.device,
        times=one.times,
        share=one.share,
        alerts=list(one.alerts[-MOST_ALERTS:]),
    )
