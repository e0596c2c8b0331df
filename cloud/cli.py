"""`gridwarden cloud`: prepare, run, add people, count."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import app as build
from cloud import backup_cli, inbox_cli
from cloud.commands_cli import command, gateway
from cloud.completeness_cli import completeness
from cloud.config import load
from cloud.core.case_roles import spell_roles
from cloud.core.model import Role
from cloud.figures import Figures, figures
from cloud.series import cli as series
from cloud.state import ledger, registry
from cloud.state.database import two_processes_may_write
from cloud.state.migrate import require_current
from cloud.web.accounts import create_account, set_case_roles
from contract.clock import SystemClock
from contract.log_lines import LineFormatter
from contract.secret_files import read_secret

app = typer.Typer(no_args_is_help=True, help="Run intake and web, add accounts, count readings.")
user = typer.Typer(no_args_is_help=True, help="Accounts of the API and the console.")
app.command()(backup_cli.backup)
app.command()(backup_cli.restore)
app.add_typer(user, name="user")
app.add_typer(series.app, name="series")
app.add_typer(inbox_cli.app, name="inbox")
app.command()(completeness)
app.add_typer(command, name="command")
app.add_typer(gateway, name="gateway")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
PasswordFile = Annotated[Path, typer.Option(help="A file of mode 0600 that holds the password.")]


@app.callback()
def _log() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


@app.command()
def init(
    config_file: ConfigFile,
    admin_password_file: Annotated[
        Path | None, typer.Option(help="Make the account `admin` with the password in this file.")
    ] = None,
) -> None:
    """Make the data folder, bring the state database to this version; safe to run again."""
    config = load(config_file)
    build.rules(config)
    password = read_secret(admin_password_file) if admin_password_file else None
    database = build.initialise(config)
    if password is not None:
        with database.write() as connection:
            create_account(connection, "admin", password, Role.ADMIN, now_ms=SystemClock().now_ms())
    typer.echo(f"ready: {config.database_url}")


@app.command()
def check(config_file: ConfigFile) -> None:
    """Check the configuration and every file it names; nothing is started or written."""
    for line in build.check(load(config_file)):
        typer.echo(line)
    typer.echo(f"{config_file}: ok")


@app.command()
def intake(config_file: ConfigFile) -> None:
    """Take in readings, raise alerts, open cases; until SIGTERM or Ctrl-C."""
    reloads = build.reload_on_hangup(config_file)
    build.run_intake(load(config_file), build.stop_on_signals(), reloads)


@app.command()
def web(config_file: ConfigFile) -> None:
    """Serve the API and the console; until SIGTERM or Ctrl-C."""
    build.run_web(load(config_file))


@app.command()
def run(config_file: ConfigFile) -> None:
    """Run intake and web together, as two processes; until SIGTERM or Ctrl-C."""
    config = load(config_file)
    build.rules(config)
    if not two_processes_may_write(config.database_url):
        typer.echo("SQLite here is older than 3.51.3: intake and web run as one process", err=True)
        build.run_as_one(config, build.reload_on_hangup(config_file))
        return
    stop = build.stop_on_signals()
    commands = [
        [sys.executable, "-m", "gridwarden", "cloud", word, str(config_file)]
        for word in ("intake", "web")
    ]
    _run_all(commands, stop, build.reload_on_hangup(config_file).asked)


@app.command()
def count(
    config_file: ConfigFile,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """Count what is stored, what alerts and cases it led to, and how fast."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    found = figures(database, build.store(config, database))
    typer.echo(msgspec.json.encode(found).decode() if as_json else _table(found))


@app.command()
def move(
    config_file: ConfigFile,
    device: Annotated[str, typer.Argument(help="The device's id.")],
    gateway: Annotated[str, typer.Argument(help="The gateway it belongs to from now on.")],
) -> None:
    """Give a device to another gateway; effective at that gateway's next connection."""
    database = build.open_database(load(config_file))
    with database.write() as connection:
        before = registry.move(connection, device, gateway)
        ledger.audit(
            connection,
            who="cli",
            action="device.moved",
            subject=device,
            note=f"from {before} to {gateway}",
            at_ms=SystemClock().now_ms(),
        )
    typer.echo(f"{device} belonged to {before}, and belongs to {gateway} now")


@user.command("add")
def user_add(
    config_file: ConfigFile,
    name: Annotated[str, typer.Argument(help="a-z, 0-9, dot, _ and -")],
    password_file: PasswordFile,
    role: Annotated[Role, typer.Option(help="What the account may do.")] = Role.VIEWER,
) -> None:
    """Add an account."""
    database = build.open_database(load(config_file))
    with database.write() as connection:
        create_account(
            connection, name, read_secret(password_file), role, now_ms=SystemClock().now_ms()
        )
    typer.echo(f"added {name} ({role})")


@user.command("case-roles")
def user_case_roles(
    config_file: ConfigFile,
    name: Annotated[str, typer.Argument(help="The account.")],
    roles: Annotated[
        str, typer.Option(help="collector,acceptor,dispatcher,handler,verifier,manager: some.")
    ] = "",
    unit: Annotated[str, typer.Option(help="The handling unit it belongs to.")] = "",
) -> None:
    """Say what an account may do in cases; without --roles what its own role may."""
    database = build.open_database(load(config_file))
    with database.write() as connection:
        now_ms = SystemClock().now_ms()
        found = set_case_roles(connection, name, roles, unit, now_ms=now_ms)
    told = spell_roles(found.actor.roles) or "nothing"
    typer.echo(f"{name} may do in cases: {told}" + (f" (of {unit})" if unit else ""))


def _run_all(commands: list[list[str]], stop: threading.Event, hung_up: threading.Event) -> None:
    """Run processes until told to stop, or until one of them ends; then end all.

    hung_up: SIGHUP came; the first of them is told.
    """
    running = [subprocess.Popen(command) for command in commands]  # noqa: S603  our own program
    try:
        while not stop.wait(0.2):
            if hung_up.is_set():
                hung_up.clear()
                running[0].send_signal(signal.SIGHUP)
            ended = [process for process in running if process.poll() is not None]
            if ended:
                raise typer.Exit(code=ended[0].returncode or 1)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def _table(found: Figures) -> str:
    rows = [f"stored {found.stored} readings, {found.duplicates} of them twice", ""]
    rows.append(f"{'kind':<10}{'alerts':>8}{'returned':>10}{'cases':>8}")
    rows += [
        f"{kind:<10}{found.alerts[kind]:>8}{found.returned[kind]:>10}{found.cases[kind]:>8}"
        for kind in found.alerts
    ]
    rows += [
        "",
        f"sensor to alert: p50 {found.sensor_to_alert_ms.p50} ms,"
        f" p99 {found.sensor_to_alert_ms.p99} ms",
    ]
    return "\n".join(rows)
