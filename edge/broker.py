"""Connections to MQTT brokers, for uplink and mqtt driver. Plain only when told `tls: false`.

aiomqtt's clients are used once: a new connection is a new client.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from contract.errors import ConfigError, Disconnected
from edge.options import Endpoint

# Long enough for a slow modem, short enough to notice a dead link before the next reading is due.
KEEPALIVE_S = 20
TIMEOUT_S = 10.0
MAX_PENDING = 1_000


@asynccontextmanager
async def connect(
    endpoint: Endpoint, client_id: str, *, clean: bool, will: aiomqtt.Will | None = None
) -> AsyncIterator[aiomqtt.Client]:
    """Connect for as long as the context lasts.

    Raises: ConfigError if a certificate or a password file cannot be used.
            Disconnected if the connection cannot be had, or is lost within the context.
    """
    client = _client(endpoint, client_id, clean=clean, will=will)
    cancelled = False
    try:
        async with client:
            try:
                yield client
            except asyncio.CancelledError:
                cancelled = True
                raise
    except aiomqtt.MqttError as error:
        if cancelled:  # saying goodbye failed; that must not swallow why it was said
            raise asyncio.CancelledError from error
        raise Disconnected(str(error)) from error
    finally:
        # asyncio would complain of an exception that nobody has asked for.
        lost = client._disconnected
        if lost.done() and not lost.cancelled():
            lost.exception()


def _client(
    endpoint: Endpoint, client_id: str, *, clean: bool, will: aiomqtt.Will | None
) -> aiomqtt.Client:
    client = aiomqtt.Client(
        endpoint.host,
        endpoint.port,
        identifier=client_id,
        username=endpoint.user,
        password=read_secret(endpoint.password_file) if endpoint.password_file else None,
        clean_session=clean,
        will=will,
        keepalive=KEEPALIVE_S,
        timeout=TIMEOUT_S,
        tls_context=tls_context(endpoint) if endpoint.tls else None,
        logger=_quiet(),
    )
    client.pending_calls_threshold = MAX_PENDING
    return client


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return a context that verifies the broker's certificate and name.

    Raises: ConfigError if a file is no certificate or key.
    """
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        if endpoint.cert_file is not None:
            context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
    except (OSError, ssl.SSLError) as error:
        files = [f for f in (endpoint.ca_file, endpoint.cert_file, endpoint.key_file) if f]
        raise ConfigError(
            f"{', '.join(map(str, files))}: cannot be used for TLS: {error}"
        ) from error
    return context


def read_secret(path: Path) -> str:
    """Read a password file. Raises: ConfigError if it cannot be read or others may read it."""
    try:
        mode = path.stat().st_mode
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the password cannot be read: {error}") from error
    if mode & 0o077:
        raise ConfigError(f"{path}: others may read this password; run: chmod 600 {path}")
    if not secret:
        raise ConfigError(f"{path}: the password is empty")
    return secret


def _quiet() -> logging.Logger:
    """aiomqtt tells its caller all that matters; its own log would repeat it, with payloads."""
    logger = logging.getLogger("edge.broker.aiomqtt")
    logger.setLevel(logging.CRITICAL)
    return logger
