"""`gridwarden prove LEDGER`: holds what simulated devices served against what is stored.

The ledger is JSON lines, one a value as it went out: device, measurement, value (canonical unit),
served_ms (UTC), to (who asked), fault (what spoilt the answer; absent if nothing did).
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import sqlalchemy as sa
import typer

from cloud import app as build
from cloud.config import load
from cloud.core.proof import BAD, Finding, Value, Verdict, prove
from cloud.ports import SeriesStore
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.migrate import require_current
from contract.clock import iso_utc
from contract.errors import ConfigError
from contract.quality import Quality

app = typer.Typer(help="Prove that nothing was lost, doubled, changed or invented.")

LOOK_AGAIN_S = 1.0
SHOWN = 20

# The span of a gateway that has never spoken: all that its devices served is pending.
NEVER = (-1, -1)

Series = tuple[str, str]


class Line(msgspec.Struct, frozen=True):
    """One line of a ledger."""

    device: str
    measurement: str
    value: float
    served_ms: int
    to: str = ""
    fault: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome, in readings: cloud.core.proof.Verdict says what each count is.

    stored is of served ones; unproven are stored of series that the ledger does not have.
    """

    served: int
    stored: int
    declared: int
    silent: int
    spoilt: int
    before: int
    pending: int
    lost: int
    doubled: int
    changed: int
    misstamped: int
    invented: int
    unproven: int
    proven: bool


@app.command()
def proved(
    ledger: Annotated[Path, typer.Argument(help="what the simulators served, JSON lines")],
    cloud: Annotated[Path, typer.Option(help="the cloud's YAML file")],
    tolerance_ms: Annotated[
        int, typer.Option(min=0, help="how far a reading's time may be from the value's")
    ] = 2_000,
    wait_s: Annotated[
        float, typer.Option(min=0, help="look again for so long while readings are missing")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, last line")] = False,
) -> None:
    """Compare a ledger with the store, reading by reading; exit 0 only if all is accounted for."""
    config = load(cloud)
    served = read_ledger(ledger)
    database = build.open_database(config)
    try:
        require_current(database)
        store = build.store(config, database)
        deadline_s = time.monotonic() + wait_s
        while True:
            report, findings = compare(served, database, store, tolerance_ms)
            if report.proven or time.monotonic() >= deadline_s:
                break
            missing = report.lost + report.pending
            _say(f"{missing} of {report.served} are not stored yet")
            time.sleep(LOOK_AGAIN_S)
    finally:
        database.close()
    for name, finding in findings[:SHOWN]:
        _say(_words(name, finding))
    typer.echo(msgspec.json.encode(report).decode() if as_json else _table(report))
    if not report.proven:
        raise typer.Exit(1)


def compare(
    served: Mapping[Series, list[Value]],
    database: Database,
    store: SeriesStore,
    tolerance_ms: int,
) -> tuple[Report, list[tuple[Series, Finding]]]:
    """Prove every series of the ledger. Raises: StorageError."""
    gaps = _gaps(database)
    numbers, owners = _known(database)
    stored = {
        name: _stored(store, numbers.get(name), values, tolerance_ms)
        for name, values in served.items()
    }
    spoken = _spoken(stored, owners)
    counts: Counter[Verdict] = Counter()
    findings: list[tuple[Series, Finding]] = []
    for name, values in served.items():
        gateway = owners.get(name[0], "")
        proof = prove(
            values,
            stored[name],
            gaps.get(gateway, []),
            tolerance_ms=tolerance_ms,
            spoken=spoken.get(gateway, NEVER),
        )
        counts += proof.counts
        findings += [(name, finding) for finding in proof.findings]
    report = Report(
        served=sum(len(values) for values in served.values()),
        unproven=_unproven(store, {number: name for name, number in numbers.items()}, served),
        proven=not any(counts[verdict] for verdict in BAD),
        **{verdict.value: counts[verdict] for verdict in Verdict},
    )
    return report, findings


def read_ledger(path: Path) -> dict[Series, list[Value]]:
    """Read a ledger, its older file first; a last line that a kill cut short is left out.

    Raises: ConfigError naming the file and the line.
    """
    served: dict[Series, list[Value]] = defaultdict(list)
    for line in _lines(path):
        value = Value(at_ms=line.served_ms, value=line.value, spoilt=bool(line.fault))
        served[line.device, line.measurement].append(value)
    if not served:
        raise ConfigError(f"{path}: nothing was served")
    return served


def _lines(path: Path) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(Line)
    older = path.with_name(path.name + ".1")
    for part in (older, path) if older.exists() else (path,):
        try:
            lines = part.open("rb")
        except OSError as error:
            raise ConfigError(f"{part}: cannot be read: {error.strerror}") from error
        with lines:
            for number, line in enumerate(lines, start=1):
                try:
                    if line.endswith(b"\n"):
                        yield decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise ConfigError(f"{part}:{number}: no line of a ledger: {error}") from error


def _stored(
    store: SeriesStore, number: int | None, values: list[Value], tolerance_ms: int
) -> list[Value]:
    if number is None:
        return []
    first_ms = min(value.at_ms for value in values) - tolerance_ms
    last_ms = max(value.at_ms for value in values) + tolerance_ms
    rows = store.range([number], first_ms, last_ms + 1)
    return [
        Value(at_ms=at_ms, value=None if value != value else value)
        for at_ms, value, quality in zip(
            rows.observed_ms.tolist(), rows.value.tolist(), rows.quality.tolist(), strict=True
        )
        if value == value or quality & Quality.COMMUNICATION
    ]


def _spoken(
    stored: Mapping[Series, list[Value]], owners: Mapping[str, str]
) -> dict[str, tuple[int, int]]:
    """Return the times of each gateway's first and last reading, UTC ms."""
    spoken: dict[str, tuple[int, int]] = {}
    for (device, _), values in stored.items():
        for value in values:
            gateway = owners.get(device, "")
            first_ms, last_ms = spoken.get(gateway, (value.at_ms, value.at_ms))
            spoken[gateway] = (min(first_ms, value.at_ms), max(last_ms, value.at_ms))
    return spoken


def _gaps(database: Database) -> dict[str, list[tuple[int, int]]]:
    """Return what each gateway gave up, as [first, last] in UTC ms."""
    table = schema.gaps
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    with database.read() as connection:
        for row in connection.execute(
            sa.select(table.c.gateway, table.c.first_ms, table.c.last_ms)
        ):
            found[row.gateway].append((row.first_ms, row.last_ms))
    return found


def _known(database: Database) -> tuple[dict[Series, int], dict[str, str]]:
    """Return each series' number, and each device's gateway."""
    with database.read() as connection:
        numbers = {
            (row.device, row.measurement): row.id
            for row in connection.execute(sa.select(schema.series))
        }
        devices = schema.devices
        owners = {
            row.id: row.gateway
            for row in connection.execute(sa.select(devices.c.id, devices.c.gateway))
        }
    return numbers, owners


def _unproven(
    store: SeriesStore, names: Mapping[int, Series], served: Mapping[Series, list[Value]]
) -> int:
    """Count what is stored of series that nobody says to have served: computed ones."""
    others = [number for number, name in names.items() if name not in served]
    return sum(len(part) for part in store.read(others, 0, 2**53)) if others else 0


def _words(name: Series, finding: Finding) -> str:
    device, measurement = name
    return (
        f"{finding.verdict}: {device} {measurement} {iso_utc(finding.at_ms)}:"
        f" served {_number(finding.served)}, stored {_number(finding.stored)}"
    )


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.12g}"


def _table(report: Report) -> str:
    rows = [
        f"{name:<12}{value:>10}"
        for name, value in msgspec.structs.asdict(report).items()
        if name != "proven"
    ]
    verdict = "everything is accounted for" if report.proven else "NOT everything is accounted for"
    return "\n".join([*rows, verdict])


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
