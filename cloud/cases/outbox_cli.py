"""`gridwarden cases outbox`: what other case systems were not told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import app as build
from cloud.cases import deliveries, others
from cloud.cases.reconcile import reconcile
from cloud.config import CloudConfig, load
from cloud.inbox_cli import who
from cloud.state.database import Database
from cloud.state.migrate import require_current
from contract.clock import SystemClock
from contract.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="What other case systems were not told.")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
DeliveryId = Annotated[int, typer.Argument(metavar="DELIVERY", help="Its number in the list.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]
DAY_MS = 86_400_000


@app.command("list")
def list_unfinished(config_file: ConfigFile, as_json: AsJson = False) -> None:
    """List what was refused or has failed, and how much there is of each state."""
    config, database = _opened(config_file)
    with database.read() as connection:
        counts = deliveries.counts(connection)
        found = deliveries.unfinished(connection)
    if as_json:
        rows = [
            {"system": s, "state": state.value, "deliveries": n} for (s, state), n in counts.items()
        ]
        typer.echo(msgspec.json.encode({"systems": rows, "items": found}).decode())
        return
    for (system, state), number in sorted(counts.items()):
        typer.echo(f"{system:<20}{state.value:<10}{number:>9}")
    for each in found:
        since = datetime.fromtimestamp(each.created_ms / 1000, config.zone)
        typer.echo(
            f"{each.id:>7}  {each.system:<14}{each.case:<17}{each.message.step:<12}"
            f"{each.state.value:<9}{each.attempts:>4} times since {since:%Y-%m-%d %H:%M}"
            f"  {each.error}"
        )


@app.command()
def retry(config_file: ConfigFile, delivery: DeliveryId) -> None:
    """Have it told at once, whatever it waits for."""
    _, database = _opened(config_file)
    with database.write() as connection:
        found = deliveries.retry(connection, delivery, who(), SystemClock().now_ms())
    typer.echo(f"{found.system} will be told {found.message.step!r} of case {found.case} again")


@app.command("give-up")
def give_up(
    config_file: ConfigFile,
    delivery: DeliveryId,
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
) -> None:
    """Tell it nothing of this step; of the whole case, if it does not know it yet."""
    _, database = _opened(config_file)
    with database.write() as connection:
        given = deliveries.give_up(connection, delivery, who(), reason, SystemClock().now_ms())
    for each in given:
        typer.echo(f"{each.system} is not told {each.message.step!r} of case {each.case}")


@app.command("reconcile")
def reconcile_system(
    config_file: ConfigFile,
    system: Annotated[str, typer.Argument(help="Its name in case_systems.")],
    days: Annotated[int, typer.Option(min=1, max=3_660, help="Cases opened in so many days.")] = 30,
    repair: Annotated[
        bool, typer.Option("--repair", help="Do what can be done from here.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare our cases with what another system has; exits with 1 if something is left to do."""
    config, database = _opened(config_file)
    settings = config.case_systems.get(system)
    if settings is None:
        known = ", ".join(config.case_systems) or "none is configured"
        raise ConfigError(f"case_systems: there is no {system!r}; allowed: {known}")
    clock = SystemClock()
    now_ms = clock.now_ms()
    other = others.build(settings, clock)
    found = reconcile(database, system, other, now_ms - days * DAY_MS, now_ms, repair=repair)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        for each in found.differences:
            done = f"; {each.repaired}" if each.repaired else ""
            typer.echo(f"{each.case}  {each.kind.value}  {each.remote}{done}")
        asked = "" if found.asked else "; it cannot be asked what it has"
        typer.echo(f"{found.cases} cases, {len(found.differences)} differences{asked}")
    if any(not each.repaired for each in found.differences):
        raise typer.Exit(code=1)


def _opened(config_file: Path) -> tuple[CloudConfig, Database]:
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    return config, database
