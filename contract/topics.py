"""The topic tree of design.md §3, and the only place that spells it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zlib import crc32

ROOT = "gw/v1"
PARTITIONS = 64
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
KINDS = ("data", "birth", "state", "ack", "cmd", "cmd-reply")

ALL_DATA = f"{ROOT}/+/+/data"
ALL_BIRTHS = f"{ROOT}/+/+/birth"
ALL_STATES = f"{ROOT}/+/+/state"
DEVICE_ROOT = "dev/v1"
ALL_DEVICES = f"{DEVICE_ROOT}/+/senml"
ALL_REPLIES = f"{ROOT}/+/+/cmd-reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTopic:
    """A topic of one gateway, taken apart."""

    partition: int
    gateway: str
    kind: str


def partition(gateway: str) -> int:
    """Return the partition 0..63 that a gateway's traffic belongs to."""
    return crc32(gateway.encode()) % PARTITIONS


def gateway_topic(gateway: str, kind: str) -> str:
    """Return e.g. gw/v1/07/cabinet-12/data.

    Raises: ValueError if the gateway's id or the kind is not allowed.
    """
    if not ID.fullmatch(gateway):
        raise ValueError(f"gateway id {gateway!r}: allowed are a-z, 0-9, _ and -, up to 63")
    if kind not in KINDS:
        raise ValueError(f"topic kind {kind!r}: allowed are {', '.join(KINDS)}")
    return f"{ROOT}/{partition(gateway):02d}/{gateway}/{kind}"


def device_topic(device: str) -> str:
    """Return dev/v1/<device>/senml, where a device speaks for itself.

    Raises: ValueError if the device's id is not allowed.
    """
    if not ID.fullmatch(device):
        raise ValueError(f"device id {device!r}: allowed are a-z, 0-9, _ and -, up to 63")
    return f"{DEVICE_ROOT}/{device}/senml"


def parse_device(topic: str) -> str | None:
    """Return the device whose own topic this is; None if it is no such topic.

    Raises: ValueError if the device's id is not allowed.
    """
    parts = topic.split("/")
    if len(parts) != 4 or "/".join(parts[:2]) != DEVICE_ROOT or parts[3] != "senml":
        return None
    return parts[2] if device_topic(parts[2]) == topic else None


def parse(topic: str) -> GatewayTopic:
    """Take a gateway's topic apart.

    Raises: ValueError if it is none, or its partition is not the gateway's own.
    """
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or parts[4] not in KINDS:
        raise ValueError(f"{topic!r} is no topic of a gateway")
    gateway = parts[3]
    if gateway_topic(gateway, parts[4]) != topic:
        raise ValueError(f"{topic!r}: the partition of {gateway!r} is {partition(gateway):02d}")
    return GatewayTopic(partition=partition(gateway), gateway=gateway, kind=parts[4])
