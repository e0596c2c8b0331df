"""What depends on what: a gateway that is away is one alert, and its devices' silence is not news.

Its last will says offline, whether the gateway, its power or its SIM has failed; what it said
before of its mains and its modem tells them apart (cloud/core/lifelines.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date

from cloud.core.alert_policy import AlertPolicy
from cloud.core.model import Severity
from cloud.core.rules import Direction, Mark, Rule

GATEWAY = "gateway"  # the kind that a gateway is entered as
ONLINE, MAINS, NETWORK = "online", "mains", "network"  # its series
CHANNEL = "channel"  # the kind that a notification channel is entered as
WORKING = "working"  # its one series
OWN_MEASUREMENTS = (ONLINE, MAINS, NETWORK, WORKING)
OWN_KINDS = (GATEWAY, CHANNEL)  # entered beside the devices for their alerts, and in no list
UP_MS = 30_000  # a gateway must be back for so long before its alert returns

OFFLINE_RULE = Rule(
    id="gateway.offline",
    version="1",
    title_zh="网关离线",
    title_en="Gateway offline",
    kinds=(GATEWAY,),
    measurements=(ONLINE,),
    direction=Direction.BELOW,
    limit=1.0,
    unit="1",
    severity=Severity.HIGH,
    category="",
    source="网关的遗嘱或状态 (its last will or state)",
    mark=Mark.JUDGEMENT,
    effective=date(2020, 1, 1),
)
POWER_RULE = replace(
    OFFLINE_RULE,
    id="gateway.power",
    title_zh="网关停电",
    title_en="Gateway without mains",
    measurements=(MAINS,),
    severity=Severity.MEDIUM,
    source="网关上报的市电状态 (what the gateway says of its mains)",
)
MODEM_RULE = replace(
    OFFLINE_RULE,
    id="gateway.modem",
    title_zh="网关移动网络中断",
    title_en="Gateway's modem without network",
    measurements=(NETWORK,),
    severity=Severity.MEDIUM,
    source="网关上报的 SIM 卡与信号 (what the gateway says of its SIM and signal)",
)
CHANNEL_RULE = replace(
    OFFLINE_RULE,
    id="channel.dead",
    title_zh="通知渠道失效",
    title_en="Notification channel dead",
    kinds=(CHANNEL,),
    measurements=(WORKING,),
    source="连续发送失败 (failures in a row, or for a time: notify.dead_after, notify.dead_for_s)",
)
# Those that no file says, and no engine evaluates.
OWN_RULES = {rule.id: rule for rule in (OFFLINE_RULE, POWER_RULE, MODEM_RULE, CHANNEL_RULE)}


_LONGEST = 63  # of a device's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A gateway's connection. since_ms: when it came or went."""

    online: bool
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What must be so of a gateway at a moment.

    down: there is an alert of it; None: as it was. held: its devices' silence is suppressed.
    """

    down: bool | None
    held: bool


def device_id(gateway: str) -> str:
    """Return the id under which a gateway is entered beside the devices; no device's can be."""
    return f"@{gateway}"[:_LONGEST]


def channel_id(channel: str) -> str:
    """Return the id under which a channel is entered beside the devices; no gateway's can be."""
    found = f"@{CHANNEL}.{channel}"
    if len(found) <= _LONGEST:
        return found
    mark = hashlib.sha256(channel.encode()).hexdigest()[:8]
    return f"{found[: _LONGEST - len(mark) - 1]}.{mark}"


def outage(link: Link, now_ms: int, policy: AlertPolicy, *, held: bool) -> Outage:
    """Say what must be so of a gateway now. held: whether its devices are suppressed already.

    They are from the moment that it goes, so that none of them is told before the gateway is; and
    until what waited in its buffer has had time to come.
    """
    since_ms = now_ms - link.since_ms
    if not link.online:
        down = True if since_ms >= policy.gateway_offline_s * 1000 else None
        return Outage(down=down, held=True)
    return Outage(
        down=False if since_ms >= UP_MS else None,
        held=held and since_ms < policy.gateway_grace_s * 1000,
    )
