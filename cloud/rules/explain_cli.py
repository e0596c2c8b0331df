"""`gridwarden rules explain`: which rules watch a device, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import msgspec
import sqlalchemy as sa
import typer

from cloud import app as build
from cloud.config import load
from cloud.core.narrowing import Standing, Verdict
from cloud.core.rules import Rule
from cloud.errors import NotFoundError
from cloud.rules.tables import aligned
from cloud.state import schema
from cloud.state.migrate import require_current
from cloud.web.queries import devices
from cloud.web.queries.devices import Sensor

COLUMNS = ("MEASUREMENT", "RULE", "STANDING", "WHEN", "EFFECTIVE", "WHY")


def explain(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")],
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """Show which rules apply to a device's measurements, and why others do not."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        rules = build.rules_in_force(config, connection).rules
        sensor = _sensor(connection, device)
    found = devices.verdicts(sensor, rules)
    if as_json:
        views = [devices.rule_view(one).model_dump(mode="json", by_alias=True) for one in found]
        typer.echo(msgspec.json.encode({"device": device, "rules": views}).decode())
        return
    for line in table(found):
        typer.echo(line)


def table(verdicts: Iterable[Verdict]) -> list[str]:
    """Return what became of rules as lines of aligned columns."""
    return aligned([COLUMNS, *map(_row, verdicts)])


def why(verdict: Verdict) -> str:
    """Return the reason in words."""
    match verdict.standing:
        case Standing.APPLIES:
            return f"selects {_selection(verdict.rule)}"
        case Standing.BEATEN:
            return f"narrower: {', '.join(verdict.by)}"
        case Standing.OTHER_MEASUREMENT:
            return f"watches the first that is there of {', '.join(verdict.wanted)}"
        case Standing.NOT_SELECTED:
            wanted = ", ".join(word or "none" for word in verdict.wanted)
            return f"{verdict.key} is {verdict.seen or 'none'}; the rule asks for {wanted}"


def _row(verdict: Verdict) -> tuple[str, ...]:
    rule = verdict.rule
    return (
        verdict.measurement,
        rule.id,
        verdict.standing.replace("_", " "),
        rule.schedule.value,
        f"{rule.effective}{f'..{rule.until}' if rule.until else ''}",
        why(verdict),
    )


def _selection(rule: Rule) -> str:
    asked = {"kind": rule.kinds, "devices": rule.devices, "sites": rule.sites, **rule.select}
    words = [
        f"{key} {', '.join(value or 'none' for value in values)}"
        for key, values in asked.items()
        if values
    ]
    return "; ".join(words) or "every device"


def _sensor(connection: sa.Connection, device: str) -> Sensor:
    found = devices.sensors(connection, only=device)
    if found:
        return found[0]
    known = connection.execute(sa.select(schema.devices.c.id)).scalars().all()
    near = get_close_matches(device, known, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise NotFoundError(f"there is no device {device!r}{hint}")
