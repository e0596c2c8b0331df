"""The other case systems that a configuration names, and the thread that serves each."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from cloud.cases.courier import Courier
from cloud.cases.mapping import load_mapping
from cloud.cases.settings import (
    CaseSystems,
    CaseSystemSettings,
    ExchangeSettings,
    Open311Settings,
    WebhookSettings,
)
from cloud.cases.systems.exchange import Address, Drop, Exchanger, Folder
from cloud.cases.systems.http import Caller
from cloud.cases.systems.open311 import Open311, Server
from cloud.cases.systems.webhook import Webhook
from cloud.core.assessment import Formulas, figure_keys
from cloud.ports import OtherCaseSystem
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import ConfigError, StorageError
from contract.secret_files import read_secret

log = logging.getLogger("gridwarden.cases")

EVERY_S = 1.0
Worker = Courier | Exchanger
CALLS = 6  # that telling one step takes at most: tokens, look-ups, the call itself


def _open311(settings: CaseSystemSettings, clock: Clock) -> OtherCaseSystem:
    assert isinstance(settings, Open311Settings)
    server = Server(
        url=settings.url,
        api_key=read_secret(settings.api_key_file) if settings.api_key_file else "",
        jurisdiction=settings.jurisdiction,
        form=settings.format,
        services=settings.services,
        reference=settings.reference,
        updates=settings.updates,
        settle_s=settings.settle_s,
    )
    return Open311(server, Caller(settings.timeout_s, settings.ca_file), clock)


def _webhook(settings: CaseSystemSettings, clock: Clock) -> OtherCaseSystem:
    assert isinstance(settings, WebhookSettings)
    secret = read_secret(settings.secret_file)
    caller = Caller(settings.timeout_s, settings.ca_file)
    return Webhook(settings.url, secret, settings.source, caller, clock)


# By `kind`. Each is told the steps of cases one by one.
OTHER_CASE_SYSTEMS: dict[str, Callable[[CaseSystemSettings, Clock], OtherCaseSystem]] = {
    "open311": _open311,
    "webhook": _webhook,
}


def build(settings: CaseSystemSettings, clock: Clock) -> OtherCaseSystem:
    """Build one that is told steps. Raises: ConfigError if a file it needs cannot be used."""
    if isinstance(settings, ExchangeSettings):
        raise ConfigError(
            "an exchange takes files, and is not asked: gridwarden cases uploads list"
        )
    return OTHER_CASE_SYSTEMS[settings.kind](settings, clock)


def callback_secrets(systems: CaseSystems) -> dict[str, str]:
    """Return the secrets that callbacks are signed with, by system. Raises: ConfigError."""
    return {
        name: read_secret(one.secret_file)
        for name, one in systems.items()
        if isinstance(one, WebhookSettings)
    }


def tasks(
    systems: CaseSystems,
    database: Database,
    clock: Clock,
    zone: ZoneInfo,
    formulas: Sequence[Formulas],
    stop: threading.Event,
) -> Mapping[str, Callable[[], None]]:
    """Return what serves each, by the name of its thread. Raises: ConfigError."""
    served = {
        name: _worker(name, one, database, clock, zone, formulas) for name, one in systems.items()
    }
    return {f"cases-{name}": partial(_serve, name, worker, stop) for name, worker in served.items()}


def _worker(
    name: str,
    settings: CaseSystemSettings,
    database: Database,
    clock: Clock,
    zone: ZoneInfo,
    formulas: Sequence[Formulas],
) -> Worker:
    if isinstance(settings, ExchangeSettings):
        return _exchanger(name, settings, database, clock, zone, formulas)
    return _courier(name, settings, database, clock)


def _exchanger(
    name: str,
    settings: ExchangeSettings,
    database: Database,
    clock: Clock,
    zone: ZoneInfo,
    formulas: Sequence[Formulas],
) -> Exchanger:
    drop: Drop
    if settings.folder is not None:
        drop = Folder(settings.folder, settings.receipts)
    else:
        token = read_secret(settings.token_file) if settings.token_file else ""
        caller = Caller(settings.timeout_s, settings.ca_file)
        drop = Address(settings.url or "", caller, token)
    return Exchanger(
        name,
        drop,
        load_mapping(settings.mapping, figure_keys(formulas)),
        database,
        clock,
        random.random,
        zone,
        formulas,
        every_ms=round(settings.every_h * 3_600_000),
    )


def _courier(name: str, settings: CaseSystemSettings, database: Database, clock: Clock) -> Courier:
    settle_s = settings.settle_s if isinstance(settings, Open311Settings) else 0.0
    poll_s = settings.poll_s if isinstance(settings, Open311Settings) else 86_400.0
    return Courier(
        name,
        build(settings, clock),
        database,
        clock,
        random.random,
        claim_ms=round((2 * CALLS * settings.timeout_s + settle_s) * 1000),
        poll_ms=round(poll_s * 1000),
    )


def _serve(name: str, worker: Worker, stop: threading.Event) -> None:
    while not stop.wait(EVERY_S):
        try:
            while worker.work().more and not stop.is_set():
                pass
            worker.poll()
        except StorageError as error:
            log.error("case system %s not served, trying again: %s", name, error)
