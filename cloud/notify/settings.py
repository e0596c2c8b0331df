"""The section `notify` of the cloud's YAML: channels, people, rotas, routes, quiet hours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cloud.core.channel_life import DeadWhen
from cloud.core.flood import Bounds
from cloud.core.model import Severity
from cloud.core.rota import DateShift, Exchange, Hours, Rota, Shift
from cloud.core.telling import UNIT, Quiet, Route, Step, Way, What
from cloud.notify.policy import Person, Policy
from contract import strict_yaml
from contract.strict_yaml import Where

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$", max_length=500)]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FILES = ("password_file", "secret_file", "url_file", "ca_file")
ADDRESS = re.compile(r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+$")


def _minute(value: object) -> object:
    """Read "08:30"; YAML 1.2 leaves it text."""
    found = re.fullmatch(r"(\d\d?):(\d\d)", str(value))
    if not found or int(found[2]) > 59 or int(found[1]) * 60 + int(found[2]) > 1_440:
        raise ValueError(f"{value!r} is no time of day; write e.g. 08:30, up to 24:00")
    return int(found[1]) * 60 + int(found[2])


def _local(value: object) -> object:
    """Read "2026-11-22 18:00" in the installation's own time."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is no local time; write e.g. 2026-11-22 18:00") from None
    if at.tzinfo is not None:
        raise ValueError(f"{value!r}: leave the offset out; times are those of `timezone`")
    return at


Minute = Annotated[int, BeforeValidator(_minute)]
Local = Annotated[datetime, BeforeValidator(_local)]
Days = Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], Field()]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Smtp(_Section):
    """A mail server. TLS is verified; `none` only to this very machine."""

    kind: Literal["smtp"]
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]+$", max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password_file: Path | None = None
    sender: Annotated[str, Field(alias="from")]
    ca_file: Path | None = None
    timeout_s: Seconds = 20.0

    @field_validator("sender")
    @classmethod
    def _address(cls, given: str) -> str:
        if not ADDRESS.match(given):
            raise ValueError(f"{given!r} is no mail address")
        return given

    @model_validator(mode="after")
    def _safe(self) -> Smtp:
        if self.security == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"security: none is only for this machine, not for {self.host}")
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file go together")
        return self


class Webhook(_Section):
    """Whoever takes signed messages over HTTP."""

    kind: Literal["webhook"]
    url: Url
    secret_file: Path
    ca_file: Path | None = None
    timeout_s: Seconds = 10.0


class Apprise(_Section):
    """Anything that apprise speaks. Its URL is a secret, and in a file; `{to}` in it is who."""

    kind: Literal["apprise"]
    url_file: Path
    short: bool = False


ChannelSettings = Annotated[Smtp | Webhook | Apprise, Field(discriminator="kind")]


class WaySettings(_Section):
    """How a person is reached."""

    channel: Name
    to: Annotated[str, Field(max_length=200)] = ""
    least: Severity = Severity.LOW


class PersonSettings(_Section):
    """Somebody to be told."""

    name: str = ""
    language: Literal["zh", "en"] = "zh"
    by: Annotated[tuple[WaySettings, ...], Field(min_length=1)]


class _HasPeople(_Section):
    people: Names


class _Shift(_HasPeople):
    start: Annotated[Minute, Field(alias="from")] = 0
    end: Annotated[Minute, Field(alias="to")] = 1_440

    @property
    def hours(self) -> Hours:
        return Hours(from_min=self.start, to_min=self.end)


class WeekSettings(_Shift):
    """A line of the weekly table."""

    days: Days = DAYS  # type: ignore[assignment]  # mypy does not see the literals


class DateSettings(_Shift):
    """A date of its own."""

    day: Annotated[date, Field(alias="date")]


class ExchangeSettings(_HasPeople):
    """Somebody else for once."""

    begins: Annotated[Local, Field(alias="from")]
    ends: Annotated[Local, Field(alias="to")]


class RotaSettings(_Section):
    """Who is on call."""

    units: tuple[str, ...] = ()
    week: tuple[WeekSettings, ...] = ()
    dates: tuple[DateSettings, ...] = ()
    exchanges: tuple[ExchangeSettings, ...] = ()


class StepSettings(_Section):
    """Who is told so long after."""

    after_s: Annotated[float, Field(ge=0, le=2_592_000, allow_inf_nan=False)] = 0.0
    tell: Names


class RouteSettings(_Section):
    """Which alerts go to whom."""

    name: Name
    least: Severity = Severity.LOW
    kinds: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    tags: dict[str, tuple[str, ...]] = {}
    steps: Annotated[tuple[StepSettings, ...], Field(min_length=1)]
    also: bool = False


class CaseSettings(_Section):
    """Who is told of a case's due time; nobody, if it is empty."""

    due_soon: tuple[Name, ...] = (UNIT,)
    overdue: tuple[Name, ...] = (UNIT,)


class QuietSettings(_Section):
    """Hours in which what matters less is held."""

    start: Annotated[Minute, Field(alias="from")]
    end: Annotated[Minute, Field(alias="to")]
    days: Days = DAYS  # type: ignore[assignment]  # as above
    below: Severity
    then: Literal["digest", "deliver"] = "digest"


class FloodSettings(_Section):
    """A person's flood: more than `begins` alerts in the window; it ends with fewer than `ends`."""

    begins: Annotated[int, Field(ge=1)] = 10
    ends: Annotated[int, Field(ge=1)] = 5
    window_s: Seconds = 600.0
    digest_s: Seconds = 600.0

    @model_validator(mode="after")
    def _apart(self) -> FloodSettings:
        if self.ends > self.begins:
            raise ValueError(f"ends {self.ends} is above begins {self.begins}; allowed: up to it")
        return self


class Notify(_Section):
    """All of it. Without channels nobody is told."""

    watch_every_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 2.0
    base_url: Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$")] = ""
    channels: dict[Name, ChannelSettings] = {}
    people: dict[Name, PersonSettings] = {}
    default: tuple[Name, ...] = ()
    rotas: dict[Name, RotaSettings] = {}
    routes: tuple[RouteSettings, ...] = ()
    cases: CaseSettings = CaseSettings()
    quiet: tuple[QuietSettings, ...] = ()
    flood: FloodSettings = FloodSettings()
    dead_after: Annotated[int, Field(ge=1, le=1000)] = 5
    dead_least_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 60.0
    dead_for_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 900.0
    probe_every_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 0.0
    give_up_h: Annotated[float, Field(gt=0, le=720, allow_inf_nan=False)] = 24.0
    too_old_h: Annotated[float, Field(gt=0, le=720, allow_inf_nan=False)] = 12.0
    keep_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 400.0
    keep_rows: Annotated[int, Field(ge=1_000)] = 200_000

    @property
    def policy(self) -> Policy:
        """The same for those who know no configuration."""
        return Policy(
            base_url=self.base_url.rstrip("/"),
            people={name: _person(name, each) for name, each in self.people.items()},
            default=self.default,
            rotas={name: _rota(name, each) for name, each in self.rotas.items()},
            routes=tuple(map(_route, self.routes)),
            cases={What.DUE_SOON: self.cases.due_soon, What.OVERDUE: self.cases.overdue},
            quiet=tuple(map(_quiet, self.quiet)),
            flood=Bounds(
                begins=self.flood.begins,
                ends=self.flood.ends,
                window_ms=round(self.flood.window_s * 1000),
            ),
            digest_ms=round(self.flood.digest_s * 1000),
            dead=DeadWhen(
                failures=self.dead_after,
                at_least_ms=round(self.dead_least_s * 1000),
                for_ms=round(self.dead_for_s * 1000),
            ),
            probe_ms=round(self.probe_every_s * 1000),
            give_up_ms=round(self.give_up_h * 3_600_000),
            too_old_ms=round(self.too_old_h * 3_600_000),
            keep_ms=round(self.keep_days * 86_400_000),
            keep_rows=self.keep_rows,
        )


def resolved(notify: Notify, base: Path) -> Notify:
    """Return the settings with paths that count from the file's own folder."""
    channels = {
        name: one.model_copy(update={key: base / file for key, file in files_of(one).items()})
        for name, one in notify.channels.items()
    }
    return notify.model_copy(update={"channels": channels})


def files_of(settings: Smtp | Webhook | Apprise) -> dict[str, Path]:
    """Return the files that are named, by their keys."""
    return {key: file for key in FILES if (file := getattr(settings, key, None)) is not None}


def problems(notify: Notify) -> Iterator[tuple[Where, str]]:
    """Yield what is wrong between the parts: names that nobody has, ways that lead nowhere."""
    people, rotas, channels = list(notify.people), list(notify.rotas), list(notify.channels)
    for name in sorted({*people} & {*rotas}):
        yield ("notify", "rotas", name), f"{name} is a person too; a name is one thing"
    for name in sorted({UNIT} & {*people, *rotas}):
        yield ("notify",), f"{name} stands for the responsible unit's rota; call it something else"
    if channels and not notify.default:
        yield ("notify", "default"), "default is missing: who is told when nobody is on call"
    for where, named, allowed in _names(notify):
        if named not in allowed:
            yield where, f"unknown name {named!r}; {strict_yaml.suggest(named, allowed)}"
    for person, settings in notify.people.items():
        yield from _ways(notify, person, settings)
    units = [(unit, name) for name, rota in notify.rotas.items() for unit in rota.units]
    for index, (unit, name) in enumerate(units):
        first = next(other for found, other in units if found == unit)
        if first != name and (unit, name) not in units[:index]:
            yield ("notify", "rotas", name, "units"), f"{unit} has the rota {first} already"
    for index, route in enumerate(notify.routes):
        if route.name in [each.name for each in notify.routes[:index]]:
            yield ("notify", "routes", index, "name"), f"there are two routes {route.name}"


def _names(notify: Notify) -> Iterator[tuple[Where, str, list[str]]]:
    people = list(notify.people)
    for index, person in enumerate(notify.default):
        yield ("notify", "default", index), person, people
    for name, rota in notify.rotas.items():
        tables: tuple[tuple[str, Sequence[_HasPeople]], ...] = (
            ("week", rota.week),
            ("dates", rota.dates),
            ("exchanges", rota.exchanges),
        )
        for table, lines in tables:
            for index, line in enumerate(lines):
                for at, person in enumerate(line.people):
                    yield ("notify", "rotas", name, table, index, "people", at), person, people
    targets = [*people, *notify.rotas, UNIT]
    for index, route in enumerate(notify.routes):
        for at, step in enumerate(route.steps):
            for place, name in enumerate(step.tell):
                where: Where = ("notify", "routes", index, "steps", at, "tell", place)
                yield where, name, targets
    for key, named in (("due_soon", notify.cases.due_soon), ("overdue", notify.cases.overdue)):
        for place, name in enumerate(named):
            yield ("notify", "cases", key, place), name, targets


def _ways(notify: Notify, person: str, settings: PersonSettings) -> Iterator[tuple[Where, str]]:
    where: Where = ("notify", "people", person, "by")
    for index, way in enumerate(settings.by):
        channel = notify.channels.get(way.channel)
        if channel is None:
            known = list(notify.channels)
            hint = strict_yaml.suggest(way.channel, known) or "there are none"
            yield (*where, index, "channel"), f"unknown channel {way.channel!r}; {hint}"
        elif isinstance(channel, Smtp) and not ADDRESS.match(way.to):
            yield (*where, index), f"to: {way.to!r} is no mail address"
        elif isinstance(channel, Webhook) and way.to:
            yield (*where, index, "to"), "a webhook's address is the channel's; leave it out"
    if all(way.least is not Severity.LOW for way in settings.by):
        yield where, "every way has a `least`: by what is the rest told? Leave one without"


def _person(name: str, settings: PersonSettings) -> Person:
    ways = tuple(Way(channel=each.channel, to=each.to, least=each.least) for each in settings.by)
    return Person(id=name, name=settings.name or name, language=settings.language, ways=ways)


def _rota(name: str, settings: RotaSettings) -> Rota:
    return Rota(
        name=name,
        units=settings.units,
        week=tuple(
            Shift(days=_days(each.days), hours=each.hours, people=each.people)
            for each in settings.week
        ),
        dates=tuple(
            DateShift(day=each.day, hours=each.hours, people=each.people) for each in settings.dates
        ),
        exchanges=tuple(
            Exchange(begins=each.begins, ends=each.ends, people=each.people)
            for each in settings.exchanges
        ),
    )


def _route(settings: RouteSettings) -> Route:
    return Route(
        name=settings.name,
        least=settings.least,
        kinds=settings.kinds,
        units=settings.units,
        rules=settings.rules,
        tags=settings.tags,
        steps=tuple(Step(after_s=each.after_s, tell=each.tell) for each in settings.steps),
        also=settings.also,
    )


def _quiet(settings: QuietSettings) -> Quiet:
    return Quiet(
        hours=Hours(from_min=settings.start, to_min=settings.end),
        days=_days(settings.days),
        below=settings.below,
        digest=settings.then == "digest",
    )


def _days(names: tuple[str, ...]) -> frozenset[int]:
    return frozenset(DAYS.index(name) for name in names)
