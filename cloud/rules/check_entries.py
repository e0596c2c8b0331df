"""What a rule may look at, as rules files say it: `check: {type: …}`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cloud.core.checks import (
    Check,
    Difference,
    Expression,
    NoData,
    OutOfRange,
    Rate,
    StateIs,
    Statistic,
    Stuck,
    Value,
    Window,
)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
DAY_S = 86_400


def one_or_more(value: object) -> object:
    """Let a single value stand for a list of one."""
    return value if isinstance(value, list) else [value]


def _word(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Word = Annotated[str, BeforeValidator(_word, json_schema_input_type=str | int)]
Words = Annotated[
    tuple[Word, ...],
    BeforeValidator(one_or_more, json_schema_input_type=str | int | tuple[str | int, ...]),
]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ValueEntry(_Entry):
    """The reading itself."""

    type: Literal["value"]

    def built(self) -> Check:
        return Value()


class RateEntry(_Entry):
    """How fast it changes; the limit is in the unit per second."""

    type: Literal["rate"]
    over_s: Positive
    either_way: bool = False

    def built(self) -> Check:
        return Rate(over_s=self.over_s, either_way=self.either_way)


class WindowEntry(_Entry):
    """A statistic of the last over_s, or of each over_s by the clock."""

    type: Literal["window"]
    statistic: Statistic
    over_s: Positive
    aligned: bool = False
    valid_rate: Share = 0.75
    percent: Annotated[float, Field(ge=0, le=100)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> WindowEntry:
        if (self.statistic is Statistic.PERCENTILE) != (self.percent is not None):
            raise ValueError("percent goes with statistic: percentile, and only with it")
        if self.aligned:
            _divides_the_day(self.over_s)
        return self

    def built(self) -> Check:
        return Window(
            statistic=self.statistic,
            over_s=self.over_s,
            aligned=self.aligned,
            valid_rate=self.valid_rate,
            percent=self.percent,
        )


class DifferenceEntry(_Entry):
    """The mean of each over_s less that of another device, or of a group."""

    type: Literal["difference"]
    over_s: Positive
    to_device: str = ""
    to_group: dict[str, Words] = {}
    valid_rate: Share = 0.75

    @model_validator(mode="after")
    def _fits(self) -> DifferenceEntry:
        if bool(self.to_device) == bool(self.to_group):
            raise ValueError("say one of to_device and to_group")
        _divides_the_day(self.over_s)
        return self

    def built(self) -> Check:
        return Difference(
            over_s=self.over_s,
            to_device=self.to_device,
            to_group=dict(self.to_group),
            valid_rate=self.valid_rate,
        )


class NoDataEntry(_Entry):
    """Silence for more than so many of the device's own periods."""

    type: Literal["no_data"]
    periods: Positive
    at_least_s: NotNegative = 60.0
    whole_device: bool = False

    def built(self) -> Check:
        return NoData(
            periods=self.periods, at_least_s=self.at_least_s, whole_device=self.whole_device
        )


class StuckEntry(_Entry):
    """The value has not moved by more than the tolerance, in the canonical unit."""

    type: Literal["stuck"]
    for_s: Positive
    tolerance: NotNegative = 0.0

    def built(self) -> Check:
        return Stuck(for_s=self.for_s, tolerance=self.tolerance)


class OutOfRangeEntry(_Entry):
    """Outside what the quantity can be, or flagged so by the device."""

    type: Literal["out_of_range"]

    def built(self) -> Check:
        return OutOfRange()


class ExpressionEntry(_Entry):
    """What is computed of the device's measurements; `measurement` lists all that it reads."""

    type: Literal["expression"]
    text: Annotated[str, Field(min_length=1, max_length=500)]
    max_age_s: Positive = 300.0

    def built(self) -> Check:
        return Expression(text=self.text, max_age_s=self.max_age_s)


class StateEntry(_Entry):
    """Whether the value is one of these."""

    type: Literal["state"]
    values: Annotated[tuple[float, ...], Field(min_length=1), BeforeValidator(one_or_more)]

    def built(self) -> Check:
        return StateIs(values=self.values)


CheckEntry = Annotated[
    ValueEntry
    | RateEntry
    | WindowEntry
    | DifferenceEntry
    | NoDataEntry
    | StuckEntry
    | OutOfRangeEntry
    | ExpressionEntry
    | StateEntry,
    Field(discriminator="type"),
]

CHECK_ENTRIES = (
    ValueEntry,
    RateEntry,
    WindowEntry,
    DifferenceEntry,
    NoDataEntry,
    StuckEntry,
    OutOfRangeEntry,
    ExpressionEntry,
    StateEntry,
)

# Either so or not, 1 or 0: such rules need no limit, unit or direction.
YES_OR_NO = ("no_data", "stuck", "out_of_range", "state")
# Their limits are in the quantity's unit and must be within what it can be.
IN_RANGE = ("value", "window")


def _divides_the_day(over_s: float) -> None:
    if over_s > DAY_S or DAY_S % over_s:
        raise ValueError(f"over_s {over_s:g} does not divide the day; allowed are e.g. 900, 3600")
