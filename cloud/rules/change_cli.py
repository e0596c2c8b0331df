"""`gridwarden rules apply|withdraw|history|show`: changing rules while they run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from cloud import app as build
from cloud import applying, rule_sets
from cloud.applying import Wanted
from cloud.config import load
from cloud.core.rule_changes import RuleChange, field_changes
from cloud.inbox_cli import who
from cloud.rule_sets import StoredSet, StoredVersion
from cloud.rules.tables import aligned
from cloud.series.cli import moment
from cloud.standing_rules import local_date
from cloud.state.migrate import require_current
from contract.clock import SystemClock
from contract.errors import ConfigError

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]
COLUMNS = ("SET", "FROM", "STATE", "RULES ARE OF", "BY", "NOTE")


def apply(
    config_file: ConfigFile,
    rules_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RULES_FILE]",
            help="Rules that replace those of their id, or new; none: the configuration, anew.",
        ),
    ] = None,
    at: Annotated[
        str, typer.Option(help="From when on, 2026-12-01T00:00+08:00; left out: in seconds.")
    ] = "",
    note: Annotated[str, typer.Option(help="Why; it is in the history.")] = "",
    as_json: Json = False,
) -> None:
    """Change the rules of the running intake: all of it from one moment on, or nothing."""
    config, clock = load(config_file), SystemClock()
    source, on = build.rule_source(config), local_date(clock.now_ms(), config.zone)
    wanted = Wanted(
        by=who(),
        rules=source.changes_in(rules_file) if rules_file else None,
        files=None if rules_file else source.load(on),
        at_ms=_moment(at, config.zone) if at else None,
        note=note,
    )
    database = build.open_database(config)
    require_current(database)
    with database.write() as connection:
        applied = applying.apply(connection, wanted, clock.now_ms(), config.zone)
    if as_json:
        typer.echo(_json(applied))
        return
    for change in applied.changes:
        for line in _change(change):
            typer.echo(line)
    stored = applied.stored
    typer.echo(f"set {stored.number} in force from {_local(stored.effective_ms, config.zone)}")


def withdraw(
    config_file: ConfigFile,
    number: Annotated[int, typer.Argument(metavar="SET", help="As the history numbers it.")],
) -> None:
    """Withdraw what waits for a set's moment, before it comes."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    with database.write() as connection:
        one = applying.withdraw(connection, number, who(), SystemClock().now_ms())
    typer.echo(
        f"set {number} is withdrawn; it was to be from {_local(one.effective_ms, config.zone)}"
    )


def history(config_file: ConfigFile, as_json: Json = False) -> None:
    """List the sets of rules: which was in force from when on, what waits, who changed it."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        found = rule_sets.recorded(connection)
    if as_json:
        typer.echo(_json({"items": found}))
        return
    current = next((one.number for one in found if one.taken_ms is not None), 0)
    for line in aligned([COLUMNS, *(_row(one, current, config.zone) for one in found)]):
        typer.echo(line)


def show(
    config_file: ConfigFile,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id.")],
    version: Annotated[str, typer.Option(help="This one; left out: the newest.")] = "",
    as_json: Json = False,
) -> None:
    """Show what a version of a rule says, as an alert names it, and what it changed."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        known = rule_sets.versions(connection, rule)
        wanted = version or (known[0].rule.version if known else "")
        one = rule_sets.version_of(connection, rule, wanted)
    if as_json:
        names = [each.rule.version for each in known]
        typer.echo(_json({"rule": one.rule, "first_ms": one.first_ms, "versions": names}))
        return
    for key, value in msgspec.to_builtins(one.rule).items():
        if value not in (None, "", [], {}) and key != "beats":
            typer.echo(f"{key:<18}{_word(value)}")
    for line in _versions(known, config.zone):
        typer.echo(line)


def _versions(known: list[StoredVersion], zone: ZoneInfo) -> Iterator[str]:
    """Yield the versions, the newest first, each with what it changed of the one before."""
    for place, one in enumerate(known):
        yield f"version {one.rule.version} since {_local(one.first_ms, zone)}"
        if place + 1 < len(known):
            for field in field_changes(known[place + 1].rule, one.rule):
                yield f"  {field.field}: {_word(field.before)} → {_word(field.after)}"


def _change(change: RuleChange) -> Iterator[str]:
    versions = " → ".join(version for version in (change.before, change.after) if version)
    yield f"{change.what.value:<9}{change.rule}  {versions}"
    for field in change.fields:
        yield f"         {field.field}: {_word(field.before)} → {_word(field.after)}"


def _row(one: StoredSet, current: int, zone: ZoneInfo) -> tuple[str, ...]:
    if one.withdrawn_ms is not None:
        state = "withdrawn"
    else:
        state = "waits" if one.taken_ms is None else "in force" if one.number == current else "was"
    from_ = _local(one.effective_ms, zone)
    return str(one.number), from_, state, one.origin.value, one.by or "-", one.note or "-"


def _moment(text: str, zone: ZoneInfo) -> int:
    try:
        return moment(text, zone)
    except ValueError as error:
        raise ConfigError(f"--at: {error}") from error


def _local(at_ms: int, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return at.isoformat(sep=" ", timespec="seconds")


def _word(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(what: object) -> str:
    return msgspec.json.encode(what).decode()
