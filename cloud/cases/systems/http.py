"""Calls to other systems over HTTP: each on a line of its own, bounded in time and size.

A line is never used twice: a late answer would otherwise be read as that of the next call.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from cloud.errors import RetryLater
from contract.errors import ConfigError, Disconnected, RejectedError, Timeout, TransportError

MOST_BYTES = 8 << 20
LONGEST_AFTER_S = 3_600.0
# Nothing is lost while somebody looks for the right key; so this is no refusal of what was sent.
_LATER = (401, 403, 407, 408, 425, 429)
_TELLING = 300  # characters of an answer that are worth keeping


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole. Its status is below 400, or one that the caller bears."""

    status: int
    body: bytes


class Caller:
    """Raises TransportError for what may be called again, RejectedError for what was refused."""

    def __init__(self, timeout_s: float, ca_file: Path | None = None) -> None:
        self._timeout_s = timeout_s
        try:
            self._tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{ca_file}: no certificates: {error}") from error

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bear: tuple[int, ...] = (),
    ) -> Answer:
        """Return the answer. bear: statuses that are no failure."""
        try:
            with (
                httpx.Client(
                    timeout=self._timeout_s,
                    verify=self._tls,
                    trust_env=False,
                    limits=httpx.Limits(max_keepalive_connections=0),
                    headers={"Connection": "close", "User-Agent": "gridwarden"},
                ) as client,
                client.stream(
                    method, url, headers=headers, params=params, data=form, content=body
                ) as response,
            ):
                answer = Answer(status=response.status_code, body=self._read(response))
                after = response.headers.get("retry-after", "")
        except httpx.TimeoutException as error:
            raise Timeout(f"no answer within {self._timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise Disconnected(f"{_words(error)}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransportError(f"{_words(error)}") from error
        _judge(answer, after, bear)
        return answer

    def _read(self, response: httpx.Response) -> bytes:
        """Read all of it, but not for ever: a drop now and then would never time out."""
        ends_s = time.monotonic() + 2 * self._timeout_s
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise TransportError(f"the answer has more than {MOST_BYTES} bytes")
            if time.monotonic() > ends_s:
                raise Timeout(f"no whole answer within {2 * self._timeout_s:g} s")
        return b"".join(parts)


def _judge(answer: Answer, after: str, bear: tuple[int, ...]) -> None:
    if answer.status in bear or HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    words = f"HTTP {answer.status}: {_telling(answer.body)}".rstrip(": ")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _LATER:
        if after.isascii() and after.isdecimal() and len(after) < 9:
            raise RetryLater(words, min(float(after), LONGEST_AFTER_S))
        raise TransportError(words)
    if answer.status < HTTPStatus.BAD_REQUEST:
        raise TransportError(f"HTTP {answer.status}: it leads elsewhere; change the address")
    raise RejectedError(words)


def _telling(body: bytes) -> str:
    text = body[: 4 * _TELLING].decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_TELLING]


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
