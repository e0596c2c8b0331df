"""What apprise speaks: WeCom, DingTalk, Feishu, SMS gateways … (the extra `notify`)."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Protocol, cast
from urllib.parse import quote

from cloud.notify.settings import Apprise, ChannelSettings
from cloud.ports import Notice
from contract.clock import Clock
from contract.errors import ConfigError, TransportError
from contract.secret_files import read_secret

TO = "{to}"  # in the URL: who is told


class _Sender(Protocol):
    """What we use of apprise.Apprise."""

    def add(self, servers: str) -> bool: ...

    def notify(self, body: str, title: str = "") -> bool | None: ...


class ByApprise:
    """A NotifyChannel (cloud/ports.py). apprise says yes or no, never why, and knows no key."""

    def __init__(self, settings: Apprise, url: str) -> None:
        self._settings = settings
        self._url = url

    def send(self, notice: Notice) -> None:
        sender = _sender(self._url.replace(TO, quote(notice.to, safe="")), self._settings)
        body = notice.short if self._settings.short else notice.body
        title = "" if self._settings.short else notice.subject
        try:
            sent = sender.notify(body, title)
        except (OSError, ValueError, TypeError) as error:
            raise TransportError(f"apprise failed: {type(error).__name__}") from error
        if not sent:
            raise TransportError("the service did not take it; apprise does not tell why")


def build_apprise(settings: ChannelSettings, clock: Clock) -> ByApprise:  # noqa: ARG001
    """Read the URL, and open nothing yet."""
    if not isinstance(settings, Apprise):
        raise TypeError(f"{settings.kind} is not apprise's")
    if importlib.util.find_spec("apprise") is None:
        raise ConfigError("apprise is not installed; run: pip install 'gridwarden[notify]'")
    url = read_secret(settings.url_file)
    _sender(url.replace(TO, "0"), settings)
    return ByApprise(settings, url)


def _sender(url: str, settings: Apprise) -> _Sender:
    sender = cast("_Sender", importlib.import_module("apprise").Apprise())
    if not sender.add(url):  # the URL is a secret, and is not told
        raise ConfigError(f"{settings.url_file}: not a URL that apprise knows")
    return sender
