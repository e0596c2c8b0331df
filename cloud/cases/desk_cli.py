"""`gridwarden cases list`, `show`, `step` and `evidence`: cases for whoever is at this machine."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from cloud import app as build
from cloud.cases import evidence, files, ledger, lists, sealing, steps
from cloud.cases.evidence import Evidence
from cloud.cases.lists import Wanted
from cloud.cases.rows import Case
from cloud.cases.sealing import Verified
from cloud.cases.steps import Given
from cloud.config import load
from cloud.core.case_steps import OPEN_STATES, STATES, STEPS, State, next_steps
from cloud.errors import InvalidError, NotFoundError
from cloud.state.database import Database
from cloud.state.migrate import require_current
from cloud.web import accounts
from contract.clock import SystemClock

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
CaseId = Annotated[str, typer.Argument(help="The case's number.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_cases)
    app.command()(show)
    app.command()(step)
    app.command("evidence")(show_evidence)


def list_cases(
    config_file: ConfigFile,
    state: Annotated[list[State] | None, typer.Option(help="Only these; more than one.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    unit: Annotated[str, typer.Option(help="Only this responsible unit's.")] = "",
    category: Annotated[str, typer.Option(help="Only this category.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Only past their due time.")] = False,
    due_first: Annotated[
        bool, typer.Option("--due", help="What is due first at the top; only what has a due time.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List cases, the latest opened first."""
    now_ms, zone = SystemClock().now_ms(), load(config_file).zone
    wanted = Wanted(
        states=tuple(state or (State if every else OPEN_STATES)),
        unit=unit,
        category=category,
        overdue=overdue,
        by_due=due_first,
    )
    with _opened(config_file).read() as connection:
        found = lists.page(connection, wanted, now_ms, limit=limit).cases
    if as_json:
        typer.echo(msgspec.json.encode({"items": found}).decode())
        return
    typer.echo(f"{'case':<17}{'state':<12}{'severity':<10}{'category':<10}{'due':<18}unit, title")
    for case in found:
        late = case.state in OPEN_STATES and case.due_ms is not None and case.due_ms < now_ms
        due = _at(case.due_ms, zone)[:16] if case.due_ms else "-"
        typer.echo(
            f"{case.id:<17}{case.state.value:<12}{case.severity.value:<10}{case.category:<10}"
            f"{due + ('!' if late else ''):<18}{case.unit or '-'}, {case.title}"
        )
    more = f"; there may be more, see --limit {limit}" if len(found) == limit else ""
    typer.echo(f"{len(found)} cases (! is overdue){more}")


def show(config_file: ConfigFile, case: CaseId, as_json: AsJson = False) -> None:
    """Show a case: where it stands, its trail, its files, and whether its chain holds."""
    zone = load(config_file).zone
    with _opened(config_file).read() as connection:
        found = ledger.get_case(connection, case)
        added = files.files_of(connection, case)
        verified = sealing.verify(connection, case)
    if as_json:
        whole = {**asdict(found), "files": added, "chain": verified}
        typer.echo(msgspec.json.encode(whole).decode())
        return
    _head(found.case, zone)
    typer.echo("")
    for line in found.trail:
        label = STEPS[line.step].label
        words = f"{label.zh} {label.en}" + (f" ({line.about})" if line.about else "")
        typer.echo(f"{_at(line.at_ms, zone)}  {words:<24}{line.by or '-':<14}{line.note}")
    for file in added:
        typer.echo(f"file {file.id}: {file.name}, {file.type}, {file.size} bytes, {file.sha256}")
    typer.echo(_chain(verified))


def step(
    config_file: ConfigFile,
    case: CaseId,
    name: Annotated[str, typer.Argument(metavar="STEP", help="E.g. dispatch, handle, close.")],
    by: Annotated[str, typer.Option("--as", help="The account that takes it.")],
    note: Annotated[str, typer.Option(help="For the trail; some steps need one.")] = "",
    until: Annotated[
        datetime | None, typer.Option(help="extend, defer: until then, in the city's time.")
    ] = None,
    unit: Annotated[str, typer.Option(help="dispatch: to this unit.")] = "",
    satisfaction: Annotated[int | None, typer.Option(help="close: 1 to 5.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take a step in a case, or ask for it where a manager must approve."""
    config = load(config_file)
    until_ms = None
    if until is not None:
        until_ms = round(until.replace(tzinfo=until.tzinfo or config.zone).timestamp() * 1000)
    given = Given(note=note, until_ms=until_ms, unit=unit, satisfaction=satisfaction)
    with _opened(config_file).write() as connection:
        account = accounts.account(connection, by)
        if account is None:
            raise InvalidError(
                f"--as {by!r}: there is no such account; add one with gridwarden cloud user add"
            )
        actor, at_ms = account.actor, SystemClock().now_ms()
        seen = ledger.get_case(connection, case).case
        if not lists.sees(connection, actor, seen):
            raise NotFoundError(f"there is no case {case!r} of {actor.unit}")
        policy = config.case_policy
        found = steps.take(connection, case, name, actor, seen.version, given, at_ms, policy)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    after = ", ".join(each.value for each in next_steps(found.state, actor, found.unit)) or "none"
    state = STATES[found.state]
    typer.echo(f"{found.id} is {state.zh} {found.state.value}; {by} may take next: {after}")


def show_evidence(
    config_file: ConfigFile,
    case: CaseId,
    out: Annotated[Path | None, typer.Option(help="Write it as a PDF, in Chinese.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify a case's chain and files, and write all its evidence as a PDF.

    Ends with 1 if anything is not as it was sealed; the PDF then says so.
    """
    config = load(config_file)
    database = _opened(config_file)
    store = build.file_store(config)
    found = evidence.gather(database, build.store(config, database), store, case)
    if out is not None:
        from cloud.cases import evidence_pdf  # needs the extra `report`

        evidence_pdf.write(found, store, config.zone, SystemClock().now_ms(), out)
    if as_json:
        typer.echo(msgspec.json.encode({"holds": found.holds, **_plain(found)}).decode())
    else:
        typer.echo(_chain(Verified(head=found.head, broken=found.broken)))
        typer.echo(f"files: {len(found.files)}, damaged: {', '.join(found.damaged) or 'none'}")
        if out is not None:
            typer.echo(f"wrote {out}")
    if not found.holds:
        raise typer.Exit(1)


def _plain(found: Evidence) -> dict[str, object]:
    names = ("detail", "devices", "charts", "files", "head", "broken", "damaged")
    return {name: getattr(found, name) for name in names}


def _chain(found: Verified) -> str:
    if found.broken is not None:
        return f"chain: BROKEN at entry {found.broken.number}: {found.broken.why}"
    return f"chain: {found.head.entries} entries hold, the last seal is {found.head.seal}"


def _head(case: Case, zone: ZoneInfo) -> None:
    label = STATES[case.state]
    typer.echo(f"{case.id}  {case.title} ({case.title_en})")
    typer.echo(f"{label.zh} {label.en}, {case.severity.value}, category {case.category}")
    typer.echo(f"unit {case.unit or '-'}, asset {case.asset}, device {case.device or '-'}")
    due = _at(case.due_ms, zone) if case.due_ms else "-"
    typer.echo(f"opened {_at(case.opened_ms, zone)}, due {due}, version {case.version}")


def _at(at_ms: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _opened(config_file: Path) -> Database:
    database = build.open_database(load(config_file))
    require_current(database)
    return database
