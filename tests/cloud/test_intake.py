"""Intake against real brokers: acknowledged after the commit, and nothing lost to a kill."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import paho.mqtt.client as mqtt
import pytest
import sqlalchemy as sa
from paho.mqtt.enums import CallbackAPIVersion

from cloud.config import Broker as BrokerConfig
from cloud.config import Intake
from cloud.core.rules import RuleSet
from cloud.intake import MqttIntake
from cloud.pipeline import Line, Message, Taken
from cloud.state import schema
from cloud.state.database import Database
from contract import codec, messages, topics
from contract.clock import SystemClock
from contract.errors import StorageError
from contract.messages import Ack, Birth, DeviceBirth
from contract.readings import Batch, Reading
from tests.suites.brokers import BROKERS, Broker, free_port, running

EPOCH = "0123abcd"
BIRTH = topics.gateway_topic("cabinet", "birth")
DATA, ACK = topics.gateway_topic("cabinet", "data"), topics.gateway_topic("cabinet", "ack")


@pytest.fixture(params=sorted(BROKERS))
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with running(request.param, tmp_path / "broker") as started:
        yield started


def batch(seq: int, size: int = 1) -> bytes:
    now_ms = SystemClock().now_ms()
    readings = tuple(Reading("gas-1", "gas_pressure", now_ms + n, 2.0) for n in range(size))
    return codec.encode_batch(Batch(epoch=EPOCH, seq=seq, readings=readings))


def birth() -> bytes:
    told = DeviceBirth(id="gas-1", kind="gas", profile="gas/x", period_s=1, measurements=())
    return messages.encode(
        Birth(gateway="cabinet", agent_version="1", config_version="1", born_ms=1, devices=(told,))
    )


class Gateway:
    """The other side: publishes batches, and hears what is acknowledged."""

    def __init__(self, port: int) -> None:
        self.acks: queue.Queue[Ack] = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="cabinet")
        self.client.on_message = lambda _c, _u, m: self.acks.put(
            messages.decode(bytes(m.payload), Ack)
        )
        self.client.on_connect = lambda c, *_: c.subscribe(ACK, 1)
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert subscribed.wait(20)
        self.client.publish(BIRTH, birth(), qos=1).wait_for_publish(20)

    def send(self, payload: bytes) -> None:
        self.client.publish(DATA, payload, qos=1).wait_for_publish(20)

    def acknowledged(self, seq: int) -> Ack:
        """Wait for the acknowledgement that covers all up to seq."""
        while (ack := self.acks.get(timeout=40)).seq < seq:
            pass
        return ack

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def intake(
    port: int,
    database: Database,
    line: Callable[[], Line] | None = None,
    version: Literal["3.1.1", "5"] = "3.1.1",
    **settings: float,
) -> Iterator[MqttIntake]:
    """Run an intake in a thread; a failure of it is the test's."""
    taker = MqttIntake(
        BrokerConfig(host="127.0.0.1", port=port, tls=False, version=version),
        Intake.model_validate(settings),
        line or (lambda: new_line(database)),
        client_id="intake-00",
    )
    stop, errors = threading.Event(), []

    def run() -> None:
        try:
            taker.run(stop)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield taker
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        assert not errors


def new_line(database: Database) -> Line:
    rules = RuleSet(rules=(), fingerprint="")
    return Line(database, rules, ZoneInfo("Asia/Shanghai"), SystemClock())


def wait_connected(taker: MqttIntake) -> None:
    deadline = time.monotonic() + 30
    while not taker.connected:
        assert time.monotonic() < deadline, "intake does not connect"
        time.sleep(0.02)


def stored(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(sa.select(sa.func.sum(schema.blocks.c.readings))) or 0


def test_what_is_acknowledged_is_committed(broker: Broker, database: Database) -> None:
    with intake(broker.port, database) as taker:
        wait_connected(taker)
        gateway = Gateway(broker.port)
        for seq in range(1, 11):
            gateway.send(batch(seq, 5))
        assert gateway.acknowledged(10).ranges == ()
        assert stored(database) == 50
        gateway.close()


def test_what_was_sent_while_intake_was_away_comes_when_it_is_back(
    broker: Broker, database: Database
) -> None:
    with intake(broker.port, database) as taker:
        wait_connected(taker)
        gateway = Gateway(broker.port)
        gateway.send(batch(1))
        gateway.acknowledged(1)
    for seq in (2, 3):
        gateway.send(batch(seq))
    with intake(broker.port, database):
        gateway.acknowledged(3)
    assert stored(database) == 3
    gateway.close()


def test_mqtt_5_has_the_same_session_and_is_held_to_the_queue(
    database: Database, tmp_path: Path
) -> None:
    with running("mosquitto", tmp_path / "broker") as broker:
        with intake(broker.port, database, version="5", queue_messages=3) as taker:
            wait_connected(taker)
            gateway = Gateway(broker.port)
            for seq in range(1, 31):
                gateway.send(batch(seq))
            gateway.acknowledged(30)
        for seq in (31, 32):
            gateway.send(batch(seq))
        with intake(broker.port, database, version="5"):
            gateway.acknowledged(32)
        assert stored(database) == 32
        gateway.close()


def test_a_broker_without_mqtt_5_is_told_of(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        running("nats", tmp_path / "broker") as broker,
        intake(broker.port, database, version="5") as taker,
    ):
        deadline = time.monotonic() + 30
        while "broker.version: 3.1.1" not in caplog.text:
            assert time.monotonic() < deadline, caplog.text
            time.sleep(0.02)
        assert not taker.connected


def test_what_is_sent_again_while_it_waits_is_taken_once(
    tmp_path: Path, database: Database
) -> None:
    """NATS sends again what it hears nothing of for ack_wait, 2 s here."""
    taken: list[bytes] = []

    class SlowLine(Line):
        def take(self, received: Sequence[Message]) -> Taken:
            if not taken:
                time.sleep(5)  # longer than two times ack_wait: what the test is about
            taken.extend(message.payload for message in received)
            return super().take(received)

    def line() -> Line:
        return SlowLine(database, RuleSet(rules=(), fingerprint=""), ZoneInfo("UTC"), SystemClock())

    with running("nats", tmp_path / "broker") as broker, intake(broker.port, database, line) as it:
        wait_connected(it)
        gateway = Gateway(broker.port)
        for seq in range(1, 6):
            gateway.send(batch(seq))
        gateway.acknowledged(5)
        gateway.close()
    assert len(taken) == 6  # and the birth


def test_a_database_that_fails_is_tried_again_and_nothing_is_acknowledged_meanwhile(
    broker: Broker, database: Database
) -> None:
    failing = threading.Event()
    failing.set()

    class FailingLine(Line):
        def take(self, received: Sequence[Message]) -> Taken:
            if failing.is_set():
                raise StorageError("disk full")
            return super().take(received)

    def line() -> Line:
        lines.append(
            FailingLine(database, RuleSet(rules=(), fingerprint=""), ZoneInfo("UTC"), SystemClock())
        )
        return lines[-1]

    lines: list[Line] = []
    with intake(broker.port, database, line) as taker:
        wait_connected(taker)
        gateway = Gateway(broker.port)
        gateway.send(batch(1))
        deadline = time.monotonic() + 30
        while len(lines) < 3:  # it was told no twice, and began afresh each time
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert gateway.acks.empty()
        failing.clear()
        gateway.acknowledged(1)
        gateway.close()
    assert stored(database) == 1


def test_a_message_that_our_own_code_cannot_bear_is_set_aside_and_the_rest_is_stored(
    broker: Broker, database: Database
) -> None:
    class BrittleLine(Line):
        def take(self, received: Sequence[Message]) -> Taken:
            if any(message.payload == b"poison" for message in received):
                raise OverflowError("a bug")
            return super().take(received)

    def line() -> Line:
        rules = RuleSet(rules=(), fingerprint="")
        return BrittleLine(database, rules, ZoneInfo("UTC"), SystemClock())

    with intake(broker.port, database, line) as taker:
        wait_connected(taker)
        gateway = Gateway(broker.port)
        for payload in (batch(1), b"poison", batch(2)):
            gateway.send(payload)
        gateway.acknowledged(2)
        gateway.close()
    with database.read() as connection:
        (kept,) = connection.execute(sa.select(schema.quarantine)).all()
    assert (kept.sample, kept.reason) == (b"poison", "a bug in intake: OverflowError('a bug')")
    assert stored(database) == 2


def test_stopped_while_storage_fails_it_saves_nothing_of_what_was_rolled_back(
    broker: Broker, database: Database
) -> None:
    """The engine of a rolled-back transaction would take its readings for seen when they come."""
    tried = threading.Event()

    class FailingLine(Line):
        def take(self, received: Sequence[Message]) -> Taken:
            tried.set()
            raise StorageError("disk full")

        def save(self) -> None:
            raise AssertionError("a spent line was saved")

    def line() -> Line:
        rules = RuleSet(rules=(), fingerprint="")
        return FailingLine(database, rules, ZoneInfo("UTC"), SystemClock())

    with intake(broker.port, database, line) as taker:
        wait_connected(taker)
        gateway = Gateway(broker.port)
        gateway.send(batch(1))
        assert tried.wait(20)
        gateway.close()


def test_a_full_queue_pushes_back_and_loses_nothing(broker: Broker, database: Database) -> None:
    with intake(broker.port, database, queue_messages=2, commit_every_s=0.01) as taker:
        wait_connected(taker)
        gateway = Gateway(broker.port)
        for seq in range(1, 101):
            gateway.send(batch(seq, 3))
        gateway.acknowledged(100)
        gateway.close()
    assert stored(database) == 300


def test_a_killed_broker_is_found_again(broker: Broker, database: Database) -> None:
    with intake(broker.port, database) as taker:
        wait_connected(taker)
        broker.kill()
        deadline = time.monotonic() + 30
        while taker.connected:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        broker.start()
        wait_connected(taker)
        gateway = Gateway(broker.port)
        gateway.send(batch(1))
        gateway.acknowledged(1)
        gateway.close()


def test_without_a_broker_it_waits_and_can_be_stopped(database: Database) -> None:
    with intake(free_port(), database) as taker:
        assert not taker.connected


def test_bad_messages_do_not_stop_the_good(broker: Broker, database: Database) -> None:
    with intake(broker.port, database) as taker:
        wait_connected(taker)
        gateway = Gateway(broker.port)
        for bad in (b"", b"nonsense", codec.ZSTD_MAGIC, b"[" * 5000):
            gateway.send(bad)
        gateway.send(batch(1))
        gateway.acknowledged(1)
        gateway.close()
    with database.read() as connection:
        kept = connection.scalar(sa.select(sa.func.count()).select_from(schema.quarantine))
    assert kept == 4
