"""A configuration, taken apart for edge.core.change."""

from __future__ import annotations

from dataclasses import fields, replace

import msgspec

from edge.checks import BusPlan
from edge.config import EdgeConfig
from edge.core.change import Parts
from edge.devices import Device

# What a running agent can change; any other section takes a restart.
LIVE = frozenset(
    (
        *("path", "version", "warnings", "broker", "uplink", "buffer", "polling", "buses"),
        *("changes", "aggregates", "commands"),
    )
)


def source_name(plan: BusPlan) -> str:
    """Return what a bus is called in the log and in health."""
    return f"bus {plan.bus.id}"


def parts_of(config: EdgeConfig) -> Parts:
    """Take a configuration apart."""
    plans = [plan for plan in config.buses if plan.devices]
    fixed: dict[str, object] = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.name not in LIVE
    }
    return Parts(
        fixed=fixed | {"buffer.path": config.buffer.path},
        sources={source_name(plan): _source(config, plan) for plan in plans},
        devices={device.id: source_name(plan) for plan in plans for device in plan.devices},
        uplink=(config.broker, config.uplink),
        buffer=config.buffer,
    )


def _source(config: EdgeConfig, plan: BusPlan) -> object:
    """Return what a bus is opened with; those that are not polled share the uplink's patience."""
    waits: object = config.polling
    if plan.utilisation is None:
        waits = (config.uplink.reconnect_first_s, config.uplink.reconnect_most_s)
    return plan.bus, waits, tuple(_read_alike(device) for device in plan.devices)


def _read_alike(device: Device) -> Device:
    """Return the device without what is made of the rest, and without what people call it."""
    plain = msgspec.structs.replace(device.birth, name="", asset="", owner="", place=None, tags={})
    return replace(device, decoder=None, birth=plain)
