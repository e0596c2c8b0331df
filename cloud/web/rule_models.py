"""Rules and their sets, as the API answers them and the console shows them."""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from cloud.applying import LONGEST_NOTE
from cloud.core.model import Severity
from cloud.core.rule_changes import Changed
from cloud.core.rules import Direction, Mark, Schedule
from cloud.rule_sets import Origin
from cloud.web.models import Instant, View

LONGEST_TEXT = 500_000

RulesText = Annotated[
    str | dict[str, JsonValue],
    Field(description="A file of rules: as text in YAML or JSON, or as an object"),
]


def as_text(rules: str | dict[str, JsonValue]) -> str:
    """Return a file's text; JSON is YAML."""
    return rules if isinstance(rules, str) else json.dumps(rules, ensure_ascii=False, indent=1)


class Standing(StrEnum):
    """How a set of rules stands."""

    UPCOMING = "upcoming"
    REPLACED = "replaced"  # by a later one for the same moment
    IN_FORCE = "in_force"
    PAST = "past"
    WITHDRAWN = "withdrawn"


class RuleLevel(View):
    """A limit, and how much it matters to be beyond it."""

    limit: float
    severity: Severity


class RuleView(View):
    """A rule, in canonical units."""

    id: str
    version: str
    title: str
    title_en: str
    kinds: list[str] = Field(description="Of device; empty for every kind")
    measurements: list[str] = Field(description="In order of preference; empty for all")
    schedule: Schedule
    hours: str = Field(description="Days and hours of its own; empty for none")
    check: str = Field(description="What is looked at, by its type")
    direction: Direction
    unit: str
    levels: list[RuleLevel] = Field(description="The least severe first")
    deadband: float
    on_delay_s: float
    off_delay_s: float
    category: str = Field(description="Of the case, GB/T 30428; empty makes none")
    source: str
    source_zh: str = Field(description="The same in Chinese, where the rule says it")
    mark: Mark = Field(description="How sure the limit is")
    timing_source: str
    timing_mark: Mark
    effective: date = Field(description="The first local date it applies to")
    until: date | None = Field(description="The first it no longer applies to")


class InForce(View):
    """A stretch of time, by the readings' own time."""

    set_number: int = Field(description="The set that brought it")
    from_ms: Instant
    until_ms: Instant | None = Field(description="null while nothing else is known to follow")


class RuleVersion(View):
    """What an alert names: a rule as it was."""

    rule: RuleView
    text: str = Field(description="The whole rule as a file of rules, YAML")
    known_ms: Instant = Field(description="Since when it has been known")
    in_force: list[InForce] = Field(description="Empty if it was withdrawn before its moment")
    now: bool = Field(description="Whether it is what counts now")
    versions: list[str] = Field(description="All versions of the rule, the newest first")


class FieldChange(View):
    """What a rule said and says."""

    field: str
    before: JsonValue
    after: JsonValue


class RuleChanged(View):
    """A rule that is not as it was in the set before."""

    rule: str
    title: str
    title_en: str
    what: Changed
    before: str = Field(description="The version; empty for none")
    after: str = Field(description="The version; empty for none")
    fields: list[FieldChange]


class RuleSetView(View):
    """A set of rules: from when on, who made it, and why."""

    number: int
    standing: Standing
    from_ms: Instant = Field(description="In force for readings from this moment on")
    made_ms: Instant
    origin: Origin
    by: str = Field(description="Empty for the configuration's files")
    note: str
    withdrawn_ms: Instant | None
    withdrawn_by: str
    changes: list[RuleChanged] = Field(description="Against the set before; empty in lists")


class RuleBook(View):
    """The rules in force, what is to come, and what was."""

    base: int = Field(description="The last set: name it when you change rules; 0 for none yet")
    current: RuleSetView | None = Field(description="null before intake's first start")
    rules: list[RuleView]
    upcoming: list[RuleSetView] = Field(description="In the order of their moments, with changes")
    history: list[RuleSetView] = Field(description="The last hundred, the newest moment first")


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AskedChange(_Asked):
    """Rules that replace those of their id, or are new; all of it, or nothing."""

    rules: RulesText
    base: int = Field(ge=1, description="`base` of `GET /rules`, as you saw it")
    at: AwareDatetime | None = Field(default=None, description="Left out: three seconds from now")
    reason: str = Field(min_length=1, max_length=LONGEST_NOTE, description="It is in the history")


class PlannedChange(View):
    """What a change would do, or has done."""

    base: int
    from_ms: Instant
    changes: list[RuleChanged]
    stored: RuleSetView | None = Field(description="null while it is only looked at")
