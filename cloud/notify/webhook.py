"""Signed messages over HTTP to an address that stands in the configuration, and nowhere else."""

from __future__ import annotations

import http.client
import ssl
import time
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from cloud.core import signing
from cloud.notify.mail import one_line
from cloud.notify.settings import ChannelSettings, Webhook
from cloud.ports import Notice
from contract.clock import Clock
from contract.errors import ConfigError, Disconnected, RejectedError, Timeout, TransportError
from contract.secret_files import read_secret

HAS_IT = HTTPStatus.CONFLICT  # "I know this key": it came, and its answer was lost
MOST_BYTES = 64 << 10
# A wrong key is mended at the other side without anything being lost meanwhile.
LATER = (401, 403, 407, 408, 425, 429)


class SignedWebhook:
    """A NotifyChannel (cloud/ports.py). Follows no redirect: an answer cannot send it elsewhere."""

    def __init__(self, settings: Webhook, secret: str, clock: Clock) -> None:
        self._settings = settings
        self._secret = secret
        self._clock = clock
        try:
            signing.sign(secret, "id", 0, b"")
            cafile = str(settings.ca_file) if settings.ca_file else None
            self._tls = ssl.create_default_context(cafile=cafile)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{settings.ca_file}: no certificates: {error}") from error
        except ValueError as error:
            raise ConfigError(f"{settings.secret_file}: no base64 after whsec_") from error

    def send(self, notice: Notice) -> None:
        body = msgspec.json.encode(notice)
        headers = signing.sign(self._secret, notice.key, self._clock.now_ms(), body)
        headers |= {
            "Content-Type": "application/json",
            "Idempotency-Key": notice.key,
            "User-Agent": "gridwarden",
            "Connection": "close",
        }
        try:
            status, words = self._post(body, headers)
        except TimeoutError as error:
            raise Timeout(f"no answer within {self._settings.timeout_s:g} s") from error
        except ssl.SSLError as error:
            raise TransportError(f"TLS failed: {error.reason or error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Disconnected(str(error) or type(error).__name__) from error
        _judge(status, words)

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        url, timeout_s = urlsplit(self._settings.url), self._settings.timeout_s
        host = url.hostname or ""
        line = (
            http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=self._tls)
            if url.scheme == "https"
            else http.client.HTTPConnection(host, url.port, timeout=timeout_s)
        )
        try:
            path = url.path or "/"
            line.request("POST", f"{path}?{url.query}" if url.query else path, body, headers)
            answer = line.getresponse()
            ends_s, words = time.monotonic() + timeout_s, b""
            while len(words) < MOST_BYTES and (part := answer.read1(4096)):
                words += part
                if time.monotonic() > ends_s:  # a drop now and then would never time out
                    raise TimeoutError
            return answer.status, words[:300].decode(errors="replace")
        finally:
            line.close()


def build_webhook(settings: ChannelSettings, clock: Clock) -> SignedWebhook:
    """Read the secret, and open nothing yet."""
    if not isinstance(settings, Webhook):
        raise TypeError(f"{settings.kind} is no webhook")
    return SignedWebhook(settings, read_secret(settings.secret_file), clock)


def _judge(status: int, words: str) -> None:
    if status == HAS_IT or HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    told = f"HTTP {status}: {one_line(words)}".rstrip(": ")
    if status < HTTPStatus.BAD_REQUEST:
        raise TransportError(f"HTTP {status}: it leads elsewhere; change the address")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in LATER:
        raise TransportError(told)
    raise RejectedError(told)
