"""`gridwarden notify`: try a channel, ask who would be told, see who was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import msgspec
import sqlalchemy as sa
import typer

from cloud import app as build
from cloud.config import CloudConfig, load
from cloud.core.model import Severity
from cloud.core.telling import Subject, What
from cloud.errors import InvalidError, NotFoundError
from cloud.notify import log, messages, open_channel
from cloud.notify.explain import explain
from cloud.notify.facts import known, responsible
from cloud.notify.rows import Fate
from cloud.notify.settings import Webhook
from cloud.ports import Notice
from cloud.state import schema
from cloud.state.migrate import require_current
from cloud.web.wording import Wording
from contract import strict_yaml
from contract.clock import SystemClock, iso_utc

app = typer.Typer(no_args_is_help=True, help="Who is told of alerts, when, by what.")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The cloud's YAML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, last line.")]


@app.command("test")
def try_channel(
    config_file: ConfigFile,
    channel: Annotated[str, typer.Argument(help="The channel's name.")],
    to: Annotated[str, typer.Option(help="An address, where the channel needs one.")] = "",
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
) -> None:
    """Send a message now, by one channel; nothing is written down."""
    config = load(config_file)
    settings = config.notify.channels.get(channel)
    if settings is None:
        names = list(config.notify.channels)
        hint = strict_yaml.suggest(channel, names) or "there are none"
        raise NotFoundError(f"there is no channel {channel!r}; {hint}")
    if language not in messages.COLUMN:
        raise InvalidError(f"--language {language!r}: allowed: {', '.join(messages.COLUMN)}")
    if not to and not isinstance(settings, Webhook):
        to = _address(config, channel)
    clock = SystemClock()
    w = Wording(language=language, zone=config.zone)
    text = messages.say("test.text", language, channel=channel)
    words = messages.plain(What.TEST, channel, text, w, config.notify.policy.base_url)
    notice = Notice(
        key=token_hex(16),
        to=to,
        language=language,
        subject=words.subject,
        body=words.body,
        short=words.short,
        what=What.TEST.value,
    )
    open_channel(settings, clock).send(notice)
    typer.echo(f"{channel} took it" + (f", for {to}" if to else ""))


@app.command("who")
def would_be_told(
    config_file: ConfigFile,
    alert: Annotated[str, typer.Argument(help="An alert's id; or say what is asked.")] = "",
    device: Annotated[str, typer.Option(help="A device's id.")] = "",
    unit: Annotated[str, typer.Option(help="The responsible unit.")] = "",
    kind: Annotated[str, typer.Option(help="The kind of device.")] = "",
    rule: Annotated[str, typer.Option(help="The rule's id.")] = "",
    severity: Annotated[Severity, typer.Option(help="How much it matters.")] = Severity.HIGH,
    at: Annotated[str, typer.Option(help="A local time; now if left out.")] = "",
) -> None:
    """Explain who is told of an alert, or would be, and why."""
    config = load(config_file)
    moment = _local(at, config) if at else datetime.now(UTC).astimezone(config.zone)
    moment = moment.replace(tzinfo=None)
    subject = Subject(severity=severity, kind=kind, unit=unit, rule=rule)
    if alert or device:
        database = build.open_database(config)
        require_current(database)
        with database.read() as connection:
            subject = (
                known(connection, alert).subject
                if alert
                else _of_device(connection, device, subject)
            )
    typer.echo(
        f"severity {subject.severity.value}, kind {subject.kind or '-'},"
        f" unit {subject.unit or '-'}, rule {subject.rule or '-'}"
    )
    for line in explain(config.notify.policy, subject, moment):
        typer.echo(line)


@app.command("log")
def show_log(
    config_file: ConfigFile,
    alert: Annotated[str, typer.Option(help="Only this alert's.")] = "",
    person: Annotated[str, typer.Option(help="Only to this person.")] = "",
    state: Annotated[Fate | None, typer.Option(help="Only what became this.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who was told what, the newest first, and how the channels are."""
    config = load(config_file)
    database = build.open_database(config)
    require_current(database)
    with database.read() as connection:
        page = log.entries(
            connection, alert=alert, person=person, states=(state,) if state else (), limit=limit
        )
        found = log.channels(connection)
    if as_json:
        shown = {"items": page.entries, "channels": found}
        typer.echo(msgspec.json.encode(shown).decode())
        return
    for each in page.entries:
        at = datetime.fromtimestamp(each.created_ms / 1000, config.zone)
        way = f"{each.channel} {each.address}".rstrip()
        fate = each.state.value + (f" ({each.hold})" if each.hold else "")
        typer.echo(f"{at:%Y-%m-%d %H:%M:%S}  {each.person} by {way}: {fate}  {each.subject}")
        typer.echo(
            f"    {messages.reason(each.why, 'en')}" + (f"; {each.error}" if each.error else "")
        )
    for one in found:
        dead = f"dead since {iso_utc(one.dead_ms)}" if one.dead_ms else "works"
        said = f": {one.error}" if one.failures else ""
        typer.echo(f"channel {one.name} ({one.kind}): {dead}, {one.waiting} waiting{said}")


def _address(config: CloudConfig, channel: str) -> str:
    """Return the first address that somebody has on a channel."""
    ways = [way for person in config.notify.people.values() for way in person.by]
    to = next((way.to for way in ways if way.channel == channel), "")
    if not to:
        raise InvalidError(f"nobody has an address on {channel}; say --to")
    return to


def _local(text: str, config: CloudConfig) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(f"--at {text!r} is no time; write e.g. 2026-11-22T18:00") from None
    return at.astimezone(config.zone) if at.tzinfo else at


def _of_device(connection: sa.Connection, device: str, asked: Subject) -> Subject:
    table = schema.devices
    row = connection.execute(sa.select(table).where(table.c.id == device)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no device {device!r}")
    return Subject(
        severity=asked.severity,
        kind=row.kind,
        unit=asked.unit or responsible(row.owner, row.kind),
        rule=asked.rule,
        tags=row.tags,
    )
