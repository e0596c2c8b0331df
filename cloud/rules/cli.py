"""`gridwarden rules`: which there are, what they say, which apply, and whether a file is right."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud.backtest_cli import backtest
from cloud.calendar_files import calendar_paths, load_calendars
from cloud.core.checks import Check
from cloud.core.rules import Rule
from cloud.rules.change_cli import apply, history, show, withdraw
from cloud.rules.explain_cli import explain
from cloud.rules.loader import PRESETS, load_file, load_rules, preset_names
from cloud.rules.tables import aligned
from cloud.rules.warnings import warnings
from contract.clock import SystemClock

app = typer.Typer(no_args_is_help=True, help="List, check, explain, try and change alert rules.")
app.command()(backtest)
app.command()(explain)
app.command()(apply)
app.command()(history)
app.command()(withdraw)
app.command()(withdraw)
app.command()(show)

COLUMNS = (
    "RULE",
    "WHEN",
    "DEVICES",
    "CHECK",
    "LIMIT",
    "SEVERITY",
    "CATEGORY",
    "MARK",
    "EFFECTIVE",
    "SOURCE",
)
Json = Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")]


@app.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Rules files; none: all shipped presets."),
    ] = None,
    calendar: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Holidays: a file, or a shipped one's name."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check rules files and show their rules; exit 2 with every problem if one is wrong."""
    presets = [] if files else preset_names()
    holidays = load_calendars(calendar_paths(calendar or [], Path()))
    found = load_rules(presets, files or [], {}, _today(), holidays)
    doubtful = warnings(found.rules, _today())
    for line in table(found.rules):
        typer.echo(line)
    for line in doubtful:
        typer.echo(f"warning: {line}", err=True)
    if as_json:
        told = {
            "rules": len(found.rules),
            "fingerprint": found.fingerprint,
            "warnings": doubtful,
        }
        typer.echo(_json(told))
    else:
        so = f"with {len(doubtful)} warnings" if doubtful else "all right"
        typer.echo(f"{len(found.rules)} rules, {so}")


@app.command(name="list")
def list_(
    presets: Annotated[
        list[str] | None, typer.Argument(metavar="[PRESET]...", help="Show these presets' rules.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the presets that are shipped, or the rules of some of them."""
    if presets:
        rules = load_rules(presets, [], {}, _today()).rules
        for line in table(rules):
            typer.echo(line)
        if as_json:
            typer.echo(_json({"rules": [rule.id for rule in rules]}))
        return
    counts = {name: len(load_file(PRESETS / f"{name}.yaml")) for name in preset_names()}
    for name, count in counts.items():
        typer.echo(f"{name:<22}{count:>4} rules")
    if as_json:
        typer.echo(_json({"presets": counts}))


def table(rules: Iterable[Rule]) -> list[str]:
    """Return the rules as lines of aligned columns."""
    return aligned([COLUMNS, *map(_row, rules)])


def _row(rule: Rule) -> tuple[str, ...]:
    sign = {"above": ">", "below": "<"}[rule.direction.value]
    measured = "/".join(rule.measurements) or "everything"
    limits = "/".join(f"{level.limit:g}" for level in rule.levels)
    until = f"..{rule.until}" if rule.until else ""
    return (
        rule.id,
        _when(rule),
        _devices(rule),
        _check(rule.check),
        f"{measured} {sign} {limits} {rule.unit}".rstrip(),
        "/".join(level.severity.value for level in rule.levels),
        rule.category or "-",
        rule.mark.value,
        f"{rule.effective}{until}",
        rule.source,
    )


def _when(rule: Rule) -> str:
    if rule.times is None:
        return rule.schedule.value
    hours = (f"{begins:%H:%M}-{ends:%H:%M}" for begins, ends in rule.times.hours)
    own = ",".join([*rule.times.days, *hours])
    return " ".join(word for word in (rule.schedule.value, own) if word)


def _devices(rule: Rule) -> str:
    """Return which are named, by themselves or by site; "-" for none in particular."""
    return ",".join([*rule.devices, *(f"site={site}" for site in rule.sites)]) or "-"


def _check(check: Check) -> str:
    """Return its type and what it says otherwise than by default."""
    said = msgspec.to_builtins(check)
    kind = said.pop("type")
    defaults = {each.name: each.default for each in msgspec.structs.fields(check)}
    words = [f"{key}={_word(value)}" for key, value in said.items() if value != defaults[key]]
    return " ".join([kind, *words])


def _word(value: object) -> str:
    match value:
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ",".join(_word(each) for each in value)
        case dict():
            return ";".join(f"{key}:{_word(each)}" for key, each in value.items())
        case _:
            return str(value)


def _today() -> date:
    """Rules that ended long ago are left out; for that, UTC's date will do."""
    return datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).date()


def _json(what: object) -> str:
    return msgspec.json.encode(what).decode()
