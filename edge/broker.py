"""Connections to MQTT brokers, for uplink and mqtt driver. Plain only when told `tls: false`.

aiomqtt's clients are used once: a new connection is a new client.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypedDict

import aiomqtt
import msgspec
import paho.mqtt.client as mqtt
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


class Received(msgspec.Struct, frozen=True, gc=False):
    """A message as it came. number: the broker's, 0 at QoS 0. again: it may have come before."""

    topic: str
    payload: bytes
    number: int
    again: bool


Take: TypeAlias = Callable[[Received, Callable[[], None]], None]


@dataclass(slots=True)
class _Unacknowledged:
    number: int
    qos: int
    done: bool = False


@dataclass(frozen=True, slots=True)
class _Failed:
    bug: Exception


@asynccontextmanager
async def connect(
    endpoint: Endpoint,
    client_id: str,
    *,
    clean: bool,
    will: aiomqtt.Will | None = None,
    take: Take | None = None,
) -> AsyncIterator[aiomqtt.Client]:
    """Connect for as long as the context lasts.

    take: gets each message as it comes, in the event loop, from the moment of connecting; it says
    when the broker may forget it. Without it messages are acknowledged as they come, and are had
    from the client.
    Raises: ConfigError if a certificate or a password file cannot be used.
            Disconnected if the connection cannot be had, or is lost within the context.
    """
    client = _client(endpoint, client_id, clean=clean, will=will)
    if take is not None:
        _by_hand(client, take)
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


def _by_hand(client: aiomqtt.Client, take: Take) -> None:
    """Have messages taken, and acknowledged when that is done; in their order, as MQTT asks.

    aiomqtt has no way to do so, but the client within it has. What is raised by `take` is a bug:
    the message is put where aiomqtt has its own, and whoever waits there raises it.
    Source: MQTT 3.1.1 §4.6.
    """
    paho, waiting = client._client, deque[_Unacknowledged]()

    def on_message(_client: object, _userdata: object, message: mqtt.MQTTMessage) -> None:
        each = _Unacknowledged(message.mid, message.qos)
        waiting.append(each)
        received = Received(
            topic=_topic(message),
            payload=bytes(message.payload),
            number=message.mid if message.qos else 0,
            again=message.dup,
        )
        try:
            take(received, partial(acknowledge, each))
        except Exception as bug:
            client._queue.put_nowait(_Failed(bug))  # type: ignore[arg-type]

    def acknowledge(each: _Unacknowledged) -> None:
        each.done = True
        while waiting and waiting[0].done:
            first = waiting.popleft()
            if paho.is_connected():  # else the broker delivers it again, over another connection
                paho.ack(first.number, first.qos)

    paho.manual_ack_set(on=True)
    paho.on_message = on_message


async def until_lost(client: aiomqtt.Client) -> None:
    """Wait until a connection whose messages are taken by hand is lost; never returns.

    Raises: aiomqtt's error, for connect() to translate, or what `take` has raised.
    """
    async for failed in client.messages:
        assert isinstance(failed, _Failed)
        raise failed.bug


def _topic(message: mqtt.MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return "(not UTF-8)"


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
