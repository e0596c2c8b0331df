"""The words that rules, alerts and cases share: devices, severities, states, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much an alert matters, least first; ISA-18.2 wants 80/15/5/<1 % of them."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    def at_least(self, other: Severity) -> bool:
        """Whether this matters as much as the other, or more."""
        return list(Severity).index(self) >= list(Severity).index(other)


class Role(StrEnum):
    """What an account may do; each may do all that those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    ADMIN = "admin"

    def includes(self, role: Role) -> bool:
        """Whether this role may do what the other may."""
        return list(Role).index(self) >= list(Role).index(role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What rules and the case gate know of a device.

    tags:     what rules select by, e.g. {"area_class": "2", "stage": "earthwork"}.
    period_s: seconds between readings, where known: how long a silence is before it is a gap.
    """

    id: str
    kind: str
    asset: str = ""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    period_s: float | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One measurement of one device, and the number its readings are stored under."""

    id: int
    device: Device
    measurement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionBegan:
    """A rule's condition has held for its on-delay.

    began_ms: the first reading beyond the limit. observed_ms: the reading that fulfilled the delay.
    due_ms:   began_ms plus the rule's on-delay: when an alert was due at the earliest.
    value:    of that last reading; limit: the rule's, both in the canonical unit.
    """

    rule: str
    rule_version: str
    device: str
    series: int
    severity: Severity
    began_ms: int
    due_ms: int
    observed_ms: int
    value: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionEnded:
    """A rule's condition has been absent, deadband included, for its off-delay.

    ended_ms: the first reading back within. observed_ms: the reading that fulfilled the delay.
    value:    of that last reading; NaN where no reading ended it but the rule no longer applies.
    """

    rule: str
    device: str
    series: int
    ended_ms: int
    observed_ms: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRose:
    """A condition that holds has reached a further level, for its on-delay.

    began_ms: the first reading beyond that level. The others as in ConditionBegan.
    """

    rule: str
    rule_version: str
    device: str
    series: int
    severity: Severity
    began_ms: int
    observed_ms: int
    value: float
    limit: float


ConditionEvent = ConditionBegan | ConditionRose | ConditionEnded
