"""The command `probe`: many options, two ways to have the words, one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from contract.errors import ConfigError
from contract.quantities import QUANTITIES, Kind, split_measurement
from contract.strict_yaml import suggest
from device_profiles.loader import catalog, load_profile
from device_profiles.schema import Profile
from edge.cabinet import probe_report
from edge.cabinet.arguments import Anyway, AsJson, Table, begin, parsed, register
from edge.cabinet.probe import Found, Map, read_map
from edge.cabinet.probe_report import Asked
from edge.cabinet.progress import Progress
from edge.cabinet.visit import INTERRUPTED, run_until_told, visit
from edge.core.advice import to_check
from edge.core.hexwords import parse_words
from edge.core.manual_numbers import Place, places_of
from edge.core.usual import OF_KIND, Usual, around, usual_of

USUAL_COUNT, COUNT_NEAR = 32, 8


def probe(
    config: Annotated[Path | None, typer.Argument(help="the agent's YAML file")] = None,
    bus: Annotated[str, typer.Argument(help="a bus of the file, by its id")] = "",
    unit: Annotated[int | None, typer.Option(min=0, max=255, help="unit id to read")] = None,
    start: Annotated[str, typer.Option(help="first register, counted from 0, as 0x01F4")] = "",
    count: Annotated[
        int | None, typer.Option(min=1, max=1_000, help="how many registers", show_default="32")
    ] = None,
    function: Annotated[
        Table | None, typer.Option(help="3 holding, 4 input registers", show_default="3")
    ] = None,
    manual: Annotated[
        int | None,
        typer.Option(min=0, max=465_536, help="the register's number in the manual, as 40007"),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(help="raw words or an answer frame in hex instead of reading; once a read"),
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="what kind of device it is")] = None,
    quantity: Annotated[
        list[str] | None, typer.Option(help="what it measures, as noise_la; may be repeated")
    ] = None,
    shows: Annotated[
        float | None,
        typer.Option(help="what another instrument shows now, in the quantity's unit"),
    ] = None,
    reads: Annotated[int, typer.Option(min=1, max=20, help="how often to read")] = 3,
    every_s: Annotated[float, typer.Option(min=0, max=60, help="pause between two reads")] = 0.7,
    timeout_s: Annotated[
        float, typer.Option(min=0.01, max=60, help="how long an answer may take")
    ] = 1.0,
    most: Annotated[int, typer.Option(min=1, max=100, help="how many guesses to print")] = 5,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> None:
    """Read unknown registers under every type, order and scale, and rank what they could be."""
    places = _places(manual)
    first = parsed("--start", register, start) if start else _first_of(places)
    many = count or (COUNT_NEAR if places else USUAL_COUNT)
    wanted = Map(
        unit_id=1 if unit is None else unit,
        function=int(function or _table_of(places)),
        addresses=range(first, min(first + many, 65_536)),
        reads=reads,
        every_s=every_s,
        timeout_s=timeout_s,
    )
    asked = Asked(
        wanted=wanted,
        expected=_expected(quantity or (), kind, shows),
        places=places,
        most=most,
        profiles=[] if places or quantity else _known_models(kind),
    )
    if words:
        found = _given(words, first)
        here = range(first, first + max(map(len, found.reads)))
        asked = replace(asked, wanted=replace(wanted, addresses=here))
        answer = probe_report.answer("given words", asked, found)
    else:
        answer = _asked_on_line(asked, config, bus, unit, anyway=anyway)
    for line in probe_report.as_text(answer):
        typer.echo(line)
    if as_json:
        typer.echo(probe_report.as_json(answer))
    if answer.found.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not answer.guesses:
        raise typer.Exit(1)


def _places(manual: int | None) -> tuple[Place, ...]:
    places = () if manual is None else places_of(manual)
    if manual is not None and not places:
        raise ConfigError(f"--manual {manual}: is no register's number; e.g. 7, 40007 or 400007")
    return places


def _first_of(places: Sequence[Place]) -> int:
    return min((place.address for place in places), default=0)


def _table_of(places: Sequence[Place]) -> int:
    return next((place.function for place in places if place.function), 3)


def _expected(
    quantities: Sequence[str], kind: Kind | None, shows: float | None
) -> Mapping[str, Usual]:
    """Return what to look for: those quantities, else those of the kind, else of all kinds."""
    for name in quantities:
        key, _ = split_measurement(name)
        if key not in QUANTITIES:
            raise ConfigError(f"--quantity {name!r}: unknown; {suggest(key, list(QUANTITIES))}")
    kinds = [kind] if kind else list(Kind)
    names = quantities or [name for each in kinds for name in OF_KIND[each]]
    if shows is None:
        return {name: usual_of(name) for name in names}
    if len(quantities) != 1:
        raise ConfigError("--shows: say of what, by one --quantity")
    low, high = QUANTITIES[split_measurement(names[0])[0]].low, QUANTITIES[names[0]].high
    if not low <= shows <= high:
        raise ConfigError(f"--shows {shows:g}: {names[0]} is from {low:g} to {high:g}")
    return {names[0]: around(names[0], shows)}


def _known_models(kind: Kind | None) -> list[Profile]:
    """Return the shipped profiles, of one kind or all."""
    return [load_profile(name) for name in catalog() if kind is None or name.startswith(f"{kind}/")]


def _given(texts: Sequence[str], first: int) -> Found:
    given = [parsed("--words", parse_words, text) for text in texts]
    return Found(reads=[{first + at: word for at, word in enumerate(words)} for words in given])


def _asked_on_line(
    asked: Asked, config: Path | None, bus: str, unit: int | None, *, anyway: bool
) -> probe_report.Answer:
    if config is None or not bus or unit is None:
        raise ConfigError("probe needs CONFIG, BUS and --unit, or --words")
    visiting = visit(config)
    plan = visiting.modbus(bus)
    begin(visiting, plan.bus, anyway=anyway)
    with Progress() as progress:
        found = run_until_told(lambda told: read_map(told, visiting, plan, asked.wanted, progress))
    check: tuple[str, ...] = ()
    if found.problem is not None:
        site = visiting.site(plan.bus, unit, None)
        check = to_check(found.problem, site, connecting=found.connecting)
    return probe_report.answer(f"bus {bus}, unit id {unit}", asked, found, check)
