"""How intake connects to its MQTT broker: MQTT 3.1.1 or 5, with a session that outlives it."""

from __future__ import annotations

import ssl

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cloud.config import Broker
from contract.secret_files import read_secret

KEEPALIVE_S = 60
# MQTT 5 has no sessions without an end; what edges keep for a month, the broker may as well.
SESSION_S = 30 * 86_400
MOST_RECEIVED = 65_535


def make_client(broker: Broker, client_id: str) -> mqtt.Client:
    """Return a client that acknowledges only when told to. Raises: ConfigError, of its files."""
    if broker.version == "5":
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
    else:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
    if broker.password_file:
        client.username_pw_set(broker.user, read_secret(broker.password_file))
    if broker.tls:
        ca = str(broker.ca_file) if broker.ca_file else None
        client.tls_set_context(ssl.create_default_context(cafile=ca))
    client.reconnect_delay_set(1, 30)
    return client


def connect(client: mqtt.Client, broker: Broker, most_received: int) -> None:
    """Have the client connect when its loop runs, to the session it had.

    most_received: how many messages an MQTT 5 broker may send before one is acknowledged.
    """
    if broker.version == "3.1.1":
        client.connect_async(broker.host, broker.port, keepalive=KEEPALIVE_S)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_S
    properties.ReceiveMaximum = min(most_received, MOST_RECEIVED)
    client.connect_async(
        broker.host,
        broker.port,
        keepalive=KEEPALIVE_S,
        clean_start=False,
        properties=properties,
    )
