"""What a backtest tells: figures and examples of two sets of rules, side by side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An alert that there would have been. ended_ms: None where it held to the end."""

    device: str
    rule: str
    measurement: str
    began_ms: int
    ended_ms: int | None
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a rule, or all of them, would have raised in the period.

    calls:      alerts and their rises. in_floods: alerts that were part of a flood.
    chattering: rules on a device that called three times within a minute. cases: see the module.
    held:       alerts that nobody heard of, as they were shelved, in maintenance or suppressed;
                they are in no other figure. joined: alerts that an open case took in.
    reopened:   cases closed shortly before, which an alert opened again.
    to_confirm: alerts that would wait for a person's word. queued: cases that a flood held up.
    overdue:    cases handled too late, expected of how long handling took; None if never seen.
    """

    alerts: int
    calls: int
    alerts_a_day: float
    floods: int
    in_floods: int
    flood_percent: float
    chattering: int
    stale: int
    cases: int
    held: int = 0
    joined: int = 0
    reopened: int = 0
    to_confirm: int = 0
    queued: int = 0
    overdue: float | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A set of rules over the period: in total, and by rule; each rule of the set is there."""

    total: Figures
    rules: dict[str, Figures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The current rules and the changed ones over the same readings."""

    from_ms: int
    until_ms: int
    readings: int
    current: Outcome
    changed: Outcome
