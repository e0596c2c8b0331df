"""How an alarm system performs, as the API answers it and the console shows it."""

from __future__ import annotations

from pydantic import Field

from cloud.web.models import Instant, View


class Figure(View):
    """One figure, and how it stands against ISA-18.2's target."""

    key: str = Field(description="rate, busy, flood, top_ten, chattering, stale, low … critical")
    value: float
    good: float = Field(description="Good up to this")
    tolerable: float = Field(description="Tolerable up to this")
    verdict: str = Field(description="good, tolerable, poor")
    alerts: list[str] = Field(description="That it is made of; at most the latest 100")


class Flood(View):
    """More than ten alerts in ten minutes, until there are fewer than five."""

    from_ms: Instant
    until_ms: Instant
    first: str = Field(description="The alert that opened it")
    most: int = Field(description="In ten minutes")
    operator: str = Field(description="Whose; empty for alerts that were assigned to nobody")
    alerts: list[str]


class Offender(View):
    """A rule on a device that called."""

    rule: str
    device: str
    device_name: str
    times: int
    share: float = Field(description="Of all, 0 to 1")
    alerts: list[str] = Field(description="At most the latest 100")


class Stale(View):
    """An alert whose condition held for more than a day."""

    alert: str
    rule: str
    device: str
    device_name: str
    from_ms: Instant
    until_ms: Instant | None = Field(description="null while it holds")


class Performance(View):
    """ISA-18.2's figures of a period."""

    from_ms: Instant
    until_ms: Instant
    operators: int
    times: int = Field(description="How often an alert called for an operator")
    busiest: int = Field(description="In ten minutes")
    busiest_ms: Instant | None
    figures: list[Figure]
    floods: list[Flood]
    top: list[Offender]
    chattering: list[Offender]
    stale: list[Stale]
    by_operator: dict[str, int] = Field(description="By whom it was assigned to; empty: nobody")
