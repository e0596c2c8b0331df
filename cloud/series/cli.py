"""`gridwarden cloud series`: what measurements come to, and readings as files."""

from __future__ import annotations

import sys
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from cloud.config import load
from cloud.core.schedule import DayHours
from cloud.core.statistics import Statistics
from cloud.series import export as exporting
from cloud.series import importing, upkeep_cli
from cloud.series.export import FORMATS, Piece
from cloud.series.importing import READERS
from cloud.series.rollup_list import make_anew
from cloud.series.summaries import find, summarise
from cloud.state.migrate import require_current
from contract.clock import SystemClock, iso_utc, parse_iso
from contract.errors import ConfigError
from contract.quality import to_letters
from contract.quantities import unit_of

app = typer.Typer(no_args_is_help=True, help="Statistics, export, import, check of readings.")
app.command()(upkeep_cli.check)
app.command()(upkeep_cli.retain)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
_TIME = "RFC 3339 with offset, or a date: its local midnight."
From = Annotated[str, typer.Option("--from", help=f"The first moment: {_TIME}")]
To = Annotated[str, typer.Option("--to", help=f"The moment after the last one: {_TIME}")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]


@app.command()
def stats(
    config_file: ConfigFile,
    device: Annotated[str, typer.Argument(help="The device's id.")],
    measurement: Annotated[str, typer.Argument(help="E.g. noise_laeq.")],
    begin: From,
    end: To,
    limit: Annotated[float | None, typer.Option(help="Count the minutes above this.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Tell what a measurement comes to: LAeq, LN, Ld, Ln, Ldn; or mean, extremes, percentiles."""
    from cloud import app as build

    config = load(config_file)
    from_ms, to_ms = _moments(begin, end, config.zone)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        subject = find(connection, device, measurement)
    try:
        found = summarise(
            build.store(config, database),
            subject,
            from_ms,
            to_ms,
            zone=config.zone,
            hours=DayHours(),
            limit=limit,
        )
    except ValueError as error:
        raise ConfigError(f"--from, --to: {error}") from error
    head = f"{device} {measurement} ({unit_of(measurement)})"
    head += f" from {iso_utc(from_ms)} to {iso_utc(to_ms)}"
    typer.echo(msgspec.json.encode(found).decode() if as_json else f"{head}\n{_table(found)}")


@app.command()
def export(
    config_file: ConfigFile,
    begin: From,
    end: To,
    out: Annotated[Path, typer.Option(help="The file; it is replaced when the new one is whole.")],
    form: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}; else by the file's name.")
    ] = "",
    device: Annotated[list[str] | None, typer.Option(help="Only these; else all.")] = None,
    measurement: Annotated[list[str] | None, typer.Option(help="Only these; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write readings to a CSV, Parquet or Arrow file; progress is told on stderr."""
    from cloud import app as build

    word = form or out.suffix.removeprefix(".")
    if word not in FORMATS:
        raise ConfigError(f"--format: unknown format {word!r}; allowed: {', '.join(FORMATS)}")
    config = load(config_file)
    from_ms, to_ms = _moments(begin, end, config.zone)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        names = exporting.choose(connection, device or (), measurement or ())
    store = build.store(config, database)

    def tell(piece: Piece) -> None:
        percent = 100 * (piece.upto_ms - from_ms) // (to_ms - from_ms)
        sys.stderr.write(f"\r{percent:3d} %  {piece.readings:,} readings")
        sys.stderr.flush()

    pieces = exporting.stream(store, names, from_ms, to_ms, FORMATS[word])
    try:
        readings = exporting.to_file(pieces, out, tell)
    finally:
        sys.stderr.write("\n")
    told = {"file": str(out), "readings": readings}
    typer.echo(_json(told) if as_json else f"{readings} readings in {out}")


@app.command("import")
def import_(
    config_file: ConfigFile,
    file: Annotated[Path, typer.Argument(help="A CSV, Parquet or Arrow file as export writes.")],
    form: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(READERS)}; else by the file's name.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Store a file's readings, those that are not stored yet; intake must not run meanwhile."""
    from cloud import app as build

    word = form or file.suffix.removeprefix(".")
    if word not in READERS:
        raise ConfigError(f"--format: unknown format {word!r}; allowed: {', '.join(READERS)}")
    config = load(config_file)
    now_ms = SystemClock().now_ms()
    readings = sum(len(part.columns) for part in importing.parts(file, word, now_ms))

    def tell(done: int) -> None:
        sys.stderr.write(f"\r{100 * done // max(1, readings):3d} %  {done:,} readings")
        sys.stderr.flush()

    try:
        found = build.bring_in(config, importing.parts(file, word, now_ms), tell)
    finally:
        sys.stderr.write("\n")
    typer.echo(
        msgspec.json.encode(found).decode()
        if as_json
        else f"{found.readings} readings stored, {found.there} were there already"
    )
    if found.conflicts:
        sys.stderr.write(f"{found.conflicts} are stored with another value, and were left out\n")
        raise typer.Exit(1)


@app.command()
def roll(config_file: ConfigFile, begin: From, end: To, as_json: AsJson = False) -> None:
    """Have the rollups of a stretch made anew from its readings; intake does it when it runs."""
    from cloud import app as build

    config = load(config_file)
    from_ms, to_ms = _moments(begin, end, config.zone)
    database = build.open_database(config)
    require_current(database)
    with database.write() as connection:
        days = make_anew(connection, from_ms, to_ms)
    told = f"{len(days)} days of UTC will be rolled up anew: {days[0]} to {days[-1]}"
    typer.echo(_json({"days": days}) if as_json else told)


def _json(told: object) -> str:
    return msgspec.json.encode(told).decode()


def _moments(begin: str, end: str, zone: ZoneInfo) -> tuple[int, int]:
    """Read --from and --to. Raises: ConfigError with both problems."""
    problems: list[str] = []
    found: list[int] = []
    for option, text in (("--from", begin), ("--to", end)):
        try:
            found.append(moment(text, zone))
        except ValueError as error:
            problems.append(f"{option}: {error}")
    if not problems and found[0] >= found[1]:
        problems.append(f"--from: {begin} must lie before --to {end}")
    if problems:
        raise ConfigError(*problems)
    return found[0], found[1]


def moment(text: str, zone: ZoneInfo) -> int:
    """Read a time with offset, or a date as its local midnight. Raises: ValueError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _instant(text)
    return round(datetime.combine(day, time(0), zone).timestamp() * 1000)


def _instant(text: str) -> int:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time; write 2026-11-22, or 2026-11-22T08:00:00+08:00"
        ) from None
    return parse_iso(text)


def _table(found: Statistics) -> str:
    due = "" if found.valid_rate is None else f" of {found.due} due ({found.valid_rate:.1%})"
    flags = to_letters(found.quality)
    rows = [f"{found.readings} readings{due}, {found.excluded} more do not count {flags}".rstrip()]
    rows += [
        f"  {each.name:<12}{'—' if each.value is None else f'{each.value:.3f}':>12}"
        f"{each.readings:>12}"
        for each in found.figures
    ]
    if found.exceedance:
        above = found.exceedance
        rows.append(f"  above {above.limit:g}: {above.minutes:.1f} min, {above.readings} readings")
    return "\n".join(rows)
