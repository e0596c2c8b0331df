"""`gridwarden cases report`: the assessment of a month or of any period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from cloud import app as build
from cloud.assessment import Assessment, Period, assess, between, month
from cloud.cases.formulas import load_versions
from cloud.config import load
from cloud.core.assessment import Compared, Group
from cloud.errors import InvalidError
from cloud.state.migrate import require_current
from contract.clock import SystemClock
from contract.errors import ConfigError


def report(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")],
    name: Annotated[str, typer.Option("--month", help="Like 2026-10.")] = "",
    since: Annotated[str, typer.Option(help="Any period: from this day or time on.")] = "",
    until: Annotated[str, typer.Option(help="Up to this day or time; left out: now.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write this file, .xlsx or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """Assess the cases of a month: its figures by unit, area, category and source."""
    config = load(config_file)
    try:
        period = _period(name, since, until, config.zone)
        _check_out(out)
        versions = load_versions(config.cases.formulas)
        database = build.open_database(config)
        require_current(database)
        with database.read() as connection:
            now_ms = SystemClock().now_ms()
            found = assess(connection, period, versions, now_ms=now_ms)
    except InvalidError as error:
        raise ConfigError(str(error)) from error
    if out is not None:
        _write(found, out)
    if as_json:
        typer.echo(msgspec.json.encode(as_object(found)).decode())
        return
    for formula in found.formulas.figures:
        figure = found.total.figures[formula.key]
        value = "-" if figure.value is None else f"{figure.value:.4g}"
        typer.echo(f"{value:>10}  {figure.numerator}/{figure.denominator}  {formula.title.en}")
    if out is not None:
        typer.echo(f"written: {out}")


def as_object(found: Assessment) -> Mapping[str, object]:
    """Return an assessment as plain values, every figure with its cases."""
    return {
        "period": found.period.name,
        "from_ms": found.period.from_ms,
        "until_ms": found.period.until_ms,
        "formulas": {
            "version": found.formulas.version,
            "effective": found.formulas.effective.isoformat(),
        },
        "total": _object(found.total),
        "before": _then(found, found.before),
        "year_ago": _then(found, found.year_ago),
        "by": {by.value: [_object(each) for each in found.groups[by]] for by in found.groups},
    }


def _object(group: Group) -> Mapping[str, object]:
    return {"key": group.key, "figures": group.figures}


def _then(found: Assessment, compared: Compared) -> Mapping[str, float | None]:
    return {key: compared.value(key) for key in found.total.figures}


def _period(name: str, since: str, until: str, zone: ZoneInfo) -> Period:
    if bool(name) == bool(since):
        raise InvalidError("say either --month 2026-10, or --since and perhaps --until")
    if name:
        return month(name, zone)
    now_ms = SystemClock().now_ms()
    return between(
        _moment("--since", since, zone),
        _moment("--until", until, zone) if until else now_ms,
        zone,
    )


def _moment(option: str, text: str, zone: ZoneInfo) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(
            f"{option} {text!r}: write it as 2026-10-01 or 2026-10-01T08:00"
        ) from None
    return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)


def _check_out(out: Path | None) -> None:
    if out is not None and out.suffix not in (".xlsx", ".pdf"):
        raise InvalidError(f"--out {out}: the file ends in .xlsx or .pdf")


def _write(found: Assessment, out: Path) -> None:
    try:
        from cloud.cases import report_files
    except ImportError as error:
        raise ConfigError(
            f"--out takes the extra `report` ({error.name}): pip install 'gridwarden[report]'"
        ) from error
    write = report_files.write_pdf if out.suffix == ".pdf" else report_files.write_xlsx
    try:
        write(found, out)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
