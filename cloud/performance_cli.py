"""`gridwarden alerts performance`: ISA-18.2's figures, with what each is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import app as build
from cloud.config import load
from cloud.core.performance import TARGETS, Figure, Offender, Performance
from cloud.durations import milliseconds
from cloud.performance import performance as measured
from cloud.state.migrate import require_current
from contract.clock import SystemClock, iso_utc

SHOWN = 10


def performance(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")],
    since: Annotated[str, typer.Option(help="How far back: 30d, 12h, 90m.")] = "30d",
    operators: Annotated[int, typer.Option(help="Operators' positions that share them.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """Measure how well alerts serve the people who answer them, by ISA-18.2."""
    config = load(config_file)
    until_ms = SystemClock().now_ms()
    from_ms = until_ms - milliseconds("--since", since)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        found = measured(connection, from_ms, until_ms, operators)
    if as_json:
        typer.echo(msgspec.json.encode(_object(found)).decode())
    else:
        for line in _lines(found):
            typer.echo(line)


def _lines(found: Performance) -> Iterator[str]:
    yield (
        f"{found.times} alerts, {iso_utc(found.from_ms)} to {iso_utc(found.until_ms)},"
        f" operators: {found.operators}"
    )
    yield f"{'':<26}{'':>10}{'good to':>10}{'tolerable':>11}"
    for figure in Figure:
        target = TARGETS[figure]
        yield (
            f"{figure.value:<26}{found.figures[figure]:>10.2f}{target.good:>10g}"
            f"{target.tolerable:>11g}  {found.verdict(figure).value}"
        )
    for flood in found.floods[:SHOWN]:
        yield (
            f"flood  {iso_utc(flood.from_ms)} to {iso_utc(flood.until_ms)}:"
            f" {len(flood.alerts)} alerts, first {flood.first}"
            + (f", operator {flood.operator}" if flood.operator else "")
        )
    if set(found.by_operator) - {""}:
        for operator, times in list(found.by_operator.items())[:SHOWN]:
            yield f"operator  {times:>6} times  {operator or 'nobody in particular'}"
    for title, offenders in (("top", found.top), ("chatters", found.chattering)):
        yield from (_offender(title, one) for one in offenders[:SHOWN])
    for one in found.stale[:SHOWN]:
        yield f"stale  {one.rule} on {one.device} since {iso_utc(one.from_ms)}: alert {one.alert}"


def _offender(title: str, one: Offender) -> str:
    return f"{title:<10}{one.times:>6} times {100 * one.share:>5.1f} %  {one.rule} on {one.device}"


def _object(found: Performance) -> dict[str, object]:
    told = asdict(replace(found, made_of={}, of_operator={}))  # alerts are listed elsewhere
    del told["made_of"], told["of_operator"]
    told["figures"] = {
        figure.name.lower(): {
            "value": found.figures[figure],
            "verdict": found.verdict(figure),
            **asdict(TARGETS[figure]),
        }
        for figure in Figure
    }
    return told
