"""A scenario file: which devices stand where, on which buses, and when they leave their limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contract.errors import ConfigError
from contract.strict_yaml import Document, check, read, suggest
from simulators.faults import FaultKind
from simulators.modbus_frames import Framing

DEMO = Path(__file__).parent / "scenarios" / "demo.yaml"

_Id = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
_Seconds = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    """What all parts of a scenario have in common: they never change, and know all their keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExcursionPart(_Part):
    """A window of seconds since the first reading; see signals.Excursion."""

    from_s: _Seconds
    to_s: _Seconds
    ramp_s: _Seconds = 1.0
    peaks: dict[str, float]


class FaultPart(_Part):
    """A fault on a bus; see faults.Fault."""

    kind: FaultKind
    unit: int | None = None
    every: Annotated[int, Field(ge=1)] = 1
    from_s: _Seconds = 0.0
    until_s: _Seconds = math.inf
    late_s: _Seconds = 1.5


class BusPart(_Part):
    """One listener; its devices share it as they would a line."""

    framing: Framing = Framing.TCP
    latency_ms: Annotated[float, Field(ge=0)] = 0.0
    faults: tuple[FaultPart, ...] = ()


class PlacePart(_Part):
    """Where a device stands: WGS 84 degrees, and words for people."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    address: str = ""


class DevicePart(_Part):
    """One device: on a bus with a unit id, or with an address on MQTT.

    bases: measurement -> usual value. inputs: profile input -> raw number, e.g. the unit set.
    """

    id: _Id
    profile: str
    bus: str = ""
    unit_id: Annotated[int, Field(ge=0, le=255)] = 1
    address: str = ""
    name: str = ""
    asset: str = ""
    owner: str = ""
    place: PlacePart | None = None
    tags: dict[str, str] = {}
    installed: dict[str, float] = {}
    bases: dict[str, float] = {}
    inputs: dict[str, int] = {}
    excursions: tuple[ExcursionPart, ...] = ()


class Scenario(_Part):
    """The file. repeat_s: the excursions' timeline begins anew after so long."""

    timezone: str = "Asia/Shanghai"
    repeat_s: Annotated[float | None, Field(gt=0)] = None
    buses: dict[str, BusPart] = {}
    devices: tuple[DevicePart, ...]


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises: ConfigError naming file, line and key of everything that is wrong.
    """
    document = read(path)
    scenario = check(document, Scenario)
    problems = list(_problems(document, scenario))
    if problems:
        raise ConfigError(*problems)
    return scenario


def _problems(document: Document, scenario: Scenario) -> Iterator[str]:
    if not scenario.devices:
        yield document.problem(("devices",), "there must be one at least")
    seen: set[str] = set()
    taken: dict[tuple[str, int], str] = {}
    for index, device in enumerate(scenario.devices):
        where = ("devices", index)
        if device.id in seen:
            yield document.problem((*where, "id"), f"{device.id!r} is there twice")
        seen.add(device.id)
        if bool(device.bus) == bool(device.address):
            yield document.problem(where, f"{device.id!r} needs either a bus or an address")
        if device.bus and device.bus not in scenario.buses:
            hint = suggest(device.bus, tuple(scenario.buses))
            yield document.problem((*where, "bus"), f"there is no bus {device.bus!r}; {hint}")
        if device.bus:
            other = taken.setdefault((device.bus, device.unit_id), device.id)
            if other != device.id:
                what = f"{device.unit_id} is taken on {device.bus!r} by {other!r}"
                yield document.problem((*where, "unit_id"), what)
