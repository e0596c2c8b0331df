"""Sends commands to gateways and hears their answers, over an MQTT session of its own.

paho's thread only queues what comes; the commander's thread writes it down and acknowledges it
then. A command is sent once: whether the gateway has it, only the gateway's answer tells.
"""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud import commands
from cloud.broker import connect, make_client
from cloud.config import Broker
from cloud.core.commanding import State
from cloud.keys import key_of
from cloud.state.database import Database, retrying
from contract import topics
from contract.clock import Clock
from contract.commands import Order, decode_reply, sign
from contract.errors import ConfigError, DecodeError, StorageError

log = logging.getLogger("gridwarden.commands")

CLIENT = "commands-00"
LOOK_S = 0.2
GIVE_UP_S = 5.0
QUEUE = 1_000


class Commander:
    """keys: the folder of the gateways' keys."""

    def __init__(self, broker: Broker, keys: Path, database: Database, clock: Clock) -> None:
        self._broker, self._keys = broker, keys
        self._database, self._clock = database, clock
        self._replies: queue.Queue[mqtt.MQTTMessage] = queue.Queue(QUEUE)
        self._unheard: mqtt.MQTTMessage | None = None  # that the database did not take
        self._listening = threading.Event()
        self._client = make_client(broker, CLIENT)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = lambda *_: self._listening.clear()
        self._client.on_message = lambda _client, _userdata, message: self._replies.put(message)

    def run(self, stop: threading.Event) -> None:
        """Send and hear until told to stop; a database that fails is tried again."""
        connect(self._client, self._broker, QUEUE)
        self._client.loop_start()
        given_up_s = self._clock.monotonic_s()
        try:
            while not stop.is_set():
                try:
                    self._hear()
                    if self._listening.is_set():
                        self._send()
                    if self._clock.monotonic_s() - given_up_s >= GIVE_UP_S:
                        given_up_s = self._clock.monotonic_s()
                        with self._database.write() as connection:
                            commands.give_up(connection, self._clock.now_ms())
                except StorageError as error:
                    log.error("commands wait for the database: %s", error)
                    stop.wait(1.0)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _send(self) -> None:
        with self._database.read() as connection:
            orders = commands.waiting(connection)
        for order in orders:
            state, reason = self._publish(order)
            self._settle(order, state, reason)

    @retrying
    def _settle(self, order: Order, state: State, reason: str) -> None:
        # What is published and not settled would be published again.
        with self._database.write() as connection:
            commands.settle(connection, order.id, state, reason, now_ms=self._clock.now_ms())

    def _publish(self, order: Order) -> tuple[State, str]:
        if order.expires_ms < self._clock.now_ms():
            return State.REFUSED, "it expired before it could be sent: the broker was not there"
        try:
            payload = sign(order, key_of(self._keys, order.gateway))
        except ConfigError as error:
            return State.REFUSED, str(error)
        self._client.publish(topics.gateway_topic(order.gateway, "cmd"), payload, qos=1)
        return State.SENT, ""

    def _hear(self) -> None:
        """Write down what has come, waiting for it a moment."""
        try:
            message = self._unheard or self._replies.get(timeout=LOOK_S)
        except queue.Empty:
            return
        self._unheard = None
        try:
            gateway = topics.parse(message.topic).gateway
            reply = decode_reply(bytes(message.payload))
            with self._database.write() as connection:
                known = commands.take_reply(connection, gateway, reply, self._clock.now_ms())
            if not known:
                log.warning("%s answers to %s, which was not asked", gateway, reply.id or "nothing")
        except (DecodeError, ValueError) as error:
            log.warning("an answer that is none was ignored: %s", error)
        except StorageError:
            self._unheard = message  # not back into the queue: only this thread empties it
            raise
        self._client.ack(message.mid, message.qos)

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not reason.is_failure:  # intake says what is wrong with the broker
            client.subscribe(topics.ALL_REPLIES, 1)

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error(
                "the broker lets user %s not subscribe to %s: no commands; check its ACL",
                self._broker.user,
                topics.ALL_REPLIES,
            )
            return
        self._listening.set()
