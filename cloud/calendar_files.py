"""A city's calendar as YAML files: holidays, and the weekends that are worked for them.

Rules and working time read the same files; those that are shipped are named without a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cloud.core.calendar import Holidays
from cloud.core.rules import Mark
from contract.errors import ConfigError
from contract.strict_yaml import check, read

SHIPPED = Path(__file__).parent / "rules" / "calendars"


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


Calendars = Annotated[tuple[Path, ...], BeforeValidator(_one_or_more)]
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


def shipped_calendars() -> list[str]:
    """Return the names of the calendars that are shipped."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def calendar_paths(told: Sequence[Path], base: Path) -> tuple[Path, ...]:
    """Return where calendars are: shipped ones by name, one's own from a folder on."""
    shipped = shipped_calendars()
    return tuple(SHIPPED / f"{one}.yaml" if str(one) in shipped else base / one for one in told)


def load_calendars(paths: Sequence[Path]) -> Holidays:
    """Read calendars into one, e.g. one of each year. Raises: ConfigError as load_calendar."""
    found = [load_calendar(path) for path in paths]
    days = {day for one in found for day in one.days}
    made_up = {day for one in found for day in one.made_up}
    if both := sorted(days & made_up):
        files = ", ".join(str(path) for path in paths)
        raise ConfigError(f"{files}: {both[0]} is a holiday in one and worked in another")
    return Holidays(days=tuple(sorted(days)), made_up=tuple(sorted(made_up)))


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
