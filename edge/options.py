"""The sections of the edge's YAML file, as models. What belongs to one driver is in its file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from contract.messages import Place
from contract.quantities import Kind
from edge.core.thinning import URGENT_KINDS, Step, ladder
from edge.time_keeper import Source

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


def _as_text(value: object) -> object:
    """5 is a number to YAML."""
    return str(value) if isinstance(value, int) else value


class Section(BaseModel):
    """Knows all its keys, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(Section):
    """Where others dial in. 0.0.0.0 is every IPv4 address of this machine."""

    host: Annotated[str, Field(min_length=1)] = "0.0.0.0"  # noqa: S104  they come from outside
    port: Port


class TlsFiles(Section):
    """Who is believed, and how to prove who we are. ca_file: by default the system's authorities.

    cert_file, key_file: our own certificate, for peers that ask for one.
    """

    tls: bool
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Endpoint(TlsFiles):
    """An MQTT broker and how to prove who we are. TLS, verified, unless `tls: false`."""

    host: Annotated[str, Field(min_length=1)]
    port: Port = 8883
    version: Annotated[Literal["3.1.1", "5"], BeforeValidator(_as_text)] = "3.1.1"
    user: str | None = None
    password_file: Path | None = None
    tls: bool = True


class BufferOptions(Section):
    """The buffer file, its bounds, and what is given up beyond them.

    reserve_bytes: room kept on the disk for when there is no other.
    """

    path: Path = Path("buffer.sqlite")
    max_bytes: Annotated[int, Field(ge=1_000_000)] = 500_000_000
    max_age_days: Annotated[float, Field(gt=0, le=3_650)] = 30.0
    commit_every_s: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    reserve_bytes: Annotated[int, Field(ge=0)] = 8_000_000
    thin_to_s: tuple[Annotated[int, Field(ge=1, le=86_400)], ...] = (60, 600)
    give_up_last: frozenset[Kind] = URGENT_KINDS
    never_thin: frozenset[Kind] = frozenset()

    @field_validator("thin_to_s")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(value)):
            raise ValueError("each stretch must be longer than the one before, as [60, 600]")
        return value

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is given up first when it is full."""
        return ladder(self.thin_to_s, self.give_up_last, self.never_thin)


class ClockOptions(Section):
    """Whose word is taken that the clock is right; how long readings wait for that once online."""

    source: Source = Source.AUTO
    hold_s: Annotated[float, Field(ge=0, le=86_400)] = 30.0


class UplinkOptions(Section):
    """How batches travel to the cloud."""

    resend_after_s: Seconds = 10.0
    window_batches: Annotated[int, Field(ge=1, le=10_000)] = 256
    backlog_batches_per_s: Annotated[float, Field(gt=0, le=10_000)] = 200.0
    state_every_s: Seconds = 10.0
    reconnect_first_s: Seconds = 0.2
    reconnect_most_s: Seconds = 30.0


class LogOptions(Section):
    """Where the log goes, and how much of it. file: stderr where none is given."""

    file: Path | None = None
    max_bytes: Annotated[int, Field(ge=10_000)] = 5_000_000
    old_files: Annotated[int, Field(ge=1, le=100)] = 4
    lines_per_minute: Annotated[int, Field(ge=10, le=100_000)] = 300


class MetricsOptions(Section):
    """Where Prometheus reads the figures: plain HTTP, so best on this machine alone."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Port = 9109


class PollingOptions(Section):
    """How dead devices are probed: after first_s, then twice as long each time, up to most_s."""

    probe_first_s: Seconds = 1.0
    probe_most_s: Seconds = 30.0


class ChangeOptions(Section):
    """How the file's changes are taken. watch_every_s: 0 looks only on SIGHUP.

    settle_s: how long a new configuration must do well until it is kept.
    """

    watch_every_s: Annotated[float, Field(ge=0, le=3_600)] = 2.0
    settle_s: Annotated[float, Field(ge=0, le=3_600)] = 60.0


class AggregateOptions(Section):
    """Statistics of fast samples. late_s: how long a period waits for samples that come late.

    least_percent: below this rate of valid data figures are marked; GB 3095: 45 minutes of an hour.
    """

    late_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    least_percent: Annotated[float, Field(ge=0, le=100)] = 75.0


Said = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^\S{1,40}$")]


class SupplyOptions(Section):
    """Where the cabinet's supply is read: a folder of sysfs, or a file whose first word says it.

    max_age_s: a file that nobody has written for so long says nothing any more; 0: it always does.
    """

    power_supply: Path | None = None
    file: Path | None = None
    mains: Said = "1"
    battery: Said = "0"
    max_age_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    every_s: Seconds = 2.0
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0

    @model_validator(mode="after")
    def _one_source(self) -> SupplyOptions:
        if (self.power_supply is None) == (self.file is None):
            raise ValueError("say where it is read: either power_supply or file")
        if self.mains == self.battery:
            raise ValueError(f"mains and battery are both {self.mains!r}; they must differ")
        return self


class ModemOptions(Section):
    """Where the modem is read: ModemManager's mmcli, or a file that somebody keeps up to date."""

    mmcli: Annotated[
        str | None, BeforeValidator(_as_text), Field(pattern=r"^(any|[0-9]{1,4})$")
    ] = None
    file: Path | None = None
    max_age_s: Annotated[float, Field(ge=0, le=86_400)] = 120.0
    every_s: Seconds = 15.0
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0

    @model_validator(mode="after")
    def _one_source(self) -> ModemOptions:
        if (self.mmcli is None) == (self.file is None):
            raise ValueError("say where it is read: either mmcli or file")
        return self


class CommandOptions(Section):
    """Who may command this gateway: whoever has the key in this file. Nobody, without one."""

    key_file: Path | None = None


class PlaceOptions(Section):
    """Where a device stands: WGS 84 degrees, and words for people."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    address: str = ""

    def place(self) -> Place:
        """Return it as the contract has it."""
        return Place(latitude=self.latitude, longitude=self.longitude, address=self.address)


class DeviceOptions(Section):
    """One device: its profile says how to read it, its bus and unit id or address where it is.

    password, password_file, units: of HJ 212 stations; units where they are not the profile's.
    """

    id: Id
    profile: str
    bus: str
    unit_id: Annotated[int, Field(ge=1, le=247)] | None = None
    address: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    period_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    password: Annotated[str, Field(min_length=1)] | None = Field(default=None, repr=False)
    password_file: Path | None = None
    units: dict[str, str] = {}
    installed: dict[str, float] = {}
    name: str = ""
    asset: str = ""
    owner: str = ""
    place: PlaceOptions | None = None
    tags: dict[str, str] = {}

    @field_validator("address", "password", mode="before")
    @classmethod
    def _quoted(cls, value: object, info: ValidationInfo) -> object:
        """24e1247131234567 is a number to YAML, and 0012 loses its zeros."""
        if isinstance(value, int | float):
            what = f"reads as a number; put it in quotes, as {info.field_name}: '…'"
            raise ValueError(what)  # noqa: TRY004  pydantic wants it
        return value
