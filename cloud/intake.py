"""Intake: from the broker to the Line, acknowledged only after the commit.

paho's network thread puts messages into a bounded queue and blocks when it is full, which pushes
back on the socket; one thread commits them in groups and then acknowledges, to the broker each
message, and to each gateway its batches.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud.broker import connect, make_client
from cloud.config import Broker, Intake
from cloud.pipeline import Line, Message, Taken
from contract import messages, topics
from contract.codec import inflated_bytes
from contract.errors import ConfigError, StorageError

log = logging.getLogger("gridwarden.intake")

SUBSCRIPTIONS = [
    (topics.ALL_BIRTHS, 1),
    (topics.ALL_STATES, 1),
    (topics.ALL_DATA, 1),
    (topics.ALL_DEVICES, 1),
]
RETRY_S = 1.0
LOOK_S = 0.02  # while a commit waits for company
OLD_BROKER = "Unsupported protocol version"
JSON_BYTES = 32  # of a reading, about


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrived:
    """A message, and how to acknowledge it to the connection it came over."""

    message: Message
    mid: int
    qos: int
    connection: int


class MqttIntake:
    """One persistent MQTT session, and the thread that commits what comes over it."""

    def __init__(
        self, broker: Broker, settings: Intake, new_line: Callable[[], Line], client_id: str
    ) -> None:
        self._broker = broker
        self._settings = settings
        self._new_line = new_line
        self._queue: queue.Queue[_Arrived] = queue.Queue(settings.queue_messages)
        self._stop = threading.Event()
        self._connection = 0  # counts connections: an old one's message ids mean nothing now
        self._held: set[int] = set()  # message ids of this connection, not acknowledged yet
        self._connected = threading.Event()
        self._failure: Exception | None = None
        self._client = self._make_client(client_id)

    def run(self, stop: threading.Event) -> None:
        """Take messages until told to stop.

        A database that fails is tried again, with nothing acknowledged meanwhile.
        """
        line: Line | None = self._new_line()
        connect(self._client, self._broker, self._settings.queue_messages)
        network = threading.Thread(target=self._network, name="intake-network", daemon=True)
        network.start()
        try:
            while not stop.is_set():
                if self._failure:
                    raise self._failure
                arrived = self._gather()
                if arrived or not self._is_settled(line):
                    line = self._commit(line, arrived, stop)
                line = self._look_back(line, busy=bool(arrived))
            if line:  # else it remembers what was rolled back
                line.save()
        finally:
            self._stop.set()
            self._client.disconnect()
            network.join(timeout=5)

    def _look_back(self, line: Line | None, *, busy: bool) -> Line | None:
        """Have late readings evaluated, a piece at a time; live ones go before."""
        try:
            if line and line.has_history(busy=busy):
                line.look_back()
        except StorageError as error:
            log.error("late readings not evaluated, trying again: %s", error)
            return None
        return line

    def _is_settled(self, line: Line | None) -> bool:
        """Whether people have decided nothing that a quiet intake would leave undone."""
        try:
            return line is None or line.is_settled()
        except StorageError as error:
            log.error("cannot see what was decided about devices that wait: %s", error)
            return True

    def _network(self) -> None:
        """paho's loop; what ends it must end intake, which would else be deaf and silent."""
        try:
            self._client.loop_forever(retry_first_connection=True)
        except UnicodeError as error:
            self._failure = ConfigError(f"broker.host {self._broker.host!r} is no name: {error}")
        except Exception as error:
            self._failure = error

    @property
    def connected(self) -> bool:
        """Whether it hears what is published."""
        return self._connected.is_set()

    def _make_client(self, client_id: str) -> mqtt.Client:
        client = make_client(self._broker, client_id)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _gather(self) -> list[_Arrived]:
        """Wait for a message, then take what comes within the commit's time, up to its size."""
        try:
            arrived = [self._queue.get(timeout=0.5)]
        except queue.Empty:
            return []
        until_s = time.monotonic() + self._settings.commit_every_s
        size = inflated_bytes(arrived[0].message.payload)
        while size < JSON_BYTES * self._settings.block_readings:
            try:
                arrived.append(self._queue.get_nowait())
            except queue.Empty:
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    break
                self._stop.wait(min(left_s, LOOK_S))  # to be woken by each message costs more
                continue
            size += inflated_bytes(arrived[-1].message.payload)
        return arrived

    def _commit(
        self, line: Line | None, arrived: list[_Arrived], stop: threading.Event
    ) -> Line | None:
        """Commit, then acknowledge; try again with a fresh Line for as long as storage fails.

        Returns: the Line, or None if it is spent because stop came before the commit.
        """
        while not stop.is_set():
            try:
                line = line or self._new_line()
                taken = line.take([each.message for each in arrived])
            except StorageError as error:
                line = None
                log.error("not committed, nothing acknowledged, trying again: %s", error)
                stop.wait(RETRY_S)
            except Exception as error:
                line = None
                if len(arrived) == 1:
                    self._refuse(arrived[0], error)
                    return None
                log.exception("a message cannot be borne; taking %d one by one", len(arrived))
                for each in arrived:
                    line = self._commit(line, [each], stop)
                return line
            else:
                self._acknowledge(arrived, taken)
                return line
        return line

    def _refuse(self, arrived: _Arrived, error: Exception) -> None:
        """Set a message aside that our own code fails on: it must not stop all the others."""
        log.error("quarantined a message on %s: this is a bug: %r", arrived.message.topic, error)
        self._new_line().refuse(arrived.message, f"a bug in intake: {error!r}")
        self._acknowledge([arrived], None)

    def _acknowledge(self, arrived: list[_Arrived], taken: Taken | None) -> None:
        for each in arrived:
            if each.connection == self._connection:
                self._held.discard(each.mid)  # first: acknowledged, the id may be given anew
                self._client.ack(each.mid, each.qos)
        if taken is None:
            return
        for gateway, ack in taken.acks:
            self._client.publish(topics.gateway_topic(gateway, "ack"), messages.encode(ack))
        if taken.rejected:
            log.warning(
                "%d records or messages rejected; why is in GET /quarantine", taken.rejected
            )

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure and reason.getName() == OLD_BROKER:
            log.error("the broker has no MQTT 5; say broker.version: 3.1.1")
            return
        if reason.is_failure:
            log.error(
                "broker %s:%d refused user %s: %s; check broker.user and broker.password_file",
                self._broker.host,
                self._broker.port,
                self._broker.user,
                reason,
            )
            return
        self._connection += 1
        self._held = set()
        client.subscribe(SUBSCRIPTIONS)
        log.info("connected to broker %s:%d", self._broker.host, self._broker.port)

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        refused = [
            topic
            for (topic, _), reason in zip(SUBSCRIPTIONS, reasons, strict=False)
            if reason.is_failure
        ]
        if refused:
            log.error(
                "the broker lets user %s not subscribe to %s: nothing will come; check its ACL",
                self._broker.user,
                ", ".join(refused),
            )
        else:
            self._connected.set()

    def _on_disconnect(self, *_: object) -> None:
        self._connected.clear()
        if not self._stop.is_set():
            log.warning("lost broker %s:%d; reconnecting", self._broker.host, self._broker.port)

    def _on_connect_fail(self, *_: object) -> None:
        log.warning("no broker at %s:%d; trying again", self._broker.host, self._broker.port)

    def _on_message(
        self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage
    ) -> None:
        if message.qos:
            if message.mid in self._held:
                return  # sent again for want of an acknowledgement; the one to come is for both
            self._held.add(message.mid)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        arrived = _Arrived(
            message=Message(topic=topic, payload=bytes(message.payload)),
            mid=message.mid,
            qos=message.qos,
            connection=self._connection,
        )
        while not self._stop.is_set():
            try:
                self._queue.put(arrived, timeout=1.0)
            except queue.Full:
                continue  # what pushes back on the socket
            return
