"""The cloud's one YAML file. Relative paths count from the file's own folder."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cloud.calendar_files import Calendars, calendar_paths
from cloud.cases.city import Cases, policy_of
from cloud.cases.formulas import load_versions
from cloud.cases.settings import CaseSystems, Open311Service, files_of
from cloud.cases.settings import resolved as resolved_systems
from cloud.core.alert_policy import HOUR_S, POLICY, AlertPolicy
from cloud.core.gate import GatePolicy
from cloud.core.model import Role
from cloud.core.waiting import BOUNDS, Adopt, Bounds
from cloud.notify import settings as notifying
from cloud.notify.settings import Notify
from contract import strict_yaml
from contract.errors import ConfigError
from contract.quantities import QUANTITIES

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# Labels of 1 to 63 characters, as names in the DNS have; or an address.
Host = Annotated[str, Field(max_length=253, pattern=r"^[^.\s]{1,63}(\.[^.\s]{1,63})*\.?$")]


def _as_text(value: object) -> object:
    """5 is a number to YAML."""
    return str(value) if isinstance(value, int) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Broker(_Section):
    """Where the gateways' messages are. TLS unless said otherwise, always verified."""

    host: Host
    port: Port = 8883
    version: Annotated[Literal["3.1.1", "5"], BeforeValidator(_as_text)] = "3.1.1"
    user: str = "intake"
    password_file: Path | None = None
    tls: bool = True
    ca_file: Path | None = None


class Web(_Section):
    """Where the API and the console listen."""

    host: Host = "127.0.0.1"
    port: Port = 8080


class Intake(_Section):
    """How readings are committed."""

    commit_every_s: Seconds = 0.05
    queue_messages: Annotated[int, Field(ge=1)] = 2_000
    block_readings: Annotated[int, Field(ge=1)] = 50_000
    adopt: Adopt = Adopt.BIRTHS
    devices_per_gateway: Annotated[int, Field(ge=1)] = BOUNDS.devices
    series_per_gateway: Annotated[int, Field(ge=1)] = BOUNDS.series
    series_per_device: Annotated[int, Field(ge=1)] = BOUNDS.series_of_device


class Inbox(_Section):
    """How much waits of devices that nobody has adopted."""

    devices: Annotated[int, Field(ge=0)] = BOUNDS.waiting_devices
    devices_per_gateway: Annotated[int, Field(ge=0)] = BOUNDS.waiting_devices_of_sender
    readings: Annotated[int, Field(ge=1)] = BOUNDS.waiting_readings
    readings_per_device: Annotated[int, Field(ge=1)] = BOUNDS.waiting_readings_of_device
    days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = BOUNDS.waiting_days


class Seal(_Section):
    """When hot blocks become Parquet: after so long, or when so many readings wait."""

    every_s: Seconds = 300.0
    readings: Annotated[int, Field(ge=1)] = 2_000_000
    keep_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3_600.0
    keep_readings: Annotated[int, Field(ge=0)] = 20_000_000
    warn_free_mb: Annotated[int, Field(ge=0)] = 2_000


class RollupDays(_Section):
    """For how many days rollups of a minute, an hour and a day are kept; 0 is for ever."""

    minute_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 400.0
    hour_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    day_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class InfluxSettings(_Section):
    """A server that speaks InfluxDB's protocols; database is its database, or its bucket.

    write_api: v1 (/write) for InfluxDB before 1.8. again_s: what is sealed is written once more
    when it is so old, as a server that is killed may forget what it has acknowledged.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*[^\s/])?$")]
    database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "gridwarden"
    org: str = "-"
    write_api: Literal["v1", "v2"] = "v2"
    token_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    timeout_s: Seconds = 30.0
    again_s: Seconds = 120.0


class QuantityDays(_Section):
    """For how many days the readings of a quantity are kept; 0 is for ever."""

    raw_days: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RawDays(_Section):
    """For how many days readings are kept; 0 is for ever. Rollups outlive them."""

    raw_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    quantities: dict[str, QuantityDays] = {}

    @field_validator("quantities")
    @classmethod
    def _known_quantities(cls, given: dict[str, QuantityDays]) -> dict[str, QuantityDays]:
        unknown = sorted(set(given) - set(QUANTITIES))
        if unknown:
            near = difflib.get_close_matches(unknown[0], QUANTITIES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"unknown quantity {unknown[0]!r}{hint}")
        return given


class SeriesSettings(_Section):
    """Where readings are kept."""

    store: Literal["lake", "influxdb"] = "lake"
    retention: RawDays = RawDays()
    rollups: RollupDays = RollupDays()
    influxdb: InfluxSettings | None = None


class Rules(_Section):
    """Which rules apply: presets by name, files of one's own, and changed numbers by rule id."""

    presets: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    overrides: dict[str, dict[str, float]] = {}
    calendar: Calendars = ()


class ShelveHours(_Section):
    """For how long each role may shelve an alert at most."""

    operator: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 8.0
    manager: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 72.0
    admin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 720.0


class Flood(_Section):
    """A flood begins with more than so many alerts in the window, and ends with fewer."""

    begins: Annotated[int, Field(ge=1)] = POLICY.flood_begins
    ends: Annotated[int, Field(ge=1)] = POLICY.flood_ends
    window_s: Seconds = POLICY.flood_window_s

    @model_validator(mode="after")
    def _apart(self) -> Flood:
        if self.ends > self.begins:
            raise ValueError(f"ends {self.ends} is above begins {self.begins}; allowed: up to it")
        return self


class Alerts(_Section):
    """When alerts are told again, roll up, flood, and wait for their gateway; 0 s is never."""

    reminder_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = POLICY.reminder_s
    realarm_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = POLICY.realarm_s
    shelve_hours: ShelveHours = ShelveHours()
    group_tags: tuple[str, ...] = POLICY.group_tags
    group_within_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = POLICY.group_within_s
    group_within_m: Annotated[float, Field(ge=0, le=10_000)] = POLICY.group_within_m
    desk_tag: str = ""
    desk_by_unit: bool = False
    flood: Flood = Flood()
    gateway_offline_s: Seconds = POLICY.gateway_offline_s
    gateway_grace_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = POLICY.gateway_grace_s
    gateway_battery_s: Annotated[float, Field(ge=0, le=86_400)] = POLICY.gateway_battery_s
    gateway_modem_s: Annotated[float, Field(ge=0, le=86_400)] = POLICY.gateway_modem_s
    modem_weak_percent: Annotated[float, Field(ge=0, le=100)] = POLICY.modem_weak_percent
    lag_s: Annotated[float, Field(ge=0, le=3_600)] = POLICY.lag_s
    start_rest_s: Annotated[float, Field(ge=0, le=3_600)] = POLICY.start_rest_s
    record_days: Annotated[float, Field(ge=0, le=36_500)] = POLICY.record_days

    @property
    def policy(self) -> AlertPolicy:
        """The same for those who know no configuration."""
        hours = self.shelve_hours
        return AlertPolicy(
            reminder_s=self.reminder_s,
            realarm_s=self.realarm_s,
            shelve_s={
                Role.OPERATOR: hours.operator * HOUR_S,
                Role.MANAGER: hours.manager * HOUR_S,
                Role.ADMIN: hours.admin * HOUR_S,
            },
            group_tags=self.group_tags,
            group_within_s=self.group_within_s,
            group_within_m=self.group_within_m,
            desk_tag=self.desk_tag,
            desk_by_unit=self.desk_by_unit,
            flood_begins=self.flood.begins,
            flood_ends=self.flood.ends,
            flood_window_s=self.flood.window_s,
            gateway_offline_s=self.gateway_offline_s,
            gateway_grace_s=self.gateway_grace_s,
            gateway_battery_s=self.gateway_battery_s,
            gateway_modem_s=self.gateway_modem_s,
            modem_weak_percent=self.modem_weak_percent,
            lag_s=self.lag_s,
            start_rest_s=self.start_rest_s,
            record_days=self.record_days,
        )


class Commands(_Section):
    """keys: a folder with a file `<gateway>.key` each, which signs; it counts from `data`."""

    keys: Path = Path("keys")


class CloudConfig(_Section):
    """All of it."""

    data: Path
    database: str = ""  # SQLAlchemy URL; default: SQLite in the data folder
    broker: Broker
    web: Web = Web()
    notify: Notify = Notify()
    intake: Intake = Intake()
    inbox: Inbox = Inbox()
    seal: Seal = Seal()
    series: SeriesSettings = SeriesSettings()
    rules: Rules = Rules()
    alerts: Alerts = Alerts()
    commands: Commands = Commands()
    case_systems: CaseSystems = {}
    cases: Cases = Cases()
    open311: Open311Service = Open311Service()
    timezone: str = "Asia/Shanghai"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"unknown time zone {name!r}; allowed: IANA names such as Asia/Shanghai"
            ) from None
        return name

    @property
    def bounds(self) -> Bounds:
        """What gateways may bring, and what may wait."""
        return Bounds(
            adopt=self.intake.adopt,
            devices=self.intake.devices_per_gateway,
            series=self.intake.series_per_gateway,
            series_of_device=self.intake.series_per_device,
            waiting_devices=self.inbox.devices,
            waiting_devices_of_sender=self.inbox.devices_per_gateway,
            waiting_readings=self.inbox.readings,
            waiting_readings_of_device=self.inbox.readings_per_device,
            waiting_days=self.inbox.days,
        )

    @property
    def case_policy(self) -> GatePolicy:
        """What the city set about cases. Raises: ConfigError for an area grid that is none."""
        return policy_of(self.cases, self.zone)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'state.sqlite'}"


def load(path: Path) -> CloudConfig:
    """Read the file. Raises: ConfigError with every problem, each with file, line and key."""
    document = strict_yaml.read(path)
    config = strict_yaml.check(document, CloudConfig)
    base = path.resolve().parent
    broker = config.broker
    resolved = config.model_copy(
        update={
            "data": base / config.data,
            "notify": notifying.resolved(config.notify, base),
            "broker": broker.model_copy(
                update={
                    name: base / value
                    for name in ("password_file", "ca_file")
                    if (value := getattr(broker, name)) is not None
                }
            ),
            "commands": Commands(keys=base / config.data / config.commands.keys),
            "rules": config.rules.model_copy(
                update={
                    "files": tuple(base / file for file in config.rules.files),
                    "calendar": calendar_paths(config.rules.calendar, base),
                }
            ),
            "series": _series(config.series, base),
            "case_systems": resolved_systems(config.case_systems, base),
            "cases": _cases(config.cases, base),
        }
    )
    problems = [
        document.problem(where, f"no such file: {file}")
        for where, file in _files(resolved)
        if not file.is_file()
    ]
    problems += [document.problem(where, what) for where, what in notifying.problems(config.notify)]
    problems += _formulas_problems(document, resolved.cases.formulas)
    influxdb = resolved.series.influxdb
    if resolved.series.store == "influxdb" and influxdb is None:
        problems.append(document.problem(("series", "store"), "influxdb needs series.influxdb"))
    if influxdb is not None and influxdb.again_s > resolved.seal.keep_s:
        problems.append(
            document.problem(
                ("series", "influxdb", "again_s"),
                f"{influxdb.again_s:g} s is longer than seal.keep_s, {resolved.seal.keep_s:g} s:"
                " what is to be written again would be gone",
            )
        )
    if problems:
        raise ConfigError(*problems)
    return resolved


def _formulas_problems(document: strict_yaml.Document, folder: Path | None) -> list[str]:
    """Nobody should hear of a bad formula when the month is over."""
    if folder is None:
        return []
    if not folder.is_dir():
        what = f"{folder} is no folder; it holds formulas named YYYY-MM-DD.yaml"
        return [document.problem(("cases", "formulas"), what)]
    try:
        load_versions(folder)
    except ConfigError as error:
        return list(error.problems)
    return []


def _cases(cases: Cases, base: Path) -> Cases:
    work = cases.working_time
    changed: dict[str, object] = {
        "working_time": work.model_copy(update={"calendar": calendar_paths(work.calendar, base)})
    }
    if cases.grid:
        changed["grid"] = cases.grid.model_copy(update={"file": base / cases.grid.file})
    if cases.formulas:
        changed["formulas"] = base / cases.formulas
    return cases.model_copy(update=changed)


def _series(series: SeriesSettings, base: Path) -> SeriesSettings:
    if series.influxdb is None:
        return series
    files = {
        name: base / value
        for name in ("token_file", "password_file")
        if (value := getattr(series.influxdb, name)) is not None
    }
    return series.model_copy(update={"influxdb": series.influxdb.model_copy(update=files)})


def _files(config: CloudConfig) -> list[tuple[strict_yaml.Where, Path]]:
    files: list[tuple[strict_yaml.Where, Path]] = [
        (("rules", "files", index), file) for index, file in enumerate(config.rules.files)
    ]
    files += [(("rules", "calendar"), file) for file in config.rules.calendar]
    files += [
        (("cases", "working_time", "calendar"), file) for file in config.cases.working_time.calendar
    ]
    if config.broker.password_file:
        files.append((("broker", "password_file"), config.broker.password_file))
    if influxdb := config.series.influxdb:
        files += [
            (("series", "influxdb", name), file)
            for name in ("token_file", "password_file")
            if (file := getattr(influxdb, name)) is not None
        ]
    for name, system in config.case_systems.items():
        files += [(("case_systems", name, key), file) for key, file in files_of(system).items()]
    if config.cases.grid:
        files.append((("cases", "grid", "file"), config.cases.grid.file))
    for name, channel in config.notify.channels.items():
        files += [
            (("notify", "channels", name, key), file)
            for key, file in notifying.files_of(channel).items()
        ]
    if config.broker.ca_file:
        files.append((("broker", "ca_file"), config.broker.ca_file))
    return files
