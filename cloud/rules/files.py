"""What a rules file may say. Every key is described here; schema.json is generated from it."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from cloud.core.calendar import DayKind
from cloud.core.model import Severity
from cloud.core.rules import Direction, Mark, Schedule
from cloud.core.schedule import parse_clock
from cloud.rules.check_entries import CheckEntry, Word, Words, one_or_more
from contract.quantities import QUANTITIES, Kind, split_measurement
from contract.strict_yaml import suggest

RULE_ID = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
CATEGORY = re.compile(r"|C?\d{1,3}-\d{1,3}")  # its width differs by city; the column holds 8


def _rule_id(text: str) -> str:
    if len(text) > 63 or not RULE_ID.fullmatch(text):
        raise ValueError(f"{text!r}: allowed are a-z and 0-9, in parts joined by . or -, up to 63")
    return text


def _category(text: str) -> str:
    if len(text) > 8 or not CATEGORY.fullmatch(text):
        raise ValueError(f'{text!r}: write e.g. "03-02", "C01-02" for a 部件, or "" for no case')
    return text


def _measurement(text: str) -> str:
    key, channel = split_measurement(text)
    if key not in QUANTITIES or text.endswith("."):
        raise ValueError(f"unknown measurement {text!r}; {suggest(key, list(QUANTITIES))}")
    return f"{key}.{channel}" if channel else key


def _hours(text: str) -> str:
    begins, dash, ends = text.partition("-")
    if not dash or parse_clock(begins) == parse_clock(ends):
        raise ValueError(f"{text!r} is no stretch of hours; write e.g. 22:00-06:00")
    return text


def _not_empty(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise ValueError("there are none")
    return words


NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Kinds = Annotated[
    tuple[Kind, ...], BeforeValidator(one_or_more, json_schema_input_type=Kind | tuple[Kind, ...])
]
Hours = Annotated[str, AfterValidator(_hours)]
Measurement = Annotated[str, AfterValidator(_measurement)]
Measurements = Annotated[
    tuple[Measurement, ...],
    AfterValidator(_not_empty),
    BeforeValidator(one_or_more, json_schema_input_type=str | tuple[str, ...]),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Title(_Section):
    """What people read."""

    zh: Text
    en: Text


class TimesEntry(_Section):
    """Days and hours of one's own, local time; what is left out is every day, or all day."""

    days: Annotated[tuple[DayKind, ...], BeforeValidator(one_or_more)] = Field(
        default=(), description="mon to sun, workday, day-off, holiday"
    )
    hours: Annotated[tuple[Hours, ...], BeforeValidator(one_or_more)] = Field(
        default=(), description="22:00-06:00 ends on the next day"
    )


class LevelEntry(_Section):
    """A further level, beyond the first and more severe."""

    limit: Annotated[float, Field(allow_inf_nan=False)]
    severity: Severity


class NOfM(_Section):
    """Beyond in n of the last m usable readings."""

    n: Annotated[int, Field(ge=1, le=64)]
    m: Annotated[int, Field(ge=1, le=64)]


class RuleDefaults(_Section):
    """What a rule may say, and what `defaults` may say for all rules of the file."""

    kind: Kinds | None = Field(default=None, description="kinds of device; left out: every kind")
    measurement: Measurements | None = Field(
        default=None, description="in order of preference; the first that the device has"
    )
    select: dict[str, Words] | None = Field(
        default=None,
        description='tag: allowed values; "" is a device without the tag, "!x" any value but x',
    )
    devices: Words | None = Field(default=None, description="ids of devices; left out: all")
    sites: Words | None = Field(default=None, description="values of the tag site; left out: all")
    matter: Annotated[str, AfterValidator(_rule_id)] | None = Field(
        default=None, description="of rules about one matter the narrowest wins; left out: its id"
    )
    check: CheckEntry | None = Field(
        default=None, description="what is looked at; left out: the value"
    )
    schedule: Schedule | None = Field(default=None, description="always, day or night, local time")
    times: TimesEntry | None = Field(default=None, description="days and hours of one's own")
    direction: Direction | None = Field(
        default=None, description="which side of the limit is trouble"
    )
    unit: str | None = Field(default=None, description="of limit and deadband")
    severity: Severity | None = None
    deadband: NotNegative | None = Field(
        default=None, description="how far back within it must come"
    )
    on_delay_s: NotNegative | None = Field(
        default=None, description="how long beyond before it counts"
    )
    off_delay_s: NotNegative | None = Field(
        default=None, description="how long back before it is over"
    )
    n_of_m: NOfM | None = Field(
        default=None, description="in place of on_delay_s: n of the last m readings"
    )
    realarm_s: NotNegative | None = Field(default=None, description="told again; 0 is never")
    reminder_s: NotNegative | None = Field(
        default=None, description="reminded while it lasts; 0 is never"
    )
    category: Annotated[str, AfterValidator(_category)] | None = Field(
        default=None, description='of the case, GB/T 30428; "" makes none'
    )
    source: Text | None = Field(default=None, description="where the limit is from")
    source_zh: Text | None = Field(default=None, description="the same in Chinese")
    mark: Mark | None = Field(default=None, description="how sure the limit is")
    timing_source: Text | None = Field(
        default=None, description="where deadband and delays are from"
    )
    timing_source_zh: Text | None = Field(default=None, description="the same in Chinese")
    timing_mark: Mark | None = Field(default=None, description="how sure they are")
    effective: date | None = Field(default=None, description="first local date it applies to")
    until: date | None = Field(default=None, description="first local date it no longer applies to")


class RuleEntry(RuleDefaults):
    """One rule: its own keys, over the file's defaults."""

    id: Annotated[str, AfterValidator(_rule_id)]
    title: Title
    limit: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="left out where a check is either so or not"
    )
    levels: tuple[LevelEntry, ...] = Field(
        default=(), description="further ones, each further beyond and more severe"
    )


class RulesFile(_Section):
    """A preset, or a file of one's own."""

    preset: Annotated[str, AfterValidator(_rule_id)] = Field(description="the file's own name")
    version: Annotated[Word, Field(pattern=r"^[0-9A-Za-z.]{1,16}$")] = Field(
        description="counted up when a figure changes"
    )
    title: Title
    about: str = Field(default="", description="what people should know before they use it")
    defaults: RuleDefaults = RuleDefaults()
    rules: tuple[RuleEntry, ...]


# What a rule must have, from itself or from the defaults.
REQUIRED = (
    "measurement",
    "direction",
    "unit",
    "severity",
    "category",
    "source",
    "mark",
    "timing_source",
    "timing_mark",
    "effective",
)
