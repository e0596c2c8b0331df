"""How an agent is, whole, for somebody who cannot come to the cabinet."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

import msgspec

from contract import strict_yaml
from contract.clock import Clock, iso_utc
from contract.errors import ConfigError
from edge.config import EdgeConfig
from edge.core.change import Vitals
from edge.core.diagnosis import without_secrets
from edge.health import Health
from edge.ports import Held

PACKAGES = ("gridwarden", "aiomqtt", "paho-mqtt", "pymodbus", "msgspec", "numpy", "zstandard")


def diagnosis(
    config: EdgeConfig,
    file: Path,
    health: Health,
    held: Held | None,
    log: list[str],
    clock: Clock,
) -> dict[str, object]:
    """Return it as plain data, without a password or a key in it."""
    return {
        "gateway": config.gateway,
        "at": iso_utc(clock.now_ms()),
        "config_version": config.version,
        "config": _config(file),
        "warnings": list(config.warnings),
        "figures": health.figures(),
        "problems": list(health.told()),
        "buffer": None if held is None else msgspec.to_builtins(held),
        "versions": {name: version(name) for name in PACKAGES}
        | {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "system": platform.platform(),
        },
        "log": log,
    }


def vitals_of(health: Health, *, connected: bool) -> Vitals:
    """Return how the agent does, as a change is judged by."""
    devices = health.devices.items()
    return Vitals(
        connected=connected,
        answering=frozenset(
            name for name, d in devices if d.answered_ms is not None and not d.problem
        ),
        failing={name: d.problem for name, d in devices if d.problem},
        troubles=dict(health.problems),
    )


def _config(file: Path) -> object:
    try:
        return without_secrets(strict_yaml.read(file).data)
    except ConfigError as error:
        return {"unreadable": list(error.problems)}
