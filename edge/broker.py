"""Connections to MQTT brokers, for uplink and mqtt driver. Plain only when told `tls: false`.

aiomqtt's clients are used once: a new connection is a new client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contract.errors import Disconnected
from contract.secret_files import read_secret
from edge.options import Endpoint
from edge.tls import tls_context

# Long enough for a slow modem, short enough to notice a dead link before the next reading is due.
KEEPALIVE_S = 20
TIMEOUT_S = 10.0
MAX_PENDING = 1_000
# MQTT 5 has no sessions without an end; a cabinet may be away for long.
SESSION_S = 30 * 86_400
OLD_BROKER = "Unsupported protocol version"
REFUSED = 128  # MQTT 3.1.1 §3.9.3, MQTT 5 §2.4: from here on, codes are refusals


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
        raise Disconnected(_say(error)) from error
    finally:
        # asyncio would complain of an exception that nobody has asked for.
        lost = client._disconnected
        if lost.done() and not lost.cancelled():
            lost.exception()


def _say(error: aiomqtt.MqttError) -> str:
    """Say what went wrong, and what to do about it where the configuration can."""
    code = error.rc if isinstance(error, aiomqtt.MqttCodeError) else None
    if isinstance(code, ReasonCode) and code.getName() == OLD_BROKER:
        return f'{error}: the broker has no MQTT 5; say version: "3.1.1"'
    return str(error)


def _client(
    endpoint: Endpoint, client_id: str, *, clean: bool, will: aiomqtt.Will | None
) -> aiomqtt.Client:
    of_version = _as_v5(clean=clean) if endpoint.version == "5" else _as_v311(clean=clean)
    client = aiomqtt.Client(
        endpoint.host,
        endpoint.port,
        identifier=client_id,
        username=endpoint.user,
        password=read_secret(endpoint.password_file) if endpoint.password_file else None,
        will=will,
        keepalive=KEEPALIVE_S,
        timeout=TIMEOUT_S,
        tls_context=tls_context(endpoint) if endpoint.tls else None,
        logger=_quiet(),
        **of_version,
    )
    client.pending_calls_threshold = MAX_PENDING
    return client


class _OfVersion(TypedDict, total=False):
    """What MQTT 3.1.1 and 5 say differently when they connect."""

    protocol: aiomqtt.ProtocolVersion
    clean_session: bool
    clean_start: bool
    properties: Properties


def _as_v311(*, clean: bool) -> _OfVersion:
    return {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": clean}


def _as_v5(*, clean: bool) -> _OfVersion:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0 if clean else SESSION_S
    return {
        "protocol": aiomqtt.ProtocolVersion.V5,
        "clean_start": clean,
        "properties": properties,
    }


def is_refusal(code: object) -> bool:
    """Tell whether a broker's answer to a subscription says no."""
    value = code.value if isinstance(code, ReasonCode) else code
    return isinstance(value, int) and value >= REFUSED


def _quiet() -> logging.Logger:
    """aiomqtt tells its caller all that matters; its own log would repeat it, with payloads."""
    logger = logging.getLogger("edge.broker.aiomqtt")
    logger.setLevel(logging.CRITICAL)
    return logger
