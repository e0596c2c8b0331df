"""`gridwarden alerts list|shelve|maintenance|…`: what people do with alerts, at the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
import typer

from cloud import alert_desk, alerts, hold_rows
from cloud import app as build
from cloud.alert_desk import Person, Plan
from cloud.config import CloudConfig, load
from cloud.core.alert_policy import HOUR_S
from cloud.core.holds import Hold
from cloud.core.isa_18_2 import State
from cloud.core.model import Role
from cloud.errors import InvalidError
from cloud.inbox_cli import who
from cloud.state.migrate import require_current
from contract.clock import SystemClock

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="The alert's id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is in the history.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]
Device = Annotated[str, typer.Option("--device", help="Only this device.")]
Rule = Annotated[str, typer.Option("--rule", help="Only this rule.")]
Gateway = Annotated[str, typer.Option("--gateway", help="This gateway and all its devices.")]
Tag = Annotated[str, typer.Option("--tag", help="A tag with its value, as site=east.")]


def list_alerts(
    config_file: ConfigFile,
    states: Annotated[
        list[State] | None, typer.Option("--state", help="Only these; none: every open one.")
    ] = None,
    device: Device = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List alerts, the latest begun first."""
    wanted = states or [state for state in State if state is not State.NORM]
    with _reading(config_file) as (config, connection):
        found = alerts.list_alerts(connection, states=wanted, device=device, limit=limit).alerts
    if as_json:
        typer.echo(msgspec.json.encode({"items": found}).decode())
        return
    typer.echo(f"{'alert':<22}{'state':<7}{'severity':<10}{'device':<22}{'began':<21}what")
    for each in found:
        typer.echo(
            f"{each.id:<22}{each.state:<7}{each.severity:<10}{each.device:<22}"
            f"{_local(each.began_ms, config.zone):<21}{each.title_en} ({each.rule})"
        )


def acknowledge(
    config_file: ConfigFile,
    alert: AlertId,
    note: Annotated[str, typer.Option(help="For the alert's history.")] = "",
) -> None:
    """Record that a person has seen an alert."""
    with _acting(config_file) as (_, connection, by):
        changed = alerts.acknowledge(connection, alert, by.name, by.at_ms, note)
    typer.echo(f"{alert} is {changed.state}")


def shelve(
    config_file: ConfigFile,
    alert: AlertId,
    reason: Reason,
    hours: Annotated[float, typer.Option(help="For how long.")],
) -> None:
    """Shelve an alert for a time; what still holds then is raised."""
    with _acting(config_file) as (config, connection, by):
        rules, policy = build.rules_in_force(config, connection).by_id, config.alerts.policy
        changed = alert_desk.shelve(connection, alert, reason, hours * HOUR_S, by, rules, policy)
    typer.echo(f"{alert} is {changed.state}")


def unshelve(config_file: ConfigFile, alert: AlertId) -> None:
    """End a shelving before its time."""
    with _acting(config_file) as (config, connection, by):
        rules, policy = build.rules_in_force(config, connection).by_id, config.alerts.policy
        changed = alert_desk.unshelve(connection, alert, by, rules, policy)
    typer.echo(f"{alert} is {changed.state}")


def maintenance(
    config_file: ConfigFile,
    reason: Reason,
    hours: Annotated[float, typer.Option(help="How long the window is.")],
    begins: Annotated[
        str, typer.Option("--from", help="RFC 3339 with offset; left out: now.")
    ] = "",
    device: Device = "",
    rule: Rule = "",
    gateway: Gateway = "",
    tag: Tag = "",
) -> None:
    """Plan a maintenance window, by device, rule, gateway or tag; all that is named must fit."""
    with _acting(config_file) as (config, connection, by):
        from_ms = _moment(begins) if begins else by.at_ms
        name, _, value = tag.partition("=")
        plan = Plan(
            device=device,
            rule=rule,
            gateway=gateway,
            tag=name,
            tag_value=value,
            from_ms=from_ms,
            until_ms=from_ms + round(hours * HOUR_S * 1000),
            reason=reason,
        )
        hold = alert_desk.plan(connection, plan, by, build.rules_in_force(config, connection).by_id)
    typer.echo(f"{hold.id}: {_words(hold, config.zone)}")


def out_of_service(
    config_file: ConfigFile,
    reason: Reason,
    device: Device = "",
    rule: Rule = "",
    gateway: Gateway = "",
    tag: Tag = "",
) -> None:
    """Take something out of service until `end` puts it back."""
    with _acting(config_file) as (config, connection, by):
        name, _, value = tag.partition("=")
        plan = Plan(
            device=device,
            rule=rule,
            gateway=gateway,
            tag=name,
            tag_value=value,
            from_ms=by.at_ms,
            until_ms=None,
            reason=reason,
        )
        hold = alert_desk.plan(connection, plan, by, build.rules_in_force(config, connection).by_id)
    typer.echo(f"{hold.id}: {_words(hold, config.zone)}")


def holds(
    config_file: ConfigFile,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    as_json: Json = False,
) -> None:
    """List what holds alerts: windows, out of service, shelving, gateways that are away."""
    with _reading(config_file) as (config, connection):
        found = hold_rows.page(connection, ended=None if everything else False, limit=500).holds
    if as_json:
        typer.echo(msgspec.json.encode({"items": found}).decode())
        return
    for hold in found:
        typer.echo(f"{hold.id}  {_words(hold, config.zone)}")


def end(
    config_file: ConfigFile, hold: Annotated[str, typer.Argument(metavar="HOLD", help="Its id.")]
) -> None:
    """End a hold now, or call off one that is planned; what still holds is raised."""
    with _acting(config_file) as (config, connection, by):
        rules, policy = build.rules_in_force(config, connection).by_id, config.alerts.policy
        ended = alert_desk.end_hold(connection, hold, by, rules, policy)
    typer.echo(f"{hold} has ended: {alert_desk.scope(ended)}")


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_alerts,
    "acknowledge": acknowledge,
    "shelve": shelve,
    "unshelve": unshelve,
    "maintenance": maintenance,
    "out-of-service": out_of_service,
    "holds": holds,
    "end": end,
}


def register(app: typer.Typer) -> None:
    """Give the group these commands."""
    for name, command in COMMANDS.items():
        app.command(name)(command)


@contextmanager
def _reading(config_file: Path) -> Iterator[tuple[CloudConfig, sa.Connection]]:
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        yield config, connection


@contextmanager
def _acting(config_file: Path) -> Iterator[tuple[CloudConfig, sa.Connection, Person]]:
    """Whoever has the machine may do everything, and is named in the audit."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    by = Person(name=who(), role=Role.ADMIN, at_ms=SystemClock().now_ms())
    with database.write() as connection:
        yield config, connection, by


def _words(hold: Hold, zone: ZoneInfo) -> str:
    until = _local(hold.until_ms, zone) if hold.until_ms else "it is put back"
    begun = "" if hold.begun or hold.ended_ms else ", not begun"
    ended = f", ended {_local(hold.ended_ms, zone)}" if hold.ended_ms else ""
    return (
        f"{hold.kind} of {alert_desk.scope(hold)} from {_local(hold.from_ms, zone)} until {until}"
        f"{begun}{ended}: {hold.reason} ({hold.made_by or 'by itself'})"
    )


def _local(at_ms: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%Y-%m-%d %H:%M:%S}"


def _moment(said: str) -> int:
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidError(f"--from {said!r} is no moment; allowed: 2026-11-24T09:00:00+08:00")
    return round(at.timestamp() * 1000)
