"""A scenario made real: listeners for the buses, devices behind them, publishers for the rest."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from contract.clock import Clock
from contract.errors import ConfigError
from contract.messages import Place
from device_profiles.schema import Profile
from simulators.devices import ModbusDevice, Sensor, Timeline
from simulators.faults import Fault
from simulators.ledger import Ledger
from simulators.modbus_frames import Framing
from simulators.modbus_server import ModbusServer
from simulators.mqtt_device import MqttDevice, NetworkServer
from simulators.scenarios import DevicePart, Scenario
from simulators.settings import set_up
from simulators.signals import Excursion, Street

DRIVERS = {Framing.TCP: "modbus_tcp", Framing.RTU: "modbus_rtu_over_tcp"}
_HOST = "127.0.0.1"
_PATIENCE_S = 30.0  # the timeline begins without a reader after so long


class DeviceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a technician writes into the edge's configuration for one simulated device."""

    id: str
    kind: str
    profile: str
    driver: str
    host: str = ""
    port: int = 0
    unit_id: int = 0
    address: str = ""
    installed: dict[str, float] = {}
    name: str = ""
    asset: str = ""
    owner: str = ""
    place: Place | None = None
    tags: dict[str, str] = {}


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The ready file: everything listens, and this is where."""

    devices: tuple[DeviceRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all devices of a simulation share."""

    profiles: Callable[[str], Profile]
    clock: Clock
    ledger: Ledger
    seed: int = 0
    period_s: float = 1.0


class Simulation:
    """All devices of a scenario, on their buses and on MQTT."""

    def __init__(self, scenario: Scenario, around: Surroundings) -> None:
        self._scenario = scenario
        self._around = around
        self._timeline = Timeline()
        self._ports: dict[str, int] = {}
        self._sensors = {part.id: self._sensor(part) for part in scenario.devices}
        self._servers = {bus: self._server(bus) for bus in scenario.buses}

    async def listen(self, ports: Mapping[str, int] | None = None) -> None:
        """Open every bus, on the port that it had before or on any free one.

        Raises: ConfigError naming a port that is taken.
        """
        for bus, server in self._servers.items():
            self._ports[bus] = await server.listen(_HOST, (ports or {}).get(bus, 0))

    def serve_serial(self, bus: str, fd: int, name: str) -> None:
        """Serve a bus on an open serial line instead of a port."""
        self._servers[bus].serve_serial(fd, name)

    def ports_of(self, records: Sequence[DeviceRecord]) -> dict[str, int]:
        """Return the port of each bus in an earlier ready file."""
        ports = {record.id: record.port for record in records}
        return {
            part.bus: ports[part.id]
            for part in self._scenario.devices
            if part.bus and ports.get(part.id)
        }

    def records(self) -> tuple[DeviceRecord, ...]:
        """Return what is where, once everything listens."""
        return tuple(self._record(part) for part in self._scenario.devices)

    @property
    def publishes(self) -> bool:
        """Whether any device needs a broker."""
        return any(part.address for part in self._scenario.devices)

    async def run(self, server: NetworkServer) -> None:
        """Let the publishing devices publish, and the timeline begin if nobody comes to read."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._begin_anyway(), name="timeline")
            for part in self._scenario.devices:
                if part.address:
                    device = self._publisher(part)
                    tasks.create_task(device.run(server), name=f"device-{part.id}")

    async def close(self) -> None:
        for server in self._servers.values():
            await server.close()

    async def _begin_anyway(self) -> None:
        await asyncio.sleep(_PATIENCE_S)
        self._timeline.begin(self._around.clock.now_ms())

    def _sensor(self, part: DevicePart) -> Sensor:
        profile = self._around.profiles(part.profile)
        known = set(profile.measurement_names())
        excursions = []
        for window in part.excursions:
            for name in {*window.peaks, *part.bases} - known:
                raise ConfigError(
                    f"device {part.id!r}: {profile.name} has no measurement {name!r};"
                    f" it has {', '.join(sorted(known))}"
                )
            excursions.append(
                Excursion(
                    peaks=window.peaks,
                    start_s=window.from_s,
                    end_s=window.to_s,
                    ramp_s=window.ramp_s,
                    every_s=self._scenario.repeat_s,
                )
            )
        street = Street(
            device=part.id,
            seed=self._around.seed,
            timezone=self._scenario.timezone,
            bases=part.bases,
            excursions=tuple(excursions),
        )
        heading_deg = float(zlib.crc32(part.id.encode()) % 360)
        return Sensor(
            profile=profile, street=street, installed=part.installed, heading_deg=heading_deg
        )

    def _server(self, bus: str) -> ModbusServer:
        part = self._scenario.buses[bus]
        return ModbusServer(
            {one.unit_id: self._modbus(one) for one in self._scenario.devices if one.bus == bus},
            framing=part.framing,
            latency_s=part.latency_ms / 1000,
            faults=[
                Fault(
                    kind=fault.kind,
                    unit=fault.unit,
                    every=fault.every,
                    from_s=fault.from_s,
                    until_s=fault.until_s,
                    late_s=fault.late_s,
                )
                for fault in part.faults
            ],
            clock=self._around.clock,
        )

    def _modbus(self, part: DevicePart) -> ModbusDevice:
        sensor = self._sensors[part.id]
        try:
            registers = set_up(sensor.profile, sensor.usual(), part.inputs)
        except ValueError as error:
            raise ConfigError(f"device {part.id!r}: {error}") from error
        return ModbusDevice(
            sensor,
            registers,
            clock=self._around.clock,
            timeline=self._timeline,
            ledger=self._around.ledger,
        )

    def _publisher(self, part: DevicePart) -> MqttDevice:
        return MqttDevice(
            self._sensors[part.id],
            address=part.address,
            name=part.id,
            period_s=self._around.period_s,
            clock=self._around.clock,
            timeline=self._timeline,
            ledger=self._around.ledger,
        )

    def _record(self, part: DevicePart) -> DeviceRecord:
        profile = self._sensors[part.id].profile
        driver = DRIVERS[self._scenario.buses[part.bus].framing] if part.bus else "mqtt"
        return DeviceRecord(
            id=part.id,
            kind=profile.kind.value,
            profile=profile.name,
            driver=driver,
            host=_HOST if part.bus else "",
            port=self._ports[part.bus] if part.bus else 0,
            unit_id=part.unit_id if part.bus else 0,
            address=part.address,
            installed=part.installed,
            name=part.name,
            asset=part.asset,
            owner=part.owner,
            place=Place(**part.place.model_dump()) if part.place else None,
            tags=part.tags,
        )


def write_ready(path: Path, records: Sequence[DeviceRecord]) -> None:
    """Write the ready file whole or not at all."""
    content = msgspec.json.format(msgspec.json.encode(Ready(devices=tuple(records))), indent=1)
    half = path.with_name(path.name + ".tmp")
    half.write_bytes(content)
    half.replace(path)


def read_ready(path: Path) -> tuple[DeviceRecord, ...]:
    """Return an earlier ready file's devices; none if there is no such file, or it is broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ready).devices
    except (OSError, msgspec.DecodeError):
        return ()
