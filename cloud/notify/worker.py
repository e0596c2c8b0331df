"""The threads that tell people: one that plans, and one a channel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from zoneinfo import ZoneInfo

from cloud.notify import open_channel, rows
from cloud.notify.courier import Courier
from cloud.notify.planner import Planner
from cloud.notify.settings import Notify
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError

log = logging.getLogger(__name__)

EVERY_S = 0.5


def tasks(
    settings: Notify, database: Database, zone: ZoneInfo, clock: Clock, stop: threading.Event
) -> dict[str, Callable[[], None]]:
    """Return what is to run, by the names of the threads; nothing without channels.

    Raises: ConfigError if a channel's secret cannot be used.
    """
    if not settings.channels:
        with database.write() as connection:
            rows.enter_channels(connection, {})  # what was dead is not there any more
        return {}
    policy = settings.policy
    kinds = {name: each.kind for name, each in settings.channels.items()}
    planner = Planner(database, policy, kinds, zone)
    planner.start()
    steps: dict[str, Callable[[], bool]] = {
        "notify": lambda: planner.step(clock.now_ms()),
        **{
            f"notify {name}": Courier(database, name, open_channel(each, clock), policy, clock).step
            for name, each in settings.channels.items()
        },
    }
    return {name: partial(_run, name, step, stop) for name, step in steps.items()}


def _run(name: str, step: Callable[[], bool], stop: threading.Event) -> None:
    more = False
    while not (stop.is_set() if more else stop.wait(EVERY_S)):
        try:
            more = step()
        except StorageError as error:
            more = False
            log.error("%s stands still, trying again: %s", name, error)
