"""`gridwarden cloud series`: verify the files, and see what retention deletes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud.config import CloudConfig, load
from cloud.series import check as checking
from cloud.series import retention
from cloud.state.database import Database
from cloud.state.migrate import require_current
from contract.clock import SystemClock
from contract.errors import ConfigError

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """What retention deleted, or would: one line a file."""

    readings: int | None
    files: list[str]


def check(
    config_file: ConfigFile,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be; set aside what cannot.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify every file. Exit 0: all can be read; 1: something is wrong, or lost."""
    config, database = _opened(config_file)
    now_ms = SystemClock().now_ms()
    report = checking.check(database, config.data / "lake", repair=repair, now_ms=now_ms)
    typer.echo(msgspec.json.encode(report).decode() if as_json else _told(report, repair=repair))
    if not report.whole:
        raise typer.Exit(code=1)


def retain(
    config_file: ConfigFile,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what series.retention says is past its time; intake does so by itself."""
    from cloud import app as build

    config, database = _opened(config_file)
    now_ms = SystemClock().now_ms()
    due = retention.due(database, build.raw_retention(config), now_ms)
    gone = None
    if not dry_run:
        folder = config.data / "lake"
        gone = sum(retention.expire(database, folder, each, "cli", now_ms) for each in due)
    if as_json:
        done = Retained(readings=gone, files=[str(each) for each in due])
        typer.echo(msgspec.json.encode(done).decode())
        return
    for each in due:
        typer.echo(f"{'would delete' if dry_run else 'deleted'} {each}")
    typer.echo("nothing is past its time" if not due else f"{len(due)} files")


def _opened(config_file: Path) -> tuple[CloudConfig, Database]:
    from cloud import app as build

    config = load(config_file)
    if config.series.store != "lake":
        raise ConfigError(f"series.store is {config.series.store}: this command is for lake files")
    database = build.open_database(config)
    require_current(database)
    return config, database


def _told(report: checking.Report, *, repair: bool) -> str:
    lines = [
        f"{found.path}: {found.wrong}"
        + (f" ({found.done}, {found.missing} readings missing)" if repair else "")
        for found in report.findings
    ]
    lines.append(
        f"{report.files} files of {report.readings} readings, {report.blocks} blocks:"
        f" {len(report.findings) or 'nothing'} wrong"
    )
    if report.strays:
        lines.append(f"{report.strays} files are in no list: intake removes them at its next start")
    if report.findings and not repair:
        lines.append("run again with --repair")
    return "\n".join(lines)
