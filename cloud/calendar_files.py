"""A city's calendar as a YAML file: holidays, and the weekends that are worked for them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.core.calendar import Holidays
from cloud.core.rules import Mark
from contract.errors import ConfigError
from contract.strict_yaml import check, read

Text = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HolidaySpan(_Section):
    """A holiday: its first and its last day."""

    zh: Text
    en: Text
    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> HolidaySpan:
        if not 0 <= (self.last - self.first).days < 60:
            raise ValueError(f"{self.first} to {self.last}: allowed are 1 to 60 days, in order")
        return self


class CalendarFile(_Section):
    """What the file says. source and mark: where the dates are from, and how sure that is."""

    calendar: Text
    source: Text
    mark: Mark
    holidays: tuple[HolidaySpan, ...] = ()
    made_up: tuple[date, ...] = ()


def load_calendar(path: Path) -> Holidays:
    """Read a calendar. Raises: ConfigError with every problem, each with file, line and key."""
    document = read(path)
    file = check(document, CalendarFile)
    days = {
        one.first + timedelta(n)
        for one in file.holidays
        for n in range((one.last - one.first).days + 1)
    }
    if both := sorted(days.intersection(file.made_up)):
        raise ConfigError(document.problem(("made_up",), f"{both[0]} is a holiday above"))
    return Holidays(days=tuple(sorted(days)), made_up=tuple(sorted(set(file.made_up))))
