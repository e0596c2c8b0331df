"""`gridwarden profile`: what can be read, whether a file is right, whether it decodes rightly."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import typer

from contract.errors import ConfigError, ProfileError
from contract.quantities import Kind
from device_profiles.core.prove import prove, prove_write
from device_profiles.editor_schema import SCHEMA_FILE
from device_profiles.loader import catalog, load_profile, read_profile
from device_profiles.reading.report import nearest
from device_profiles.schema import Profile, Protocol
from device_profiles.skeletons import skeleton
from device_profiles.tables import HEADING, page, row_of, table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="List, show, check, test and begin device profiles.",
)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

Names = Annotated[list[str] | None, typer.Argument(help="names or files; by default all")]
Own = Annotated[
    Path | None,
    typer.Option("--profiles", help="a folder of your own profiles, <kind>/<vendor-model>.yaml"),
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]


@app.command("list")
def list_(own: Own = None, as_json: AsJson = False) -> None:
    """List all profiles."""
    profiles = _load_all(list(catalog(extra=own)), own)
    typer.echo(table([HEADING, *map(row_of, profiles)]))
    if as_json:
        typer.echo(json.dumps({"profiles": [_summary(profile) for profile in profiles]}))


@app.command()
def show(name: str, own: Own = None, as_json: AsJson = False) -> None:
    """Show one profile: its measurements, where they are, its sources."""
    profile = load_profile(name, extra=own)
    typer.echo(page(profile))
    if as_json:
        typer.echo(json.dumps(_summary(profile), ensure_ascii=False))


@app.command()
def check(files: list[Path]) -> None:
    """Check profile files; every problem is told with file, line and key (exit 2)."""
    problems: list[str] = []
    for file in files:
        try:
            profile = read_profile(file)
        except ProfileError as error:
            problems += error.problems
            continue
        count = len(profile.measurement_names())
        typer.echo(f"{file}: fine; {count} measurements, {len(profile.vectors)} vectors")
    if problems:
        raise ProfileError(*problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a vector came to. name: 1, 2, …, or a write's. wrong: what differs, if anything."""

    profile: Profile
    name: str
    proves: bool
    wrong: tuple[str, ...]


@app.command("test")
def run_vectors(names: Names = None, own: Own = None, as_json: AsJson = False) -> None:
    """Decode the vectors; fails (exit 1) when one comes out wrong, or none is found."""
    profiles = _load_all(names or list(catalog(extra=own)), own)
    outcomes = [outcome for profile in profiles for outcome in _outcomes(profile)]
    for outcome in outcomes:
        for line in outcome.wrong:
            typer.echo(f"{outcome.profile.path}: vector {outcome.name}: {line}")
    figures = _figures(outcomes)
    synthetic = len(profiles) - figures["proven"]
    typer.echo(
        f"{len(outcomes)} vectors of {len(profiles)} profiles, {figures['failed']} failed;"
        f" {figures['proven']} profiles proven by an outside source, {synthetic} only synthetic"
    )
    if as_json:
        by_kind = Counter(str(profile.kind) for profile in profiles)
        whole = {"profiles": len(profiles), "by_kind": dict(sorted(by_kind.items())), **figures}
        typer.echo(json.dumps(whole))
    if figures["failed"] or not outcomes:
        raise typer.Exit(1)


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(help="which of the five kinds")],
    vendor_model: Annotated[str, typer.Argument(help="e.g. acme-n200; the file's name")],
    protocol: Annotated[str, typer.Option(help="modbus, mqtt or hj212")] = "modbus",
    folder: Annotated[Path, typer.Option(help="where <kind>/ is or will be")] = Path(),
) -> None:
    """Begin a profile: a file with a worked example, and blanks that `check` asks for."""
    path = folder / kind / f"{vendor_model}.yaml"
    spoken = next((word for word in get_args(Protocol) if word == protocol), None)
    if spoken is None:
        raise ConfigError(f"--protocol {protocol!r}{nearest(protocol, get_args(Protocol))}")
    if not _NAME.fullmatch(vendor_model):
        raise ConfigError(f"{vendor_model!r}: write e.g. acme-n200, of a-z, 0-9 and -")
    try:
        text = skeleton(kind, spoken, str(path), str(SCHEMA_FILE))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except FileExistsError as error:
        raise ConfigError(f"{path}: is there already; it is left as it is") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    typer.echo(f"{path}: fill in the blanks, then run\n  gridwarden profile check {path}")


def _load_all(names: list[str], own: Path | None) -> list[Profile]:
    """Load profiles; raises one ProfileError with the problems of all of them."""
    profiles: list[Profile] = []
    problems: list[str] = []
    for name in names:
        try:
            profiles.append(load_profile(name, extra=own))
        except ProfileError as error:
            problems += error.problems
    if problems:
        raise ProfileError(*problems)
    return profiles


def _outcomes(profile: Profile) -> list[Outcome]:
    read = [
        Outcome(
            profile=profile,
            name=str(number),
            proves=vector.proves,
            wrong=tuple(prove(profile, vector)),
        )
        for number, vector in enumerate(profile.vectors, 1)
    ]
    writes = profile.modbus.writes if profile.modbus else {}
    written = [
        Outcome(
            profile=profile,
            name=f"of write {name}",
            proves=False,  # a profile is proven by what is read
            wrong=tuple(prove_write(write, vector)),
        )
        for name, write in writes.items()
        for vector in write.vectors
    ]
    return read + written


def _figures(outcomes: list[Outcome]) -> dict[str, int]:
    """Count: vectors; profiles proven by a source of somebody else's; vectors that failed."""
    proven = {
        outcome.profile.name for outcome in outcomes if outcome.proves and not outcome.wrong
    } - {outcome.profile.name for outcome in outcomes if outcome.wrong}
    return {
        "vectors": len(outcomes),
        "proven": len(proven),
        "failed": sum(1 for outcome in outcomes if outcome.wrong),
    }


def _summary(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "kind": profile.kind,
        "protocol": profile.protocol,
        "maker": profile.maker,
        "model": profile.model,
        "title": {"zh": profile.title.zh, "en": profile.title.en},
        "measurements": list(profile.measurement_names()),
        "vectors": len(profile.vectors),
        "proven": any(vector.proves for vector in profile.vectors),
    }
