"""The part of the cloud's YAML file that a city sets about cases: `cases`."""

from __future__ import annotations

import json
from datetime import date, time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from cloud.calendar_files import Calendars, load_calendars
from cloud.cases.file_store import MB, FileBounds
from cloud.core.case_steps import Label, Step
from cloud.core.gate import CATEGORIES, Gate, GatePolicy, PhotoRule, TimeLimits, UnitRule
from cloud.core.grid import Cell, GridError, parse_grid
from cloud.core.model import Severity
from cloud.core.working_time import Calendar, parse_span
from contract.errors import ConfigError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LARGEST_GRID = 64 << 20

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Days = Annotated[float, Field(ge=0, le=3_650, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=8_640_000, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Code = Annotated[str, Field(pattern=r"^[A-Z]?[0-9]{1,4}(-[0-9]{1,4})?$", max_length=8)]
Hours = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


def _is_span(text: str) -> str:
    parse_span(text)
    return text


SpanText = Annotated[str, AfterValidator(_is_span)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """How long a case of a severity, or of a kind that is urgent, may take."""

    handle: SpanText
    secure: SpanText | None = None
    close: SpanText = "48 h"

    def built(self) -> TimeLimits:
        secure = parse_span(self.secure) if self.secure else None
        return TimeLimits(
            handle=parse_span(self.handle), secure=secure, close=parse_span(self.close)
        )


class WorkingTime(_Section):
    """When people work. made_up: days of weekends that are worked 调休.

    calendar: files of holidays, as rules have them; what is said here counts over them.
    """

    shifts: Annotated[tuple[Hours, ...], Field(min_length=1)] = ("08:30-12:00", "14:00-17:30")
    workdays: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    holidays: tuple[date, ...] = ()
    made_up: tuple[date, ...] = ()
    calendar: Calendars = ()

    @field_validator("shifts")
    @classmethod
    def _in_order(cls, shifts: tuple[str, ...]) -> tuple[str, ...]:
        ends = [each for shift in shifts for each in shift.split("-")]
        if ends != sorted(set(ends)):
            raise ValueError("shifts are in order, end after they begin, and do not overlap")
        return shifts

    def built(self, zone: ZoneInfo) -> Calendar:
        """Return the same for the core. Raises: ConfigError for a calendar that is none."""
        known = load_calendars(self.calendar)
        return Calendar(
            zone=zone,
            shifts=tuple(map(_hours, self.shifts)),
            workdays=frozenset(map(WEEKDAYS.index, self.workdays)),
            holidays=frozenset({*known.days} - {*self.made_up} | {*self.holidays}),
            made_up=frozenset({*known.made_up} - {*self.holidays} | {*self.made_up}),
        )


class Names(_Section):
    """What a category is called."""

    zh: Text
    en: Text


class Responsible(_Section):
    """Who is responsible for a cell, a category (or all below it), an owner."""

    unit: Text
    cell: str = ""
    category: str = ""
    owner: str = ""


class Grid(_Section):
    """The area grid: a GeoJSON file, and the properties that name a cell and its unit."""

    file: Path
    code: str = "code"
    unit: str = "unit"
    outside: Literal["flag", "refuse"] = "flag"


class Flood(_Section):
    """At most so many cases are opened within so many seconds; the rest queues."""

    cases: Annotated[int, Field(ge=1)] = 200
    within_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0


class GateSettings(_Section):
    """Which alerts become cases, and which wait before."""

    least: Severity = Severity.MEDIUM
    lasting_s: dict[Severity, Seconds] = {}
    hours: Hours | None = None
    confirm: tuple[Severity, ...] = ()
    confirm_categories: tuple[Code, ...] = ()
    flood: Flood = Flood()


class Photo(_Section):
    """A step that takes a photo, for a category and all below it."""

    step: Literal["secure", "handle", "verify"]
    category: str = ""


class Files(_Section):
    """How large files may be: one, those of a case, all; and what the disk keeps free."""

    largest_mb: Annotated[int, Field(ge=1, le=1_000)] = 10
    case_mb: Annotated[int, Field(ge=1)] = 100
    total_mb: Annotated[int, Field(ge=1)] = 20_000
    keep_free_mb: Annotated[int, Field(ge=0)] = 1_000

    @property
    def bounds(self) -> FileBounds:
        """The same for those who know no configuration."""
        return FileBounds(
            largest_bytes=self.largest_mb * MB,
            case_bytes=self.case_mb * MB,
            total_bytes=self.total_mb * MB,
            keep_free_bytes=self.keep_free_mb * MB,
        )


class Cases(_Section):
    """What a city sets about cases; what it leaves out is as docs/cases.md says."""

    gate: GateSettings = GateSettings()
    limits: dict[Severity, Limits] = {}
    emergencies: dict[str, Limits] = {}
    verify: SpanText = "24 h"
    warn_s: Seconds = 3_600.0
    reopen_days: Days = 7.0
    repeats: Annotated[int, Field(ge=2)] = 3
    repeat_days: Days = 30.0
    grace_s: Seconds = 3_600.0
    working_time: WorkingTime = WorkingTime()
    categories: dict[Code, Names] = {}
    units: dict[str, Text] = {}
    capacity: dict[Text, Annotated[float, Field(gt=0, le=1_000_000)]] = {}
    responsible: tuple[Responsible, ...] = ()
    grid: Grid | None = None
    delivered_days: Annotated[float, Field(ge=0, le=36_500)] = 800.0
    photos: tuple[Photo, ...] = ()
    files: Files = Files()
    formulas: Path | None = None


def policy_of(cases: Cases, zone: ZoneInfo) -> GatePolicy:
    """Return what a city has set, over the defaults. Raises: ConfigError for a bad grid."""
    default = GatePolicy()
    gate = cases.gate
    return GatePolicy(
        least=gate.least,
        units={**default.units, **cases.units},
        limits={**default.limits, **{key: each.built() for key, each in cases.limits.items()}},
        emergencies={
            **default.emergencies,
            **{key: each.built() for key, each in cases.emergencies.items()},
        },
        calendar=cases.working_time.built(zone),
        verify=parse_span(cases.verify),
        warn_s=cases.warn_s,
        reopen_days=cases.reopen_days,
        repeat_days=cases.repeat_days,
        repeats=cases.repeats,
        grace_s=cases.grace_s,
        categories={
            **CATEGORIES,
            **{code: Label(zh=each.zh, en=each.en) for code, each in cases.categories.items()},
        },
        cells=_cells(cases.grid) if cases.grid else (),
        outside_refused=cases.grid is not None and cases.grid.outside == "refuse",
        capacity=cases.capacity,
        unit_rules=tuple(UnitRule(**each.model_dump()) for each in cases.responsible),
        photos=tuple(
            PhotoRule(step=Step(each.step), category=each.category) for each in cases.photos
        ),
        gate=Gate(
            lasting_s=gate.lasting_s,
            hours=_hours(gate.hours) if gate.hours else None,
            confirm=frozenset(gate.confirm),
            confirm_categories=frozenset(gate.confirm_categories),
            most=gate.flood.cases,
            within_s=gate.flood.within_s,
        ),
    )


def _hours(text: str) -> tuple[time, time]:
    begins, ends = (time.fromisoformat(each) for each in text.split("-"))
    return begins, ends


def _cells(grid: Grid) -> tuple[Cell, ...]:
    try:
        if grid.file.stat().st_size > LARGEST_GRID:
            raise ConfigError(f"{grid.file}: is larger than {LARGEST_GRID >> 20} MB")
        document = json.loads(grid.file.read_text(encoding="utf-8"))
        return parse_grid(document, grid.code, grid.unit)
    except OSError as error:
        raise ConfigError(f"{grid.file}: cannot be read: {error.strerror}") from error
    except (GridError, ValueError) as error:
        raise ConfigError(f"{grid.file}: {error}") from error
