"""`gridwarden rules backtest`: what changed rules would have raised, beside the current ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cloud import app as build
from cloud.backtest import Advice, Span, Tested
from cloud.backtest import backtest as tested
from cloud.config import load
from cloud.core.backtest import EXAMPLES
from cloud.core.backtest_figures import Example, Figures
from cloud.core.rule_changes import laid_over
from cloud.durations import milliseconds
from cloud.standing_rules import local_date
from cloud.state.migrate import require_current
from contract.clock import SystemClock, iso_utc

TOLD_EVERY_S = 2.0
HEADER = (
    f"{'RULE':<43}{'ALERTS':>8}{'A DAY':>9}{'FLOODS':>8}{'CHATTER':>9}{'STALE':>7}{'CASES':>7}"
    f"{'JOINED':>8}{'REOPENED':>10}{'CONFIRM':>9}{'OVERDUE':>9}{'HELD':>7}"
)


def backtest(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")],
    rules_file: Annotated[
        Path,
        typer.Argument(metavar="RULES_FILE", help="Rules that replace those of their id, or new."),
    ],
    since: Annotated[str, typer.Option(help="How far back: 30d, 12h, 90m.")] = "30d",
    device: Annotated[
        str, typer.Option(help="Only this device; its noise suggests deadband and delay.")
    ] = "",
    examples: Annotated[int, typer.Option(min=0, help="Alerts shown of each rule.")] = EXAMPLES,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, last line.")] = False,
) -> None:
    """Run changed rules over stored readings beside the current ones, and compare."""
    config = load(config_file)
    clock = SystemClock()
    until_ms = clock.now_ms()
    from_ms = until_ms - milliseconds("--since", since)
    over = build.rule_source(config).changes_in(rules_file)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        current = build.rules_in_force(config, connection)
    changed = laid_over(current.rules, over, local_date(until_ms, config.zone))
    told_s = clock.monotonic_s()

    def tell(done_ms: int, of_ms: int) -> None:
        nonlocal told_s
        if clock.monotonic_s() - told_s >= TOLD_EVERY_S:
            told_s = clock.monotonic_s()
            typer.echo(f"{100 * done_ms // of_ms} % of the time done", err=True)

    found = tested(
        database,
        build.store(config, database),
        config.zone,
        config.case_policy,
        current,
        changed,
        Span(from_ms=from_ms, until_ms=until_ms, device=device, examples=examples),
        tell,
    )
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        for line in _lines(found):
            typer.echo(line)


def _lines(found: Tested) -> Iterator[str]:
    compared = found.compared
    yield (
        f"{compared.readings} readings, {iso_utc(compared.from_ms)} to {iso_utc(compared.until_ms)}"
    )
    yield HEADER
    current, changed = compared.current.rules, compared.changed.rules
    for name in sorted({*current, *changed}):
        pair = current.get(name), changed.get(name)
        if any(one and (one.alerts or one.stale or one.held) for one in pair):
            yield from _rows(name, *pair)
    yield from _rows("in total", compared.current.total, compared.changed.total)
    for title, rules in (("current", current), ("changed", changed)):
        for name, figures in rules.items():
            if current.get(name) != changed.get(name):
                yield from (_example(title, one) for one in figures.examples)
    yield from map(_advice, found.advice)


def _rows(name: str, current: Figures | None, changed: Figures | None) -> Iterator[str]:
    """Yield one line where both are equal, else one each."""
    if current == changed:
        yield _row(name, "both", current)
    else:
        yield _row(name, "current", current)
        yield _row("", "changed", changed)


def _row(name: str, which: str, one: Figures | None) -> str:
    if one is None:
        return f"{name:<34}{which:<9}{'no such rule':>13}"
    late = "-" if one.overdue is None else f"{one.overdue:.1f}"
    return (
        f"{name:<34}{which:<9}{one.alerts:>8}{one.alerts_a_day:>9.2f}{one.floods:>8}"
        f"{one.chattering:>9}{one.stale:>7}{one.cases:>7}{one.joined:>8}{one.reopened:>10}"
        f"{one.to_confirm:>9}{late:>9}{one.held:>7}"
    )


def _example(title: str, one: Example) -> str:
    until = iso_utc(one.ended_ms) if one.ended_ms is not None else "the end"
    return f"{title}  {one.rule} on {one.device}: {one.value:g}, {iso_utc(one.began_ms)} to {until}"


def _advice(one: Advice) -> str:
    told = one.suggested
    return (
        f"suggested for {one.rule} on {one.measurement}: deadband {told.deadband:g} {one.unit}"
        f" (has {one.deadband:g}), on_delay_s {told.on_delay_s:g} (has {one.on_delay_s:g}),"
        f" which removes {told.removed} of {told.short} short exceedances of {told.exceedances}"
    )
