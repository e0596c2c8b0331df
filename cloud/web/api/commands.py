"""/gateways/…/commands: what gateways are asked to do, and what came of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from cloud import commands
from cloud.core.commanding import State
from cloud.core.model import Role
from cloud.errors import InvalidError
from cloud.web.api.common import problems
from cloud.web.auth import Having, Manager, require
from cloud.web.models import Instant, View
from contract.commands import LONGEST_MS, MAX_RESENT, What

router = APIRouter(prefix="/gateways", tags=["commands"])

GatewayId = Annotated[str, Path(description="The gateway's id", max_length=63)]
CommandId = Annotated[str, Path(description="The command's id", max_length=32)]
DeviceId = Annotated[str, Field(description="The device's id", max_length=63)]
Name = Annotated[str, Field(max_length=200)]
Number = Annotated[int, Field(ge=0, le=2**53)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AskedRead(_Asked):
    """Read a device now."""

    do: Literal["read"]
    device: DeviceId
    measurements: list[Name] = Field([], max_length=200, description="These only; [] for all")


class AskedWrite(_Asked):
    """Write what the device's profile allows, and read it back."""

    do: Literal["write"]
    device: DeviceId
    point: Name = Field(description="One of the profile's writes")
    value: float | Name = Field(description="In the write's unit; or a name, where it lists names")


class AskedResend(_Asked):
    """Send batches again, as far as they are held."""

    do: Literal["resend"]
    first_seq: Number
    last_seq: Number = Field(description=f"At most {MAX_RESENT} batches in all")
    epoch: str = Field("", max_length=63, description="The buffer's; empty for the one that runs")


class AskedConfigure(_Asked):
    """Run another configuration, and keep it if it does well. Takes an admin."""

    do: Literal["configure"]
    yaml: str = Field(min_length=1, max_length=400_000, description="The whole file")


class AskedDiagnose(_Asked):
    """Tell how things are at the gateway."""

    do: Literal["diagnose"]
    log_lines: int = Field(200, ge=0, le=2_000)


Asked = AskedRead | AskedWrite | AskedResend | AskedConfigure | AskedDiagnose


class Asking(_Asked):
    """What a gateway shall do."""

    what: Annotated[Asked, Field(discriminator="do")]
    good_for_s: int = Field(
        commands.GOOD_FOR_S,
        ge=1,
        le=LONGEST_MS // 1000,
        description="The gateway refuses it if it comes later",
    )


class Command(View):
    """A command, and how it stands."""

    id: str
    gateway: str
    do: str
    by: str
    created_ms: Instant
    expires_ms: Instant
    state: State = Field(description="waiting, sent and accepted are not the end")
    reason: str = Field(description="Why it was refused, or failed; in English")


class CommandDetail(Command):
    """With what the gateway answered, in its parts' order; docs/commands.md tells the members."""

    done: list[dict[str, Any]]


@router.get("/{gateway}/commands", responses=problems())
def list_commands(
    services: Having,
    _: Manager,
    gateway: GatewayId,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most")] = 100,
) -> list[Command]:
    """List a gateway's commands, the newest first. Takes a manager."""
    with services.database.read() as connection:
        return [_summary(found) for found in commands.latest(connection, gateway, limit)]


@router.get("/{gateway}/commands/{command}", responses=problems(404))
def get_command(
    services: Having, _: Manager, gateway: GatewayId, command: CommandId
) -> CommandDetail:
    """Return a command, and what the gateway answered. Takes a manager."""
    with services.database.read() as connection:
        return _detail(commands.one(connection, gateway, command))


@router.post("/{gateway}/commands", status_code=202, responses=problems(403, 404))
def ask_gateway(
    services: Having, asking: Manager, gateway: GatewayId, asked: Asking
) -> CommandDetail:
    """Ask a gateway to do something. Takes a manager; to configure, an admin.

    The answer is here before the gateway's: read the command again until its state is final.
    """
    if isinstance(asked.what, AskedConfigure):
        require(asking.account, Role.ADMIN)
    try:
        what = msgspec.convert(asked.what.model_dump(), What)
    except msgspec.ValidationError as error:
        raise InvalidError(f"what: {error}") from error
    with services.database.write() as connection:
        command = commands.ask(
            connection,
            gateway,
            what,
            by=asking.account.name,
            now_ms=services.clock.now_ms(),
            good_for_s=asked.good_for_s,
        )
        return _detail(commands.one(connection, gateway, command))


def _summary(found: commands.Command) -> Command:
    return Command(
        id=found.id,
        gateway=found.gateway,
        do=found.do,
        by=found.by,
        created_ms=found.created_ms,
        expires_ms=found.expires_ms,
        state=found.state,
        reason=found.reason,
    )


def _detail(found: commands.Command) -> CommandDetail:
    done = [msgspec.to_builtins(each) for each in found.done]
    return CommandDetail(**_summary(found).model_dump(), done=done)
