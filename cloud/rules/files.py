"""What a rules file may say. Every key is described here; schema.json is generated from it."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from cloud.core.model import Severity
from cloud.core.rules import Direction, Mark, Schedule
from contract.quantities import QUANTITIES, Kind, split_measurement
from contract.strict_yaml import suggest

RULE_ID = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
CATEGORY = re.compile(r"|C?\d{1,3}-\d{1,3}")  # its width differs by city; the column holds 8


def _one_or_more(value: object) -> object:
    """Let a single word stand for a list of one."""
    return value if isinstance(value, list) else [value]


def _word(value: object) -> object:
    """A tag's value is text; a bare number in YAML is meant as one: area_class: 2."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


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


def _not_empty(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise ValueError("there are none")
    return words


NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Word = Annotated[str, BeforeValidator(_word, json_schema_input_type=str | int)]
Words = Annotated[
    tuple[Word, ...],
    BeforeValidator(_one_or_more, json_schema_input_type=str | int | tuple[str | int, ...]),
]
Kinds = Annotated[
    tuple[Kind, ...], BeforeValidator(_one_or_more, json_schema_input_type=Kind | tuple[Kind, ...])
]
Measurement = Annotated[str, AfterValidator(_measurement)]
Measurements = Annotated[
    tuple[Measurement, ...],
    AfterValidator(_not_empty),
    BeforeValidator(_one_or_more, json_schema_input_type=str | tuple[str, ...]),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Title(_Section):
    """What people read."""

    zh: Text
    en: Text


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
    schedule: Schedule | None = Field(default=None, description="always, day or night, local time")
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
    category: Annotated[str, AfterValidator(_category)] | None = Field(
        default=None, description='of the case, GB/T 30428; "" makes none'
    )
    source: Text | None = Field(default=None, description="where the limit is from")
    mark: Mark | None = Field(default=None, description="how sure the limit is")
    timing_source: Text | None = Field(
        default=None, description="where deadband and delays are from"
    )
    timing_mark: Mark | None = Field(default=None, description="how sure they are")
    effective: date | None = Field(default=None, description="first local date it applies to")
    until: date | None = Field(default=None, description="first local date it no longer applies to")


class RuleEntry(RuleDefaults):
    """One rule: its own keys, over the file's defaults."""

    id: Annotated[str, AfterValidator(_rule_id)]
    title: Title
    limit: Annotated[float, Field(allow_inf_nan=False)]


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
