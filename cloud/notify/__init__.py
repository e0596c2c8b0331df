"""Telling people of alerts: who, when, by what. A new channel is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cloud.notify.apprise import build_apprise
from cloud.notify.mail import build_smtp
from cloud.notify.settings import Apprise, ChannelSettings, Smtp, Webhook
from cloud.notify.webhook import build_webhook
from cloud.ports import NotifyChannel
from contract.clock import Clock

CHANNELS: Mapping[str, Callable[[ChannelSettings, Clock], NotifyChannel]] = {
    "smtp": build_smtp,
    "webhook": build_webhook,
    "apprise": build_apprise,
}


def open_channel(settings: Smtp | Webhook | Apprise, clock: Clock) -> NotifyChannel:
    """Build a channel; nothing is sent. Raises: ConfigError if a secret cannot be used."""
    return CHANNELS[settings.kind](settings, clock)
