"""`gridwarden simulate`: the demo's street, or one device of the catalogue."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from contract.clock import SystemClock
from contract.errors import ConfigError
from device_profiles.loader import load_profile
from simulators.devices import Sensor, Timeline
from simulators.hj212_frames import Identity
from simulators.hj212_station import Habits, Hj212Station
from simulators.ledger import Ledger
from simulators.modbus_frames import Framing
from simulators.mqtt_device import Broker, NetworkServer
from simulators.running import publish_until, run_until_told
from simulators.scenarios import DEMO, BusPart, DevicePart, Scenario, load_scenario
from simulators.serial_lines import open_line
from simulators.signals import Street
from simulators.simulation import Simulation, Surroundings, read_ready, write_ready

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Serve simulated devices: real protocols, no hardware.",
)

MqttHost = Annotated[str, typer.Option(help="broker for devices that publish")]
MqttPort = Annotated[int, typer.Option(help="the broker's port")]
MqttUser = Annotated[str, typer.Option(help="user at the broker")]
MqttPasswordFile = Annotated[Path | None, typer.Option(help="file with the password at the broker")]
Seed = Annotated[int, typer.Option(help="another seed, another day on the same street")]
Period = Annotated[float, typer.Option(min=0.05, help="seconds between two publications")]
LedgerFile = Annotated[
    Path | None, typer.Option(help="write every value served to this file, as JSON lines")
]


@app.command()
def demo(
    ready: Annotated[Path, typer.Option(help="written as JSON once everything listens")],
    mqtt_host: MqttHost = "127.0.0.1",
    mqtt_port: MqttPort = 1883,
    mqtt_user: MqttUser = "",
    mqtt_password_file: MqttPasswordFile = None,
    period: Period = 1.0,
    seed: Seed = 0,
    ledger: LedgerFile = None,
    scenario: Annotated[Path, typer.Option(help="another scenario than the demo's")] = DEMO,
) -> None:
    """Serve the demo's ten devices on free ports of 127.0.0.1, until SIGTERM or Ctrl-C.

    A ready file that is there already is from an earlier run: its ports are taken again.
    """
    broker = _broker(mqtt_host, mqtt_port, mqtt_user, mqtt_password_file)
    simulation, book = _simulation(load_scenario(scenario), ledger, seed, period)
    ports = simulation.ports_of(read_ready(ready))

    async def serve(stop: asyncio.Event) -> None:
        await simulation.listen(ports)
        server = NetworkServer(broker, say=typer.echo)

        def announce() -> None:
            write_ready(ready, simulation.records())
            typer.echo(f"{len(simulation.records())} devices are up: {ready}")

        await publish_until(stop, simulation, server, announce)

    run_until_told(serve, simulation, book)


@app.command()
def device(
    profile: Annotated[str, typer.Argument(help="e.g. noise/rs485-sound, or a profile's file")],
    port: Annotated[int, typer.Option(help="TCP port to serve Modbus on; 0: any free one")] = 0,
    unit_id: Annotated[int, typer.Option(min=0, max=255, help="Modbus unit id")] = 1,
    framing: Annotated[Framing, typer.Option(help="Modbus framing on TCP")] = Framing.TCP,
    serial: Annotated[
        str, typer.Option(help="serve RTU on this serial line instead; `pty` makes a new one")
    ] = "",
    latency_ms: Annotated[float, typer.Option(min=0, help="until it answers")] = 5.0,
    address: Annotated[str, typer.Option(help="an MQTT device's id")] = "24e124713c100001",
    mqtt_host: MqttHost = "127.0.0.1",
    mqtt_port: MqttPort = 1883,
    mqtt_user: MqttUser = "",
    mqtt_password_file: MqttPasswordFile = None,
    centre: Annotated[
        str, typer.Option(help="host:port that an HJ 212 station dials")
    ] = "127.0.0.1:9212",
    mn: Annotated[str, typer.Option(help="an HJ 212 station's MN")] = "010000A8900016F000169DC0",
    password: Annotated[  # the standard's example, and what most stations ship with
        str, typer.Option(help="an HJ 212 station's PW")
    ] = "123456",  # noqa: S107
    minutes: Annotated[
        float, typer.Option(min=1, help="seconds between two minute reports (2051) of HJ 212")
    ] = 60.0,
    period: Period = 10.0,
    seed: Seed = 0,
    ledger: LedgerFile = None,
) -> None:
    """Serve a Modbus device of the catalogue, publish an MQTT one, dial out as an HJ 212 one."""
    protocol = load_profile(profile).protocol
    if protocol == "hj212":
        _dial_out(profile, centre, mn, password, period, minutes, seed, ledger)
        return
    modbus = protocol == "modbus"
    framing = Framing.RTU if serial else framing
    part = DevicePart(
        id="simulated",
        profile=profile,
        bus="bus" if modbus else "",
        unit_id=unit_id,
        address="" if modbus else address,
    )
    bus = BusPart(framing=framing, latency_ms=latency_ms)
    scenario = Scenario(buses={"bus": bus} if modbus else {}, devices=(part,))
    broker = _broker(mqtt_host, mqtt_port, mqtt_user, mqtt_password_file)
    simulation, book = _simulation(scenario, ledger, seed, period)

    async def serve(stop: asyncio.Event) -> None:
        if serial:
            line = open_line(serial)
            simulation.serve_serial("bus", line.fd, line.path)
            typer.echo(f"{profile}: unit id {unit_id}, RTU on {line.path}")
        elif modbus:
            await simulation.listen({"bus": port})
            record = simulation.records()[0]
            typer.echo(f"{profile}: unit id {unit_id}, {framing} framing, port {record.port}")
        server = NetworkServer(broker, say=typer.echo)

        def announce() -> None:
            if not modbus:
                typer.echo(f"{profile}: publishes as {address} at {broker}")

        await publish_until(stop, simulation, server, announce)

    run_until_told(serve, simulation, book)


def _dial_out(
    name: str,
    centre: str,
    mn: str,
    password: str,
    period_s: float,
    minutes_s: float,
    seed: int,
    ledger: Path | None,
) -> None:
    """Be an HJ 212 station until told to end."""
    host, colon, port = centre.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"--centre {centre}: expected host:port, e.g. 127.0.0.1:9212")
    if period_s < 1:
        raise ConfigError(f"--period {period_s}: HJ 212 tells whole seconds; 1 is the least")
    profile = load_profile(name)
    simulation, book = _simulation(Scenario(devices=()), ledger, seed, period_s)
    station = Hj212Station(
        Sensor(profile=profile, street=Street(device="simulated", seed=seed)),
        who=Identity(
            mn=mn, password=password, system=profile.hj212.system if profile.hj212 else ""
        ),
        host=host,
        port=int(port),
        habits=Habits(real_time_s=period_s, minutes_s=minutes_s),
        clock=SystemClock(),
        timeline=Timeline(),
        ledger=book,
        say=typer.echo,
    )

    async def serve(stop: asyncio.Event) -> None:
        typer.echo(f"{name}: dials {centre} as {mn}")
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(station.run(), name="station")
            await stop.wait()
            running.cancel()

    run_until_told(serve, simulation, book)


def _broker(host: str, port: int, user: str, password_file: Path | None) -> Broker:
    password = ""
    if password_file is not None:
        try:
            password = password_file.read_text().strip()
        except OSError as error:
            raise ConfigError(f"--mqtt-password-file {password_file}: {error.strerror}") from error
    return Broker(host=host, port=port, user=user, password=password)


def _simulation(
    scenario: Scenario, ledger: Path | None, seed: int, period_s: float
) -> tuple[Simulation, Ledger]:
    book = Ledger(ledger)
    around = Surroundings(
        profiles=load_profile, clock=SystemClock(), ledger=book, seed=seed, period_s=period_s
    )
    return Simulation(scenario, around), book
