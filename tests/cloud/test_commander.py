"""The commander's queue of answers: full, with a database that fails, it must not stand still."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
import sqlalchemy as sa

from cloud import commander
from cloud.commander import Commander
from cloud.config import Broker
from cloud.state.database import Database, sqlite_url
from contract.clock import SystemClock
from contract.commands import Reply, encode_reply
from contract.topics import gateway_topic


def hand_over(made: Commander) -> None:
    """Let a reply come, as paho's thread does."""
    message = mqtt.MQTTMessage(topic=gateway_topic("cabinet-1", "cmd-reply").encode())
    message.payload = encode_reply(Reply(id="", at_ms=1, status="refused"))
    assert made._client.on_message is not None
    made._client.on_message(made._client, None, message)


def test_a_database_that_fails_under_a_flood_of_replies_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commander, "QUEUE", 1)
    stop = threading.Event()

    class Failing(Database):
        @contextmanager
        def write(self) -> Iterator[sa.Connection]:
            hand_over(made)  # the queue is full again at once
            stop.set()
            with super().write() as connection:  # it has no tables
                yield connection

    database = Failing(sqlite_url(tmp_path / "state.sqlite"))
    broker = Broker(host="127.0.0.1", port=1, tls=False)
    made = Commander(broker, tmp_path, database, SystemClock())
    hand_over(made)
    thread = threading.Thread(target=made.run, args=(stop,), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    database.close()
