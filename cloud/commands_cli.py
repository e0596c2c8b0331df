"""`gridwarden cloud command` and `gridwarden cloud gateway`: ask a gateway, and wait for it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import app as build
from cloud import commands
from cloud.config import CloudConfig, load
from cloud.core.commanding import State
from cloud.inbox_cli import who
from cloud.keys import key_of, make_key
from contract.clock import SystemClock, iso_utc
from contract.commands import (
    Configure,
    ConfigureDone,
    Diagnose,
    DiagnoseDone,
    Read,
    ReadDone,
    Resend,
    ResendDone,
    What,
    Write,
    WriteDone,
)
from contract.errors import ConfigError

command = typer.Typer(no_args_is_help=True, help="Ask a gateway to do something, and wait for it.")
gateway = typer.Typer(no_args_is_help=True, help="What the cloud knows gateways by.")

LOOK_S = 0.2
UNSENT_S = 3.0
FAILED, REFUSED = 1, 2

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
Gateway = Annotated[str, typer.Argument(help="The gateway's id.")]
Within = Annotated[float, typer.Option(min=1, max=7_200, help="How long to wait for the answer.")]
GoodFor = Annotated[
    int, typer.Option(min=1, max=3_600, help="The gateway refuses what comes later than this.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]


@gateway.command("key")
def gateway_key(config_file: ConfigFile, name: Gateway) -> None:
    """Make a gateway's key; copy the file to the gateway, as its commands.key_file."""
    path = make_key(load(config_file).commands.keys, name)
    typer.echo(f"{path}: copy it to {name}, and say there: commands: {{key_file: command.key}}")


@command.command("read")
def read(
    config_file: ConfigFile,
    to: Gateway,
    device: Annotated[str, typer.Argument(help="The device's id.")],
    measurements: Annotated[list[str] | None, typer.Argument(help="These only.")] = None,
    within_s: Within = 60,
    good_for_s: GoodFor = commands.GOOD_FOR_S,
    as_json: AsJson = False,
) -> None:
    """Read a device now."""
    what = _checked(Read(device=device, measurements=tuple(measurements or ())))
    _ask(config_file, to, what, within_s, good_for_s, as_json=as_json)


@command.command("write")
def write(
    config_file: ConfigFile,
    to: Gateway,
    device: Annotated[str, typer.Argument(help="The device's id.")],
    point: Annotated[str, typer.Argument(help="One of the profile's writes.")],
    value: Annotated[str, typer.Argument(help="A number, or one of the names it lists.")],
    within_s: Within = 60,
    good_for_s: GoodFor = commands.GOOD_FOR_S,
    as_json: AsJson = False,
) -> None:
    """Write what the device's profile allows, and read it back."""
    what = _checked(Write(device=device, point=point, value=_number(value)))
    _ask(config_file, to, what, within_s, good_for_s, as_json=as_json)


@command.command("resend")
def resend(
    config_file: ConfigFile,
    to: Gateway,
    first_seq: Annotated[int, typer.Argument(min=1, help="The first batch's number.")],
    last_seq: Annotated[int, typer.Argument(min=1, help="The last one's; 500 at most.")],
    epoch: Annotated[str, typer.Option(help="The buffer's; by default the one that runs.")] = "",
    within_s: Within = 60,
    good_for_s: GoodFor = commands.GOOD_FOR_S,
    as_json: AsJson = False,
) -> None:
    """Have batches sent again, as far as the gateway holds them."""
    what = _checked(Resend(first_seq=first_seq, last_seq=last_seq, epoch=epoch))
    _ask(config_file, to, what, within_s, good_for_s, as_json=as_json)


@command.command("configure")
def configure(
    config_file: ConfigFile,
    to: Gateway,
    file: Annotated[Path, typer.Argument(help="The gateway's new YAML file.")],
    within_s: Within = 300,
    good_for_s: GoodFor = commands.GOOD_FOR_S,
    as_json: AsJson = False,
) -> None:
    """Have a gateway run another configuration, and keep it if it does well."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    _ask(config_file, to, _checked(Configure(yaml=text)), within_s, good_for_s, as_json=as_json)


@command.command("diagnose")
def diagnose(
    config_file: ConfigFile,
    to: Gateway,
    log_lines: Annotated[int, typer.Option(min=0, max=2_000, help="Of its log.")] = 200,
    within_s: Within = 60,
    good_for_s: GoodFor = commands.GOOD_FOR_S,
    as_json: AsJson = False,
) -> None:
    """Tell how things are at a gateway: its configuration, figures, problems, log; as JSON."""
    what = _checked(Diagnose(log_lines=log_lines))
    _ask(config_file, to, what, within_s, good_for_s, as_json=as_json)


def _checked(what: What) -> What:
    """Have the contract's bounds looked at now. Raises: ConfigError naming what is wrong."""
    try:
        checked: What = msgspec.convert(msgspec.to_builtins(what), What)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
    return checked


def _ask(
    config_file: Path, to: str, what: What, within_s: float, good_for_s: int, *, as_json: bool
) -> None:
    config = load(config_file)
    key_of(config.commands.keys, to)  # said now, not by intake
    found = _wait(config, to, what, within_s, good_for_s)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        typer.echo(_words(found))
    if found.state is not State.DONE:
        raise typer.Exit(code=REFUSED if found.state is State.REFUSED else FAILED)


def _wait(
    config: CloudConfig, to: str, what: What, within_s: float, good_for_s: int
) -> commands.Command:
    """Ask, and tell how it stands until that is final or time is up."""
    database = build.open_database(config)
    clock = SystemClock()
    with database.write() as connection:
        asked = commands.ask(
            connection,
            to,
            what,
            by=who(),
            now_ms=clock.now_ms(),
            good_for_s=good_for_s,
        )
    told, begun_s = "", clock.monotonic_s()
    try:
        while True:
            with database.read() as connection:
                found = commands.one(connection, to, asked)
            if found.state.final or clock.monotonic_s() >= begun_s + within_s:
                return found
            stands = how_it_stands(found.state, clock.monotonic_s() - begun_s)
            if told != stands:
                told = stands
                sys.stderr.write(f"{asked}: {stands}\n")
            time.sleep(LOOK_S)
    finally:
        database.close()


def how_it_stands(state: State, waited_s: float) -> str:
    """Say how a command stands. That nobody sends it is told only when intake had the time to."""
    if state is State.WAITING and waited_s > UNSENT_S:
        return "nobody has sent it yet; does `gridwarden cloud intake` run?"
    return _PROGRESS[state]


_PROGRESS = {
    State.WAITING: "waits for intake to send it",
    State.SENT: "sent; waiting for the gateway",
    State.ACCEPTED: "the gateway is at it",
}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _words(found: commands.Command) -> str:
    lines = [line for done in found.done for line in _lines(done)]
    if found.do == "diagnose" and found.state is State.DONE:
        return "".join(each.chunk for each in found.done if isinstance(each, DiagnoseDone))
    how = found.state if found.state.final else f"no answer yet ({found.state})"
    return "\n".join([f"{how}: {found.reason}" if found.reason else str(how), *lines])


def _lines(done: object) -> list[str]:
    match done:
        case ReadDone(readings=readings):
            return [
                f"{r.measurement:<24}{'–' if r.value is None else r.value:>12} {r.unit:<10}"
                f" {r.quality} {iso_utc(r.observed_ms)}"
                for r in readings
            ]
        case WriteDone(found=found, unit=unit, why=why):
            return [f"the device holds {found} {unit}".rstrip(), *([why] if why else [])]
        case ResendDone(epoch=epoch, held=held, gone=gone):
            return [f"epoch {epoch}", f"sent again: {_spans(held)}", f"not held: {_spans(gone)}"]
        case ConfigureDone(version=version, problems=problems, doubts=doubts):
            return [f"version {version} runs", *problems, *(f"look at {each}" for each in doubts)]
        case _:
            return []


def _spans(spans: tuple[tuple[int, int], ...]) -> str:
    return (
        ", ".join(f"{first}–{last}" if last > first else f"{first}" for first, last in spans)
        or "none"
    )
