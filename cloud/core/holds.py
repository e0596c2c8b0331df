"""What keeps alerts from being raised: shelving, maintenance, suppression by design.

A hold covers alerts; an alert's suppressed state is that of the strongest hold in force over it.
Who changes holds need not touch alerts: step() says what an alert must do to be as its holds say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cloud.core.isa_18_2 import SUPPRESSED, Event, State


class HoldKind(StrEnum):
    """Why alerts are held, strongest last."""

    SHELVED = "shelved"  # one alert, by a person, for a time
    TOPOLOGY = "topology"  # what they depend on is down
    MAINTENANCE = "maintenance"  # planned, from a time to a time
    SERVICE = "service"  # taken out of service until put back


EVENT_OF: Mapping[HoldKind, Event] = {
    HoldKind.SHELVED: Event.SHELVE,
    HoldKind.TOPOLOGY: Event.SUPPRESS,
    HoldKind.MAINTENANCE: Event.REMOVE,
    HoldKind.SERVICE: Event.REMOVE,
}
STATE_OF: Mapping[HoldKind, State] = {
    HoldKind.SHELVED: State.SHLVD,
    HoldKind.TOPOLOGY: State.DSUPR,
    HoldKind.MAINTENANCE: State.OOSRV,
    HoldKind.SERVICE: State.OOSRV,
}
_STRENGTH = list(HoldKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a hold may name of an alert. silence: the rule looks for missing data."""

    alert: str
    rule: str
    device: str
    gateway: str
    tags: Mapping[str, str] = field(default_factory=dict)
    silence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason to hold alerts. What is "" is not asked for; all that is named must fit.

    until_ms: None is until somebody ends it. begun: its alerts have been told.
    silence_only: only alerts of missing data.
    """

    id: str
    kind: HoldKind
    alert: str = ""
    rule: str = ""
    device: str = ""
    gateway: str = ""
    tag: str = ""
    tag_value: str = ""
    silence_only: bool = False
    from_ms: int
    until_ms: int | None
    reason: str
    made_by: str
    made_ms: int
    begun: bool = False
    ended_ms: int | None = None
    ended_by: str = ""

    def in_force(self, now_ms: int) -> bool:
        """Whether it holds alerts at this moment."""
        if self.ended_ms is not None or now_ms < self.from_ms:
            return False
        return self.until_ms is None or now_ms < self.until_ms

    def covers(self, subject: Subject) -> bool:
        """Whether it is about this alert; what names nothing covers nothing."""
        named = (
            (self.alert, subject.alert),
            (self.rule, subject.rule),
            (self.device, subject.device),
            (self.gateway, subject.gateway),
            (self.tag and self.tag_value, subject.tags.get(self.tag, "")),
        )
        asked = [(wanted, found) for wanted, found in named if wanted]
        if self.silence_only and not subject.silence:
            return False
        return bool(asked) and all(wanted == found for wanted, found in asked)


def strongest(holds: Iterable[Hold], subject: Subject, now_ms: int) -> Hold | None:
    """Return the hold that decides an alert's state now, None if nothing holds it.

    Of equal kinds the one that lasts longest, so that the end that is told is the end.
    """
    mine = [hold for hold in holds if hold.in_force(now_ms) and hold.covers(subject)]
    return max(mine, key=_weight, default=None)


def _weight(hold: Hold) -> tuple[int, bool, int, str]:
    return _STRENGTH.index(hold.kind), hold.until_ms is None, hold.until_ms or 0, hold.id


def step(state: State, *, normal: bool, hold: Hold | None) -> Event | None:
    """Return what an open alert must do to be as its strongest hold says; None if it is.

    normal: whether the condition is absent at the time.
    """
    if hold is not None:
        return None if state is STATE_OF[hold.kind] else EVENT_OF[hold.kind]
    if state not in SUPPRESSED:
        return None
    return Event.EXIT_NORMAL if normal else Event.EXIT_ABNORMAL
