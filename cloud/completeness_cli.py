"""`gridwarden cloud completeness`: what was due, what arrived, what is missing, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import sqlalchemy as sa
import typer

from cloud import app as build
from cloud.completeness import Report, midnight_ms, report
from cloud.config import load
from cloud.core.completeness import Part
from cloud.core.topology import OWN_KINDS
from cloud.state import schema
from cloud.state.migrate import require_current
from contract.clock import SystemClock, parse_iso
from contract.errors import ConfigError

DAYS = 7
REASONS = ("silent", "given_up", "offline", "hole", "unexplained")


def completeness(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")],
    device: Annotated[str, typer.Option(help="By day, of this device; else the sum of each.")] = "",
    begin: Annotated[
        str, typer.Option("--from", help="RFC 3339 with offset; else seven days ago.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="RFC 3339 with offset; else now.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """Tell how complete the data is: readings due, arrived, late, missing, and why."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    now_ms = SystemClock().now_ms()
    to_ms = _moment("--to", end) if end else now_ms
    from_ms = _moment("--from", begin) if begin else midnight_ms(to_ms, config.zone, DAYS - 1)
    store = build.store(config, database)
    with database.read() as connection:
        query = sa.select(schema.devices.c.id).where(schema.devices.c.kind.not_in(("", *OWN_KINDS)))
        names = [device] if device else connection.scalars(query.order_by("id")).all()
    found = [
        report(database, store, config.zone, each, from_ms=from_ms, to_ms=to_ms, now_ms=now_ms)
        for each in names
    ]
    if as_json:
        typer.echo(msgspec.json.encode({"devices": [_object(each) for each in found]}).decode())
    elif device:
        days = [(day.day, day.part, day.late) for day in found[0].days]
        typer.echo(_table("day", [*days, ("total", found[0].total, found[0].late)]))
        for loss in found[0].losses:
            typer.echo(f"given up by the gateway: {loss.readings} readings: {loss.reason}")
    else:
        typer.echo(_table("device", [(each.device, each.total, each.late) for each in found]))


def _moment(option: str, text: str) -> int:
    try:
        return parse_iso(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}; write e.g. 2026-11-22T00:00:00+08:00") from None


def _object(found: Report) -> dict[str, object]:
    return {
        "device": found.device,
        "period_s": found.period_s,
        "total": {**asdict(found.total), "late": found.late},
        "days": [
            {"day": day.day, "from_ms": day.from_ms, "to_ms": day.to_ms, "late": day.late}
            | asdict(day.part)
            for day in found.days
        ],
        "losses": [asdict(loss) for loss in found.losses],
    }


def _table(first: str, rows: Iterable[tuple[str, Part, int]]) -> str:
    lines = [f"{first:<24}{'due':>10}{'arrived':>10}{'late':>8}{'missing':>9}  why"]
    for name, part, late in rows:
        why = ", ".join(
            f"{getattr(part, reason)} {reason.replace('_', ' ')}"
            for reason in REASONS
            if getattr(part, reason)
        )
        lines.append(f"{name:<24}{part.due:>10}{part.arrived:>10}{late:>8}{part.missing:>9}  {why}")
    return "\n".join(line.rstrip() for line in lines)
