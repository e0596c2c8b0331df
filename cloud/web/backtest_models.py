"""A trial of changed rules, as the API answers it and the console shows it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.web.models import Instant, View
from cloud.web.rule_models import RulesText

MOST_DAYS = 92


class State(StrEnum):
    """How a backtest stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class NotReplayed(StrEnum):
    """What a backtest does not play: how people are told."""

    GROUPS = "groups"
    REALARMS = "realarms"
    REMINDERS = "reminders"


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleChange(_Asked):
    """New numbers for a rule, in its canonical unit; what is left out stays."""

    rule: str = Field(max_length=63, description="The rule's id")
    limit: float | None = Field(default=None, allow_inf_nan=False)
    deadband: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    on_delay_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    off_delay_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @property
    def numbers(self) -> dict[str, float]:
        """What is to be otherwise."""
        told = self.model_dump(exclude={"rule"}, exclude_none=True)
        return {key: float(value) for key, value in told.items()}


class AskedBacktest(_Asked):
    """Which rules to change, and over what to try them."""

    changes: tuple[RuleChange, ...] = Field(default=(), max_length=20)
    rules: RulesText = Field(default="", description="In place of changes: a whole file of rules")
    days: float = Field(default=7, gt=0, le=MOST_DAYS, description="How far back")
    device: str = Field(
        default="",
        max_length=63,
        description="Only this one; its noise suggests deadband and delay",
    )

    @model_validator(mode="after")
    def _fits(self) -> AskedBacktest:
        if bool(self.changes) == bool(self.rules):
            raise ValueError("say one of changes and rules")
        return self


class BacktestFigures(View):
    """What rules would have raised."""

    alerts: int
    calls: int = Field(description="Alerts and their rises through levels")
    alerts_a_day: float
    floods: int
    in_floods: int = Field(description="Alerts that were part of a flood")
    flood_percent: float
    chattering: int = Field(description="Rules on a device that called three times in a minute")
    stale: int
    cases: int = Field(description="Cases that alerts open")
    held: int = Field(
        description="Alerts nobody heard of, as they were shelved, in maintenance or suppressed"
    )
    joined: int = Field(description="Alerts taken in by an open case of the same matter")
    reopened: int = Field(description="Cases closed shortly before that an alert opened again")
    to_confirm: int = Field(description="Alerts that would wait for a person's word")
    queued: int = Field(description="Cases that a flood at the gate would hold up")
    overdue: float | None = Field(
        description="Cases handled too late, expected of how long handling took; "
        "null where no case has been handled yet"
    )


class BacktestExample(View):
    """An alert that there would have been, with the readings about it."""

    device: str
    device_name: str
    measurement: str
    began_ms: Instant
    ended_ms: Instant | None = Field(description="null where it held to the end")
    value: float
    at_ms: list[Instant] = Field(description="When each stretch of readings begins")
    readings: list[float | None] = Field(description="Their mean; null where none counts")


class BacktestSide(View):
    """A rule as it is, or as it would be."""

    limit: float
    deadband: float
    on_delay_s: float
    off_delay_s: float
    figures: BacktestFigures
    examples: list[BacktestExample]


class BacktestRule(View):
    """A changed rule beside the current one."""

    rule: str
    title: str
    title_en: str
    unit: str
    current: BacktestSide | None = Field(description="null for a new rule")
    changed: BacktestSide | None = Field(description="null for a rule that goes")


class BacktestAdvice(View):
    """What a series' own noise suggests; our judgement, no standard's."""

    rule: str
    measurement: str
    unit: str
    deadband: float
    on_delay_s: float
    readings: int
    exceedances: int
    short: int = Field(description="Exceedances under ten minutes")
    removed: int = Field(description="Short ones that the delay would have removed")


class BacktestResult(View):
    """Both sets of rules over the same readings."""

    readings: int
    current: BacktestFigures = Field(description="All rules as they are")
    changed: BacktestFigures = Field(description="All rules with the changes")
    rules: list[BacktestRule] = Field(
        description="Those that are changed; of many the 20 with the most alerts"
    )
    advice: list[BacktestAdvice]


class Backtest(View):
    """A backtest, and how it stands."""

    id: str
    by: str
    state: State
    done: float = Field(description="How much of the time has been played, 0 to 1")
    why: str = Field(description="Why it failed")
    device: str
    from_ms: Instant
    until_ms: Instant
    not_replayed: list[NotReplayed] = Field(
        default_factory=lambda: list(NotReplayed), description="What is not played"
    )
    result: BacktestResult | None = None
